# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest

from sabi.backend.protocol import growth
from sabi.backend.protocol.errors import MissingMap
from sabi.backend.protocol.mask_stack import Combine, Mask
from sabi.backend.protocol.opacity import ChannelOpacity, Curve
from sabi.backend.protocol.painted import CHANNELS, PaintedLayer
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Space, Surface
from sabi.backend.weathering.colour import decode, encode, to_linear, to_srgb
from sabi.backend.weathering.composite import completed, composite, coverage_map

SIZE = (12, 20)
CHANNEL_COUNTS = {"albedo": 3, "roughness": 1, "metallic": 1, "height": 1, "normal": 3}
LAYER = Layer(Effect.RUST, age=0.8, relief=0.002)


def painted(**channels: int | np.ndarray) -> PaintedLayer:
    """A layer whose channels are these, and 128 elsewhere."""
    images = {name: np.full((*SIZE, 4), 128, np.uint8) for name in CHANNELS}
    for name, value in {"exposure": 255, "threshold": 26, "softness": 60, **channels}.items():
        image = next(image for image, names in CHANNELS.items() if name in names)
        images[image][..., CHANNELS[image].index(name)] = value
    return PaintedLayer(**images)


def surface(**maps: np.ndarray) -> Surface:
    arrays = {
        "albedo": np.full((*SIZE, 3), (200, 100, 50), np.uint8),
        "roughness": np.full((*SIZE, 1), 0.25, np.float32),
        "metallic": np.full((*SIZE, 1), 65535, np.uint16),
        "height": np.full((*SIZE, 1), 0.5, np.float32),
        "normal": np.full((*SIZE, 3), (0.5, 0.5, 1.0), np.float32),
        **maps,
    }
    kinds = {"albedo": ColorSpace.SRGB}
    return Surface({n: Map(a, kinds.get(n, ColorSpace.DATA)) for n, a in arrays.items()}, texels_per_metre=100.0)


def partly() -> PaintedLayer:
    """Thresholds that cover the left columns wholly, the right ones not at all."""
    return painted(exposure=160, threshold=np.linspace(5, 250, SIZE[1]).astype(np.uint8))


def test_coverage_is_the_formula():
    layer = replace(LAYER, opacity=0.7)
    exposure, threshold, softness = 200 / 255, 130 / 255, 100 / 255
    depth = growth.depth(np.float32(exposure), np.float32(threshold), layer.age)
    expected = growth.coverage(depth, np.float32(softness), 0.7)
    assert 0.05 < expected < 0.65
    found = coverage_map(surface(), layer, painted(exposure=200, threshold=130, softness=100))
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_albedo_is_mixed_in_linear_light_from_thin_to_thick():
    layer = painted(thin_red=10, thick_red=240, threshold=120)
    depth = float(growth.depth(np.float32(1), np.float32(120 / 255), LAYER.age))
    cover = float(growth.coverage(np.float32(depth), np.float32(60 / 255)))
    assert 0.3 < cover <= 1
    key = min(depth / growth.KEY_DEPTH, 1)
    thin, thick, base = (float(to_linear(np.float32(v / 255))) for v in (10, 240, 200))
    expected = float(to_srgb(np.float32(base + cover * (thin + key * (thick - thin) - base)))) * 255
    result = composite(surface(), LAYER, layer)
    assert result["albedo"].array[..., 0] == pytest.approx(expected, abs=0.51)


def test_roughness_metallic_and_height_take_the_layers_values_where_it_covers():
    layer = painted(threshold=1, roughness=204, metallic=51, height=255)
    result = composite(surface(), replace(LAYER, age=1.0), layer)
    assert (coverage_map(surface(), replace(LAYER, age=1.0), layer) == 1).all()
    assert result["roughness"].array == pytest.approx(204 / 255)
    assert result["metallic"].array == pytest.approx(51 * 257, abs=1)
    assert result["height"].array == pytest.approx(0.5 + 0.002 / 0.01)  # metres over the surface's height scale


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_uncovered_texels_keep_their_bits(dtype):
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "u":
        maps = {n: rng.integers(0, np.iinfo(dtype).max, (*SIZE, c)).astype(dtype) for n, c in CHANNEL_COUNTS.items()}
    else:
        maps = {n: rng.uniform(-1, 3, (*SIZE, c)).astype(dtype) for n, c in CHANNEL_COUNTS.items()}
    base, layer = surface(**maps), partly()
    bare = coverage_map(base, LAYER, layer) == 0
    assert 0.2 < bare.mean() < 0.8
    result = composite(base, LAYER, layer)
    for name in maps:
        assert result[name].array.dtype == dtype
        assert result[name].array[bare].tobytes() == maps[name][bare].tobytes()
        assert not np.shares_memory(result[name].array, maps[name])


