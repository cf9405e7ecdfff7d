# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip installed."""

import time

import bpy
from autosaves import every_minute
from visit import EXTENSION, REQUEST, Steps, entries, report


def install() -> Steps:
    """As Get Extensions > Install from Disk does."""
    entries.begin()
    every_minute()
    report["installing"] = time.monotonic()
    if REQUEST["zip"]:
        bpy.ops.extensions.package_install_files(filepath=REQUEST["zip"], repo="user_default", enable_on_install=True)
    else:
        bpy.ops.preferences.addon_enable(module=EXTENSION)
    report["enabled"] = EXTENSION in bpy.context.preferences.addons
    entries.wrap_handlers()
    yield 0.5
