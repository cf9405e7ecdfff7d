# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from surfaces import box, plate

from sabi.backend.networks.card import Card
from sabi.backend.protocol import growth
from sabi.backend.protocol.errors import BadRecipe, Cancelled
from sabi.backend.protocol.recipe import Effect, Exposure, Frame, Layer
from sabi.backend.protocol.surface import ColorSpace, Map, Space, Surface
from sabi.backend.weathering import geometry
from sabi.backend.weathering.conditions import Conditions
from sabi.backend.weathering.exposure import survey
from sabi.backend.weathering.grid import reduced
from sabi.backend.weathering.paint import Run, paint, style_code
from sabi.backend.weathering.resample import Axis, weigh
from sabi.backend.weathering.scale import densities, scales
from sabi.backend.weathering.seams import find_seams

NAMES = [
    "threshold",
    "softness",
    "thin_r",
    "thin_g",
    "thin_b",
    "thick_r",
    "thick_g",
    "thick_b",
    "roughness",
    "metallic",
]
CARD = Card(
    name="painter",
    version="1",
    inputs={
        "base": ["red", "green", "blue", "roughness", "metallic", "height"],
        "susceptibility": ["rate", "onset"],
        "down": ["x", "y"],
        "noise_8": ["a", "b"],
        "noise_2": ["a", "b"],
        "style": ["a", "b"],
    },
    outputs={"painted": [*NAMES, "height"]},
    multiple=32,
    overlap=32,
    noise={"noise_8": (8, 2), "noise_2": (2, 2)},
    texels_per_feature={effect.value: 16.0 for effect in Effect},
    styles={effect.value: {"first": [1.0, 0.0], "second": [0.0, 1.0]} for effect in Effect},
)
LAYER = Layer(Effect.RUST, exposure=Exposure(noise=1.0))
GRAVITY = np.array([0.0, 0.0, -1.0])


class Recorder:
    """A painter whose output is its base, and noise; it keeps what it was given."""

    card = CARD

    def __init__(self) -> None:
        self.seen: list[dict[str, np.ndarray]] = []

    def run(self, inputs):
        self.seen.append({name: np.array(array) for name, array in inputs.items()})
        base, noise = inputs["base"], inputs["noise_2"].repeat(2, axis=2).repeat(2, axis=3)
        out = np.full((1, 11, *base.shape[2:]), 0.5, np.float32)
        out[:, 0] = 0.5 + 0.1 * noise[:, 0]
        out[:, 2:5] = base[:, :3]
        return {"painted": out}

    def fall_back(self) -> bool:
        return False


def feature(surface: Surface, scale: float) -> Layer:
    """Features for which the painter's canvas is `scale` times the surface."""
    return replace(LAYER, feature_size=16 / surface.texels_per_metre / scale)


def conditions(surface: Surface, layer: Layer, seams=None, exposure=None) -> Conditions:
    grid = reduced(surface)
    canvas = scales(surface, grid, densities(surface, grid), layer, CARD).canvases[0]
    if exposure is None:
        exposure = np.full(surface.size, 128, np.uint8)
    down = None
    if grid.position is not None:
        gravity = geometry.gravity_at_rest(surface, Frame())
        down = geometry.down(grid.position, grid.inside, gravity)
    return Conditions(surface, layer, canvas, CARD, grid, seams, exposure, down, GRAVITY)


def painted(surface: Surface, layer: Layer, painter=None, **run):
    grid = reduced(surface)
    plan = scales(surface, grid, densities(surface, grid), layer, CARD)
    field = survey(surface, Frame()).exposure(layer)
    return paint(surface, layer, painter or Recorder(), plan, field, grid, None, GRAVITY, None, Run(**run))


def window(given: Conditions, name: str, rows: slice, columns: slice) -> np.ndarray:
    """One of the painter's inputs [C, h, w]."""
    out = np.full(
        (len(given.card.inputs[name]), rows.stop - rows.start, columns.stop - columns.start), np.nan, np.float32
    )
    given.sources()[name](rows, columns, out)
    return out


def bare(size: int = 64, **fields) -> Surface:
    rng = np.random.default_rng(0)
    albedo = rng.integers(0, 256, (size, size, 3)).astype(np.uint8)
    return Surface({"albedo": Map(albedo, ColorSpace.SRGB)}, texels_per_metre=100.0, **fields)


