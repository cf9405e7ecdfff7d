# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures say what they are named for, on pictures whose figure is known."""

from types import SimpleNamespace

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


FIGURES = {
    effect: {"score": score, "spectrum_db": db, "colour_mean": score / 10, "colour_std": db / 100, "copy_ratio": copy}
    | {
        "maps_w1": {"roughness": 0.01, "metallic": 0.02, "height": db},
        "maps_corr": {"roughness": -score, "height": 0.1},
    }
    for effect, (score, db, copy) in {"rust": (0.2, 1.5, 1.1), "moss": (0.5, 0.7, 1.3), "dirt": (0.1, 0.9, 0.9)}.items()
}


def test_the_worst_effect_speaks_for_all():
    found = evaluation.over_effects(FIGURES)
    assert found["score"] == {"median": 0.2, "worst": 0.5}
    assert found["spectrum_db"] == {"median": 0.9, "worst": 1.5}
    assert found["colour_mean"]["worst"] == 0.05
    assert found["maps_w1"] == {"worst": 1.5}
    assert found["maps_corr"] == {"worst": 0.5}
    assert found["copy_ratio"] == 0.9


def test_the_table_has_a_row_an_effect_and_one_a_figure():
    figures = {"effects": FIGURES | {"rust": FIGURES["rust"] | {"score_of_photograph": 0.19}}, "procedural": ["dirt"]}
    lines = evaluation.table(figures | {"spearman": 0.97, "largest_steps": {"red": 0.06}}).splitlines()
    assert all(line.count("|") == lines[0].count("|") for line in lines[:5])
    assert lines[2].startswith("| rust | 0.20 | 1.50 | 0.020 | 0.015 | 0.01, 0.02, 1.50 | -0.20, 0.10 | 1.10 | 0.19 |")
    assert lines[4].startswith("| dirt * | 0.10 |")
    assert {"| spearman | 0.97 |", "| largest_steps | red 0.06 |", "| procedural | dirt |"} <= set(lines)


def test_more_asked_and_more_painted_go_together():
    ramp = torch.linspace(0, 1, 512)[None, None, None].expand(1, 1, 512, 512).contiguous()
    made = lambda asked, came: evaluation.Made(ramp, came, asked, ramp, ramp)  # noqa: E731
    assert evaluation.spearman([made(ramp, ramp * 0.8), made(ramp * 0.2, ramp * 0.16)]) == 1
    assert evaluation.spearman([made(ramp, 1 - ramp)]) == -1


def test_growth_is_watched_over_dark_and_bright():
    class Chalk:
        """Begins everywhere at once, white, as soft as it may be."""

        card = SimpleNamespace(styles={"chalk": {"plain": []}})
        style = noise = lambda *_: None

        def paint(self, base, exposure, style, noise):
            painted = base.new_ones(1, 11, *base.shape[2:])
            painted[:, 0], painted[:, 1] = 0.3, 0.5
            return painted

    found = evaluation.growth_figures(Chalk(), 32)
    assert found["shrinking_texels"] == 0
    assert found["largest_steps"]["white"] < 0.01 < found["largest_steps"]["red"] < found["largest_steps"]["black"]
    assert found["largest_step"] == found["largest_steps"]["black"]


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
