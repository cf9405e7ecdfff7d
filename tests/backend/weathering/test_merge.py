# SPDX-License-Identifier: GPL-3.0-or-later
"""The lowest of many layers as one: over any base it gives, channel by channel, what its layers give one by one."""

from dataclasses import replace

import numpy as np
import pytest
from surfaces import box

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.errors import MissingMap
from sabi.backend.protocol.mask_stack import Combine, Mask
from sabi.backend.protocol.merging import LIVE, MERGED_CHANNELS, merged_count, merged_places, wired
from sabi.backend.protocol.opacity import ChannelOpacity, Curve
from sabi.backend.protocol.painted import PaintedLayer
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import Map, Surface
from sabi.backend.weathering.colour import to_linear
from sabi.backend.weathering.composite import composite, coverage_map
from sabi.backend.weathering.layer_masks import with_layer_masks
from sabi.backend.weathering.merge import merge
from sabi.backend.weathering.pipeline import weather

SIZE = 24
TOLERANCE = 1.2 / 255  # of 8 bits of cover and of look together


def painted(seed: int) -> PaintedLayer:
    rng = np.random.default_rng(seed)
    thin, thick, grown = rng.integers(0, 256, (3, SIZE, SIZE, 4)).astype(np.uint8)
    grown[..., 1] = np.maximum(grown[..., 1], 1)
    return PaintedLayer(thin, thick, grown)


def recipe(count: int) -> Recipe:
    layers = [Layer(Effect.RUST, age=0.5 + 0.06 * (n % 6), opacity=1 - 0.05 * n, relief=0.001) for n in range(count)]
    layers[0] = replace(layers[0], channels=ChannelOpacity(0.2, 0.9, 0.0, 0.5), relief=0.02)
    layers[1] = replace(layers[1], mask="layer:1", invert_mask=True, curve=Curve(((0.1, 0.3), (0.8, 1.0))))
    layers[-1] = replace(layers[-1], masks=(Mask("degree:1"), Mask(f"layer:{count - 1}", Combine.SUBTRACT)))
    return Recipe(tuple(layers))


def base(seed: int = 9) -> Surface:
    rng = np.random.default_rng(seed)
    maps = {
        n: Map(rng.random((SIZE, SIZE, c), np.float32)) for n, c in (("albedo", 3), ("roughness", 1), ("metallic", 1))
    }
    maps["height"] = Map(np.zeros((SIZE, SIZE, 1), np.float32))
    return Surface(maps, height_scale=1.0)


def parts(layer: PaintedLayer) -> dict[str, np.ndarray]:
    """The channels of a merged layer by their names, float32 [H, W] 0..1."""
    images = layer.images()
    return {
        part: images[name][..., at].astype(np.float32) / 255
        for name, packed in MERGED_CHANNELS.items()
        for at, part in enumerate(packed)
    }


def laid(surface: Surface, of: Recipe, layers: list[PaintedLayer], count: int) -> tuple[np.ndarray, Surface]:
    """The lowest `count` layers one by one: their coverage together, and the maps."""
    bare, through = surface["height"], np.ones((SIZE, SIZE), np.float32)
    for index, (layer, one) in enumerate(zip(of.layers[:count], layers, strict=False)):
        through *= 1 - coverage_map(surface, layer, one)
        surface = composite(surface, layer, one, bare=bare)
        surface = with_layer_masks(surface, of, index, one, np.empty)
    return 1 - through, surface


