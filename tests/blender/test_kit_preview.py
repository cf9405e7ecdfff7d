# SPDX-License-Identifier: GPL-3.0-or-later
"""Live preview of kits: the tile small, then whole, for all modules at once; what they showed comes back."""

import threading

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import kits, preview, work
from bl_ext.user_default.sabi.addon.nodes import exchange, freshness, material, on_object
from bl_ext.user_default.sabi.addon.preferences import EXTENSION, service
from bl_ext.user_default.sabi.addon.recipe.conversion import fill
from bl_ext.user_default.sabi.addon.surface import bake, preview_capture, tile
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.test_kits import TEXELS, bricks, exposures, images, kit, select, tree_of, wall
from blender.test_operators import state
from blender.test_preview import step_until

SMALL = 64
# Features of 16 of the tile's texels, as the painter paints them: smaller ones would take canvases many times as large.
TWO = Recipe((Layer(Effect.DIRT, 0.7, seed=1, feature_size=0.12), Layer(Effect.MOSS, 0.5, seed=2, feature_size=0.12)))


@pytest.fixture(scope="module", autouse=True)
def one_backend():
    """It takes seconds to start."""
    yield
    service.stop()


@pytest.fixture
def walls(monkeypatch, clean_scene):
    """Two walls of one tile, weathered with the scene's recipe."""
    monkeypatch.setattr(preview, "REST", 0.05)
    monkeypatch.setattr(preview_capture, "SIDE", SMALL)
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "PACK"
    _, made = kit(2)
    fill(clean_scene.sabi, TWO)
    clean_scene.sabi.live_preview = clean_scene.sabi.shared_tiles = True
    assert bpy.ops.sabi.weather() == {"FINISHED"}
    yield made
    work.cancel()


def begin(obj):
    return preview.begin(bpy.context.scene.session_uid, obj.session_uid)


def is_small(obj):
    return {tuple(image.size) for image in images(obj)} == {(SMALL, SMALL)}


def texels(image):
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return values


def shows(obj):
    """What is shown, texel by texel, and the numbers in the nodes that make age of it."""
    numbers = sorted(
        round(socket.default_value, 6)
        for node in on_object.every_node(tree_of(obj))
        for socket in node.inputs
        if socket.type == "VALUE" and not socket.is_linked
    )
    return {image.name: texels(image) for image in (*images(obj), *exposures(obj))} | {"numbers": np.array(numbers)}


def ours():
    return {image.name for image in bpy.data.images if material.IMAGE in image}


def finish(now):
    step_until(now, lambda: now.ended, 120.0)
    assert now.error is None, now.error
    return now.outcome


def test_the_tile_small_then_all_modules_as_weather_paints_them(walls, monkeypatch):
    first, second = walls
    before, names = exposures(second), ours()
    trees = [tree_of(obj) for obj in walls]
    layer = bpy.context.scene.sabi.layers[0]
    layer.seed, layer.exposure.amount = 7, 0.3
    with monkeypatch.context() as cached:
        cached.setattr(bake.Bake, "run", lambda self: pytest.fail("nothing is to be baked"))
        now = begin(first)
        step_until(now, lambda: is_small(first), 120.0)
        assert images(second) == images(first)
        assert "preview" in exposures(first)[0].name
        assert exposures(second) == before, "another module's own image waits for the whole"
        assert finish(now).message == "Weathered Wall 0"
    assert [tree_of(obj) for obj in walls] == trees
    assert images(first) == images(second)
    assert {tuple(image.size) for image in images(first)} == {(TEXELS, TEXELS)}
    assert ours() == names
    assert all(freshness.check(obj) == () for obj in walls)
    found = [shows(obj) for obj in walls]
    recipes = {on_object.weathered(obj).recipe_json for obj in walls}
    assert [Recipe.from_json(recipe).layers[0].seed for recipe in recipes] == [7]
    select(*walls)
    bpy.ops.sabi.weather()
    for obj, previewed in zip(walls, found, strict=True):
        for name, values in shows(obj).items():
            assert np.array_equal(values, previewed[name]), name


