# SPDX-License-Identifier: GPL-3.0-or-later
"""The render path against frames composed in closed form: the frame with another material is known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from frames import Scene, light_from

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.errors import MissingMap, NetworkError
from sabi.backend.protocol.mask_stack import Mask
from sabi.backend.protocol.photograph import asked_to_harmonize
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Space, Surface
from sabi.backend.weathering import harmonize, passes, pipeline, shading

RUST = (0.25, 0.09, 0.04)


def repainted(base: Surface, where: np.ndarray, albedo=RUST, metallic=0.0) -> Surface:
    """The material with another one in some texels."""
    new_albedo, new_metallic = base["albedo"].array.copy(), base["metallic"].array.copy()
    new_albedo[where], new_metallic[where] = albedo, metallic
    return base.with_maps({"albedo": Map(new_albedo, ColorSpace.LINEAR), "metallic": Map(new_metallic)})


def ball(surface: Surface) -> np.ndarray:
    return surface["object_mask"].array[..., 0] > 0


def relit(surface: Surface, where: np.ndarray, **material) -> tuple[Surface, shading.Light]:
    base, light = shading.base_material(surface), shading.diffuse_light(surface)
    return shading.relight(surface, base, repainted(base, where, **material), light), light


@pytest.mark.parametrize("metallic", [0.0, 0.3])
def test_the_formula_gives_the_frame_that_the_other_material_would_have(metallic):
    before, after = Scene(metallic=metallic), Scene(albedo=RUST)
    surface = before.surface()
    where = ball(surface)
    result, light = relit(surface, where)
    expected = after.surface()["combined"].array
    assert np.abs(result["combined"].array - expected)[where].max() < 2e-3
    assert np.array_equal(result["combined"].array[~where], surface["combined"].array[~where])
    assert light.warnings == ()
    # and it is a different picture: the test can fail
    assert np.abs(surface["combined"].array - expected)[where].mean() > 0.02


def test_metal_shows_its_rust_by_a_white_diffuse_pass():
    surface = Scene(metallic=1.0).surface()
    where = ball(surface)
    assert not surface["diffuse_colour"].array[where].any()
    white = Map(light_from(surface["world_normal"].array), ColorSpace.LINEAR)
    result, light = relit(surface.with_maps({"white_diffuse": white}), where)
    expected = Scene(albedo=RUST).surface()["combined"].array
    assert np.abs(result["combined"].array - expected)[where].max() < 2e-3
    assert light.warnings == ()


def test_metal_shows_its_rust_by_a_fit_over_normals_and_says_so():
    scene = Scene(metallic=1.0)
    surface = scene.surface()
    normal = surface["world_normal"].array
    # something matte nearby that faces every way, as in a frame with more than one object
    matte = ~ball(surface) & (np.indices(surface.size)[0] < 12)
    around = np.random.default_rng(0).normal(size=(matte.sum(), 3)).astype(np.float32)
    normal[matte] = around / np.linalg.norm(around, axis=1, keepdims=True)
    surface["diffuse_colour"].array[matte] = 0.5
    surface["diffuse_light"].array[matte] = light_from(normal[matte])
    where = ball(surface)
    result, light = relit(surface, where)
    expected = Scene(albedo=RUST).surface()["combined"].array
    assert np.abs(result["combined"].array - expected)[where].max() < 0.02
    assert len(light.warnings) == 1
    assert "no diffuse colour" in light.warnings[0]
    assert "White Diffuse" in light.warnings[0]


def test_metal_alone_gets_an_even_light_and_says_so():
    surface = Scene(metallic=1.0).surface()
    floor = ~ball(surface)
    surface["diffuse_colour"].array[floor] = 0
    result, light = relit(surface, ball(surface))
    assert "guessed" in light.warnings[0]
    changed = result["combined"].array[ball(surface)]
    assert (changed[:, 0] > changed[:, 2]).mean() > 0.95, "rust is red, whatever the light"
    assert changed.mean() > 0.02


def test_saturated_paint_keeps_its_shadows_in_every_channel():
    """Blue paint whose red is dark: the light on its red channel is not known, but its blue one tells of the shadow."""
    surface = Scene(albedo=(0.001, 0.3, 0.6)).surface()
    where = ball(surface)
    dark = where & (np.indices(surface.size)[1] < 32)
    light = surface["diffuse_light"].array
    light[dark] *= 0.1
    light[where, 0] = 0  # what a renderer leaves that divides by next to nothing
    shown = shading.diffuse_light(surface).rows(slice(0, 64))
    truth = light_from(surface["world_normal"].array)
    truth[dark] *= 0.1
    assert np.abs(shown[where, 0] - truth[where, 0]).max() < 0.12
    assert shown[dark, 0].mean() < 0.2 * shown[where & ~dark, 0].mean()


def test_untouched_texels_keep_their_bits():
    for dtype in (np.float16, np.float32):
        surface = Scene().surface(dtype)
        surface["combined"].array[0, 0] = dtype(1.2345e-6)
        surface["combined"].array[0, 1] = -dtype(0.001)
        where = ball(surface) & (np.indices(surface.size)[0] % 3 == 0)
        result, _ = relit(surface, where)
        assert result["combined"].array.dtype == dtype
        assert np.array_equal(
            result["combined"].array[~where].view(np.uint8), surface["combined"].array[~where].view(np.uint8)
        )
        assert (result["combined"].array[where] != surface["combined"].array[where]).any(axis=1).mean() > 0.99


def test_half_floats_do_not_overflow():
    surface = Scene().surface(np.float16)
    surface["diffuse_light"].array[:] = 60000
    result, _ = relit(surface, ball(surface), albedo=(0.9, 0.9, 0.9))
    assert np.isfinite(result["combined"].array).all()


def test_rougher_metal_mirrors_less_sharply_where_roughness_is_known():
    surface = Scene(metallic=1.0).surface()
    bright = np.full((64, 64, 3), 0.2, np.float32)
    bright[30:34, 30:34] = 5  # a highlight
    smooth = Map(np.full((64, 64, 1), 0.1, np.float32))
    shown = surface["combined"].array + surface["glossy_colour"].array * (bright - surface["glossy_light"].array)
    surface = surface.with_maps(
        {"combined": Map(shown, ColorSpace.LINEAR), "glossy_light": Map(bright, ColorSpace.LINEAR), "roughness": smooth}
    )
    base, light = shading.base_material(surface), shading.diffuse_light(surface)
    rough = base.with_maps({"roughness": Map(np.full((64, 64, 1), 0.95, np.float32))})
    result = shading.relight(surface, base, rough, light)["combined"].array
    gloss = surface["glossy_colour"].array * bright
    change = result - surface["combined"].array
    assert (change[30:34, 30:34] < -0.5 * gloss[30:34, 30:34]).all(), "the highlight spreads"
    assert (change[ball(surface)][:, 0] >= -0.85 * gloss[ball(surface)][:, 0] - 1e-5).all()


def test_the_material_is_seen_in_the_passes():
    for metallic in (0.0, 0.3, 1.0):
        base = shading.base_material(Scene(metallic=metallic).surface())
        where = ball(base)
        assert np.abs(base["metallic"].array[where] - metallic).max() < 0.02
        assert np.abs(base["albedo"].array[where] - (0.2, 0.3, 0.6)).max() < 0.02
    grey = shading.base_material(Scene(albedo=(0.5, 0.5, 0.5), metallic=0.0).surface())
    assert grey["metallic"].array[ball(grey)].max() < 0.02
    given = Map(np.full((64, 64, 1), 0.25, np.float32))
    surface = Scene(metallic=0.3).surface().with_maps({"metallic": given})
    assert (shading.base_material(surface)["metallic"].array == 0.25).all()


def test_edges_and_creases_are_seen_in_normals_and_positions():
    """A ridge above, a valley below, both of two planes that meet at a right angle."""
    x = np.linspace(-1, 1, 64, dtype=np.float32)[None, :] * np.ones((64, 1), np.float32)
    ridge = np.arange(64)[:, None] < 32
    height = np.where(ridge, -np.abs(x), np.abs(x))
    slope = np.where(ridge, np.sign(x), -np.sign(x))
    normal = np.stack([slope, np.zeros_like(x), np.ones_like(x)], -1).astype(np.float32) / np.float32(np.sqrt(2))
    y = np.linspace(1, -1, 64, dtype=np.float32)[:, None] * np.ones((1, 64), np.float32)
    surface = (
        Scene()
        .surface()
        .with_maps({"world_normal": Map(normal), "position": Map(np.stack([x, y, height], -1).astype(np.float32))})
    )
    curvature = shading.base_material(surface)["curvature"].array[..., 0]
    assert curvature[8:24, 31:33].min() > 0.6
    assert curvature[40:56, 31:33].max() < 0.4
    assert np.abs(curvature[8:24, 8:24] - 0.5).max() < 1e-3


# --- what is wrong with passes


def test_clean_passes_are_not_warned_about():
    assert passes.inspect(Scene().surface(), {}) == ()
    assert passes.inspect(Scene().surface(np.float16), {}) == ()


def test_denoised_frames_are_recognised():
    noisy = Scene().surface()
    rng = np.random.default_rng(0)
    noisy["diffuse_light"].array[:] *= 1 + 0.2 * rng.standard_normal((64, 64, 1)).astype(np.float32)
    assert "denoised" in passes.inspect(noisy, {})[0]
    assert "denoised" in passes.inspect(Scene().surface(), {"Noisy Image": np.zeros((64, 64, 4), np.float32)})[0]


def test_blurred_frames_are_recognised():
    surface = Scene().surface()
    coverage = np.ones((64, 64, 4), np.float32)
    assert passes.inspect(surface, {"CryptoObject00": coverage}) == ()
    coverage[20:40, 10:20, 1] = np.linspace(0.9, 0.1, 10)
    assert "motion blur" in passes.inspect(surface, {"CryptoObject00": coverage})[0]
    thin = np.ones((64, 64, 4), np.float32)
    thin[20:40, 10:12, 1] = 0.5  # antialiasing
    assert passes.inspect(surface, {"CryptoObject00": thin}) == ()

    jumping = Scene().surface()
    chosen = ball(jumping) & (np.random.default_rng(0).random((64, 64)) < 0.1)
    jumping["position"].array[chosen] += (0, 2, 0)
    assert "motion blur" in passes.inspect(jumping, {})[0]


def test_a_frame_needs_its_passes():
    surface = Scene().surface()
    assert shading.is_frame(surface)
    without = Surface({n: m for n, m in surface.maps.items() if n != "glossy_light"}, Space.IMAGE)
    with pytest.raises(MissingMap) as caught:
        shading.is_frame(without)
    assert caught.value.name == "glossy_light"
    assert not shading.is_frame(replace(surface, space=Space.TEXTURE))


# --- the whole way


def test_age_0_is_bit_for_bit_the_input():
    surface = Scene().surface(np.float16)
    done = pipeline.weather(surface, Recipe((Layer(Effect.RUST, age=0.0),)))
    for name, map_ in surface.maps.items():
        assert np.array_equal(done.surface[name].array.view(np.uint8), map_.array.view(np.uint8)), name


def test_rust_appears_on_the_object_and_nowhere_else():
    surface = Scene(metallic=1.0).surface()
    done = pipeline.weather(surface, Recipe((Layer(Effect.RUST, age=1.0, feature_size=0.2),)))
    changed = (done.surface["combined"].array != surface["combined"].array).any(axis=2)
    where = ball(surface)
    assert not changed[~where].any()
    assert changed[where].mean() > 0.2
    assert any("no diffuse colour" in w for w in done.warnings)
    assert len(done.layers) == 1


@pytest.mark.parametrize("metallic", [0.0, 1.0])
def test_a_frame_keeps_to_metal_as_its_passes_tell_it(metallic):
    surface = Scene(metallic=metallic).surface()
    layer = Layer(Effect.RUST, age=1.0, feature_size=0.2).with_masks([Mask("material:metal")])
    done = pipeline.weather(surface, Recipe((layer,)))
    changed = (done.surface["combined"].array != surface["combined"].array).any(axis=2)
    assert changed.any() == (metallic > 0)
    assert done.surface["material:metal"].array[ball(surface)].mean() == pytest.approx(metallic, abs=0.05)


def test_a_frame_keeps_to_its_own_masks():
    surface = Scene().surface()
    mask = np.zeros((*surface.size, 1), np.uint8)
    mask[:, : surface.size[1] // 2] = 255
    layer = Layer(Effect.RUST, age=1.0, feature_size=0.2).with_masks([Mask("mask:left")])
    done = pipeline.weather(surface.with_maps({"mask:left": Map(mask)}), Recipe((layer,)))
    changed = (done.surface["combined"].array != surface["combined"].array).any(axis=2)
    assert changed.any()
    assert not changed[:, surface.size[1] // 2 + 1 :].any()


def test_a_frame_is_harmonized_where_it_weathered_when_that_is_asked_and_not_else():
    """By a network that takes all red away; a silhouette's texels belong to the ball in part."""
    networks, red = Networks.load(device="cpu", threads=1), np.eye(3, 4, dtype=np.float32).reshape(1, 12, 1, 1)
    red[0, 0] = 0

    def run(inputs):
        height, width = (side // 4 for side in inputs["mask"].shape[2:])
        return {"transforms": np.tile(red, (1, 1, height, width))}

    networks[harmonize.NETWORK].run = run
    surface, recipe = Scene().surface(), Recipe((Layer(Effect.RUST, age=0.8, feature_size=0.1),))
    plain, settled = (
        pipeline.weather(frame, recipe, networks=networks).surface["combined"].array
        for frame in (surface, asked_to_harmonize(surface))
    )
    given = surface["combined"].array
    rusty = (plain != given).any(-1)
    assert 0.05 < rusty.mean() < 0.9
    assert np.array_equal(settled[~rusty], given[~rusty])
    assert settled[rusty][:, 0].mean() < 0.7 * plain[rusty][:, 0].mean()
    assert settled[rusty][:, 1:] == pytest.approx(plain[rusty][:, 1:], abs=1e-4)


def test_without_a_harmonizer_a_frame_is_refused_before_it_is_painted(networks_folder):
    networks = Networks.load(device="cpu", folder=networks_folder)
    with pytest.raises(NetworkError, match="no network 'harmonizer'"):
        pipeline.weather(asked_to_harmonize(Scene().surface()), Recipe((Layer(Effect.RUST),)), networks=networks)
