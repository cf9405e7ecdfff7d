# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from surfaces import box, plate, shuffled

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol import growth
from sabi.backend.protocol.errors import BadRecipe, BadSurface, Cancelled, MissingMap
from sabi.backend.protocol.mask_stack import Combine, Mask
from sabi.backend.protocol.recipe import Effect, Exposure, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.weathering import origin, pipeline
from sabi.backend.weathering.composite import coverage_map
from sabi.backend.weathering.grid import reduced
from sabi.backend.weathering.pipeline import exposures, reage, weather

NOISE = Exposure(noise=1.0)
LAYER = Layer(Effect.RUST, age=0.8, exposure=NOISE, feature_size=0.2)


@pytest.fixture(scope="module")
def networks(networks_folder) -> Networks:
    return Networks.load(device="cpu", folder=networks_folder, threads=1)


def bare(size: int = 64, seed: int = 0, **fields) -> Surface:
    albedo = np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)
    return Surface({"albedo": Map(albedo, ColorSpace.SRGB)}, texels_per_metre=80.0, **fields)


def test_a_bare_texture_comes_back_with_every_map_of_a_material(networks):
    result = weather(bare(), Recipe((LAYER,)), networks=networks)
    assert {"albedo", "roughness", "metallic", "height", "normal"} <= set(result.surface.maps)
    assert result.surface["albedo"].array.dtype == np.uint8
    assert result.surface["albedo"].color_space is ColorSpace.SRGB
    assert (result.surface["albedo"].array != bare()["albedo"].array).any()
    assert [layer.size for layer in result.layers] == [(64, 64)]


def test_the_recipe_names_the_network_it_was_made_with(networks):
    result = weather(bare(), Recipe((LAYER,)), networks=networks)
    assert result.recipe.networks == {"painter": networks.hashes["painter"]}
    assert result.recipe.layers == (LAYER,)
    again = weather(bare(), result.recipe, networks=networks)
    assert np.array_equal(again.surface["albedo"].array, result.surface["albedo"].array)


def test_geometry_and_fields_pass_through(networks):
    surface = replace(plate(64), name="door", metadata={"from": "a test"})
    result = weather(surface, Recipe((LAYER,)), networks=networks).surface
    assert (result.name, result.metadata, result.pose) == (surface.name, surface.metadata, surface.pose)
    for name in ("position", "world_normal", "island_mask"):
        assert result[name] is surface[name]


def test_a_layer_is_painted_on_the_layers_below_it(networks):
    """The stand-in paints what it sees: another age below gives another picture above."""
    above = Layer(Effect.DIRT, age=0.6, exposure=NOISE, feature_size=0.2)
    thin = [
        weather(bare(), Recipe((replace(LAYER, age=age), above)), networks=networks).layers[1].thin
        for age in (0.0, 1.0)
    ]
    alone = weather(bare(), Recipe((above,)), networks=networks).layers[0].thin
    assert np.array_equal(thin[0], alone)
    assert (thin[1] != alone).any()


def test_reage_is_weather_at_that_age(networks):
    surface = box(96)
    recipe = Recipe((LAYER, replace(LAYER, effect=Effect.MOSS, seed=3)))
    result = weather(surface, recipe, networks=networks)
    later = reage(surface, recipe, result.layers)
    mask = surface["island_mask"].array[..., 0] > 0
    for name in ("albedo", "roughness", "normal", "height"):
        assert (later[name].array == result.surface[name].array)[mask].all()
    fresh = reage(surface, recipe.at_age(0.0), result.layers)
    assert (fresh["albedo"].array == surface["albedo"].array)[mask].all()


def test_reage_refuses_layers_of_something_else(networks):
    result = weather(bare(), Recipe((LAYER,)), networks=networks)
    with pytest.raises(BadSurface):
        reage(bare(32), Recipe((LAYER,)), result.layers)
    with pytest.raises(BadSurface):
        reage(bare(), Recipe((LAYER, LAYER)), result.layers)


def test_progress_rises_from_0_to_1_and_names_its_stages(networks):
    told: list[tuple[str, float]] = []
    weather(bare(96), Recipe((LAYER, LAYER)), networks=networks, tile=32, progress=lambda s, f: told.append((s, f)))
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len(fractions) > 16
    assert [stage for stage, _ in told][1:-1].count("paint rust") == len(told) - 2


def test_cancelling_before_painting_stops_at_once(networks):
    with pytest.raises(Cancelled):
        weather(bare(), Recipe((LAYER,)), networks=networks, cancelled=lambda: True)


def test_large_arrays_come_from_allocate(networks):
    """All that is returned, and nothing else: an 8192 x 8192 surface is weathered in memory maps."""
    given: list[np.ndarray] = []

    def allocate(shape, dtype):
        given.append(np.empty(shape, dtype))
        return given[-1]

    result = weather(box(96), Recipe((LAYER,)), networks=networks, allocate=allocate)
    returned = [result.surface[name].array for name in ("albedo", "roughness", "metallic", "height", "normal")]
    returned += list(result.layers[0].images().values())
    for array in returned:
        assert any(array is one or array.base is one for one in given)


