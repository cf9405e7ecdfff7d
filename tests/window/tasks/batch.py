# SPDX-License-Identifier: GPL-3.0-or-later
"""Several props at once."""

import time

import bpy
import numpy as np
from buttons import push
from hands import move, press
from screen import screen, shot
from undoing import by_key, steps
from visit import Steps, addon, box_of, in_view, rectangle, report, said, view, wait_for_work

PROPS = ("Crate", "Barrel", "Pipe")


def batch() -> Steps:
    """Three props selected by the key A and weathered by the panel's button; one Ctrl Z takes it from all of them."""
    _, area, region = view()
    area.spaces.active.shading.type = "SOLID"
    area.spaces.active.show_region_ui = True
    for other in bpy.context.scene.objects:
        other.hide_set(True)
    for place, name in enumerate(PROPS):
        bpy.ops.mesh.primitive_cube_add(size=1, location=(1.5 * place, 0, 0))
        thing = bpy.context.object
        thing.name = name
        thing.data.materials.append(bpy.data.materials.new(name))
        if not thing.data.materials[0].node_tree:
            thing.data.materials[0].use_nodes = True
    bpy.ops.object.select_all(action="DESELECT")
    bpy.ops.sabi.preset_load(preset="light_rust")
    bpy.context.scene.sabi.size = "512"
    with in_view():
        bpy.ops.ed.undo_push(message="Three props")  # scripts push none of their own
    yield 1.0
    left, top, right, bottom = rectangle(region)
    move((left + right) // 2 - 200, (top + bottom) // 2)
    yield 0.3
    press("a")
    yield 1.0
    selected = sorted(thing.name for thing in bpy.context.selected_objects)
    before = len(steps()[0])
    yield from push("sabi.weather()")
    yield from wait_for_work()
    yield 1.0
    work = addon("work").current()
    noted = {"selected": selected, "said": said(work)}
    noted |= {"weathered": _weathered(), "steps": steps()[0][before:]}
    area.spaces.active.show_region_ui = False
    area.spaces.active.shading.type = "MATERIAL"
    with in_view():
        bpy.ops.view3d.view_selected()
    yield 1.0
    noted["boxes"] = {name: box_of(bpy.data.objects[name]) for name in PROPS}
    yield from _look("batch")
    yield from by_key("ctrl+z", len(steps()[0]) - 2)
    noted["undone"] = _weathered()
    yield from _look("batch undone")
    area.spaces.active.shading.type = "SOLID"
    report["batch"] = noted
    bpy.context.scene.sabi.size = "AUTO"
    for name in PROPS:
        bpy.data.objects.remove(bpy.data.objects[name])
    for other in bpy.context.scene.objects:
        other.hide_set(False)
    yield 0.5


def _look(name: str) -> Steps:
    """A photograph when three looks show the same: shaders compile in the background."""
    last, same, until = None, 0, time.monotonic() + 60.0
    while same < 3 and time.monotonic() < until:
        view()[1].tag_redraw()
        yield 1.0
        now = screen()
        same = same + 1 if last is not None and np.array_equal(last, now) else 0
        last = now
    shot(last, name)


def _weathered() -> list[str]:
    weathered = addon("nodes.on_object").weathered
    return [name for name in PROPS if weathered(bpy.data.objects[name]) is not None]
