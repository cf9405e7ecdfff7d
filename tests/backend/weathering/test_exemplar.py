# SPDX-License-Identifier: GPL-3.0-or-later
"""Exemplars through the whole pipeline, with the shipped painter."""

from dataclasses import replace

import numpy as np
import pytest
import surfaces
from image_files import save
from scipy import ndimage

from sabi.backend.networks.registry import Networks
from sabi.backend.photographed.exemplar import exemplar_of, pictures
from sabi.backend.protocol.errors import Cancelled
from sabi.backend.protocol.recipe import Effect, Exposure, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.weathering.composite import MATERIAL, coverage_map
from sabi.backend.weathering.origin import rolled
from sabi.backend.weathering.pipeline import weather


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks.load(device="cpu", threads=2)


def photograph(size: int = 128) -> np.ndarray:
    """Blue-green grain with a slope of brightness: nothing that a painter of rust would paint. uint8 [size, size, 3]."""
    rng = np.random.default_rng(3)
    grain = sum(np.repeat(np.repeat(rng.standard_normal((size // n, size // n)), n, 0), n, 1) for n in (1, 2, 4, 8))
    values = np.array([30.0, 140, 150]) + np.array([6.0, 14, 18]) * grain[..., None]
    return np.clip(values, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def exemplar(tmp_path_factory):
    return exemplar_of(save(tmp_path_factory.mktemp("photograph") / "wall.png", photograph()), width=0.25)


@pytest.fixture(scope="module")
def smooth(tmp_path_factory):
    """An exemplar without any edge: an edge on it is one that laying it has made."""
    y, x = np.mgrid[:128, :128] * (2 * np.pi / 128)
    waves = [np.cos(a * x + b * y + a * b) for a, b in ((3, 1), (-2, 3), (1, -4), (4, 2))]
    picture = np.array([120, 128, 110]) + sum(waves)[..., None] * np.array([25, 28, 20])
    path = save(tmp_path_factory.mktemp("photograph") / "smooth.png", picture.clip(0, 255).astype(np.uint8))
    return exemplar_of(path, width=0.25)


def texture(height: int = 192, width: int = 256) -> Surface:
    """A bare texture that wraps, and whose origin can be told."""
    y, x = np.mgrid[:height, :width] * (2 * np.pi)
    grey = 128 + 40 * np.cos(y / height + 0.4) + 50 * np.cos(x / width - 1)
    albedo = Map(np.repeat(grey[..., None], 3, axis=2).astype(np.uint8), ColorSpace.SRGB)
    return Surface({"albedo": albedo}, wrap=(True, True), texels_per_metre=512.0)


def recipe_of(exemplar, **changes) -> Recipe:
    given = {"age": 1.0, "exposure": Exposure(noise=1.0, amount=0.9), **changes}
    return Recipe((Layer(Effect.RUST, exemplar=exemplar, **given),))


def thick(result) -> np.ndarray:
    return result.layers[0].thick[..., :3].astype(float)


def test_the_layer_has_the_photographs_colours_and_grows_as_it_did(networks, exemplar):
    surface = texture()
    laid = weather(surface, recipe_of(exemplar), networks=networks)
    plain = weather(surface, recipe_of(None), networks=networks)
    known = pictures(exemplar)["albedo"] * 255
    assert np.abs(thick(laid).mean(axis=(0, 1)) - known.mean(axis=(0, 1))).max() < 4
    assert np.abs(thick(laid).std(axis=(0, 1)) - known.std(axis=(0, 1))).max() < 4
    assert np.abs(thick(plain).mean(axis=(0, 1)) - known.mean(axis=(0, 1))).max() > 30
    assert np.array_equal(laid.layers[0].growth, plain.layers[0].growth)
    assert np.array_equal(laid.layers[0].thick[..., 3], plain.layers[0].thick[..., 3])


def test_its_own_maps_take_the_place_of_the_painters(networks, tmp_path):
    save(tmp_path / "wall_albedo.png", photograph())
    save(tmp_path / "wall_roughness.png", np.full((128, 128, 1), 77, np.uint8))
    save(tmp_path / "wall_metallic.png", np.full((128, 128, 1), 200, np.uint8))
    save(tmp_path / "wall_height.png", photograph()[..., 1:2])
    laid = weather(texture(), recipe_of(exemplar_of(tmp_path)), networks=networks).layers[0]
    assert np.abs(laid.thin[..., 3].astype(int) - 77).max() <= 2
    assert np.abs(laid.thick[..., 3].astype(int) - 200).max() <= 2
    height = laid.growth[..., 3].astype(float)
    assert height.mean() == pytest.approx(127.5, abs=4)  # about flush
    assert np.corrcoef(height.ravel(), laid.thick[..., 1].ravel())[0, 1] > 0.9  # in place with the colour


@pytest.mark.parametrize("shift", [(37, 101), (-64, 5)])
def test_rolled_maps_painted_and_rolled_back_are_the_same_picture(networks, exemplar, shift):
    surface, recipe = texture(), recipe_of(exemplar)
    straight = weather(surface, recipe, networks=networks).surface
    turned = rolled(weather(rolled(surface, shift), recipe, networks=networks).surface, (-shift[0], -shift[1]))
    for name in MATERIAL:
        assert np.abs(turned[name].floats() - straight[name].floats()).max() <= 1 / 255 + 1e-6, name


def test_what_wraps_goes_on_wrapping(networks, smooth):
    painted = thick(weather(texture(), recipe_of(smooth), networks=networks))
    for axis in (0, 1):
        steps = np.abs(painted - np.roll(painted, 1, axis)).mean(axis=(1 - axis, 2))
        assert steps.max() < 3 * np.median(steps)  # wherever its origin lies: rows and columns begin there, not at 0


def test_whole_and_tiles_are_the_same(networks, exemplar):
    surface, recipe = surfaces.sphere(192), recipe_of(exemplar, feature_size=0.2)
    whole, tiled = (weather(surface, recipe, networks=networks, tile=tile).layers[0] for tile in (None, 128))
    for name, image in whole.images().items():
        assert np.abs(image.astype(int) - tiled.images()[name]).max() <= 1, name
    assert np.array_equal(whole.thick[..., :3], tiled.thick[..., :3])


def test_seeds_differ(networks, exemplar):
    one, other = (
        thick(weather(texture(), recipe_of(exemplar, seed=seed), networks=networks))[..., 1] for seed in (0, 1)
    )
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.3


def test_it_crosses_the_seams_of_a_turned_box(networks, smooth):
    surface = surfaces.box(384)
    painted = thick(weather(surface, recipe_of(smooth), networks=networks))
    across, within = surfaces.seam_pairs(surface), surfaces.inner_pairs(surface)
    seam = across.difference(painted).mean() / across.distance.mean()
    inside = surface["island_mask"].array[..., 0] > 0
    beside = inside & ~ndimage.binary_erosion(inside, iterations=3)
    assert (
        painted[beside][:, 1].std() > 0.8 * painted[inside][:, 1].std()
    )  # gutters show what goes on beyond, not one colour
    assert seam < 1.2 * within.difference(painted).mean() / within.distance.mean()


def test_it_is_as_large_in_metres_at_any_size(networks, exemplar):
    """The picture of a larger map, reduced, is that of the smaller map: same place, same size, same colours."""
    small, large = (surfaces.plate(size, width=0.5, bolts=0) for size in (128, 512))
    a, b = (thick(weather(s, recipe_of(exemplar), networks=networks)) for s in (small, large))
    b = b.reshape(128, 4, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(a - b)[4:-4, 4:-4].mean() < 4
    assert np.corrcoef(a[..., 1].ravel(), b[..., 1].ravel())[0, 1] > 0.9


def test_without_normals_directions_come_from_positions(networks, exemplar):
    surface = surfaces.plate(256, width=0.5, bolts=0)
    bare = replace(surface, maps={n: m for n, m in surface.maps.items() if n != "world_normal"})
    a, b = (thick(weather(s, recipe_of(exemplar), networks=networks)) for s in (surface, bare))
    assert np.abs(a - b)[4:-4, 4:-4].mean() < 1


def test_uncovered_texels_are_the_inputs_bit_for_bit(networks, exemplar):
    surface = surfaces.plate(160, upright=False)
    recipe = recipe_of(exemplar, age=0.5, exposure=Exposure(noise=1.0))
    result = weather(surface, recipe, networks=networks)
    bare = coverage_map(surface, recipe.layers[0], result.layers[0]) == 0
    assert 0.05 < bare.mean() < 0.95
    for name in MATERIAL:
        assert (result.surface[name].array == surface[name].array)[bare].all(), name


def test_laying_it_can_be_cancelled(exemplar, networks):
    """Not only the painter is asked between tiles: this surface is one tile and many strips."""
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 4

    with pytest.raises(Cancelled):
        weather(texture(1024, 512), recipe_of(exemplar), networks=networks, cancelled=cancelled)
