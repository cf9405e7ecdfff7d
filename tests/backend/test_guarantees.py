# SPDX-License-Identifier: GPL-3.0-or-later
"""What is always true of the backend, each with the shipped painter: a test here fails when the promise is broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import surfaces
from scipy import ndimage

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.errors import Cancelled
from sabi.backend.protocol.painted import PaintedLayer
from sabi.backend.protocol.recipe import Effect, Exposure, Frame, Layer, Recipe, load_preset
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.weathering.composite import MATERIAL, coverage_map
from sabi.backend.weathering.origin import rolled
from sabi.backend.weathering.pipeline import Weathered, reage, weather

NOISE = Exposure(noise=1.0)
RUNS = (  # the styles whose photographs have runs; limescale's is that of water
    (Effect.RUST, "blooming"),
    (Effect.RUST, "flaking"),
    (Effect.PEELING_PAINT, "runs"),
    (Effect.DIRT, "grime"),
    (Effect.PATINA, "weeping"),
    (Effect.STAINS, "water"),
    (Effect.STAINS, "leaks"),
)
TEXELS_PER_FEATURE = Networks.load().newest("painter").card.texels_per_feature


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks.load(device="cpu", threads=2)


def rust(surface: Surface, scale: float = 1.0, effect: Effect = Effect.RUST, **changes) -> Recipe:
    """One layer with features of such a size that it is painted at `scale` times the resolution of the surface."""
    feature = TEXELS_PER_FEATURE[effect.value] / (surface.texels_per_metre * scale)
    return Recipe((Layer(effect, **{"age": 0.5, "exposure": NOISE, "feature_size": feature, **changes}),))


def coverage(
    surface: Surface, recipe: Recipe, layers: tuple[PaintedLayer, ...], age: float | None = None
) -> np.ndarray:
    """Coverage of the last layer at its own age or another."""
    layer = recipe.layers[-1] if age is None else replace(recipe.layers[-1], age=age)
    return coverage_map(surface, layer, layers[-1])


def inside(surface: Surface) -> np.ndarray:
    return surface["island_mask"].array[..., 0] > 0


def texture(height: int, width: int, seed: int = 0, dtype: type = np.uint8) -> Surface:
    """A bare texture that wraps: smooth random paint, roughness, metallic, normal and height of one type."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] * (2 * np.pi)
    waves = [
        np.cos(rng.integers(-3, 4) * y / height + rng.integers(1, 4) * x / width + rng.uniform(0, 6)) for _ in range(9)
    ]
    values = np.stack(waves, -1) * 0.2 + rng.normal(0, 0.03, (height, width, 9)) + 0.5
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    stored = (np.clip(values, 0, 1) * top).astype(dtype)
    tilt = (np.stack([values[..., 6], values[..., 7], np.ones_like(values[..., 6])], -1) * top).astype(dtype)
    maps = {
        "albedo": Map(stored[..., :3], ColorSpace.SRGB),
        "roughness": Map(stored[..., 3:4]),
        "metallic": Map(stored[..., 4:5]),
        "height": Map(stored[..., 5:6]),
        "normal": Map(tilt),
    }
    return Surface(maps, wrap=(True, True), texels_per_metre=512.0)


def assert_same_maps(a: Surface, b: Surface, within: int = 0) -> None:
    """All maps that weathering changes are the same to `within` levels of 255."""
    for name in MATERIAL:
        gap = np.abs(a[name].floats() - b[name].floats()) * 255
        assert gap.max() <= within + 1e-3, f"{name} differs by {gap.max():.2f} levels in {(gap > within).sum()} values"


def assert_same_layers(a: Weathered, b: Weathered, within: int = 0) -> None:
    for one, other in zip(a.layers, b.layers, strict=True):
        for name, image in one.images().items():
            gap = np.abs(image.astype(int) - other.images()[name]).max()
            assert gap <= within, f"{name} differs by {gap} levels"


