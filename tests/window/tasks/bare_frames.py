# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast this Blender draws without Sabi."""

import time

import bpy
from frames import Frames
from visit import Steps, report, view


def frames_without_sabi() -> Steps:
    """What frames of this window take by themselves, redrawn as often as Sabi's progress is."""
    _, area, _ = view()
    area.spaces.active.shading.type = "SOLID"
    yield 1.0
    frames = Frames()
    bpy.app.timers.register(frames, first_interval=0.01)
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        area.tag_redraw()
        yield 0.05
    bpy.app.timers.unregister(frames)
    report["frames_without_sabi_ms"] = frames.in_ms()
    area.spaces.active.shading.type = "MATERIAL"
