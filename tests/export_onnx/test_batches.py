# SPDX-License-Identifier: GPL-3.0-or-later
"""Crops, turned directions and noise are what the painter will meet."""

import numpy as np
import pytest
import torch

from sabi.backend.weathering.noise import texel_noise
from sabi.export_onnx.data import batches, effects, textures
from sabi.export_onnx.networks.painter import NOISE


@pytest.mark.parametrize("seed", range(6))
def test_down_turns_with_the_crop(seed):
    """In a picture that brightens downward, a turned crop brightens along its `down`."""
    rng = np.random.default_rng(seed)
    rows = torch.linspace(0, 2 * np.pi, 257)[:256]
    picture = torch.stack([rows.sin(), rows.cos()])[:, :, None].expand(2, 256, 256) * 0.25 + 0.5
    matrix = batches.random_turn(rng)
    crop = (batches.turned(picture, matrix, 64, rng) - 0.5) / 0.25
    phase = torch.atan2(crop[0], crop[1])
    slope = lambda axis: torch.diff(phase, dim=axis).remainder(2 * np.pi)[20:40, 20:40].mean()  # noqa: E731
    along = [float(torch.sin(slope(axis))) for axis in (1, 0)]
    down = batches.down_of(matrix, True, 64, rng)[:, 32, 32].numpy()
    np.testing.assert_allclose(np.array(along) / np.linalg.norm(along), down, atol=0.03)


def test_noise_has_unit_variance_and_the_backends_smoothness():
    noise = batches.lattice_noise(8, 256, torch.Generator().manual_seed(0))
    assert {n: tuple(v.shape[1:]) for n, v in noise.items()} == {
        name: (n.channels, 256 // n.stride, 256 // n.stride) for name, n in NOISE.items()
    }
    for name in ("noise_8", "noise_4", "noise_2"):
        values = noise[name]
        assert abs(float(values.mean())) < 0.05
        assert abs(float(values.var()) - 1) < 0.05
    neighbours = float((noise["noise_2"][..., 1:] * noise["noise_2"][..., :-1]).mean())
    at = np.arange(128) * 2 + 1.0
    backend = texel_noise(at, at, 2.3, 0, "test", 2)
    assert abs(neighbours - float((backend[:, 1:] * backend[:, :-1]).mean())) < 0.25


@pytest.mark.parametrize(("down", "long"), [((0, 1), 0), ((-1, 0), 1), ((0, 0), None)])
def test_streaks_stand_along_down_and_only_where_it_is_steep(down, long):
    noise = batches.lattice_noise(1, 512, torch.Generator().manual_seed(1), torch.tensor([down], dtype=torch.float32))[
        "streaks_4"
    ][0, 0]
    likeness = [
        float((noise.narrow(axis, 0, 124) * noise.narrow(axis, 4, 124)).mean()) for axis in (0, 1)
    ]  # after four lattice cells
    for axis, value in enumerate(likeness):
        assert value > 0.3 if axis == long else abs(value) < 0.15


def test_the_oblique_surface_sees_its_part_of_the_stretch():
    """Half down, half level: a step along `down` moves both ways in the lattice."""
    shortened = batches.shortened(torch.tensor([[0.0, 0.5**0.5]]), 6.0)[0]
    assert float(shortened[1, 1]) == pytest.approx((0.5 + 0.5 / 36) ** 0.5)
    assert float(shortened[0, 0]) == 1


def test_a_style_is_laid_on_the_bases_it_names_and_on_no_soil_else():
    clean = dict.fromkeys(("metal_clean/a", "stone_clean/b", "dirt_ground/c"), np.zeros((6, 8, 8), np.float32))
    photographs = [
        effects.Photograph("s", "f", effects.Area.MARKS, bases=bases) for bases in ((), ("dirt", "stone"), ("x",))
    ]
    plates = batches.Plates([("moss", p) for p in photographs], [[], [], []], clean)
    assert plates.bases(0) == ["metal_clean/a", "stone_clean/b"]
    assert plates.bases(1) == ["stone_clean/b", "dirt_ground/c"]
    with pytest.raises(ValueError, match="begins"):
        plates.bases(2)


def test_new_paint_keeps_the_weathered_part():
    base, photograph = torch.full((6, 8, 8), 0.2), torch.full((6, 8, 8), 0.9)
    area = torch.zeros(1, 8, 8)
    area[:, 4:] = 1
    mixed = batches.over(base, photograph, area)
    torch.testing.assert_close(mixed[:, :4], base[:, :4], atol=1e-3, rtol=0)
    torch.testing.assert_close(mixed[:, 4:], photograph[:, 4:], atol=1e-3, rtol=0)


def test_a_look_shows_the_base_through_faded_tinted_and_lifted():
    base, photograph, area = torch.rand(6, 8, 8), torch.rand(6, 8, 8), torch.ones(1, 8, 8)
    stained = batches.over(base, photograph, area, effects.Look(keep=1, tint=(0.5, 0.4, 0.3)))
    expected = base[:3] * torch.tensor((0.5, 0.4, 0.3))[:, None, None]
    torch.testing.assert_close(stained[:3], expected, atol=2e-3, rtol=0)
    greyed = batches.over(base, photograph, area, effects.Look(keep=1, fade=1, lift=0.1))[:3]
    torch.testing.assert_close(greyed, (base[:3].mean(0) + 0.1).clamp(max=1).expand(3, -1, -1), atol=2e-3, rtol=0)
    torch.testing.assert_close(batches.over(base, photograph, 0 * area, effects.Look(lift=1)), base, atol=2e-3, rtol=0)


def test_a_look_tones_the_weathered_part_alone():
    albedo = np.random.default_rng(0).random((textures.SIZE, textures.SIZE, 3), np.float32)
    area = np.zeros(albedo.shape[:2], np.float32)
    area[:, 100:] = 1
    toned = textures.toned(albedo, area, effects.Look(fade=1, tint=(0.5, 1, 1), lift=0.1))
    grey = albedo.mean(-1)[:, 100:]
    assert np.array_equal(toned[:, :100], albedo[:, :100])
    np.testing.assert_allclose(toned[:, 100:], (np.stack([0.5 * grey, grey, grey], -1) + 0.1).clip(0, 1), atol=1e-5)