class TestNothingIsLost:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
    def test_uncovered_texels_are_the_inputs_bit_for_bit(self, networks, dtype):
        surface = texture(128, 160, dtype=dtype)
        recipe = rust(surface, age=0.55)
        result = weather(surface, recipe, networks=networks)
        bare = coverage(surface, recipe, result.layers) == 0
        assert 0.05 < bare.mean() < 0.95
        for name in MATERIAL:
            before, after = surface[name].array, result.surface[name].array
            assert (after.dtype, after.shape) == (before.dtype, before.shape)
            assert after[bare].tobytes() == before[bare].tobytes(), name
            assert (after[~bare] != before[~bare]).any(), name

    def test_several_layers_leave_what_none_of_them_covers(self, networks):
        surface = surfaces.plate(160, upright=False)
        layers = tuple(rust(surface, effect=e, age=0.45).layers[0] for e in (Effect.RUST, Effect.MOSS))
        result = weather(surface, Recipe(layers), networks=networks)
        covered = np.zeros(surface.size, bool)
        for layer, painted in zip(layers, result.layers, strict=True):
            covered |= coverage_map(surface, layer, painted) > 0
        assert 0.02 < covered.mean() < 0.98
        for name in MATERIAL:
            assert (result.surface[name].array == surface[name].array).all(axis=-1)[~covered].all(), name

    def test_at_age_0_islands_are_the_input(self, networks):
        surface = surfaces.box(160)
        result = weather(surface, rust(surface, age=0.0), networks=networks)
        for name in surface.maps:
            assert (result.surface[name].array == surface[name].array)[inside(surface)].all(), name

    def test_outside_islands_stand_dilated_values(self, networks):
        surface = surfaces.box(160)
        mask = inside(surface)
        bare = Map(surface["albedo"].array * mask[..., None], ColorSpace.SRGB)
        surface = replace(surface, maps={**surface.maps, "albedo": bare})
        result = weather(surface, rust(surface), networks=networks).surface
        beside = ~mask & np.roll(mask, 1, axis=1)
        albedo = result["albedo"].array.astype(int)
        step = np.abs(albedo - np.roll(albedo, 1, axis=1)).max(axis=-1)
        assert np.quantile(step[beside], 0.9) <= np.quantile(
            step[mask & np.roll(mask, 1, axis=1)], 0.9
        )  # as smooth as inside
        assert (albedo[beside].max(axis=-1) >= albedo[mask].max(axis=-1).min()).all()  # nothing of the black outside

    def test_the_input_is_not_written_to(self, networks):
        surface = surfaces.box(128)
        for map_ in surface.maps.values():
            map_.array.flags.writeable = False
        weather(surface, rust(surface), networks=networks)

    def test_cancelling_stops_before_the_next_tile(self, networks):
        surface = surfaces.plate(256)
        fractions: list[float] = []

        def cancelled() -> bool:
            return any(fraction > 0.05 for fraction in fractions)

        with pytest.raises(Cancelled):
            weather(
                surface,
                rust(surface),
                networks=networks,
                tile=96,
                cancelled=cancelled,
                progress=lambda stage, fraction: fractions.append(fraction),
            )
        assert max(fractions) < 0.5


class TestSameInSameOut:
    def test_twice_the_same_bytes(self, networks):
        surface = surfaces.box(160)
        a, b = (weather(surface, rust(surface), networks=networks) for _ in range(2))
        assert_same_layers(a, b)
        assert_same_maps(a.surface, b.surface)

    @pytest.mark.parametrize("make", [surfaces.plate, lambda size: texture(size, size)])
    def test_another_seed_is_another_picture(self, networks, make):
        surface = make(160)
        a, b = (weather(surface, rust(surface, seed=seed), networks=networks).surface for seed in (0, 1))
        assert (a["albedo"].array != b["albedo"].array).any(axis=-1).mean() > 0.1

    @pytest.mark.parametrize("tile", [96])
    @pytest.mark.parametrize("make", [surfaces.box, surfaces.plate, lambda size: texture(size, size)])
    def test_whole_and_tiles_agree(self, networks, tile, make):
        surface = make(288)  # tiles read 128 texels around: less, and each would see the whole
        whole = weather(surface, rust(surface, 1.2), networks=networks, tile=None)
        tiled = weather(surface, rust(surface, 1.2), networks=networks, tile=tile)
        assert_same_layers(whole, tiled, within=1)
        assert_same_maps(whole.surface, tiled.surface, within=1)

    def test_an_age_changed_later_is_that_age(self, networks):
        surface = surfaces.box(160)
        painted = weather(surface, rust(surface, age=0.3), networks=networks)
        directly = weather(surface, rust(surface, age=0.8), networks=networks)
        later = reage(surface, rust(surface, age=0.8), painted.layers)
        for name in MATERIAL:
            assert (later[name].array == directly.surface[name].array)[inside(surface)].all(), name


