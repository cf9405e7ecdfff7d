# SPDX-License-Identifier: GPL-3.0-or-later
"""The adversary learns to tell pictures apart, and what it says leads the painter towards the real ones."""

import pytest
import torch

from sabi.export_onnx import critic
from sabi.export_onnx.critic import Adversary, Critics, varied


def smooth(count=2):
    return torch.nn.functional.interpolate(torch.rand(count, 6, 6, 6), size=96, mode="bicubic").clamp(0, 1)


def test_it_learns_to_tell_grain_from_smooth_pictures_and_which_way_is_real():
    torch.manual_seed(0)
    adversary, degree = Adversary.against(2, 2e-3), torch.full((2, 1, 96, 96), 0.5)
    for _ in range(40):
        adversary.optimizer.zero_grad()
        parts = adversary.losses(torch.rand(2, 6, 96, 96), smooth(), degree, 0)
        sum(parts.values()).backward()
        adversary.optimizer.step()
    assert parts["critic"] < 1.0, "2 ln 2 = 1.39 says nothing"
    grained = (0.7 * smooth() + 0.3 * torch.rand(2, 6, 96, 96)).requires_grad_(True)
    assert adversary.judge(grained, degree, 0) > adversary.judge(smooth(), degree, 0)
    (slope,) = torch.autograd.grad(adversary.judge(grained, degree, 0), grained)
    assert adversary.judge(grained - 5 * slope / slope.std() * 0.01, degree, 0) < adversary.judge(grained, degree, 0)


def test_the_penalty_does_not_depend_on_how_many_patches_there_are():
    """Of critics whose logits are the mean colour under each patch, times one factor."""

    class Linear(Critics):
        def forward(self, pictures, style):
            return 3 * torch.nn.functional.avg_pool2d(pictures[:, :6].mean(1, keepdim=True), 16).flatten(1)

    found = []
    for side in (64 + critic.SHIFT, 128 + critic.SHIFT):
        adversary = Adversary(Linear(1), None)
        maps = torch.rand(1, 6, side, side)
        found.append(adversary.losses(maps, maps, torch.zeros(1, 1, side, side), 0)["penalty"].item())
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_variation_keeps_the_degree_and_leaves_maps_alone_in_place():
    torch.manual_seed(1)
    x = torch.linspace(0, 1, 96).expand(1, 7, 96, 96)
    made = varied(x)
    assert made.shape[-1] == 96 - critic.SHIFT
    assert made[0, 6].min() >= 0
    assert (made[0, 6].diff(dim=-1) > 0).all()
    assert torch.corrcoef(torch.stack([made[0, 0].flatten(), made[0, 6].flatten()]))[0, 1] > 0.999
