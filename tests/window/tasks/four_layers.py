# SPDX-License-Identifier: GPL-3.0-or-later
"""As many layers as a material shows, and more, over four textures of the artist's own."""

import json
import time

import bpy
import numpy as np
from mathutils import Vector
from screen import screen, shot
from visit import Steps, addon, alone, in_view, rectangle, report, said, view, wait_for_work

EFFECTS = ("peeling_paint", "rust", "dirt", "moss")
MORE = ("scratches", "stains")


def four_layers() -> Steps:
    """The plate with its four textures under four layers, each inside an image of its own: twenty images, in EEVEE."""
    layers = []
    for number, effect in enumerate(EFFECTS):
        image = bpy.data.images.new(f"Quarter {number}", 64, 64)
        texels = np.full((64, 64, 4), (0.0, 0.0, 0.0, 1.0), np.float32)
        texels[number // 2 * 32 :, number % 2 * 32 :, :3] = 1.0
        image.pixels.foreach_set(texels.reshape(-1))
        image.pack()
        layers.append({"effect": effect, "age": 0.8, "mask": f"mask:Quarter {number}"})
    yield from _weather_plate("four layers", layers, 512)


def six_layers() -> Steps:
    """Two layers more than a material shows as they are."""
    yield from _weather_plate("six layers", [{"effect": effect, "age": 0.8} for effect in (*EFFECTS, *MORE)], 128)


def _weather_plate(name: str, layers: list[dict], size: int) -> Steps:
    thing = bpy.data.objects["Plate"]
    alone(thing)
    yield 0.5
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", recipe_json=json.dumps({"sabi_recipe": 1, "layers": layers}), size=size)
    yield from wait_for_work()
    work, on_object = addon("work").current(), addon("nodes.on_object")
    tree = thing.material_slots[0].material.node_tree
    found = [tree, on_object.group_node(thing.material_slots[0].material).node_tree] if work.outcome else [tree]
    nodes = [node for one in found for node in on_object.every_node(one)]
    report[name] = {
        "said": said(work),
        "shown": len(on_object.weathered(thing).layers) if work.outcome else 0,
        "images": len({node.image.name for node in nodes if node.bl_idname == "ShaderNodeTexImage"}),
    }
    _, area, region = view()
    area.spaces.active.shading.type = "MATERIAL"
    with in_view():
        area.spaces.active.region_3d.view_rotation = Vector((0.0, -0.2, 1.0)).to_track_quat("Z", "Y")
        bpy.ops.view3d.view_selected()
    left, top, right, bottom = report[name]["view"] = rectangle(region)
    x, y, until = (left + right) // 2, (top + bottom) // 2, time.monotonic() + 60.0
    while time.monotonic() < until:  # grey while shaders compile
        area.tag_redraw()
        yield 2.0
        seen = screen()
        if int(np.ptp(seen[y - 40 : y + 40, x - 40 : x + 40].mean(axis=(0, 1)))) > 16:
            break
    shot(seen, name)
    area.spaces.active.shading.type = "SOLID"
    yield 0.5
