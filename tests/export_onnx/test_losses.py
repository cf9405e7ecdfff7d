# SPDX-License-Identifier: GPL-3.0-or-later
"""The statistics that train the painter tell apart what they must, and forgive what they must."""

import pytest
import torch

from sabi.export_onnx import losses


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def test_places_do_not_matter_and_values_do():
    real = torch.randn(8, 200)
    assert float(losses.sliced_wasserstein(real[:, torch.randperm(200)], real)) == 0
    assert float(losses.sliced_wasserstein(real + 1, real)) > 0.3


def test_degree_is_joined():
    """The same values at other degrees are far: the marginals alone would call them equal."""
    degree = torch.linspace(0, 1, 1024).view(1, 1, 32, 32)
    values = degree.expand(1, 16, -1, -1) + 0.01 * torch.randn(1, 16, 32, 32)
    same = losses.joined(values + 0.01 * torch.randn_like(values), values, degree)
    turned = losses.joined(values.flip(2, 3), values, degree)
    assert float(turned) > 20 * float(same)


def test_patches_see_shape_that_single_texels_do_not():
    stripes = (torch.arange(64) % 8 < 4).float().expand(64, 64)[None, None]
    shuffled = stripes.flatten()[torch.randperm(64 * 64)].view_as(stripes)
    degree = torch.full_like(stripes, 0.5)
    assert float(losses.patch_loss(shuffled, stripes, degree, 9, (1, 2))) > 0.05
    assert float(losses.patch_loss(stripes.clone(), stripes, degree, 9, (1, 2))) < 1e-6


def test_calibration_asks_for_the_mean_not_for_each_place():
    degree = torch.full((2, 1, 64, 64), 0.5)
    halves = torch.zeros_like(degree)
    halves[..., 32:] = 1
    assert float(losses.calibration_loss(halves, degree)) < 1e-6
    assert float(losses.calibration_loss(torch.ones_like(degree), degree)) > 0.2


def test_layer_is_compared_inside_the_area_only():
    photograph = torch.zeros(1, 6, 64, 64)
    photograph[..., 32:] = 0.8
    area = torch.zeros(1, 1, 64, 64)
    area[..., 32:] = 1
    right, wrong = torch.full_like(photograph, 0.8), torch.zeros_like(photograph)
    assert float(losses.layer_loss(right, photograph, area)) < 0.01 < float(losses.layer_loss(wrong, photograph, area))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_directions_turn_with_the_picture(turns):
    """The direction from the picture's centre to a bright corner, turned, still leads to the bright corner."""
    picture = torch.zeros(1, 1, 9, 9)
    picture[0, 0, 8, 6] = 1  # below the centre, somewhat to the right
    down = torch.tensor([2.0, 4.0]).view(1, 2, 1, 1).expand(1, 2, 9, 9)
    x, y = losses.quarter_turn_direction(down, turns)[0, :, 4, 4].int().tolist()
    assert losses.quarter_turn(picture, turns)[0, 0, 4 + y, 4 + x] == 1


def test_a_weave_is_heard_and_a_shift_is_not():
    real = torch.rand(2, 3, 128, 128) * 0.5
    weave = (torch.arange(128) * torch.pi / 4).sin()
    woven = real + 0.1 * weave * weave[:, None]
    shifted = float(losses.spectrum_loss(real.roll(9, 2), real))
    assert float(losses.spectrum_loss(woven, real)) > 5 * shifted
    assert float(losses.spectrum_loss(losses.F.avg_pool2d(real, 3, 1, 1), real)) > 5 * shifted


def test_what_pops_is_made_softer_and_keeps_its_colour():
    painted = torch.full((1, 11, 32, 32), 0.9)
    painted[:, 0], painted[:, 1] = 0.3, 0.225
    painted.requires_grad_()
    losses.popping_loss(painted, torch.full((1, 6, 32, 32), 0.02), 0.065).backward()
    assert painted.grad is not None
    assert (painted.grad[:, 1] <= 0).all()
    assert float(painted.grad[:, 1].sum()) < 0
    assert not painted.grad[:, 2:].any()
    assert not float(losses.popping_loss(painted.detach(), torch.full((1, 6, 32, 32), 0.8), 0.065))


def test_colour_is_held_where_little_is_weathered():
    photograph, area = torch.full((1, 6, 64, 64), 0.2), torch.zeros(1, 1, 64, 64)
    area[..., 10:20, 10:20] = 1
    photograph[..., 10:20, 10:20] = 0.7
    right, cover = torch.full((1, 6, 64, 64), 0.7), torch.ones(1, 1, 64, 64)
    assert float(losses.colour_loss(right, cover, photograph, area)) < 1e-3
    assert float(losses.colour_loss(right - 0.3, cover, photograph, area)) > 0.5
    assert not float(losses.colour_loss(right - 0.3, cover, photograph, area * 0))