def test_streaks_stand_along_gravity_on_every_steep_face():
    """On a box whose islands are turned at random, a step along gravity finds the same streak, a step across another."""
    surface = box(256)
    card = replace(CARD, noise={**CARD.noise, "noise_2": (2, 1, 0, 8.0)})
    grid = reduced(surface)
    layer = feature(surface, 1.0)
    canvas = scales(surface, grid, densities(surface, grid), layer, card).canvases[0]
    given = Conditions(surface, layer, canvas, card, grid, None, np.zeros(surface.size, np.uint8), None, GRAVITY)
    noise = window(given, "noise_2", slice(0, 128), slice(0, 128))[0]
    position = surface["position"].array[1::2, 1::2].astype(np.float64)
    normal = surface["world_normal"].array[1::2, 1::2]
    steep = (np.abs(normal[..., 2]) < 0.1) & (surface["island_mask"].array[1::2, 1::2, 0] > 0)
    where, values = position[steep], noise[steep]
    pick = np.random.default_rng(0).permutation(len(where))[:400]
    step = 6 * canvas.texel
    likeness = []
    for direction in (GRAVITY, None):
        pairs = []
        for i in pick:
            way = direction if direction is not None else np.cross(normal[steep][i], GRAVITY)
            apart = np.linalg.norm(where - (where[i] + step * way), axis=1)
            nearest = apart.argmin()
            if apart[nearest] < 1.5 * canvas.texel:
                pairs.append((values[i], values[nearest]))
        likeness.append(np.corrcoef(np.array(pairs).T)[0, 1])
    assert likeness[0] > 0.5
    assert likeness[1] < 0.25


class TestAxis:
    @pytest.mark.parametrize(("before", "after"), [(64, 64), (64, 23), (64, 32), (20, 64), (64, 100)])
    def test_windows_join_and_weights_are_one(self, before, after):
        signal = np.random.default_rng(0).normal(size=(before, 1)).astype(np.float32)

        def part(start, stop):
            first, last, sources, weights = Axis(before, after).taps(start, stop)
            assert weights.sum(axis=1) == pytest.approx(1, abs=1e-5)
            return weigh(signal[Axis(before, after).within(first, last)], 0, sources, weights)

        whole = part(0, after)
        assert np.array_equal(np.concatenate([part(0, 7), part(7, after)]), whole)
        assert whole.mean() == pytest.approx(signal.mean(), abs=0.05)

    def test_shrinking_takes_means(self):
        signal = np.arange(12, dtype=np.float32)[:, None]
        _, _, sources, weights = Axis(12, 4).taps(0, 4)
        assert weigh(signal, 0, sources, weights)[:, 0] == pytest.approx([1, 4, 7, 10], abs=1e-5)

    def test_growing_is_linear_and_wraps(self):
        signal = np.arange(4, dtype=np.float32)[:, None]
        for wrap, first in ((False, 0.0), (True, 0.75)):
            axis = Axis(4, 8, wrap)
            start, stop, sources, weights = axis.taps(0, 8)
            values = weigh(signal[axis.within(start, stop)], 0, sources, weights)[:, 0]
            assert values[0] == pytest.approx(first)
            assert values[1:7] == pytest.approx([0.25, 0.75, 1.25, 1.75, 2.25, 2.75])


class TestScales:
    def test_one_density_takes_one_canvas_exactly(self):
        surface = plate(100)
        grid = reduced(surface)
        for scale in (0.7, 1.0, 1.9):
            plan = scales(surface, grid, densities(surface, grid), feature(surface, scale), CARD)
            assert [canvas.size for canvas in plan.canvases] == [(round(100 * scale),) * 2]
            assert plan.octaves is None
            assert plan.canvases[0].texel == pytest.approx(1 / (surface.texels_per_metre * scale), rel=0.01)

    def test_a_wrapping_canvas_has_whole_multiples(self):
        surface = bare(100, wrap=(True, False))
        plan = scales(surface, reduced(surface), None, feature(surface, 1.0), CARD)
        assert plan.canvases[0].size == (96, 100)

    def test_each_of_two_densities_takes_a_canvas_of_its_own(self):
        density = np.full((64, 64, 1), 100, np.float32)
        density[:, 32:] = 700
        surface = replace(bare(), maps={**bare().maps, "texels_per_metre": Map(density)})
        grid = reduced(surface)
        plan = scales(surface, grid, densities(surface, grid), feature(surface, 1.0), CARD)
        assert [canvas.octave for canvas in plan.canvases] == pytest.approx([-np.log2(7), 0.0], abs=0.03)
        shares = np.stack([plan.share(i, plan.octaves) for i in range(2)])
        assert (shares[0, :, 32:] == 1).all()
        assert (shares[1, :, :32] == 1).all()

    @pytest.mark.parametrize(("octaves", "count"), [(0.5, 2), (1.6, 5), (4.0, 5)])
    def test_canvases_are_spread_over_densities_that_run_into_each_other(self, octaves, count):
        density = np.broadcast_to(100 * 2 ** np.linspace(0, octaves, 64, dtype=np.float32), (64, 64))[..., None]
        surface = replace(bare(), maps={**bare().maps, "texels_per_metre": Map(density.copy())})
        grid = reduced(surface)
        plan = scales(surface, grid, densities(surface, grid), feature(surface, 1.0), CARD)
        places = np.array([canvas.octave for canvas in plan.canvases])
        assert len(places) == count
        away = np.abs(plan.octaves[..., None] - places).min(axis=-1)
        assert np.quantile(away, 0.95) <= max(0.18, 0.6 * octaves / count)
        assert np.stack([plan.share(i, plan.octaves) for i in range(count)]).sum(axis=0) == pytest.approx(1)

    def test_features_too_small_for_the_maps_are_said_to_be_coarse(self):
        surface = bare()
        assert scales(surface, reduced(surface), None, feature(surface, 9.0), CARD).coarse
        assert not scales(surface, reduced(surface), None, feature(surface, 3.0), CARD).coarse


