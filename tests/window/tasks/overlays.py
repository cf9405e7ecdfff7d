# SPDX-License-Identifier: GPL-3.0-or-later
"""Coverage looked at on the object."""

import bpy
from screen import screen, shot
from visit import Steps, in_view, report, view


def overlays() -> Steps:
    yield from overlay("overlay")


def overlays_again() -> Steps:
    """After a preview has exchanged the images, and a black mask has come and gone."""
    yield from overlay("overlay again")


def overlay(name: str) -> Steps:
    """Coverage looked at on the object itself, and put away."""
    thing = bpy.data.objects[report["object"]]
    own = [slot.material.name for slot in thing.material_slots]
    with in_view():
        bpy.ops.sabi.overlay_show("EXEC_DEFAULT", mark="1 coverage")
    yield 8.0  # shaders compile
    view()[1].tag_redraw()
    yield 1.0
    shot(screen(), name)
    shown = [slot.material.name for slot in thing.material_slots]
    with in_view():
        bpy.ops.sabi.overlay_hide()
    yield 0.5
    report[name] = {"shown": shown, "own": own, "after": [slot.material.name for slot in thing.material_slots]}
