# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from surfaces import box, inner_pairs, panel, plate, seam_pairs, sphere

from sabi.backend.protocol import growth
from sabi.backend.protocol.errors import MissingMap
from sabi.backend.protocol.recipe import Effect, Exposure, Frame, FrameMode, Layer
from sabi.backend.protocol.surface import IDENTITY, Map, Space, Surface
from sabi.backend.weathering.exposure import Survey, exposure, survey
from sabi.backend.weathering.geometry import inside
from sabi.backend.weathering.grid import reduced
from sabi.backend.weathering.seams import find_seams

UPSIDE_DOWN = (1.0, 0, 0, 0, 0, -1.0, 0, 0, 0, 0, -1.0, 0, 0, 0, 0, 1.0)
SCENE = Frame(FrameMode.SCENE)


def only(effect: Effect = Effect.DIRT, noise: float = 0.0, **weights: float) -> Layer:
    """A layer that heeds only these weights."""
    return Layer(effect, exposure=Exposure(noise=noise, **weights))


def lacking(surface: Surface, *names: str) -> Surface:
    return replace(surface, maps={name: map_ for name, map_ in surface.maps.items() if name not in names})


def mean_where(values: np.ndarray, where: np.ndarray) -> float:
    assert where.any()
    return float(values[where].mean())


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("surface", [box(256), sphere(128), panel(160), plate(128)], ids=lambda s: s.name)
def test_every_object_weathers_a_little_then_a_third_then_most(surface: Surface, effect: Effect) -> None:
    values = exposure(surface, Layer(effect), Frame())
    assert values.shape == surface.size
    assert values.dtype == np.float32
    assert values.min() >= 0
    assert values.max() <= 1
    quarter, half, full = (growth.degree(values[inside(surface)], age) for age in (0.25, 0.5, 1.0))
    assert 0.03 < quarter.mean() < 0.16
    assert 0.2 < half.mean() < 0.4
    assert 0.5 < full.mean() < 0.85
    assert (quarter == 0).mean() > 0.25  # only the most exposed places
    assert (full < 0.9).mean() > 0.3  # most, but not all


@pytest.mark.parametrize("effect", [Effect.RUST, Effect.PEELING_PAINT])
def test_rust_and_peeling_start_at_edges(effect: Effect) -> None:
    surface = box(256)
    values = exposure(surface, Layer(effect), Frame())
    edge = surface["curvature"].floats()[..., 0] > 0.8
    assert mean_where(values, edge) > mean_where(values, inside(surface) & ~edge) + 0.3


def test_rust_runs_below_its_sources() -> None:
    """Walls of a box below their upper edge, compared with its floor, which nothing runs over."""
    surface, layer = box(384), Layer(Effect.RUST)
    without = replace(layer, exposure=replace(layer.exposure, drips=0.0))
    gain = exposure(surface, layer, Frame()) - exposure(surface, without, Frame())
    up = surface["world_normal"].floats()[..., 2]
    assert gain[inside(surface) & (np.abs(up) < 0.5)].std() > 2 * gain[up > 0.5].std()


def test_moss_grows_on_what_looks_up_and_near_the_ground() -> None:
    surface = box(256)
    values = exposure(surface, Layer(Effect.MOSS), Frame())
    height, up = surface["position"].floats()[..., 2], surface["world_normal"].floats()[..., 2]
    wall = inside(surface) & (np.abs(up) < 0.5)
    assert mean_where(values, up > 0.5) > mean_where(values, wall & (height > 0)) + 0.3
    assert mean_where(values, wall & (height < -0.35)) > mean_where(values, wall & (height > 0)) + 0.3
    assert mean_where(values, up < -0.5) < mean_where(values, up > 0.5) - 0.3


def test_dirt_settles_upward() -> None:
    surface = box(256)
    values = exposure(surface, Layer(Effect.DIRT), Frame())
    up = surface["world_normal"].floats()[..., 2]
    assert mean_where(values, up > 0.5) > mean_where(values, inside(surface) & (up < 0.5)) + 0.25