class TestAgeIsMonotone:
    @pytest.mark.parametrize("effect", list(Effect))
    def test_coverage_grows_everywhere_in_small_steps(self, networks, effect):
        surface = surfaces.panel(192)
        recipe = rust(surface, effect=effect, exposure=None)
        layers = weather(surface, recipe, networks=networks).layers
        before = coverage(surface, recipe, layers, 0.0)
        assert before.max() == 0
        for step in range(1, 101):
            now = coverage(surface, recipe, layers, step / 100)
            assert (now >= before).all()
            assert (now - before).max() <= 0.08 + 1e-6
            before = now
        assert before.mean() > 0.1  # cracks never cover all


class TestDirt:
    def test_is_thick_on_what_looks_up_and_leaves_the_base_visible(self, networks):
        """Of the oldest dust: much on the top of a box, little on its walls, and nowhere all."""
        surface = surfaces.box(256, extent=(0.3,) * 3)
        recipe = load_preset("dust_and_dirt").at_age(1.0)
        now = coverage(surface, recipe, weather(surface, recipe, networks=networks).layers)
        up = surface["world_normal"].floats()[..., 2]
        top, walls = now[up > 0.9], now[inside(surface) & (np.abs(up) < 0.1)]
        assert top.mean() > 0.5
        assert walls.mean() < 0.6 * top.mean()
        assert now[inside(surface)].max() <= 0.95


class TestNoSeams:
    @pytest.mark.parametrize("seed", [1, 2, 3])
    def test_coverage_goes_on_over_the_seams_of_a_turned_box(self, networks, seed):
        """Under even exposure, so that only what is painted counts: texels that touch at a seam, and those behind them."""
        surface = surfaces.box(384, seed)
        recipe = rust(surface)
        layers = weather(surface, recipe, networks=networks).layers
        across = surfaces.seam_pairs(surface)  # about one texel apart, over the fold
        behind = surfaces.behind(surface, across, ndimage.distance_transform_edt(inside(surface)) >= 3)
        within, apart = surfaces.inner_pairs(surface), surfaces.inner_pairs(surface, 4)
        assert len(across.distance) > 1000
        assert behind.distance.mean() > apart.distance.mean()
        for age in (0.5, 0.6):
            now = coverage(surface, recipe, layers, age)
            assert 0.02 < now[inside(surface)].mean() < 0.98
            assert across.difference(now).mean() <= 1.2 * within.difference(now).mean()
            assert behind.difference(now).mean() <= 1.5 * apart.difference(now).mean()

    @pytest.mark.parametrize("effect", list(Effect))
    def test_no_effect_shows_a_seam_at_any_age(self, networks, effect):
        """With each effect's own exposure."""
        surface = surfaces.box(384)
        recipe = rust(surface, effect=effect, exposure=None)
        layers = weather(surface, recipe, networks=networks).layers
        across, within = surfaces.seam_pairs(surface), surfaces.inner_pairs(surface)
        for age in np.arange(0.2, 0.95, 0.1):
            now = coverage(surface, recipe, layers, float(age))
            albedo = reage(surface, recipe.at_age(float(age)), layers)["albedo"].floats()
            for values in (now, albedo):
                assert across.difference(values).mean() <= 1.2 * within.difference(values).mean()

    @pytest.mark.parametrize(("gravity", "along"), [((0, 0, -1), 0), ((1, 0, 0), 1)])
    def test_runs_that_the_painter_paints_stand_along_gravity(self, networks, gravity, along):
        """On an upright plate, plain but for its bolts; pulled sideways they lie."""
        surface = surfaces.plate(256)
        recipe = replace(rust(surface, effect=Effect.PEELING_PAINT, style="runs"), frame=Frame(gravity=gravity))
        (layer,) = weather(surface, recipe, networks=networks).layers
        threshold = ndimage.gaussian_filter(layer.channel("threshold").astype(np.float32), 1.5)
        steps = [np.abs(np.diff(threshold, axis=axis)).mean() for axis in (along, 1 - along)]
        assert steps[0] < 0.8 * steps[1]

    def test_runs_stand_within_10_degrees_of_gravity_however_islands_are_turned(self, networks):
        """On the walls of a tipped column: gravity pulls another way in each of six turned islands.

        A wall has few runs of one style, which chance may tilt by 20 degrees and more: each style is measured over all walls,
        each wall over all styles, and peeling paint, whose runs are plainest, on each wall. Were gravity 25 degrees off, it
        would show.
        """
        surface, found, off = surfaces.prism(384), {}, {}
        for effect, style in RUNS:
            (layer,) = weather(surface, rust(surface, effect=effect, style=style), networks=networks).layers
            threshold = ndimage.gaussian_filter(layer.channel("threshold").astype(np.float32), 1.5)
            found[style] = surfaces.run_tensors(surface, threshold)
            off[style] = surfaces.run_tensors(surface, threshold, (0, np.sin(0.436), -np.cos(0.436)))
        of_walls = sum(found.values())
        assert of_walls.shape == (6, 2, 2)
        for tensor in (*of_walls, *found["runs"], *(tensors.sum(axis=0) for tensors in found.values())):
            assert surfaces.degrees_from_gravity(tensor) < 10
        assert max(surfaces.degrees_from_gravity(tensor) for tensor in sum(off.values())) > 15

    def test_the_picture_is_the_same_however_islands_are_turned(self, networks):
        """Two layouts of one box: the same place of the object has much the same threshold, more than two seeds have."""
        places, painted = [], []
        for layout, seed in ((1, 0), (2, 0), (2, 1)):
            surface = surfaces.box(288, layout)
            layers = weather(surface, rust(surface, seed=seed), networks=networks).layers
            front = inside(surface) & (surface["world_normal"].array[..., 1] < -0.9)
            places.append(surface["position"].array[front][:, [0, 2]])
            painted.append(layers[0].channel("threshold")[front].astype(float))
        same, other = (np.corrcoef(*on_one_raster(places[0], painted[0], places[i], painted[i]))[0, 1] for i in (1, 2))
        assert same > other + 0.1

    @pytest.mark.parametrize("shift", [(1, 0), (37, 101), (100, 3)])
    @pytest.mark.parametrize("scale", [1.0, 0.77])
    def test_rolled_maps_painted_and_rolled_back_are_the_same_picture(self, networks, shift, scale):
        surface = texture(192, 256)
        straight = weather(surface, rust(surface, scale), networks=networks)
        turned = weather(rolled(surface, shift), rust(surface, scale), networks=networks)
        assert_same_maps(rolled(turned.surface, (-shift[0], -shift[1])), straight.surface, within=1)

    def test_a_wrapping_texture_goes_on_over_its_border(self, networks):
        surface = texture(128, 128)
        threshold = weather(surface, rust(surface), networks=networks).layers[0].channel("threshold").astype(float)
        steps = np.abs(np.diff(threshold, axis=0, append=threshold[:1])).mean(axis=1)
        assert steps[-1] < 1.5 * steps[:-1].mean() + 0.5


