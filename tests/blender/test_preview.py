# SPDX-License-Identifier: GPL-3.0-or-later
"""Live preview: small images, then whole ones, in place; begun anew as the recipe changes; what was there comes back."""

import time

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import preview, work
from bl_ext.user_default.sabi.addon.interface import live
from bl_ext.user_default.sabi.addon.nodes import joins, material, on_object
from bl_ext.user_default.sabi.addon.recipe import effects
from bl_ext.user_default.sabi.addon.recipe.conversion import fill
from bl_ext.user_default.sabi.addon.surface import bake, capture, preview_capture
from bl_ext.user_default.sabi.addon.surface.capture_settings import CaptureSettings
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.emission import plane
from blender.played import played
from blender.test_operators import state
from blender.trees import TREES
from blender.trees import material as tree_material

TWO = Recipe((Layer(Effect.RUST, 0.6, seed=1), Layer(Effect.MOSS, 0.4, seed=2)))


@pytest.fixture
def backend(monkeypatch):
    monkeypatch.setattr(preview, "REST", 0.05)
    with played(monkeypatch) as backend:
        yield backend
        work.cancel()


@pytest.fixture
def door(backend, clean_scene):
    """An object that was weathered with the scene's recipe."""
    obj = plane(tree_material(TREES[0]))
    obj.name = "Door"
    fill(clean_scene.sabi, TWO)
    clean_scene.sabi.live_preview = True
    bpy.ops.sabi.weather()
    return obj


def begin(obj):
    return preview.begin(bpy.context.scene.session_uid, obj.session_uid)


def step_until(now, condition, seconds=30.0):
    until = time.monotonic() + seconds
    while not condition():
        assert not now.ended, now.error or now.outcome
        assert time.monotonic() < until, now.progress
        now.step()
        time.sleep(0.005)


def finish(now):
    step_until(now, lambda: now.ended)
    assert now.error is None, now.error
    return now.outcome


def group(obj):
    return on_object.group_node(obj.material_slots[0].material).node_tree


def shown(obj):
    return {mark: node.image.name for mark, node in on_object.painted_nodes(group(obj)).items()}


def is_small(obj):
    return all("preview" in name for name in shown(obj).values())


def ours():
    return {image.name for image in bpy.data.images if material.IMAGE in image}


def test_small_at_first_and_whole_when_the_recipe_rests(door, backend):
    tree, names = group(door), shown(door)
    age = on_object.weathered(door).layers[0]["Age"]
    age.default_value = 0.9
    age.keyframe_insert("default_value", frame=1)
    before = {image.session_uid for image in bpy.data.images if material.IMAGE in image}
    bpy.context.scene.sabi.layers[0].seed = 7
    now = begin(door)
    step_until(now, lambda: is_small(door))
    assert len(backend.recipes) == 2
    assert all(image.packed_file for image in bpy.data.images if material.IMAGE in image)
    assert finish(now).message == "Weathered Door"
    assert [recipe.layers[0].seed for recipe in backend.recipes] == [1, 7, 7]
    assert group(door) == tree
    assert shown(door) == names
    assert ours() == set(names.values())
    assert not before & {image.session_uid for image in bpy.data.images}, "the old ones are gone"
    assert age.default_value == pytest.approx(0.9), "the artist's own age stays"
    assert [curve.data_path for curve in joins.curves(age.id_data)] == [age.path_from_id("default_value")]
    kept = Recipe.from_json(on_object.weathered(door).recipe_json)
    assert [layer.seed for layer in kept.layers] == [7, 2]
    assert kept.networks


def test_a_change_while_it_paints_begins_anew(door, backend):
    layers = bpy.context.scene.sabi.layers
    backend.held = True
    layers[1].feature_size = 0.5
    now = begin(door)
    step_until(now, lambda: len(backend.recipes) == 2)
    names = shown(door)
    layers[1].feature_size = 0.25
    step_until(now, lambda: len(backend.recipes) == 3)
    assert shown(door) == names
    backend.held = False
    finish(now)
    assert [recipe.layers[1].feature_size for recipe in backend.recipes[1:]] == [0.5, 0.25, 0.25]