class TestConditions:
    def test_base_is_the_maps_or_their_defaults(self):
        surface = bare()
        base = window(conditions(surface, feature(surface, 1.0)), "base", slice(8, 40), slice(4, 64))
        assert base.shape == (6, 32, 60)
        assert np.array_equal(np.rint(np.moveaxis(base[:3], 0, -1) * 255), surface["albedo"].array[8:40, 4:64])
        assert base[3:, 0, 0] == pytest.approx([0.5, 0.0, 0.5])

    def test_linear_albedo_is_encoded(self):
        albedo = np.full((64, 64, 3), 0.2140411, np.float32)
        surface = Surface({"albedo": Map(albedo, ColorSpace.LINEAR)}, texels_per_metre=100.0)
        base = window(conditions(surface, feature(surface, 1.0)), "base", slice(0, 4), slice(0, 4))
        assert base[:3] == pytest.approx(0.5, abs=1e-4)

    @pytest.mark.parametrize("scale", [0.5, 0.73, 1.6])
    def test_windows_of_a_canvas_are_parts_of_the_whole(self, scale):
        surface = plate(120)
        found = conditions(surface, feature(surface, scale))
        height, width = found.canvas.size
        for name in found.sources():
            stride = CARD.noise.get(name, (1, 0))[0]
            rows, columns = -(-height // stride), -(-width // stride)
            whole = window(found, name, slice(0, rows), slice(0, columns))
            top, left = 32 // stride, 32 // stride
            part = window(found, name, slice(top, rows), slice(left, columns))
            assert np.abs(part - whole[:, top:, left:]).max() < 1e-5, name

    def test_susceptibility_is_the_formulas(self):
        exposure = np.full((64, 64), 200, np.uint8)
        surface = bare()
        found = conditions(surface, feature(surface, 1.0), exposure=exposure)
        rate, onset = window(found, "susceptibility", slice(0, 2), slice(0, 2))
        assert rate == pytest.approx(growth.rate(np.float32(200 / 255)))
        assert onset == pytest.approx(growth.onset(np.float32(200 / 255)))

    def test_noise_belongs_to_the_object(self):
        """At the same place of a box the same noise is read, however its islands are turned."""
        values, places = [], []
        for seed in (1, 2):
            surface = box(448, seed)
            found = conditions(surface, feature(surface, 1.0))
            noise = window(found, "noise_8", slice(0, 56), slice(0, 56))
            front = np.abs(surface["world_normal"].array[4::8, 4::8] - (0, -1, 0)).max(-1) < 0.1
            places.append(surface["position"].array[4::8, 4::8][front])
            values.append(np.moveaxis(noise, 0, -1)[front])
        gap = np.linalg.norm(places[0][:, None] - places[1], axis=-1)
        nearest = gap.argmin(axis=1)
        close = gap.min(axis=1) * surface.texels_per_metre < 2  # texels, a quarter of the lattice
        assert close.sum() > 20
        assert np.corrcoef(values[0][close].ravel(), values[1][nearest[close]].ravel())[0, 1] > 0.8

    @pytest.mark.parametrize("make", [bare, lambda: plate(64)], ids=["texture", "object"])
    def test_seed_and_effect_choose_the_noise(self, make):
        surface = make()
        layer = feature(surface, 1.0)
        layers = layer, replace(layer, seed=1), replace(layer, effect=Effect.MOSS), layer
        first, *others = (window(conditions(surface, one), "noise_8", slice(0, 8), slice(0, 8)) for one in layers)
        assert first.std() > 0.5
        assert [np.array_equal(first, other) for other in others] == [False, False, True]

    def test_gutters_show_what_lies_across_the_seam(self):
        """Each face of a box in its own grey: around an island the painter sees other greys than what the map holds."""
        surface = box(224)
        normal = surface["world_normal"].array
        grey = (60 + 30 * (np.abs(normal).argmax(-1) + 3 * (normal.sum(-1) > 0))).astype(np.uint8)
        mask = surface["island_mask"].array[..., 0] > 0
        albedo = Map(np.repeat((grey * mask)[..., None], 3, axis=2), ColorSpace.SRGB)
        surface = replace(surface, maps={**surface.maps, "albedo": albedo})
        seams = find_seams(mask.astype(np.uint8), surface["position"].array, normal, reach=8, share=4)
        seen = window(conditions(surface, feature(surface, 1.0), seams), "base", slice(0, 224), slice(0, 224))[0] * 255
        given = conditions(surface, feature(surface, 1.0), seams)
        parts = [window(given, "base", slice(top, top + 56), slice(0, 224))[0] * 255 for top in range(0, 224, 56)]
        assert np.array_equal(np.concatenate(parts), seen), "windows of one size, one after the other"
        beside = np.zeros(mask.shape, bool)
        beside.reshape(-1)[seams.outside.texels] = True
        assert (seen[beside] > 59).all()
        assert np.array_equal(np.rint(seen[mask]), grey[mask])
        rims = grey.reshape(-1)[seams.rim[seams.outside.nearest]]
        assert (seen.reshape(-1)[seams.outside.texels] != rims).mean() > 0.85


class TestPaint:
    def test_what_the_network_paints_is_stored_in_8_bits(self):
        surface = bare()
        layer = painted(surface, feature(surface, 1.0))
        assert np.array_equal(layer.thin[..., :3], surface["albedo"].array)
        assert (layer.thick == 128).all()
        assert layer.channel("threshold").std() > 10
        field = survey(surface, Frame()).exposure(feature(surface, 1.0)).window()
        assert np.array_equal(layer.channel("exposure"), np.rint(field * 255))

    def test_a_threshold_is_never_0(self):
        class Zero(Recorder):
            def run(self, inputs):
                return {"painted": np.zeros((1, 11, *inputs["base"].shape[2:]), np.float32)}

        assert (painted(bare(), feature(bare(), 1.0), Zero()).channel("threshold") == 1).all()

    @pytest.mark.parametrize("scale", [0.6, 1.7])
    def test_other_canvases_come_back_in_place(self, scale):
        y, x = np.mgrid[:96, :96] / 95
        albedo = (np.stack([x, y, 0.5 + 0 * x], -1) * 255).astype(np.uint8)
        surface = Surface({"albedo": Map(albedo, ColorSpace.SRGB)}, texels_per_metre=100.0)
        layer = painted(surface, feature(surface, scale))
        inner = slice(3, -3)
        gap = np.abs(layer.thin[inner, inner, :3].astype(int) - albedo[inner, inner])
        assert gap.max() <= 3

    @pytest.mark.parametrize(("early", "late"), [(0.3, 0.7), (0.05, 0.4), (0.4, 0.98)])
    def test_thin_lines_of_a_finer_canvas_neither_start_late_nor_stay_faint(self, early, late):
        """One texel in four starts early: what is covered, at any degree, is nearer to what all cover than by mean thresholds."""

        class Liner(Recorder):
            def run(self, inputs):
                out = super().run(inputs)["painted"]
                out[:, 0], out[:, 1] = late, 0.3
                out[..., ::4][:, 0] = early
                return {"painted": out}

        layer = painted(bare(64), feature(bare(64), 4), Liner())
        threshold, softness = (layer.channel(name) / np.float32(255) for name in ("threshold", "softness"))
        degrees = np.linspace(0, 1, 21, dtype=np.float32)[:, None, None]
        covers = lambda begin: growth.coverage(degrees - np.float32(begin), np.float32(0.3))  # noqa: E731
        truth, by_means = (covers(early) + 3 * covers(late)) / 4, covers((early + 3 * late) / 4)
        by_one = growth.coverage(degrees - threshold, softness)
        assert np.abs(by_one - truth).mean() < 0.9 * np.abs(by_means - truth).mean()
        assert by_one[0].max() == 0

    @pytest.mark.parametrize("scale", [0.6, 1.0, 1.7])
    def test_tiles_are_the_whole(self, scale):
        surface = plate(128)
        whole, tiled = (painted(surface, feature(surface, scale), tile=tile) for tile in (None, 32))
        for name, image in whole.images().items():
            assert np.abs(image.astype(int) - tiled.images()[name]).max() <= 1

    @pytest.mark.parametrize("wrap", [True, False])
    def test_beyond_its_border_the_network_sees_the_texture_go_on_where_it_wraps(self, wrap):
        recorder, surface = Recorder(), bare(64, wrap=(wrap, wrap))
        painted(surface, feature(surface, 1.0), recorder, tile=None)
        seen = np.rint(np.moveaxis(recorder.seen[0]["base"][0, :3], 0, -1) * 255)
        expected = np.pad(surface["albedo"].array, ((32, 32), (32, 32), (0, 0)), mode="wrap" if wrap else "edge")
        assert np.array_equal(seen, expected)
        noise = recorder.seen[0]["noise_8"][0]
        assert np.array_equal(noise[:, :4], noise[:, 8:12]) is wrap  # the lattice wraps as the texture does

    def test_several_densities_join(self):
        density = np.geomspace(60, 260, 128, dtype=np.float32)[None, :, None].repeat(128, axis=0)
        base = bare(128)
        surface = replace(
            base,
            maps={
                "albedo": Map(np.full((128, 128, 3), 90, np.uint8), ColorSpace.SRGB),
                "texels_per_metre": Map(density),
            },
        )
        recorder = Recorder()
        layer = painted(surface, feature(surface, 1.0), recorder)
        assert len({run["base"].shape for run in recorder.seen}) > 1
        assert (layer.thin[..., :3] == 90).all()

    def test_tiles_without_islands_are_not_painted(self):
        mask = np.zeros((256, 256, 1), np.uint8)
        mask[:40, :40] = 1
        surface = replace(plate(256), maps={**plate(256).maps, "island_mask": Map(mask)})
        recorder = Recorder()
        painted(surface, feature(surface, 1.0), recorder, tile=32)
        assert 0 < len(recorder.seen) <= 9

        def filled(value: int):
            return lambda shape, dtype: np.full(shape, value, dtype)

        a, b = (painted(surface, feature(surface, 1.0), tile=32, allocate=filled(value)) for value in (7, 200))
        assert all(np.array_equal(image, b.images()[name]) for name, image in a.images().items())

    def test_islands_and_their_gutters_are_painted_whole(self):
        mask = np.zeros((256, 256, 1), np.uint8)
        mask[180:220, 40:60] = 1
        surface = replace(plate(256), maps={**plate(256).maps, "island_mask": Map(mask)})
        made = painted(surface, feature(surface, 1.0), tile=32).growth[..., 1] > 0  # no threshold that is painted is 0
        assert made[148:252, 8:92].all()
        assert not made.all()

    def test_progress_rises_to_1_and_cancelling_stops(self):
        surface, fractions = bare(128), []
        painted(surface, feature(surface, 1.0), tile=32, progress=fractions.append)
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1
        recorder = Recorder()
        with pytest.raises(Cancelled):
            painted(surface, feature(surface, 1.0), recorder, tile=32, cancelled=lambda: len(recorder.seen) == 2)
        assert len(recorder.seen) == 2

    def test_a_frame_is_painted_where_its_object_is(self):
        surface = replace(plate(96), space=Space.IMAGE)
        assert painted(surface, feature(surface, 1.0)).size == (96, 96)


class TestStyle:
    @pytest.mark.parametrize(
        ("style", "code"),
        [("", (1, 0)), ("second", (0, 1)), ({"first": 1.0, "second": 3.0}, (0.25, 0.75)), ((0.5, -2.0), (0.5, -2.0))],
    )
    def test_a_name_a_blend_or_a_code(self, style, code):
        assert style_code(CARD, replace(LAYER, style=style)) == pytest.approx(code)

    @pytest.mark.parametrize("style", ["third", {"first": 1.0, "third": 1.0}, (1.0, 2.0, 3.0), {"first": 0.0}])
    def test_what_the_card_does_not_know_is_refused(self, style):
        with pytest.raises(BadRecipe):
            style_code(CARD, replace(LAYER, style=style))

    def test_the_code_reaches_the_network(self):
        recorder = Recorder()
        painted(bare(), replace(feature(bare(), 1.0), style="second"), recorder)
        assert recorder.seen[0]["style"] == pytest.approx(np.array([[0, 1]]))