@pytest.mark.parametrize(("invert", "kept"), [(False, slice(0, 10)), (True, slice(10, 20))])
def test_a_mask_keeps_the_layer_out(invert, kept):
    mask = np.zeros((*SIZE, 1), np.uint8)
    mask[:, 10:] = 255
    rng = np.random.default_rng(1)
    floats = {n: rng.uniform(-1, 3, (*SIZE, c)).astype(np.float16) for n, c in CHANNEL_COUNTS.items()}
    base = surface(mask=mask, **floats)
    layer = replace(LAYER, mask="mask", invert_mask=invert)
    result = composite(base, layer, painted())
    for name, array in floats.items():
        assert result[name].array[:, kept].tobytes() == array[:, kept].tobytes(), name
    changed = (result["albedo"].array != base["albedo"].array).any(axis=-1)
    assert changed.sum() == changed.size / 2


def test_a_stack_of_masks_is_the_layers_coverage():
    rng = np.random.default_rng(2)
    one, other = (rng.integers(0, 65536, (*SIZE, 1)).astype(np.uint16) for _ in range(2))
    stack = (Mask("group:a", gamma=0.5), Mask("group:b", Combine.SUBTRACT, low=0.25, high=0.5))
    found = coverage_map(surface(**{"group:a": one, "group:b": other}), replace(LAYER, masks=stack), painted())
    a, b = one[..., 0] / 65535, other[..., 0] / 65535
    share = np.clip(a**2 - np.clip((b - 0.25) / 0.25, 0, 1), 0, 1)
    assert 0.1 < share.mean() < 0.2
    assert found == pytest.approx(share * coverage_map(surface(), LAYER, painted()), abs=1e-5)


@pytest.mark.parametrize("smooth", [False, True])
def test_a_curve_makes_opacity_of_degree(smooth):
    """Coverage never shrinks with age, and is as the curve has it at each degree."""
    curve = Curve(((0.1, 0.0), (0.4, 0.3), (0.8, 0.9)), smooth)
    layer = painted(exposure=np.arange(SIZE[1], dtype=np.uint8) * 13, threshold=np.arange(12)[:, None] * 20)
    before = np.zeros(SIZE, np.float32)
    for age in np.linspace(0, 1, 41):
        aged = replace(LAYER, age=float(age))
        cover = coverage_map(surface(), replace(aged, curve=curve), layer)
        degree = growth.degree(layer.channel("exposure") / np.float32(255), float(age))
        assert cover == pytest.approx(coverage_map(surface(), aged, layer) * growth.opacity_at(curve, degree), abs=1e-6)
        assert (cover >= before).all()
        assert np.abs(cover - before).max() < 0.25
        before = cover
    assert before.max() > 0.8


@pytest.mark.parametrize("name", ["albedo", "roughness", "metallic", "height"])
def test_each_channel_has_an_opacity_of_its_own(name):
    """Halved, the change is halved, in that channel alone; at 0 its map keeps its bits."""
    layer = painted(threshold=1, height=np.arange(SIZE[1], dtype=np.uint8) * 12)
    base = surface(albedo=np.full((*SIZE, 3), (0.6, 0.3, 0.1), np.float32))
    whole = composite(base, LAYER, layer)
    half, none = (
        composite(base, replace(LAYER, channels=replace(ChannelOpacity(), **{name: share})), layer)
        for share in (0.5, 0)
    )
    for other in {"albedo", "roughness", "metallic", "height"} - {name}:
        assert half[other].array.tobytes() == none[other].array.tobytes() == whole[other].array.tobytes()
    for kept in (name, "normal") if name == "height" else (name,):
        assert none[kept].array.tobytes() == base[kept].array.tobytes()
        assert whole[kept].array.tobytes() != base[kept].array.tobytes()
    begun, full, halved = (decode(s[name].array, s[name].color_space) for s in (base, whole, half))
    assert halved - begun == pytest.approx((full - begun) / 2, abs=2e-5)


def test_a_mask_that_is_not_there_is_named():
    with pytest.raises(MissingMap, match="mask"):
        composite(surface(), replace(LAYER, mask="mask"), painted())


def test_alpha_and_islands_limit_coverage():
    alpha = np.full((*SIZE, 1), 255, np.uint8)
    alpha[:4], alpha[4:8] = 0, 102
    island = np.ones((*SIZE, 1), np.uint8)
    island[:, :5] = 0
    base = surface(alpha=alpha, island_mask=island)
    whole, part = coverage_map(surface(), LAYER, painted()), coverage_map(base, LAYER, painted())
    assert not part[:4].any()
    assert part[4:8, 5:] == pytest.approx(0.4 * whole[4:8, 5:], abs=1e-6)
    assert not part[:, :5].any()
    assert (part[8:, 5:] == whole[8:, 5:]).all()