@pytest.mark.parametrize("effect", [Effect.RUST, Effect.MOSS, Effect.DIRT])
def test_rust_moss_and_dirt_gather_in_folds(effect: Effect) -> None:
    surface = panel(200)
    values = exposure(surface, Layer(effect), Frame())
    closed = inside(surface) & (surface["ambient_occlusion"].floats()[..., 0] < 0.7)
    assert mean_where(values, closed) > mean_where(values, inside(surface) & ~closed) + 0.25


@pytest.mark.parametrize("detail", ["normal", "height"])
def test_bolts_that_only_a_detail_map_has_are_worn(detail: str) -> None:
    surface = lacking(plate(256), {"normal": "height", "height": "normal"}[detail])
    values = exposure(surface, only(Effect.PEELING_PAINT, edges=1.0), Frame())
    across, up = np.meshgrid((np.arange(256) + 0.5) / 64 % 1 - 0.5, (np.arange(256) + 0.5) / 64 % 1 - 0.5)
    distance = np.hypot(across, up) / 4  # metres from the nearest bolt's middle; bolts have a radius of 0.06
    middle = np.abs(np.arange(256) - 127.5)[:, None] > 24  # away from the groove
    assert mean_where(values, (distance < 0.04) & middle) > mean_where(values, (distance > 0.09) & middle) + 0.3


def test_grooves_of_a_normal_map_are_cavities_not_edges() -> None:
    surface = lacking(plate(256), "height")
    cavities = exposure(surface, only(cavities=1.0), Frame())
    edges = exposure(surface, only(edges=1.0), Frame())
    groove, bolt = np.s_[127:129], np.s_[30:34, 30:34]
    assert cavities[groove].mean() > cavities[bolt].mean() + 0.3
    assert edges[bolt].mean() > edges[127:129].mean() - 0.1
    turned = {"normal": Map(np.ascontiguousarray(255 - surface["normal"].array[..., :2]))}
    dented = surface["normal"].array.copy()
    dented[..., :2] = turned["normal"].array
    inverse = exposure(surface.with_maps({"normal": Map(dented)}), only(edges=1.0), Frame())
    assert inverse[groove].mean() > inverse[bolt].mean() + 0.3


def test_asset_mode_ignores_the_pose_and_scene_mode_heeds_it() -> None:
    surface, layer = box(128), Layer(Effect.MOSS)
    upright = exposure(surface, layer, Frame())
    turned = replace(surface, pose=UPSIDE_DOWN)
    assert exposure(turned, layer, Frame()).tobytes() == upright.tobytes()
    in_scene = exposure(turned, layer, SCENE)
    up = surface["world_normal"].floats()[..., 2]
    assert mean_where(in_scene, up < -0.5) > mean_where(in_scene, up > 0.5) + 0.3


def test_scene_mode_without_a_pose_is_the_scene_as_it_stands() -> None:
    surface = box(128)
    assert surface.pose == IDENTITY
    lifted = replace(surface, pose=(*IDENTITY[:11], 3.0, *IDENTITY[12:]))
    layer = only(ground=1.0)
    grounded = exposure(lifted, layer, Frame(FrameMode.SCENE, ground=2.5))
    asset = exposure(surface, layer, Frame())
    np.testing.assert_allclose(grounded, asset, atol=0.02)
    floating = exposure(lifted, layer, Frame(FrameMode.SCENE, ground=-10.0))
    assert floating[inside(surface)].std() < 1e-3  # nothing is near the ground