class TestPhysicalScale:
    def test_features_are_as_large_in_metres_at_any_resolution(self, networks):
        painted = [threshold_of_a_plate(networks, size, canvas=240) for size in (192, 384)]
        lengths = [correlation_length(values, len(values) / 10) / len(values) for values in painted]
        assert lengths[0] == pytest.approx(lengths[1], rel=0.2)
        halved = painted[1].reshape(192, 2, 192, 2).mean(axis=(1, 3))
        assert np.corrcoef(painted[0].ravel(), halved.ravel())[0, 1] > 0.9

    @pytest.mark.parametrize("effect", list(Effect))
    def test_four_times_the_texels_are_the_same_picture(self, networks, effect):
        """Over the whole way, with the effect's own exposure and size: what is larger, reduced, is what is smaller."""
        recipe, least = Recipe((Layer(effect, 0.6),)), 512 if effect is Effect.PATINA else 256  # verdigris is finer
        small, large = (
            weather(surfaces.box(size, margin=size / 64, extent=(0.15,) * 3), recipe, networks=networks)
            for size in (least, 4 * least)
        )
        assert not small.warnings
        within = inside(small.surface) & (reduced_by(4, inside(large.surface)[..., None])[..., 0] == 1)
        gap = np.abs(small.surface["albedo"].floats() - reduced_by(4, large.surface["albedo"].floats()))
        assert within.mean() > 0.2
        assert gap[within].mean() <= 4 / 255

    def test_a_preset_is_one_picture_at_three_resolutions(self, networks):
        """Three layers, each on what the ones below it gave."""
        recipe, sides = load_preset("old_painted_steel").at_age(0.6), (256, 512, 1024)
        made = [surfaces.box(side, margin=side / 64, extent=(0.2,) * 3) for side in sides]
        within = [
            reduced_by(side // 256, inside(one)[..., None])[..., 0] == 1 for side, one in zip(sides, made, strict=True)
        ]
        results = [weather(one, recipe, networks=networks).surface for one in made]
        both, gaps = np.all(within, axis=0), {}
        for name in ("albedo", "roughness", "metallic"):
            small, *larger = (
                reduced_by(side // 256, result[name].floats()) for side, result in zip(sides, results, strict=True)
            )
            gaps[name] = [float(255 * np.abs(values - small)[both].mean()) for values in larger]
        assert max(gaps["albedo"]) <= 4
        assert max(gaps["metallic"]) <= 4
        assert max(gaps["roughness"]) <= 6.5  # 5.5 measured: further apart than the others
        changed = np.abs(results[0]["albedo"].floats() - made[0]["albedo"].floats())
        assert changed[inside(made[0])].mean() > 0.05  # it is weathered

    def test_features_follow_the_size_asked_for(self, networks):
        """A canvas of half as many texels to the metre: features twice as large."""
        lengths = [
            correlation_length(threshold_of_a_plate(networks, 320, canvas), 320 * 24 / canvas) for canvas in (400, 200)
        ]
        assert lengths[1] / lengths[0] == pytest.approx(2.0, rel=0.3)

    @pytest.mark.parametrize("effect", [Effect.RUST, Effect.MOSS, Effect.SCRATCHES])
    def test_islands_of_other_densities_have_features_of_the_same_size(self, networks, effect):
        surface, lengths = two_walls(320), []
        for seed in range(8):
            recipe = rust(surface, 0.25, effect, seed=seed)
            painted = weather(surface, recipe, networks=networks).layers[0].channel("threshold").astype(float)
            # the fine wall was painted at a quarter of its texels and enlarged: the coarse one is measured enlarged too
            halves = painted[:, :152], ndimage.zoom(painted[:, 168:], 4, order=1, mode="nearest", grid_mode=True)
            lengths.append([correlation_length(half, 64) for half in halves])
        fine, coarse = np.mean(lengths, axis=0)
        assert fine == pytest.approx(coarse, rel=0.1)


def two_walls(size: int) -> Surface:
    """The left half of the maps holds a wall, the right half such a wall at a quarter of the texels to the metre."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    left = x < 0.5
    position = np.zeros((size, size, 3), np.float32)
    position[..., 0], position[..., 2] = np.where(left, x, 5 + 4 * x), np.where(left, -y, -4 * y)
    mask = np.ones((size, size, 1), np.uint8)
    mask[:, size // 2 - 4 : size // 2 + 4] = 0
    plain = surfaces.plate(size)
    names = ("albedo", "roughness", "metallic", "world_normal")
    maps = {name: plain[name] for name in names} | {"position": Map(position), "island_mask": Map(mask)}
    return replace(plain, maps=maps)


def reduced_by(factor: int, values: np.ndarray) -> np.ndarray:
    """Means over squares of `factor` texels: [H, W, C] -> [H / factor, W / factor, C]."""
    height, width = (side // factor for side in values.shape[:2])
    return values.reshape(height, factor, width, factor, -1).mean(axis=(1, 3))


def threshold_of_a_plate(networks: Networks, size: int, canvas: int) -> np.ndarray:
    """What is painted on a bare, even plate of one metre, on a canvas of so many texels."""
    plate = surfaces.plate(size, width=1.0)
    surface = replace(plate, maps={n: m for n, m in plate.maps.items() if n not in ("normal", "height")})
    painted = weather(surface, rust(surface, canvas / size), networks=networks).layers[0]
    return painted.channel("threshold").astype(float)


def correlation_length(values: np.ndarray, cut: float) -> float:
    """Texels after which the autocorrelation of a map, without waves longer than `cut` texels, has fallen to a half."""
    frequency = np.hypot(np.fft.fftfreq(values.shape[0])[:, None], np.fft.fftfreq(values.shape[1]))
    spectrum = np.fft.fft2(values - values.mean()) * (1 - np.exp(-((frequency * cut) ** 2)))
    correlation = np.fft.ifft2(np.abs(spectrum) ** 2).real
    profile = (correlation[0, :64] + correlation[:64, 0]) / (2 * correlation[0, 0])
    after = int(np.argmax(profile < 0.5))
    return after - (0.5 - profile[after]) / (profile[after - 1] - profile[after])


def on_one_raster(a: np.ndarray, at_a: np.ndarray, b: np.ndarray, at_b: np.ndarray, cells: int = 40):
    """Means of two scattered fields over the same square cells of a 1 m face, where both have samples."""
    means = []
    for place, value in ((a, at_a), (b, at_b)):
        cell = np.clip(((place + 0.5) * cells).astype(int), 0, cells - 1) @ (cells, 1)
        means.append(np.bincount(cell, value, cells**2) / np.maximum(np.bincount(cell, minlength=cells**2), 1e-9))
    both = (means[0] > 0) & (means[1] > 0)
    return means[0][both], means[1][both]
