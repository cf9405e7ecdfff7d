# SPDX-License-Identifier: GPL-3.0-or-later
"""Four layers with a mask each over a material with four textures: as many images as EEVEE is given."""

import json
import time

import bpy
import numpy as np
from mathutils import Vector
from screen import screen, shot
from visit import REQUEST, Steps, addon, alone, in_view, rectangle, report, view, wait_for_work

LAYERS = ("peeling_paint", "rust", "dirt", "moss", "stains", "cracks", "patina", "scratches")[
    : REQUEST.get("layers", 4)
]


def four_layers() -> Steps:
    thing = _cube()
    alone(thing)
    view()[1].spaces.active.shading.type = "SOLID"
    yield 1.0
    layers = [
        {"effect": effect, "age": 0.5, "seed": seed, "masks": [{"mask": f"mask:Mask {seed}"}]}
        for seed, effect in enumerate(LAYERS)
    ]
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", size=256, recipe_json=json.dumps({"sabi_recipe": 1, "layers": layers}))
    yield from wait_for_work()
    work, group = addon("work").current(), addon("nodes.on_object").group_node(thing.material_slots[0].material)
    trees = [thing.material_slots[0].material.node_tree, *([group.node_tree] if group else [])]
    images = {node.image.name for tree in trees for node in tree.nodes if node.type == "TEX_IMAGE"}
    _, area, region = view()
    area.spaces.active.shading.type = "MATERIAL"
    with in_view():
        area.spaces.active.region_3d.view_rotation = Vector((0.5, -1.0, 0.5)).to_track_quat("Z", "Y")
        bpy.ops.view3d.view_selected()
    left, top, right, bottom = rectangle(region)
    until = time.monotonic() + 90.0
    while time.monotonic() < until:  # grey while shaders compile
        area.tag_redraw()
        yield 2.0
        seen = screen()
        inside = seen[top:bottom, left:right].astype(np.int16)
        thing_seen = inside[np.abs(inside - inside[-3, 3]).max(axis=2) > 8]
        if len(thing_seen) > 0.05 * inside[..., 0].size and np.ptp(thing_seen, axis=1).mean() > 13:
            break
    report["four layers"] = {
        "said": work.outcome.message if work.outcome else str(work.error.for_artist),
        "images": len(images),
        "view": rectangle(region),
    }
    shot(seen, "four layers")
    bpy.data.objects.remove(thing)
    yield 0.5


def _cube() -> bpy.types.Object:
    """With textures for colour, roughness, metal and normals, and a mask for each layer."""
    bpy.ops.mesh.primitive_cube_add(size=1)
    thing = bpy.context.object
    thing.name = "Four"
    material = bpy.data.materials.new("Four")
    thing.data.materials.append(material)
    if not material.node_tree:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    for name, value in (("Base Color", 0.4), ("Roughness", 0.5), ("Metallic", 0.1), ("Normal", 0.5)):
        node = nodes.new("ShaderNodeTexImage")
        node.image = _image(name, (value, value, 1.0 if name == "Normal" else value), name != "Base Color")
        if name == "Normal":
            bend = nodes.new("ShaderNodeNormalMap")
            links.new(node.outputs["Color"], bend.inputs["Color"])
            node = bend
        links.new(node.outputs[0], shader.inputs[name])
    for number in range(len(LAYERS)):
        _image(f"Mask {number}", (1.0, 1.0, 1.0), data=True)
    return thing


def _image(name: str, colour: tuple[float, float, float], data: bool) -> bpy.types.Image:
    image = bpy.data.images.new(name, 64, 64, is_data=data)
    image.pixels.foreach_set(np.tile(np.float32((*colour, 1.0)), 64 * 64))
    image.pack()
    image.use_fake_user = True
    return image