def test_it_paints_what_weather_would_where_objects_differ(door, backend):
    bpy.context.scene.sabi.differ = True
    bpy.ops.sabi.weather()
    own = backend.recipes[-1].layers[0].seed
    bpy.context.scene.sabi.layers[0].feature_size = 0.05
    finish(begin(door))
    assert backend.recipes[-1].layers[0].seed == own != bpy.context.scene.sabi.layers[0].seed


def test_another_style_while_it_paints_begins_anew(door, backend):
    """As it is chosen in the menus: another look, then the first blended in."""
    layer = bpy.context.scene.sabi.layers[0]
    first, other = effects.styles("rust")
    backend.held = True
    layer.style_first = other
    now = begin(door)
    step_until(now, lambda: len(backend.recipes) == 2)
    names = shown(door)
    layer.style_second = first
    step_until(now, lambda: len(backend.recipes) == 3)
    assert shown(door) == names
    backend.held = False
    finish(now)
    blend = {other: 0.5, first: 0.5}
    assert [recipe.layers[0].style for recipe in backend.recipes] == ["", other, blend, blend]


def test_a_change_while_the_whole_is_painted_shows_small_again(door, backend):
    layers = bpy.context.scene.sabi.layers
    layers[0].seed = 7
    now = begin(door)
    step_until(now, lambda: is_small(door))
    backend.held = True
    step_until(now, lambda: len(backend.recipes) == 3)
    layers[0].seed = 8
    backend.go.set()
    finish(now)
    assert [recipe.layers[0].seed for recipe in backend.recipes[1:]] == [7, 7, 8, 8]
    assert len(ours()) == 6


@pytest.mark.parametrize("fails", [False, True], ids=["cancelled", "failed"])
def test_what_was_there_comes_back(door, backend, fails):
    before, names, recipe = state(), shown(door), on_object.weathered(door).recipe_json
    bpy.context.scene.sabi.layers[0].seed = 7
    now = begin(door)
    step_until(now, lambda: is_small(door))
    if fails:
        backend.fails_with = ValueError("played")
        step_until(now, lambda: now.ended)
    else:
        assert bpy.ops.sabi.cancel() == {"FINISHED"}
    assert now.error is not None
    assert (state(), shown(door), on_object.weathered(door).recipe_json) == (before, names, recipe)


def test_the_first_recipe_again_paints_nothing(door, backend):
    names = shown(door)
    bpy.context.scene.sabi.layers[0].seed = 7
    now = begin(door)
    step_until(now, lambda: is_small(door))
    bpy.context.scene.sabi.layers[0].seed = 1
    finish(now)
    assert len(backend.recipes) == 2
    assert shown(door) == names
    assert ours() == set(names.values())


def test_it_gives_way_to_weather(door, backend):
    bpy.context.scene.sabi.layers[0].seed = 7
    now = begin(door)
    step_until(now, lambda: is_small(door))
    assert not work.busy()
    assert bpy.ops.sabi.weather() == {"FINISHED"}
    assert now.ended
    assert not is_small(door)
    assert len(ours()) == 6
    assert Recipe.from_json(on_object.weathered(door).recipe_json).layers[0].seed == 7
    assert work.failure() is None


def test_ages_follow_without_painting(door, backend):
    layer = bpy.context.scene.sabi.layers[1]
    layer.age, layer.opacity = 0.75, 0.5
    on_object.weathered(door).layers[0]["Age"].default_value = 0.1
    assert begin(door) is None
    first, second = on_object.weathered(door).layers
    assert (second["Age"].default_value, second["Opacity"].default_value) == (0.75, 0.5)
    assert first["Age"].default_value == pytest.approx(0.1), "only what has changed in the recipe follows"
    assert Recipe.from_json(on_object.weathered(door).recipe_json).layers[1].age == 0.75
    assert len(backend.recipes) == 1


def other_layers(door):
    fill(bpy.context.scene.sabi, Recipe(TWO.layers[:1]))


