# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that Blender saves by itself."""

import os
import shutil
import time
from pathlib import Path

import bpy
from hands import move
from visit import OUT, Steps, addon, rectangle, report, view


def every_minute() -> None:
    bpy.context.preferences.filepaths.auto_save_time = 1


def keep_one(limit: float = 900.0) -> Steps:
    """Until the work in flight ends; the first file that Blender saves meanwhile is kept.

    The mouse moves now and then, as an artist's does: without any event a bake that has ended stays modal, beside which Blender
    does not save.
    """
    began, until = time.time(), time.monotonic() + limit
    left, top, right, bottom = rectangle(view()[2])
    folder, turn = Path(bpy.app.tempdir).parent, 0
    while addon("work").busy():
        if time.monotonic() > until:
            raise TimeoutError(f"Sabi is still at work after {limit:.0f} s: {addon('work').current().progress}")
        for file in folder.glob(f"*{os.getpid()}_autosave.blend"):
            if "autosaved" not in report and file.stat().st_mtime > began:
                shutil.copy(file, OUT / "autosave.blend")
                report["autosaved"] = addon("work").current().progress.stage
        turn += 1
        if turn % 20 == 0:
            move((left + right) // 2 + turn % 3, (top + bottom) // 2)
        yield 0.1
