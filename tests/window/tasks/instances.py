# SPDX-License-Identifier: GPL-3.0-or-later
"""Two cubes over one mesh."""

import time

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector
from screen import screen, shot
from visit import Steps, addon, in_view, rectangle, report, said, view, wait_for_work


def instances() -> Steps:
    """Two cubes over one mesh, painted once; their ages differ, in EEVEE."""
    _, area, region = view()
    bpy.ops.mesh.primitive_cube_add(size=1)
    first = bpy.context.object
    first.data.materials.append(bpy.data.materials.new("Cubes"))
    if not first.data.materials[0].node_tree:
        first.data.materials[0].use_nodes = True
    second = first.copy()
    bpy.context.collection.objects.link(second)
    second.location.x = 1.5
    first["sabi_age"], second["sabi_age"] = -0.8, 0.8
    for other in bpy.context.scene.objects:
        other.select_set(other in (first, second))
        other.hide_set(other not in (first, second))
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", effect="rust", age=0.5, size=512, instances=True)
    yield from wait_for_work()
    work = addon("work").current()
    with in_view():
        area.spaces.active.region_3d.view_rotation = Vector((0.0, -1.0, 0.2)).to_track_quat("Z", "Y")
        bpy.ops.view3d.view_selected()
    area.tag_redraw()
    yield 1.5
    at = [location_3d_to_region_2d(region, area.spaces.active.region_3d, thing.location) for thing in (first, second)]
    left, _, _, bottom = rectangle(region)
    middles = [[int(left + place.x), int(bottom - place.y)] for place in at]
    until = time.monotonic() + 60.0
    while time.monotonic() < until:  # grey while shaders compile
        area.tag_redraw()
        yield 2.0
        seen = screen()
        if max(int(np.ptp(seen[y - 40 : y + 40, x - 40 : x + 40].mean(axis=(0, 1)))) for x, y in middles) > 16:
            break
    shot(seen, "instances")
    report["instances"] = {
        "said": said(work),
        "materials": len({thing.material_slots[0].material.name for thing in (first, second)}),
        "middles": middles,
    }
    for other in bpy.context.scene.objects:
        other.hide_set(other in (first, second))
    yield 0.5