@pytest.mark.parametrize("whole", [False, True], ids=["small", "whole"])
def test_what_all_modules_showed_comes_back(walls, whole):
    before, shown = state()[:3], [exchange.Shown.of(obj) for obj in walls]
    bpy.context.scene.sabi.layers[0].seed = 7
    now = begin(walls[0])
    step_until(now, lambda: is_small(walls[0]), 120.0)
    if whole:
        step_until(now, lambda: now.progress.stage.startswith("Painting"), 120.0)
    assert bpy.ops.sabi.cancel() == {"FINISHED"}
    assert state()[:3] == before
    assert [exchange.Shown.of(obj) for obj in walls] == shown
    assert shown[0].exposures.keys() == {obj.session_uid for obj in walls}


def test_ages_follow_on_all_modules_without_painting(walls, monkeypatch):
    monkeypatch.setattr(preview, "follow", lambda *_: pytest.fail("nothing is to be painted"))
    own = on_object.weathered(walls[1]).layers
    own[1]["Age"].default_value = 0.1
    bpy.context.scene.sabi.layers[0].age = 0.9
    assert begin(walls[0]) is None
    assert [on_object.weathered(obj).layers[0]["Age"].default_value for obj in walls] == pytest.approx([0.9, 0.9])
    assert own[1]["Age"].default_value == pytest.approx(0.1), "only what has changed in the recipe follows"


def test_a_module_that_cannot_be_captured_keeps_its_exposure(walls):
    walls[1].hide_render = True
    before = exposures(walls[1])
    bpy.context.scene.sabi.layers[0].seed = 7
    now = begin(walls[0])
    finish(now)
    assert images(walls[1]) == images(walls[0])
    assert exposures(walls[1]) == before


def duplicated(walls):
    copy = walls[0].copy()
    bpy.context.scene.collection.objects.link(copy)


def other_uv_map(walls):
    for obj in walls:
        for node in on_object.every_node(tree_of(obj)):
            if node.bl_idname == "ShaderNodeUVMap":
                node.uv_map = "Elsewhere"


def test_a_duplicate_that_shares_its_material_waits_for_weather(walls):
    duplicated(walls)
    bpy.context.scene.sabi.layers[0].seed = 7
    assert begin(walls[0]) is None


def test_another_uv_map_is_told(walls):
    other_uv_map(walls)
    shown = exchange.Shown.of(walls[0])
    bpy.context.scene.sabi.layers[0].seed = 7
    now = begin(walls[0])
    step_until(now, lambda: now.ended)
    assert "is another now" in now.error.message
    assert exchange.Shown.of(walls[0]) == shown


def test_a_module_of_two_tiles_waits_for_weather(walls):
    both = wall(bricks("Tiles"), "Both", 2.0, at=20.0)
    both.data.materials.append(bricks("More"))
    both.data.polygons[0].material_index = 1
    select(both)
    bpy.ops.sabi.weather()
    assert exchange.Shown.of(both) is None
    bpy.context.scene.sabi.layers[0].seed = 7
    assert begin(both) is None


def test_how_the_tile_lies_is_found_out_in_a_thread(walls, monkeypatch):
    """A kit of many faces would keep a window waiting."""
    monkeypatch.setattr(kits.work, "in_window", lambda: True)
    threads, laid = [], tile.laid

    def noted(*given):
        threads.append(threading.current_thread())
        return laid(*given)

    monkeypatch.setattr(tile, "laid", noted)
    targets = [kits.Target.of(obj) for obj in walls]
    steps = kits.lying(targets, bpy.data.materials["Bricks"].session_uid, TWO.frame)
    found = []

    def whole():
        found.append((yield from steps))

    assert all(said.stage == "Looking" for said in whole())
    assert found[0].square_metres == pytest.approx(1)
    assert threads
    assert threading.main_thread() not in threads