def test_features_that_the_maps_cannot_show_are_warned_about(networks):
    small = Recipe((replace(LAYER, feature_size=0.01),))
    assert any("feature" in warning for warning in weather(bare(), small, networks=networks).warnings)
    assert not any("feature" in warning for warning in weather(bare(), Recipe((LAYER,)), networks=networks).warnings)


def test_weights_without_their_maps_are_warned_about(networks):
    recipe = Recipe((replace(LAYER, exposure=Exposure(edges=1.0, noise=0.2)),))
    shaped = bare().with_maps({"ambient_occlusion": Map(np.full((64, 64, 1), 255, np.uint8))})
    assert any("edges" in warning for warning in weather(shaped, recipe, networks=networks).warnings)
    assert not any("edges" in warning for warning in weather(bare(), recipe, networks=networks).warnings)


def test_islands_that_fill_the_map_without_gutters_are_brought_together(networks):
    """The stand-in paints what it sees: strips of other greys make steps, which go where the strips meet on the object."""
    surface = shuffled(256)
    grey = np.broadcast_to(np.repeat(np.array([0, 80, 160, 240], np.uint8), 64)[None, :, None], (256, 256, 3))
    surface = surface.with_maps({"albedo": Map(grey.copy(), ColorSpace.SRGB)})
    painted = weather(surface, Recipe((LAYER,)), networks=networks).layers[0]
    order, cuts = np.argsort(surface["position"].array[0, :, 0]), [63, 127, 191]
    for image in (painted.thin, painted.thick, painted.growth):
        steps = np.abs(np.diff(image[:, order].astype(int), axis=1)).mean(axis=(0, 2))
        assert steps[cuts].mean() <= 1.5 * steps.mean()


@pytest.mark.parametrize("octave", [0.0, -1.0, -2.4])
def test_gutters_are_as_deep_on_the_canvas_however_fine_the_maps_are(octave):
    """A plate of an island in the middle of its map, painted on a canvas of 2 to the octave texels to a texel of the map."""
    mask = np.zeros((1024, 1024, 1), np.uint8)
    mask[400:600, 400:600] = 255
    alone = Surface({"island_mask": Map(mask), "albedo": Map(np.full((1024, 1024, 3), 128, np.uint8), ColorSpace.SRGB)})
    seams = pipeline._seams(reduced(alone), octave, np.empty)
    assert seams.outside.distance.max() * 2**octave == pytest.approx(pipeline.GUTTER, abs=1)


def test_bad_input_is_refused(networks):
    height = np.zeros((64, 64, 1), np.float32)
    height[3, 3] = np.nan
    with pytest.raises(BadSurface, match="height"):
        weather(bare().with_maps({"height": Map(height)}), Recipe((LAYER,)), networks=networks)
    with pytest.raises(BadRecipe, match="style"):
        weather(bare(), Recipe((replace(LAYER, style="no such style"),)), networks=networks)
    with pytest.raises(MissingMap, match="mask"):
        weather(bare(), Recipe((replace(LAYER, mask="mask"),)), networks=networks)


class TestOrigin:
    @pytest.mark.parametrize("dtype", [np.uint8, np.float32])
    def test_it_moves_with_the_maps(self, dtype):
        values = np.random.default_rng(5).random((48, 80, 3))
        array = (values * 255).astype(np.uint8) if dtype is np.uint8 else values.astype(np.float32)
        surface = Surface({"albedo": Map(array)}, wrap=(True, True))
        first = origin.origin(surface)
        for shift in ((1, 0), (17, 63), (47, 79)):
            moved = origin.origin(origin.rolled(surface, shift))
            assert moved == ((first[0] + shift[0]) % 48, (first[1] + shift[1]) % 80)

    def test_what_does_not_wrap_and_what_shows_nothing_begins_at_0(self):
        assert origin.origin(bare()) == (0, 0)
        assert origin.origin(bare(wrap=(False, True)))[0] == 0
        flat = Surface({"albedo": Map(np.full((8, 8, 3), 77, np.uint8))}, wrap=(True, True))
        assert origin.origin(flat) == (0, 0)

    def test_the_next_map_is_asked_where_the_first_is_flat(self):
        height = np.random.default_rng(0).random((32, 32, 1)).astype(np.float32)
        flat = Map(np.full((32, 32, 3), 77, np.uint8))
        both = Surface({"albedo": flat, "height": Map(height)}, wrap=(True, True))
        assert origin.origin(both) == origin.origin(Surface({"height": Map(height)}, wrap=(True, True)))

    def test_rolled_is_numpys_roll(self):
        surface = bare(20)
        for shift in ((0, 0), (3, 0), (-3, 7), (19, 20)):
            expected = np.roll(surface["albedo"].array, shift, axis=(0, 1))
            assert np.array_equal(origin.rolled(surface, shift)["albedo"].array, expected)


