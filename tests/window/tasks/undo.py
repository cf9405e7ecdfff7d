# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operator that changes the file, undone and redone with the keys: one step each, and all is as it was."""

from collections.abc import Callable

import bpy
import numpy as np
from undoing import by_key, differing, state, steps
from visit import OUT, Steps, addon, alone, in_view, report, view, wait_for_work

THING = "Undone"
_others: set[str] = set()  # what earlier tasks left


def undo_recipe_operators() -> Steps:
    """What mends an object, and what changes the recipe."""
    _begin()
    alone(bpy.data.objects[THING])
    yield 0.5
    thing = bpy.data.objects[THING]
    thing.data.materials.clear()
    thing.data.uv_layers.remove(thing.data.uv_layers[0])
    thing.hide_render = True
    ops = bpy.ops.sabi
    yield from _deed("show_in_renders", ops.show_in_renders)
    yield from _deed("material_add", ops.material_add)
    yield from _deed("unwrap", ops.unwrap)
    _with_directx_normals()
    yield from _deed("turn_normals", ops.turn_normals)
    yield from _deed("preset_load", ops.preset_load, preset="light_rust")
    yield from _deed("layer_add", ops.layer_add, effect="moss")
    yield from _deed("layer_duplicate", ops.layer_duplicate)
    yield from _deed("layer_move", ops.layer_move, by=-1)
    yield from _deed("layer_remove", ops.layer_remove)
    yield from _deed("seed_roll", ops.seed_roll)
    yield from _deed("seed_roll of all", ops.seed_roll, every=True)
    yield from _deed("curve_add", ops.curve_add)
    yield from _deed("curve_remove", ops.curve_remove, point=0)
    yield from _deed("mask_add", ops.mask_add, kind="LAYER")
    yield from _deed("mask_add again", ops.mask_add, mask="degree:1", combine="SUBTRACT")
    yield from _deed("mask_move", ops.mask_move, by=-1)
    yield from _deed("mask_remove", ops.mask_remove)
    yield from _deed("mask_image_new", ops.mask_image_new, size=64)
    bpy.ops.object.mode_set(mode="OBJECT")
    yield from _deed("exemplar_from_image", ops.exemplar_from_image, image="Photograph")
    yield from _deed("exemplar_remove", ops.exemplar_remove)
    yield from _deed("exemplar_open", ops.exemplar_open, filepath=str(OUT / "photograph.png"))
    bpy.ops.sabi.preset_load(preset="scrapyard_rust")
    yield from _deed("recipe_save", ops.recipe_save, filepath=str(OUT / "recipe.json"))
    bpy.ops.sabi.preset_load(preset="old_painted_steel")
    yield from _deed("recipe_load", ops.recipe_load, filepath=str(OUT / "recipe.json"))
    text = '{"sabi_recipe": 1, "layers": [{"effect": "moss"}]}'
    yield from _deed("recipe_from_asset", ops.recipe_from_asset, recipe_json=text)


def _begin() -> None:
    bpy.context.preferences.edit.undo_steps = 256
    view()[1].spaces.active.shading.type = "SOLID"
    report.setdefault("undone", {})
    if THING in bpy.data.objects:
        return
    _others.update(state().keys() - {"recipe"})
    bpy.ops.mesh.primitive_cube_add(size=1)
    thing = bpy.context.object
    thing.name = thing.data.name = THING
    thing.data.materials.append(bpy.data.materials.new(THING))
    thing.data.materials[0].use_nodes = True
    photograph = bpy.data.images.new("Photograph", 64, 64)
    photograph.pixels.foreach_set(np.random.default_rng(0).random(64 * 64 * 4, np.float32))
    photograph.filepath_raw, photograph.file_format = str(OUT / "photograph.png"), "PNG"
    photograph.save()


def _deed(name: str, operator: Callable, **how: object) -> Steps:
    """One operator as a button has it, with an undo step of its own; what is noted names what differs."""
    with in_view():
        bpy.ops.ed.undo_push(message="Ready")  # scripts push none of their own
        before, count, last = _own(), len(steps()[0]), addon("work").current()
        try:
            operator("EXEC_DEFAULT", True, **how)
        except RuntimeError as error:
            report["undone"][name] = {"error": str(error)}
            return
    yield from wait_for_work()
    yield 0.1
    work, after, there = addon("work").current(), _own(), steps()[0]
    noted = {"steps": there[count:], "changed": differing(before, after)}
    if work is not last and work.error is not None:
        noted["error"] = work.error.for_artist
    report["undone"][name] = noted
    if len(there) == count:
        return
    yield from by_key("ctrl+z", count - 1)
    undone = _own()
    noted["undone"] = differing(before, undone)
    yield from by_key("ctrl+shift+z", count)
    noted["redone"] = differing(after, _own())
    noted["details"] = [[str(found.get(key)) for found in (before, undone)] for key in noted["undone"]]


def _own() -> dict[str, object]:
    return {key: value for key, value in state().items() if key not in _others}


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
