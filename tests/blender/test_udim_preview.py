# SPDX-License-Identifier: GPL-3.0-or-later
"""Live preview of an object over UDIM tiles: small tiled images of the same tiles first, then whole ones."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import preview, weathering, work
from bl_ext.user_default.sabi.addon.nodes import material
from bl_ext.user_default.sabi.addon.recipe.conversion import fill
from bl_ext.user_default.sabi.addon.surface import bake, capture, preview_capture
from bl_ext.user_default.sabi.addon.surface.capture_settings import CaptureSettings
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from bl_ext.user_default.sabi.backend.protocol.tiles import Tile
from blender.captures import captured
from blender.played import played
from blender.test_preview import begin, finish, step_until
from blender.test_udim import COLOURS, SIDES, looks, painted, spread, tiled

RUST = Recipe((Layer(Effect.RUST, 1.0, seed=1, feature_size=0.3),))


@pytest.fixture
def backend(monkeypatch):
    """Paints each tile in its own colour; objects are really captured."""
    monkeypatch.setattr(preview, "REST", 0.05)
    with played(monkeypatch) as backend:
        for module, name, real in (
            (weathering, "Capture", capture.Capture),
            (preview, "Capture", capture.Capture),
            (preview, "PreviewCapture", preview_capture.PreviewCapture),
        ):
            monkeypatch.setattr(module, name, real)
        yield backend
        work.cancel()


def tile_sizes(obj):
    return [{tile.number: tuple(tile.size) for tile in node.image.tiles} for node in painted(obj).values()]


def is_small(obj):
    return all("preview" in node.image.name for node in painted(obj).values())


def test_tiles_are_shown_small_then_whole(tmp_path, backend, clean_scene, monkeypatch):
    obj = spread(tiled(tmp_path))
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    fill(clean_scene.sabi, RUST)
    bpy.ops.sabi.weather()
    names = {mark: node.image.name for mark, node in painted(obj).items()}
    monkeypatch.setattr(preview_capture, "SIDE", 64)
    clean_scene.sabi.layers[0].seed = 7
    now = begin(obj)
    step_until(now, lambda: is_small(obj))
    for sizes in tile_sizes(obj):
        assert set(sizes) == set(SIDES)
        assert all(max(sizes[number]) <= SIDES[number] // 2 for number in SIDES)
    for number, seen in looks(obj).items():
        assert seen[0] == pytest.approx(10 * (number - 1000), abs=2), "another tile's image is shown"
    assert "Weathered" in finish(now).message
    assert all(sizes == {number: (side, side) for number, side in SIDES.items()} for sizes in tile_sizes(obj))
    assert {mark: node.image.name for mark, node in painted(obj).items()} == names
    assert len([image for image in bpy.data.images if material.IMAGE in image]) == 3
    assert [recipe.layers[0].seed for recipe in backend.recipes] == [1, 7, 7]


def test_cancelled_it_shows_its_tiles_again(tmp_path, backend, clean_scene):
    obj = spread(tiled(tmp_path))
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    fill(clean_scene.sabi, RUST)
    bpy.ops.sabi.weather()
    before = tile_sizes(obj), [node.image.session_uid for node in painted(obj).values()]
    clean_scene.sabi.layers[0].seed = 7
    now = begin(obj)
    step_until(now, lambda: is_small(obj))
    assert bpy.ops.sabi.cancel() == {"FINISHED"}
    assert (tile_sizes(obj), [node.image.session_uid for node in painted(obj).values()]) == before


def previewed(obj, size):
    made = preview_capture.PreviewCapture(bpy.context, obj, CaptureSettings(size=size))
    return made, made.run()


def shows_its_colours(small):
    for tile in small.tiles:
        here = small.surface["albedo"].array[tile.window].astype(int)
        near = (np.abs(here - COLOURS[tile.number]) <= 1).all(axis=2)
        assert near.mean() > 0.6, f"another tile lies at {tile}"  # all but what lies beside the islands


def test_a_cached_atlas_is_thinned(tmp_path, monkeypatch):
    obj = spread(tiled(tmp_path))
    whole = captured(obj, 128)
    monkeypatch.setattr(preview_capture, "SIDE", 64)
    monkeypatch.setattr(bake.Bake, "run", lambda self: pytest.fail("nothing is to be baked"))
    made, small = previewed(obj, 128)
    step = max(whole.surface.size) // 64
    assert made.whole
    assert step >= 2
    assert max(small.surface.size) <= 64
    assert {tile.number for tile in small.tiles} == set(SIDES)
    shows_its_colours(small)


def test_without_one_a_small_atlas_is_baked(tmp_path, monkeypatch):
    obj = spread(tiled(tmp_path))
    monkeypatch.setattr(preview_capture, "SIDE", 256)
    made, small = previewed(obj, 512)
    assert not made.whole
    assert max(small.surface.size) <= 256
    assert {tile.number for tile in small.tiles} == set(SIDES)
    shows_its_colours(small)
    monkeypatch.setattr(bake.Bake, "run", lambda self: pytest.fail("it is cached"))
    previewed(obj, 512)


@pytest.mark.parametrize(
    ("tile", "step", "size", "thin"),
    [
        (Tile(1001, 0, 0, 64, 64), 1, (64, 64), Tile(1001, 0, 0, 64, 64)),
        (Tile(1001, 0, 0, 64, 64), 4, (128, 128), Tile(1001, 0, 0, 16, 16)),
        (Tile(1002, 96, 33, 32, 64), 4, (128, 128), Tile(1002, 24, 8, 8, 16)),
        (Tile(1003, 126, 127, 2, 1), 8, (128, 128), Tile(1003, 15, 15, 1, 1)),
    ],
)
def test_a_tile_among_what_thinning_leaves(tile, step, size, thin):
    assert preview_capture.thinned_tile(tile, step, size) == thin


def test_very_many_tiles_keep_some_texels():
    assert preview_capture.longest_side({1001 + n: (4096, 4096) for n in range(1000)}) == preview_capture.NARROWEST
    assert preview_capture.longest_side({}) == preview_capture.SIDE
