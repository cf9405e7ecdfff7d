# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks of materials in a recipe: where an effect keeps to what the segmenter, or the metallic map, says it belongs on."""

from dataclasses import replace

import numpy as np
import pytest
import segmenters

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.belongs_on import BELONGS_ON, kept_to_materials
from sabi.backend.protocol.errors import BadRecipe, NetworkError
from sabi.backend.protocol.mask_stack import Mask
from sabi.backend.protocol.materials import Material, masked, of_mask
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.weathering.material_masks import with_material_masks
from sabi.backend.weathering.pipeline import weather

SIDE = 64


def surface(**maps):
    """Red at the left, green at the right."""
    albedo = np.zeros((SIDE, SIDE, 3), np.uint8)
    albedo[:, : SIDE // 2, 0] = albedo[:, SIDE // 2 :, 1] = 255
    return Surface({"albedo": Map(albedo, ColorSpace.SRGB), **maps})


def recipe(*masks, age=1.0):
    return Recipe((Layer(Effect.MOSS, age=age).with_masks([Mask(mask) for mask in masks]),))


@pytest.fixture
def networks(tmp_path, make_painter):
    make_painter(tmp_path / "painter.onnx")
    return segmenters.write(tmp_path)


def test_an_effect_keeps_to_its_materials(networks):
    given = surface()
    changed = {}
    for name, layer in {"masked": recipe("material:brick"), "everywhere": recipe()}.items():
        result = weather(given, layer, networks=networks).surface["albedo"].array
        changed[name] = (result != given["albedo"].array).any(-1)
    assert changed["everywhere"][:, 36:].any()
    assert changed["masked"][:, :28].any()
    assert not changed["masked"][:, 36:].any()


def test_several_materials_are_one_mask(networks):
    found = with_material_masks(surface(), recipe("material:brick+foliage", "material:foliage"), networks)
    assert found["material:brick+foliage"].array.min() > 250
    assert found["material:foliage"].array[:, :28].max() < 5


def test_the_metallic_map_answers_for_metal(tmp_path):
    metallic = np.zeros((SIDE, SIDE, 1), np.uint8)
    metallic[:10] = 255
    none = Networks.load(device="cpu", folder=tmp_path)
    found = with_material_masks(surface(metallic=Map(metallic)), recipe("material:metal"), none)
    np.testing.assert_array_equal(found["material:metal"].array, metallic)


def test_the_metallic_map_counts_beside_what_is_seen(networks):
    metallic = np.zeros((SIDE, SIDE, 1), np.uint8)
    metallic[:10] = 255
    found = with_material_masks(surface(metallic=Map(metallic)), recipe("material:metal+brick"), networks)
    mask = found["material:metal+brick"].array
    assert mask[:10].min() == 255
    assert mask[20:, :28].min() > 250
    assert mask[20:, 36:].max() < 5


@pytest.mark.parametrize("axis", [0, 1])
def test_what_wraps_is_looked_at_across_its_border(networks, axis):
    """The stand-in sees blocks of 16: of 40 columns the last is half a block, and the other half is the first columns."""
    albedo = np.zeros((40, 40, 3), np.uint8)
    albedo[:, :32, 0] = albedo[:, 32:, 1] = 255
    given = Surface({"albedo": Map(albedo if axis else albedo.swapaxes(0, 1), ColorSpace.SRGB)}, name="tile")
    masks = {
        wraps: with_material_masks(replace(given, wrap=wrap), recipe("material:brick"), networks)[
            "material:brick"
        ].array
        for wraps, wrap in ((False, (False, False)), (True, (axis == 0, axis == 1)))
    }
    first, last = ({wraps: mask.take(at, axis) for wraps, mask in masks.items()} for at in (0, -1))
    assert first[False].min() > 250
    assert last[False].max() < 5
    assert np.array_equal(first[True], last[True]), "the border shows"
    assert 120 < first[True].min() < 136


def test_masks_of_large_tiles_go_on_past_their_border(networks):
    """What is seen in cells of several texels is spread over them, across the border too."""
    albedo = np.zeros((32, 1024, 3), np.uint8)
    albedo[:, :512, 0] = albedo[:, 512:, 1] = 255
    given = Surface({"albedo": Map(albedo, ColorSpace.SRGB)}, wrap=(True, True), name="tile")
    mask = with_material_masks(given, recipe("material:brick"), networks)["material:brick"].array[0, :, 0].astype(int)
    inside = mask[510:514]
    assert list(mask[:2][::-1]) + list(mask[-2:][::-1]) == list(inside)
    assert 5 < inside[1] < 250


def test_a_mask_that_is_given_is_kept(tmp_path):
    mine = Map(np.full((SIDE, SIDE, 1), 7, np.uint8))
    given = surface(**{"material:wood": mine})
    assert with_material_masks(given, recipe("material:wood"), Networks.load(device="cpu", folder=tmp_path)) is given


def test_without_a_segmenter(tmp_path):
    with pytest.raises(NetworkError, match="segmenter_1"):
        with_material_masks(surface(), recipe("material:wood"), Networks.load(device="cpu", folder=tmp_path))


def test_names():
    for effect, materials in BELONGS_ON.items():
        assert of_mask(masked(materials)) == materials, effect
        assert Mask(masked(materials))
    with pytest.raises(BadRecipe, match="unobtainium"):
        Mask("material:metal+unobtainium")
    assert masked((Material.METAL, Material.PAINTED_SURFACE)) == "material:metal+painted_surface"


def test_recipes_carry_them():
    made = recipe("material:stone+brick")
    assert Recipe.from_json(made.to_json()) == made


def test_layers_are_kept_to_what_their_effects_belong_on():
    kept = kept_to_materials(
        Recipe(
            (
                Layer(Effect.RUST, mask="mask"),
                Layer(Effect.MOSS).with_masks([Mask("material:metal")]),
                Layer(Effect.GREYED_WOOD),
            )
        )
    )
    assert [[mask.mask for mask in layer.stack] for layer in kept.layers] == [
        ["mask", "material:metal+painted_surface"],
        ["material:metal"],
        ["material:wood"],
    ]
    assert kept_to_materials(kept) == kept