class TestNormals:
    def test_they_lean_away_from_a_bump(self):
        """+X of the map is to the right, +Y up the rows."""
        height = np.full(SIZE, 128, np.uint8)
        height[6, 10] = 255
        base = surface()
        normal = composite(base, LAYER, painted(height=height))["normal"].array * 2 - 1
        assert normal[6, 9, 0] < -0.01
        assert normal[6, 11, 0] > 0.01
        assert normal[5, 10, 1] > 0.01
        assert normal[7, 10, 1] < -0.01
        assert np.linalg.norm(normal, axis=-1) == pytest.approx(1, abs=1e-5)
        cover = float(coverage_map(base, LAYER, painted())[0, 0])
        slope = cover * (127 / 255) * 2 * 0.002 * 100 / 2  # half the rise over two texels of a centimetre each
        assert normal[6, 11, 0] / normal[6, 11, 2] == pytest.approx(slope, rel=1e-3)

    def test_layers_follow_the_relief_below_them_and_replace_each_other(self):
        """As in the node group: heights count from the bare surface, and a second layer stands in place of the first."""
        rise = np.linspace(0.2, 0.8, SIZE[1], dtype=np.float32)[None, :, None].repeat(SIZE[0], axis=0)
        base, full = surface(height=rise), replace(LAYER, age=1.0)
        first = composite(base, full, painted(threshold=1, height=255), bare=base["height"])
        assert first["height"].array == pytest.approx(rise + 0.002 / 0.01, abs=1e-5)
        assert first["normal"].array[..., :2] == pytest.approx(0.5, abs=1e-5)  # the slope of the base is the base's
        second = composite(first, full, painted(threshold=1, height=0), bare=base["height"])
        assert second["height"].array == pytest.approx(rise - 0.002 / 0.01, abs=1e-5)

    def test_density_scales_the_slope(self):
        height = np.full(SIZE, 128, np.uint8)
        height[6, 10] = 255
        lean = [
            composite(surface(), LAYER, painted(height=height), density=lambda rows, d=d: np.float32(d))[
                "normal"
            ].array[6, 11]
            for d in (100, 50)
        ]
        slopes = [(n[0] * 2 - 1) / (n[2] * 2 - 1) for n in lean]
        assert slopes[0] == pytest.approx(2 * slopes[1], rel=1e-3)

    def test_the_rim_of_an_island_is_no_slope(self):
        island = np.ones((*SIZE, 1), np.uint8)
        island[:, 15:] = 0
        height = np.full((*SIZE, 1), 0.5, np.float32)
        height[:, 15:] = 0  # as a bake without a margin leaves it
        normal = composite(surface(island_mask=island, height=height), LAYER, painted(height=255))["normal"].array
        assert np.abs(normal[:, 13:15, :2] - 0.5).max() < 1e-6

    def test_a_texture_that_wraps_is_followed_over_its_border(self):
        height = np.full(SIZE, 128, np.uint8)
        height[:, 0] = 255
        wrapping, ending = (
            composite(replace(surface(), wrap=(w, w)), LAYER, painted(height=height))["normal"].array
            for w in (True, False)
        )
        assert (wrapping[:, -1, 0] < 0.49).all()
        assert (np.abs(ending[:, -1, 0] - 0.5) < 1e-6).all()


class TestCompleted:
    def test_what_a_surface_lacks_becomes_a_constant_without_memory(self):
        bare = Surface({"albedo": surface()["albedo"]})
        full = completed(bare, Recipe((LAYER,)))
        assert full["albedo"] is bare["albedo"]
        for name, value in {"roughness": 0.5, "metallic": 0.0, "height": 0.5}.items():
            assert full[name].floats() == pytest.approx(value, abs=0.01)
            assert full[name].array.strides[:2] == (0, 0)

    def test_a_new_height_map_has_room_for_every_layer(self):
        recipe = Recipe((LAYER, replace(LAYER, relief=0.03)))
        full = completed(Surface({"albedo": surface()["albedo"]}), recipe)
        assert full.height_scale == pytest.approx(0.06)
        assert completed(surface(), recipe).height_scale == surface().height_scale

    def test_a_frame_has_no_height_and_no_tangent_space(self):
        full = completed(Surface({"albedo": surface()["albedo"]}, space=Space.IMAGE), Recipe((LAYER,)))
        assert "height" not in full
        assert "normal" not in full


def test_tables_of_the_curve_are_the_curve():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    like = Map(levels, ColorSpace.SRGB)
    assert np.array_equal(encode(decode(levels, ColorSpace.SRGB), like), levels)
    linear = np.linspace(0, 1, 100_001, dtype=np.float32)
    assert np.abs(encode(linear, like) - to_srgb(linear) * 255).max() < 0.56
    halves = Map(np.zeros((1, 1, 1), np.float16), ColorSpace.SRGB)
    assert encode(np.array([4.0], np.float32), halves)[0] > 1.8  # floats are not clipped
