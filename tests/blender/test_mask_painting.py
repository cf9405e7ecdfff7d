# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks painted by hand: made, painted on, shown at once by a weathered object, sent with the next run, saved with the file."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import preview
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node, layer_inputs
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.backend.protocol.mask_stack import Combine, Mask
from bl_ext.user_default.sabi.backend.protocol.opacity import Curve
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.emission import bake_socket, plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material


@pytest.fixture
def backend(monkeypatch, clean_scene):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def obj(backend, clean_scene):
    fill(clean_scene.sabi, Recipe((Layer(Effect.RUST, 1.0),)))
    obj = plane(tree_material(TREES[0]))
    obj.data.uv_layers.new(name="Other")
    obj.data.uv_layers.active = obj.data.uv_layers["Other"]
    return obj


def whiten(image: bpy.types.Image, rows: slice) -> None:
    """What a brush does."""
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    values.reshape(image.size[1], image.size[0], 4)[rows, :, :3] = 1
    image.pixels.foreach_set(values)
    image.update()


def coverage(obj) -> np.ndarray:
    return bake_socket(obj, group_node(obj.data.materials[0]).outputs["Coverage"])[..., 0]


def test_a_new_mask_is_the_canvas_of_texture_paint(obj, clean_scene):
    assert bpy.ops.sabi.mask_image_new(size=64) == {"FINISHED"}
    (mask,) = clean_scene.sabi.layers[0].masks
    image = bpy.data.images[mask.source]
    assert (tuple(image.size), image.colorspace_settings.is_data) == ((64, 64), True)
    assert image.packed_file is None, "encoding 4096 texels a side would keep Blender for a second"
    assert max(image.pixels[:3]) == 0
    painting = clean_scene.tool_settings.image_paint
    assert (painting.mode, painting.canvas) == ("IMAGE", image)
    assert bpy.context.mode == "PAINT_TEXTURE"
    assert obj.data.uv_layers.active.name == "UVMap", "strokes land where renders look"
    bpy.ops.object.mode_set(mode="OBJECT")
    painting.canvas = None
    assert bpy.ops.sabi.mask_paint() == {"FINISHED"}
    assert painting.canvas == image
    assert bpy.context.mode == "PAINT_TEXTURE"


def test_it_is_as_large_as_the_results(obj):
    bpy.ops.sabi.weather()
    bpy.ops.sabi.mask_image_new(white=True)
    image = bpy.context.scene.tool_settings.image_paint.canvas
    assert tuple(image.size) == (16, 16)
    assert min(image.pixels[:]) == 1


def test_a_weathered_object_shows_strokes_at_once(backend, obj):
    bpy.ops.sabi.weather()
    before = coverage(obj)
    assert before[:12].mean() > 0.2
    bpy.ops.sabi.mask_image_new()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert coverage(obj).max() < 1e-6, "black: it acts nowhere yet"
    whiten(bpy.context.scene.tool_settings.image_paint.canvas, slice(8, 16))
    shown = coverage(obj)
    assert shown[:12] == pytest.approx(before[:12], abs=2 / 255)
    assert shown[20:].max() < 1e-6
    assert len(backend.recipes) == 1, "nothing was painted for it"


def test_a_weathered_object_shows_that_a_mask_was_removed(backend, obj):
    bpy.ops.sabi.weather()
    before = coverage(obj)
    bpy.ops.sabi.mask_image_new()
    bpy.ops.object.mode_set(mode="OBJECT")
    assert bpy.ops.sabi.mask_remove() == {"FINISHED"}
    assert coverage(obj) == pytest.approx(before, abs=1e-5)
    assert Recipe.from_json(on_object.weathered(obj).recipe_json).layers[0].stack == ()
    assert len(backend.recipes) == 1, "nothing was painted for it"