@pytest.mark.parametrize("count", [5, 6, 8, 16])
def test_laid_over_a_base_it_is_its_layers_one_by_one(count):
    of, surface, layers = recipe(count), base(), [painted(seed) for seed in range(count)]
    found = merge(surface, of, layers)
    assert len(found.layers) == LIVE
    assert all(one is other for one, other in zip(found.layers[1:], layers[-3:], strict=True))
    cover, expected = laid(surface, of, layers, count - 3)
    assert cover.max() > 0.5
    one = parts(found.layers[0])
    assert np.abs(one["coverage"] - cover).max() <= 0.6 / 255
    colour = to_linear(np.stack([one[name] for name in ("red", "green", "blue")], -1))
    shown = surface["albedo"].array + one["albedo_cover"][..., None] * (colour - surface["albedo"].array)
    assert np.abs(shown - expected["albedo"].array).max() <= TOLERANCE
    for name in ("roughness", "metallic"):
        under = surface[name].array[..., 0]
        shown = under + one[f"{name}_cover"] * (one[name] - under)
        assert np.abs(shown - expected[name].array[..., 0]).max() <= TOLERANCE, name
    relief = wired(of).layers[0].relief
    height = ((one["height"] * 65280 + one["height_low"] * 255) / 65535 * 2 - 1) * relief
    difference = one["height_cover"] * height - expected["height"].array[..., 0]
    assert np.abs(difference).max() <= 0.6 / 255 * relief


def test_masks_by_merged_layers_are_maps():
    of, surface, layers = recipe(6), base(), [painted(seed) for seed in range(6)]
    found = merge(surface, of, layers)
    assert list(found.masks) == ["merged:degree:1"]
    _, expected = laid(surface, of, layers, 3)
    assert np.array_equal(found.masks["merged:degree:1"].array, expected["degree:1"].array)
    (first, second) = wired(of).layers[-1].stack
    assert (first.mask, second.mask, second.combine) == ("merged:degree:1", "layer:3", Combine.SUBTRACT)


def test_up_to_four_are_themselves():
    of, layers = Recipe(recipe(6).layers[:4]), [painted(seed) for seed in range(4)]
    found = merge(base(), of, layers)
    assert (found.layers, found.masks) == (tuple(layers), {})
    assert wired(of) == of
    assert merged_count(of) == len(merged_places(of)) == 0


def test_hidden_layers_do_not_count():
    layers = recipe(6).layers
    of = Recipe((replace(layers[0], hidden=True), *(layer.with_masks(()) for layer in layers[1:])))
    assert merged_places(of) == (1, 2)
    assert merged_count(of.shown) == 2
    assert len(wired(of).layers) == LIVE
    assert merged_places(Recipe((*of.layers[:1], *of.layers[2:]))) == ()


def test_beside_what_covers_lies_its_own_look():
    """Filters mix neighbours: where nothing covers the look is the layers', not black."""
    layers = []
    for seed in range(5):
        one = painted(seed)
        one.thin[...], one.thick[...], one.growth[..., 0] = 200, 200, 255
        one.growth[:, : SIZE // 2, 1], one.growth[:, SIZE // 2 :, 1] = 1, 255  # the right half never starts
        layers.append(one)
    of = Recipe(tuple(Layer(Effect.RUST, age=0.7) for _ in range(5)))
    lowest = merge(base(), of, layers).layers[0]
    assert (parts(lowest)["coverage"][:, SIZE // 2 :] == 0).all()
    assert (lowest.thin == 200).all()


def test_a_mask_that_is_lacking_is_named():
    of = recipe(5)
    of = replace(of, layers=(replace(of.layers[0], mask="mask:Gone"), *of.layers[1:]))
    with pytest.raises(MissingMap, match="mask:Gone"):
        merge(base(), of, [painted(seed) for seed in range(5)])


def test_gutters_go_on_as_painted_layers_do(networks_folder):
    """Outside islands images hold what is painted there, also the merged one's: it does not end at their rim."""
    surface = box(96)
    of = Recipe(tuple(Layer(Effect.RUST, age=0.9, feature_size=0.2, seed=seed) for seed in range(5)))
    result = weather(surface, of, networks=Networks.load(device="cpu", folder=networks_folder, threads=1))
    one = merge(result.surface, of, result.layers).layers[0]
    outside = surface["island_mask"].array[..., 0] == 0
    free = replace(surface, maps={name: map_ for name, map_ in surface.maps.items() if name != "island_mask"})
    through = np.prod([1 - coverage_map(free, of.layers[n], result.layers[n]) for n in range(2)], axis=0)
    assert np.abs(parts(one)["coverage"] - (1 - through))[outside].max() <= 0.6 / 255
    assert (1 - through)[outside].max() > 0.1
