# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operator that changes the file, undone and redone with the keys: one step each, and all is as it was."""

import bpy
import numpy as np
from deeds import THING, begin, deed
from visit import OUT, Steps, alone


def undo_recipe_operators() -> Steps:
    """What mends an object, and what changes the recipe."""
    thing = begin()
    alone(thing)
    yield 0.5
    thing.data.materials.clear()
    thing.data.uv_layers.remove(thing.data.uv_layers[0])
    thing.hide_render = True
    ops = bpy.ops.sabi
    yield from deed("show_in_renders", ops.show_in_renders)
    yield from deed("material_add", ops.material_add)
    yield from deed("unwrap", ops.unwrap)
    _with_directx_normals()
    yield from deed("turn_normals", ops.turn_normals)
    ops.preset_load(preset="old_painted_steel")  # another than what earlier tasks may have left
    yield from deed("preset_load", ops.preset_load, preset="light_rust")
    yield from deed("layer_add", ops.layer_add, effect="moss")
    yield from deed("layer_duplicate", ops.layer_duplicate)
    yield from deed("layer_move", ops.layer_move, by=-1)
    yield from deed("layer_remove", ops.layer_remove)
    yield from deed("seed_roll", ops.seed_roll)
    yield from deed("seed_roll of all", ops.seed_roll, every=True)
    yield from deed("curve_add", ops.curve_add)
    yield from deed("curve_remove", ops.curve_remove, point=0)
    yield from deed("mask_add", ops.mask_add, kind="LAYER")
    yield from deed("mask_add again", ops.mask_add, mask="degree:1", combine="SUBTRACT")
    yield from deed("mask_move", ops.mask_move, by=-1)
    yield from deed("mask_remove", ops.mask_remove)
    yield from deed("mask_image_new", ops.mask_image_new, size=64)
    bpy.ops.object.mode_set(mode="OBJECT")
    yield from deed("exemplar_from_image", ops.exemplar_from_image, image="Photograph")
    yield from deed("exemplar_remove", ops.exemplar_remove)
    yield from deed("exemplar_open", ops.exemplar_open, filepath=str(OUT / "photograph.png"))
    bpy.ops.sabi.preset_load(preset="scrapyard_rust")
    yield from deed("recipe_save", ops.recipe_save, filepath=str(OUT / "recipe.json"))
    bpy.ops.sabi.preset_load(preset="old_painted_steel")
    yield from deed("recipe_load", ops.recipe_load, filepath=str(OUT / "recipe.json"))
    text = '{"sabi_recipe": 1, "layers": [{"effect": "moss"}]}'
    yield from deed("recipe_from_asset", ops.recipe_from_asset, recipe_json=text)


def _with_directx_normals() -> None:
    """A normal map whose name says that it is DirectX's."""
    tree = bpy.data.objects[THING].material_slots[0].material.node_tree
    node, bend = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeNormalMap")
    node.image = bpy.data.images.new("Plain_NormalDX", 8, 8, is_data=True)
    node.image.pixels.foreach_set(np.tile(np.float32((0.5, 0.5, 1.0, 1.0)), 64))
    node.image.pack()
    shader = next(other for other in tree.nodes if other.type == "BSDF_PRINCIPLED")
    tree.links.new(node.outputs["Color"], bend.inputs["Color"])
    tree.links.new(bend.outputs["Normal"], shader.inputs["Normal"])
