# SPDX-License-Identifier: GPL-3.0-or-later
"""Strokes painted over Sabi's images survive the next run: laid on the new images, saved with the file, or left to the artist."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node
from bl_ext.user_default.sabi.addon.pixels import strokes
from bl_ext.user_default.sabi.addon.preferences import preferences
from bl_ext.user_default.sabi.backend.protocol.mask_stack import Mask
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender import played as plays
from blender.emission import plane
from blender.painted_images import synthetic_layer
from blender.trees import TREES
from blender.trees import material as tree_material

STROKE = np.float32((1, 0, 1))
HERE = (slice(3, 7), slice(5, 9))  # rows from the bottom


@pytest.fixture
def seeds():
    """What the played backend paints its first layer with: another number, another picture."""
    return [0]


@pytest.fixture
def obj(monkeypatch, clean_scene, seeds):
    monkeypatch.setattr(
        plays, "synthetic_layer", lambda index, size: synthetic_layer(index + seeds[0], seeds[-1] or size)
    )
    seeds.append(0)
    with plays.played(monkeypatch):
        obj = plane(tree_material(TREES[0]))
        yield obj


def weather(*layers: Layer) -> None:
    bpy.ops.sabi.weather(recipe_json=Recipe(layers or (Layer(Effect.RUST),)).to_json())


def shown(obj, mark: str) -> bpy.types.Image:
    return on_object.painted_nodes(group_node(obj.data.materials[0]).node_tree)[mark].image


def pixels(image: bpy.types.Image) -> np.ndarray:
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)


def paint(image: bpy.types.Image, where=HERE) -> None:
    values = pixels(image)
    values[(*where, slice(0, 3))] = STROKE
    image.pixels.foreach_set(values.reshape(-1))
    image.update()


def expected(seed: int, name: str, size: int = 16) -> np.ndarray:
    return getattr(synthetic_layer(seed, size), name)[::-1].astype(np.float32) / 255


def beside_the_file(tmp_path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    preferences().storage = "FILES"


@pytest.mark.parametrize("storage", ["PACK", "FILES"])
def test_strokes_lie_on_what_the_next_run_paints(obj, seeds, storage, tmp_path):
    try:
        if storage == "FILES":
            beside_the_file(tmp_path)
            obj = bpy.data.objects["Plane"]
        weather()
        paint(shown(obj, "1 thin"))
        for seed in (40, 80):
            seeds[0] = seed
            weather()
            found, fresh = pixels(shown(obj, "1 thin")), expected(seed, "thin")
            assert np.allclose(found[HERE][..., :3], STROKE, atol=1e-6)
            fresh[(*HERE, slice(0, 3))] = STROKE
            fresh[(*HERE, 3)] = found[(*HERE, 3)]  # an alpha under a stroke is as it was painted
            assert np.abs(found - fresh).max() < 1e-6, "everything else is what was painted now"
            assert np.allclose(pixels(shown(obj, "1 thick")), expected(seed, "thick"), atol=1e-6)
        assert work.current().outcome.warnings == ("played",)
    finally:
        preferences().storage = "PACK"


def test_they_are_as_large_on_larger_images(obj, seeds):
    weather()
    paint(shown(obj, "1 growth"))
    seeds[-1] = 32
    weather()
    found = pixels(shown(obj, "1 growth"))
    assert found.shape[0] == 32
    assert np.allclose(found[6:14, 10:18, :3], STROKE, atol=1e-6)
    assert np.isclose(found[..., :3], STROKE, atol=1e-6).all(axis=2).sum() == 64


def test_they_follow_their_layer(obj):
    weather(Layer(Effect.RUST), Layer(Effect.MOSS))
    paint(shown(obj, "2 thin"))
    weather(Layer(Effect.DIRT), Layer(Effect.MOSS), Layer(Effect.RUST))
    marked = {
        mark: np.allclose(pixels(shown(obj, mark))[HERE][..., :3], STROKE) for mark in ("1 thin", "2 thin", "3 thin")
    }
    assert marked == {"1 thin": False, "2 thin": True, "3 thin": False}
    weather(Layer(Effect.MOSS))
    assert np.allclose(pixels(shown(obj, "1 thin"))[HERE][..., :3], STROKE)


@pytest.mark.parametrize("storage", ["PACK", "FILES"])
def test_they_are_saved_with_the_file_and_carried_on(obj, seeds, storage, tmp_path):
    try:
        beside_the_file(tmp_path)
        preferences().storage = storage
        obj = bpy.data.objects["Plane"]
        weather()
        paint(shown(obj, "1 thin"))
        bpy.ops.wm.save_mainfile()
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
        obj = bpy.data.objects["Plane"]
        assert np.allclose(pixels(shown(obj, "1 thin"))[HERE][..., :3], STROKE, atol=1e-6)
        for seed in (40, 80):
            seeds[0] = seed
            bpy.context.view_layer.objects.active = obj
            obj.select_set(True)
            weather()
            found = pixels(shown(obj, "1 thin"))
            assert np.allclose(found[HERE][..., :3], STROKE, atol=1e-6)
            assert np.allclose(found[8:], expected(seed, "thin")[8:], atol=1e-6)
    finally:
        preferences().storage = "PACK"


def test_saved_over_what_sabi_wrote_the_image_itself_stays(obj, seeds):
    """Then strokes cannot be told from the rest; it says so."""
    weather()
    image = shown(obj, "1 thin")
    paint(image)
    image.pack()
    before, count = pixels(image), len(bpy.data.images)
    seeds[0] = 40
    weather()
    assert shown(obj, "1 thin") == image
    assert np.array_equal(pixels(image), before)
    assert np.allclose(pixels(shown(obj, "1 thick")), expected(40, "thick"), atol=1e-6)
    assert len(bpy.data.images) == count
    _, said = work.current().outcome.warnings
    assert "'Plane 1 Rust thin' was painted on" in said


@pytest.mark.parametrize("leave", [lambda: weather(Layer(Effect.MOSS)), lambda: bpy.ops.sabi.revert()])
def test_what_has_no_place_any_more_stays_in_the_file(obj, leave):
    weather()
    image = shown(obj, "1 thin")
    paint(image)
    leave()
    assert image.use_fake_user
    assert np.allclose(pixels(image)[HERE][..., :3], STROKE, atol=1e-6)
    assert not strokes.painted_on(image), "it is the artist's own now"
    assert sum(one.name.startswith("Plane 1 Rust") for one in bpy.data.images) == 1


def test_what_nobody_painted_on_goes(obj):
    weather()
    for image in bpy.data.images:
        pixels(image)  # looking at it is no change
    assert not any(map(strokes.painted_on, bpy.data.images))
    before = {image.name for image in bpy.data.images}
    weather()
    assert {image.name for image in bpy.data.images} == before
    bpy.ops.sabi.revert()
    assert not bpy.data.images


def test_a_run_that_fails_changes_nothing(obj):
    weather()
    image = shown(obj, "1 thin")
    paint(image)
    with pytest.raises(RuntimeError):
        weather(Layer(Effect.RUST, masks=(Mask("mask:Nowhere", low=0.5),)))
    assert shown(obj, "1 thin") == image
    assert strokes.painted_on(image)
    assert strokes.BARE not in image