def shared_material(door):
    plane(door.material_slots[0].material)


def without_marks(door):
    for node in on_object.painted_nodes(group(door)).values():
        del node[on_object.PAINTED]


@pytest.mark.parametrize("make", [other_layers, shared_material, without_marks])
def test_what_cannot_follow_waits_for_weather(door, backend, make):
    bpy.context.scene.sabi.layers[0].seed = 7
    make(door)
    assert begin(door) is None
    assert len(backend.recipes) == 1


def test_where_the_whole_would_be_baked_it_stays_small(door, backend, monkeypatch):
    monkeypatch.setattr(preview.PreviewCapture, "whole", False)
    bpy.context.scene.sabi.layers[0].seed = 7
    assert "press Weather" in finish(begin(door)).message
    assert is_small(door)
    assert len(ours()) == 6


def test_another_uv_map_is_told(door, backend):
    door.data.uv_layers.active.name = "Other"
    for layer in on_object.layer_nodes_of(on_object.group_node(door.material_slots[0].material).node_tree):
        layer.node_tree.nodes["UV Map"].uv_map = "Other"
    bpy.context.scene.sabi.layers[0].seed = 7
    now = begin(door)
    step_until(now, lambda: now.ended)
    assert now.error.code == "scene"


@pytest.mark.parametrize("wanted", [True, False], ids=["on", "off"])
def test_a_changed_property_begins_it(door, backend, monkeypatch, wanted):
    bpy.context.scene.sabi.live_preview = wanted
    monkeypatch.setattr(live.work, "in_window", lambda: True)
    bpy.context.scene.sabi.layers[0].exposure.amount = 0.8
    monkeypatch.undo()
    assert bpy.app.timers.is_registered(live._begin) is wanted
    if wanted:
        live._preview.get(wait=True)
        assert live._begin() is None
        assert work.running()
        assert not work.busy()
        live.unregister()


@pytest.mark.parametrize("change", ["mask_move", "mask_remove", "curve_remove"])
def test_what_a_list_loses_begins_it(door, backend, monkeypatch, change):
    """Lists tell nobody of what is moved or taken out."""
    settings = bpy.context.scene.sabi
    bpy.ops.sabi.curve_add()
    for place in (1, 2):
        bpy.ops.sabi.mask_add(mask=f"group:{place}")
    settings.layers[0].seed, settings.live_preview = 7, True  # the mask goes, but it has to be painted yet
    monkeypatch.setattr(live.work, "in_window", lambda: True)
    assert not bpy.app.timers.is_registered(live._begin)
    getattr(bpy.ops.sabi, change)(**{"by": -1} if change == "mask_move" else {})
    monkeypatch.undo()
    assert bpy.app.timers.is_registered(live._begin)
    live.unregister()


def captured(obj, size, of=preview_capture.PreviewCapture):
    made = of(bpy.context, obj, CaptureSettings(size=size))
    return made, made.run()


def test_a_cached_capture_is_thinned(monkeypatch):
    monkeypatch.setattr(preview_capture, "SIDE", 16)
    obj = plane(tree_material(TREES[0]))
    _, whole = captured(obj, 64, capture.Capture)
    monkeypatch.setattr(bake.Bake, "run", lambda self: pytest.fail("nothing is to be baked"))
    made, small = captured(obj, 64)
    assert made.whole
    for name, map_ in whole.surface.maps.items():
        assert np.array_equal(small.surface[name].array, map_.array[2::4, 2::4])
    assert small.surface.size == (16, 16)


def test_without_one_a_small_one_is_baked_once(monkeypatch):
    monkeypatch.setattr(preview_capture, "SIDE", 16)
    obj = plane(tree_material(TREES[0]))
    made, first = captured(obj, 64)
    assert not made.whole
    assert first.surface.size == (16, 16)
    monkeypatch.setattr(bake.Bake, "run", lambda self: pytest.fail("nothing is to be baked"))
    _, again = captured(obj, 64)
    assert again.key == first.key