@pytest.mark.parametrize("invert", [False, True])
def test_a_layer_acts_where_another_covers(networks, invert):
    """Texel by texel, with the lower layer's coverage at its own age; at other ages too, without a network."""
    above = Layer(Effect.DIRT, age=0.9, exposure=NOISE, feature_size=0.2, mask="layer:1", invert_mask=invert)
    masked, free = (Recipe((replace(LAYER, age=0.6), top)) for top in (above, replace(above, mask="")))
    result, plain = (weather(bare(), recipe, networks=networks) for recipe in (masked, free))
    for age in (0.6, 0.8):
        under = replace(LAYER, age=age)
        below = coverage_map(bare(), under, result.layers[0])
        assert 0.02 < below.mean() < 0.98
        share = 1 - below if invert else below
        marked = bare().with_maps({"mask": Map(np.rint(share[..., None] * 65535).astype(np.uint16))})
        byhand = reage(marked, Recipe((under, replace(above, mask="mask", invert_mask=False))), result.layers)
        later = reage(bare(), Recipe((under, above)), result.layers)
        assert set(later.maps) == set(byhand.maps) - {"mask"}
        difference = np.abs(later["albedo"].array.astype(int) - byhand["albedo"].array)
        assert difference.max() <= 1
    assert (result.surface["albedo"].array != plain.surface["albedo"].array).any()
    now = reage(bare(), result.recipe, result.layers)
    assert np.array_equal(now["albedo"].array, result.surface["albedo"].array)


def test_a_layer_acts_by_anothers_degree(networks):
    """Smooth, and of the lower layer's own age: stacked with its coverage, at other ages too, without a network."""
    stack = (Mask("degree:1", low=0.1, high=0.6), Mask("layer:1", Combine.SUBTRACT))
    above = Layer(Effect.DIRT, age=0.9, exposure=NOISE, feature_size=0.2, masks=stack)
    result = weather(bare(), Recipe((replace(LAYER, age=0.6), above)), networks=networks)
    now = reage(bare(), result.recipe, result.layers)
    assert np.array_equal(now["albedo"].array, result.surface["albedo"].array)
    for age in (0.6, 0.9):
        under = replace(LAYER, age=age)
        degree = growth.degree(result.layers[0].channel("exposure") / np.float32(255), age)
        share = np.clip(np.clip((degree - 0.1) / 0.5, 0, 1) - coverage_map(bare(), under, result.layers[0]), 0, 1)
        assert 0.02 < share.mean() < 0.98
        marked = bare().with_maps({"mask": Map(np.rint(share[..., None] * 65535).astype(np.uint16))})
        byhand = reage(marked, Recipe((under, above.with_masks([Mask("mask")]))), result.layers)
        later = reage(bare(), Recipe((under, above)), result.layers)
        assert set(later.maps) == set(byhand.maps) - {"mask"}
        assert np.abs(later["albedo"].array.astype(int) - byhand["albedo"].array).max() <= 1


def test_a_hidden_layer_is_not_painted(networks):
    above = Layer(Effect.DIRT, age=0.9, exposure=NOISE, feature_size=0.2)
    result = weather(bare(), Recipe((replace(LAYER, hidden=True), above)), networks=networks)
    alone = weather(bare(), Recipe((above,)), networks=networks)
    assert len(result.layers) == 1
    assert result.recipe.layers == (replace(LAYER, hidden=True), above), "it stays in the recipe"
    assert np.array_equal(result.surface["albedo"].array, alone.surface["albedo"].array)
    again = reage(bare(), result.recipe, result.layers)
    assert np.array_equal(again["albedo"].array, alone.surface["albedo"].array)


def test_exposures_are_those_of_painted_layers_and_go_on_around_islands(networks):
    """What a kit's module is asked for, without painting it."""
    surface = box(128)
    recipe = Recipe((Layer(Effect.RUST), Layer(Effect.MOSS, hidden=True), Layer(Effect.MOSS, seed=3)))
    fields, _ = exposures(surface, recipe)
    painted = weather(surface, recipe, networks=networks).layers
    inside = surface["island_mask"].array[..., 0] > 0
    beside = ndimage.binary_dilation(inside, iterations=2) & ~inside
    assert len(fields) == len(painted) == 2
    for field, layer in zip(fields, painted, strict=True):
        own = layer.channel("exposure")
        assert np.abs(field[inside].astype(int) - own[inside]).max() <= 1
        assert np.ptp(field[inside]) > 50
        assert field[beside].min() >= field[inside].min()
        assert field[beside].std() > 5, "nothing was continued"