def test_the_next_run_heeds_the_strokes(backend, obj):
    bpy.ops.sabi.mask_image_new(size=16)
    bpy.ops.object.mode_set(mode="OBJECT")
    image = bpy.context.scene.tool_settings.image_paint.canvas
    whiten(image, slice(8, 16))
    bpy.ops.sabi.weather()
    sent = backend.surfaces[0][f"mask:{image.name}"].floats()[..., 0]
    assert (sent[:8] == 1).all()
    assert (sent[8:] == 0).all()


def test_strokes_are_saved_with_the_file(obj, tmp_path):
    bpy.ops.sabi.mask_image_new(size=16)
    bpy.ops.object.mode_set(mode="OBJECT")
    name = bpy.context.scene.tool_settings.image_paint.canvas.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    whiten(bpy.data.images[name], slice(8, 16))
    assert bpy.data.images[name].is_dirty
    bpy.context.scene.tool_settings.image_paint.canvas = None
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    values = np.array(bpy.data.images[name].pixels).reshape(16, 16, 4)
    assert (values[8:, :, :3] == 1).all()
    assert (values[:8, :, :3] == 0).all()


def test_a_mask_that_nobody_has_painted_on_is_saved_as_it_is(obj, tmp_path):
    bpy.ops.sabi.mask_image_new(size=16, white=True)
    bpy.ops.object.mode_set(mode="OBJECT")
    name = bpy.context.scene.tool_settings.image_paint.canvas.name
    bpy.context.scene.tool_settings.image_paint.canvas = None
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    assert tuple(bpy.data.images[name].size) == (16, 16)
    assert min(bpy.data.images[name].pixels) == 1


def test_levels_masks_and_curves_follow_in_the_nodes_alone(backend, obj, clean_scene):
    """As the backend has them; sockets, their values and their animation stay."""
    bpy.ops.sabi.weather()
    sockets = layer_inputs(group_node(obj.data.materials[0]))[0]
    sockets["Opacity"].default_value = 0.8
    sockets["Age"].keyframe_insert("default_value", frame=1)
    other = bpy.data.images.new("Half", 16, 16, is_data=True)
    whiten(other, slice(0, 8))
    before = coverage(obj)
    layer = Layer(Effect.RUST, 1.0, masks=(Mask("mask:Half", Combine.SUBTRACT, low=0.1),), curve=Curve(((0.5, 0.5),)))
    assert preview.settle(obj, Recipe((layer,)))
    shown = coverage(obj)
    assert shown[:12] == pytest.approx(before[:12] / 2, abs=2 / 255)
    assert shown[20:].max() < 1e-6
    assert Recipe.from_json(on_object.weathered(obj).recipe_json).layers[0].masks == layer.masks
    sockets = layer_inputs(group_node(obj.data.materials[0]))[0]
    assert sockets["Opacity"].default_value == pytest.approx(0.8)
    assert obj.data.materials[0].node_tree.animation_data is not None
    assert preview.settle(obj, Recipe((Layer(Effect.RUST, 1.0),)))
    assert coverage(obj) == pytest.approx(before, abs=1e-5)
    assert len(backend.recipes) == 1
    bpy.ops.sabi.revert()
    assert "Half" in bpy.data.images


def test_what_has_to_be_captured_waits_for_weather(obj):
    bpy.ops.sabi.weather()
    obj.vertex_groups.new(name="Top")
    assert not preview.settle(obj, Recipe((Layer(Effect.RUST, 1.0, mask="group:Top"),)))
    assert not preview.settle(obj, Recipe((Layer(Effect.RUST, 1.0, mask="mask:Nowhere"),)))
    assert Recipe.from_json(on_object.weathered(obj).recipe_json).layers[0].stack == ()


def test_without_a_layer_or_uvs_there_is_nothing_to_paint(obj, clean_scene):
    assert bpy.ops.sabi.mask_image_new.poll()
    assert not bpy.ops.sabi.mask_paint.poll(), "it has no mask yet"
    while obj.data.uv_layers:
        obj.data.uv_layers.remove(obj.data.uv_layers[0])
    assert not bpy.ops.sabi.mask_image_new.poll()
    assert recipe_of(clean_scene.sabi).layers[0].stack == ()
