# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures say what they are named for, on pictures whose figure is known."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from sabi.export_onnx import evaluation


@pytest.mark.parametrize("angle", [0, 30, 90, 130])
def test_the_direction_of_runs_is_found(angle):
    """Runs along the rows, turned clockwise as seen (rows grow downward)."""
    runs = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((320, 320)), (1.5, 12))
    turned = ndimage.rotate(runs, -angle, reshape=False)[70:-70, 70:-70]
    apart = abs(np.degrees(evaluation.grain_angle(turned)) - angle) % 180
    assert min(apart, 180 - apart) < 2


def test_the_worst_effect_speaks_for_all():
    effects = {"rust": (0.2, 1.1), "moss": (0.5, 1.3), "dirt": (0.1, 0.9)}
    found = evaluation.over_effects({n: {"score": score, "copy_ratio": copy} for n, (score, copy) in effects.items()})
    assert found == {"score": {"median": 0.2, "worst": 0.5}, "copy_ratio": 0.9}


def test_a_painter_that_repeats_what_it_saw_is_found_out():
    """Patches cut out of what was seen lie nearer to it than another part of the same picture does."""
    noise = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((3, 512, 512)), (0, 3, 3))
    seen, other = (torch.from_numpy(part).float() for part in (noise, np.roll(noise[:, ::-1], 100, 2).copy()))
    assert evaluation.copy_ratio([torch.roll(seen[:, :384], (4, 4), (1, 2))], [seen]) < 0.8
    assert evaluation.copy_ratio([other], [seen]) > 0.9


def test_maps_that_say_the_opposite_of_the_albedo_disagree():
    real = torch.rand(1, 6, 64, 64, generator=torch.Generator().manual_seed(0))
    real[:, 3] = real[:, :3].mean(1)
    turned = real.clone()
    turned[:, 3] = 1 - real[:, 3]
    turned[:, 5] += 0.25
    assert evaluation.map_agreement(real, real) == {
        "maps_w1": {"roughness": 0, "metallic": 0, "height": 0},
        "maps_corr": {"roughness": 0, "metallic": 0, "height": 0},
    }
    found = evaluation.map_agreement(turned, real)
    assert found["maps_corr"]["roughness"] == pytest.approx(-2)
    assert found["maps_w1"]["height"] == pytest.approx(0.25, abs=0.01)
