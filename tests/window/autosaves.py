# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that Blender saves by itself."""

import os
import shutil
import time
from pathlib import Path

import bpy
from visit import OUT, Steps, addon, report


def every_minute() -> None:
    bpy.context.preferences.filepaths.auto_save_time = 1


def keep_one(limit: float = 900.0) -> Steps:
    """Until the work in flight ends; the first file that Blender saves meanwhile is kept."""
    began, until = time.time(), time.monotonic() + limit
    while addon("work").busy():
        if time.monotonic() > until:
            raise TimeoutError(f"Sabi is still at work after {limit:.0f} s: {addon('work').current().progress}")
        folder = Path(bpy.app.tempdir).parent
        for file in folder.glob(f"*{os.getpid()}_autosave.blend"):
            if "autosaved" not in report and file.stat().st_mtime > began:
                shutil.copy(file, OUT / "autosave.blend")
                report["autosaved"] = addon("work").current().progress.stage
        yield 0.1