def test_gravity_can_be_set() -> None:
    surface = box(128)
    sideways = exposure(surface, only(up=1.0), Frame(gravity=(0.0, 1.0, 0.0)))
    normal = surface["world_normal"].floats()
    assert mean_where(sideways, normal[..., 1] < -0.5) > mean_where(sideways, normal[..., 2] > 0.5) + 0.3


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("seed", [1, 2])
def test_exposure_does_not_know_uv_seams(effect: Effect, seed: int) -> None:
    surface = box(384, seed=seed)
    values = exposure(surface, Layer(effect), Frame())
    seams, inner = seam_pairs(surface), inner_pairs(surface)
    assert len(seams.distance) > 1000
    slope = (inner.difference(values) / inner.distance).mean()
    assert seams.difference(values).mean() <= slope * seams.distance.mean()


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize("stride", [2, 4])
def test_exposure_at_reduced_size_does_not_know_uv_seams_either(effect: Effect, stride: int) -> None:
    surface = box(384)
    field = Survey(surface, Frame(), reduced(surface, 384 // stride)).exposure(Layer(effect))
    mask, position, normal = (surface[name].array for name in ("island_mask", "position", "world_normal"))
    values = field.across(find_seams(mask[..., 0], position, normal, reach=8, share=3 * stride)).window()
    seams, inner = seam_pairs(surface), inner_pairs(surface)
    slope = (inner.difference(values) / inner.distance).mean()
    across = seams.difference(values).mean()
    assert across <= 0.5 * slope * seams.distance.mean()
    assert across < 0.3 * seams.difference(field.window()).mean()  # the grid alone does not reach the rims


def test_exposure_is_brought_together_only_near_seams_and_by_windows_as_in_whole() -> None:
    surface = box(256)
    field = Survey(surface, Frame(), reduced(surface, 128)).exposure(Layer(Effect.DIRT))
    mask, position, normal = (surface[name].array for name in ("island_mask", "position", "world_normal"))
    joined = field.across(find_seams(mask[..., 0], position, normal, reach=8, share=5))
    before, whole = field.window(), joined.window()
    changed = np.abs(whole - before) > 0
    assert 0.01 < changed.mean() < 0.3
    assert not changed[ndimage.distance_transform_edt(inside(surface)) > 7].any()
    assert whole.min() >= 0
    assert whole.max() <= 1
    for rows, columns in ((slice(0, 64), slice(0, 256)), (slice(33, 150), slice(71, 99))):
        assert joined.window(rows, columns).tobytes() == whole[rows, columns].tobytes()


def test_exposure_at_reduced_size_is_nearly_that_of_all_texels() -> None:
    surface, layer = box(512), Layer(Effect.RUST, feature_size=0.1)
    whole = exposure(surface, layer, Frame())
    half = Survey(surface, Frame(), reduced(surface, 256)).exposure(layer).window()
    assert np.abs(half - whole)[inside(surface)].mean() < 0.06


def test_resolutions_agree() -> None:
    layer = Layer(Effect.RUST, feature_size=0.15)
    coarse = exposure(sphere(128), layer, Frame())
    fine = exposure(sphere(256), layer, Frame()).reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert np.corrcoef(coarse[16:-16].ravel(), fine[16:-16].ravel())[0, 1] > 0.85


def test_same_in_same_out_and_windows_are_the_whole() -> None:
    surface, layer = box(256), Layer(Effect.RUST, seed=4)
    field = Survey(surface, Frame(), reduced(surface, 128)).exposure(layer)
    whole = field.window()
    again = Survey(surface, Frame(), reduced(surface, 128)).exposure(layer).window()
    assert again.tobytes() == whole.tobytes()
    for rows, columns in ((slice(0, 64), slice(0, 256)), (slice(33, 150), slice(71, 99))):
        assert field.window(rows, columns).tobytes() == whole[rows, columns].tobytes()
    other = Survey(surface, Frame(), reduced(surface, 128)).exposure(replace(layer, seed=5)).window()
    assert np.abs(other - whole).max() > 0.1


def test_age_changes_nothing() -> None:
    surface = panel(64)
    young, old = (exposure(surface, Layer(Effect.RUST, age=age), Frame()) for age in (0.1, 0.9))
    assert young.tobytes() == old.tobytes()


def test_amount_and_contrast() -> None:
    surface, layer = box(128), Layer(Effect.RUST)
    here = inside(surface)

    def values(**settings: float) -> np.ndarray:
        return exposure(surface, replace(layer, exposure=replace(layer.exposure, **settings)), Frame())[here]

    means = [values(amount=amount).mean() for amount in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert (np.diff(means) > 0.1).all()
    assert means[0] < 0.2
    assert means[-1] > 0.85
    assert (values(amount=0.6) >= values(amount=0.5) - 1e-6).all()  # texel by texel
    assert values(contrast=2.0).std() > values().std() > values(contrast=0.5).std()


@pytest.mark.parametrize(
    ("weight", "maps"),
    [
        ("edges", ("curvature", "normal", "height")),
        ("cavities", ("ambient_occlusion", "curvature", "normal", "height")),
        ("up", ("world_normal", "position")),
        ("drips", ("position",)),
        ("ground", ("position",)),
    ],
)
def test_a_weight_without_its_maps_is_dropped_and_said_so(weight: str, maps: tuple[str, ...]) -> None:
    surface = lacking(box(96), *maps)
    layer = Layer(Effect.RUST, exposure=Exposure(**{weight: 0.8, "noise": 0.5}))
    field = survey(surface, Frame()).exposure(layer)
    assert len(field.warnings) == 1
    assert weight in field.warnings[0]
    assert maps[0] in field.warnings[0]
    noise_alone = survey(surface, Frame()).exposure(Layer(Effect.RUST, exposure=Exposure(noise=1.0))).window()
    np.testing.assert_allclose(field.window(), noise_alone, atol=1e-5)  # the others are raised
    strict = replace(layer, exposure=replace(layer.exposure, strict=True))
    with pytest.raises(MissingMap) as caught:
        survey(surface, Frame()).exposure(strict)
    assert caught.value.name == maps[0]


def test_what_several_weights_lack_is_said_in_one_sentence() -> None:
    surface = lacking(box(96), "position", "curvature", "normal", "height")
    layer = Layer(Effect.PEELING_PAINT, exposure=Exposure(edges=0.5, drips=0.5, ground=0.5))
    (said,) = survey(surface, Frame()).exposure(layer).warnings
    expected = "no curvature or normal or height, no position map: peeling paint ignores edges, drips, ground."
    assert said == f"The surface has {expected}"


def test_nothing_is_said_where_nothing_is_missing() -> None:
    assert survey(box(64), Frame()).exposure(Layer(Effect.RUST)).warnings == ()


def test_a_bare_texture_weathers_in_patches_that_tile() -> None:
    albedo = Map(np.full((96, 96, 3), 128, np.uint8))
    surface = Surface({"albedo": albedo}, wrap=(True, True), texels_per_metre=96)
    field = survey(surface, Frame()).exposure(Layer(Effect.RUST, feature_size=0.08))
    values = field.window()
    assert field.warnings == ()  # a texture has no shape to go by: nothing is amiss
    assert values.std() > 0.15
    inner = max(np.abs(np.diff(values, axis=axis)).max() for axis in (0, 1))
    assert inner < 0.3
    assert np.abs(values[0] - values[-1]).max() <= inner
    assert np.abs(values[:, 0] - values[:, -1]).max() <= inner


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_patches_come_in_clusters_of_many_sizes(seed: int) -> None:
    """Sixteen features away the surface weathers otherwise, and two features away a little."""
    albedo = Map(np.full((512, 512, 3), 128, np.uint8))
    surface = Surface({"albedo": albedo}, texels_per_metre=512)
    values = survey(surface, Frame()).exposure(Layer(Effect.RUST, feature_size=8 / 512, seed=seed)).window()
    means = values.reshape(4, 128, 4, 128).mean(axis=(1, 3))
    assert means.std() > 0.55 * values.std()
    fine = values - ndimage.gaussian_filter(values, 16, mode="nearest")
    assert fine.std() > 0.15 * values.std()


def test_nan_in_maps_stays_out() -> None:
    surface = box(128)
    maps = {}
    for name in ("position", "world_normal", "ambient_occlusion", "curvature", "height"):
        array = surface[name].array.astype(np.float32)
        array[~inside(surface)] = np.nan
        array[60:62, 20:22] = np.inf
        maps[name] = Map(array)
    values = exposure(surface.with_maps(maps), Layer(Effect.RUST), Frame())
    assert np.isfinite(values).all()
    np.testing.assert_allclose(
        values[inside(surface)].mean(),
        exposure(surface, Layer(Effect.RUST), Frame())[inside(surface)].mean(),
        atol=0.02,
    )


def test_an_empty_surface_and_a_single_texel_are_survived() -> None:
    empty = box(64).with_maps({"island_mask": Map(np.zeros((64, 64, 1), np.uint8))})
    assert np.isfinite(exposure(empty, Layer(Effect.RUST), Frame())).all()
    tiny = Surface({name: Map(map_.array[:1, :1]) for name, map_ in box(64).maps.items()})
    assert np.isfinite(exposure(tiny, Layer(Effect.RUST), Frame())).all()


def test_a_landscape_of_hundreds_of_kilometres_is_survived() -> None:
    surface = box(64)
    vast = surface.with_maps({"position": Map(surface["position"].array * np.float32(1e6))})
    values = exposure(vast, Layer(Effect.RUST), Frame())
    assert np.isfinite(values).all()
    assert values[inside(surface)].std() > 0.05


def test_a_frame_weathers_where_its_object_is() -> None:
    """A ball before a floor that goes on to the horizon, as an orthographic camera sees them; the sky has no position."""
    y, x = (np.mgrid[:128, :128] + 0.5) / 64 - 1
    ball = x**2 + y**2 < 0.5
    position, normal = np.full((128, 128, 3), np.inf, np.float32), np.zeros((128, 128, 3), np.float32)
    position[80:] = np.stack([20 * x, 1 / np.maximum(y - 0.24, 1e-3), np.full_like(x, -0.7)], -1)[80:]
    normal[80:] = (0, 0, 1)
    sphere_ = np.stack([x, -np.sqrt(np.clip(0.5 - x**2 - y**2, 0, 1)), -y], -1).astype(np.float32)
    position[ball], normal[ball] = sphere_[ball], sphere_[ball] / np.sqrt(0.5)
    maps = {"position": Map(position), "world_normal": Map(normal)}
    frame = Surface({**maps, "object_mask": Map(ball[..., None].astype(np.uint8))}, space=Space.IMAGE)
    values = exposure(frame, Layer(Effect.MOSS), replace(SCENE, ground=-0.7))
    assert np.isfinite(values).all()
    assert mean_where(values, ball & (y < -0.4)) > mean_where(values, ball & (np.abs(y) < 0.2)) + 0.3
    everything = exposure(replace(frame, maps=maps), Layer(Effect.RUST), SCENE)
    assert np.isfinite(everything).all()
    assert everything[ball].std() > 0.1


def test_stored_types_do_not_matter() -> None:
    surface = box(128)
    half = {name: Map(surface[name].array.astype(np.float16)) for name in ("position", "world_normal")}
    bytes_ = {
        name: Map(np.rint(surface[name].array * 255).astype(np.uint8)) for name in ("curvature", "ambient_occlusion")
    }
    values = exposure(surface.with_maps({**half, **bytes_}), Layer(Effect.RUST), Frame())
    assert np.abs(values - exposure(surface, Layer(Effect.RUST), Frame()))[inside(surface)].mean() < 0.05
