# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's model, looked at."""

import bpy
from mathutils import Vector
from screen import photograph
from visit import REQUEST, Steps, box_of, demo, in_view, rectangle, report, view


def open_model() -> Steps:
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    thing = demo("model").build()
    report["object"] = thing.name
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    _, area, region = view()
    space = area.spaces.active
    space.overlay.show_overlays = False
    space.show_gizmo = False
    space.shading.type = "SOLID" if REQUEST.get("quick") else "MATERIAL"
    yield 0.5
    look_at_model()
    with in_view():
        bpy.ops.ed.undo_push(message="Open the model")  # scripts push none of their own
    yield 1.0
    report["window"], report["box"] = rectangle(region), box_of(thing)
    yield from photograph("clean")


def look_at_model() -> None:
    """Turns the view towards what is selected, as it was at first."""
    with in_view():
        view()[1].spaces.active.region_3d.view_rotation = Vector((0.55, -1.0, 0.4)).to_track_quat("Z", "Y")
        bpy.ops.view3d.view_selected()
