# SPDX-License-Identifier: GPL-3.0-or-later
"""The harmonizer: a composite and the mask of what was put in, at small size -> a smooth map of colour transforms.

After Hao, Iizuka and Fukui (BMVC 2020): each texel of the foreground attends to the background that resembles it, and its
features take over mean and deviation of that. Theirs are taken over features masked to zero; here they are divided by the
mask's own area. What comes out is no image but, as in PCT-Net (Guerreiro et al. 2023), a 3 x 4 matrix of colours a texel, at a
quarter of the size, which is applied at full resolution: texture is never touched.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.blocks import two_convolutions

CHANNELS = (32, 48, 64, 96)  # at 1/2, 1/4, 1/8 and 1/16
KEYS = 32
MULTIPLE = 16
STRIDE = 4  # texels of the input a side of one of the map
MATRIX = 12
RANGE = 2.0  # how far an entry may leave the identity
INPUTS, OUTPUT = ("composite", "mask"), "transforms"
_EPS = 1e-4


class Harmonizer(nn.Module):
    """composite [N, 3, H, W] (sRGB, 0..1), mask [N, 1, H, W] (0..1) -> transforms [N, 12, H/4, W/4], rows of a 3 x 4 matrix.

    Without training it is the identity. Height and width are multiples of MULTIPLE.
    """

    identity: Tensor

    def __init__(self) -> None:
        super().__init__()
        sizes = (4, *CHANNELS)
        self.down = nn.ModuleList(two_convolutions(a, b, 2) for a, b in pairwise(sizes))
        self.keys = nn.Conv2d(CHANNELS[3], KEYS, 1)
        self.queries = nn.Conv2d(CHANNELS[3], KEYS, 1)
        self.whole = nn.Sequential(nn.Linear(12, 64), nn.ReLU(), nn.Linear(64, CHANNELS[3]))
        self.joined = two_convolutions(2 * CHANNELS[3], CHANNELS[3], 1)
        self.up = nn.ModuleList(two_convolutions(a + b, b, 1) for a, b in pairwise(reversed(CHANNELS[1:])))
        self.out = nn.Conv2d(CHANNELS[1], MATRIX, 3, padding=1)
        for weights in self.out.parameters():
            nn.init.zeros_(weights)
        identity = torch.eye(3, 4).reshape(1, MATRIX, 1, 1)
        self.register_buffer("identity", identity)

    def forward(self, composite: Tensor, mask: Tensor) -> Tensor:
        levels, x = [], torch.cat((composite * 2 - 1, mask), 1)
        for block in self.down:
            x = block(x)
            levels.append(x)
        small = F.avg_pool2d(mask, MULTIPLE)
        x = self.modulated(x, small)
        x = x + self.whole(torch.cat(colours(composite, mask), 1))[:, :, None, None]
        x = self.joined(torch.cat((x, levels[3]), 1))
        for block, level in zip(self.up, (levels[2], levels[1]), strict=True):
            x = block(torch.cat((F.interpolate(x, scale_factor=2.0, mode="nearest"), level), 1))
        return self.identity + RANGE * torch.tanh(self.out(x))

    def modulated(self, x: Tensor, mask: Tensor) -> Tensor:
        """The foreground's features with mean and deviation of the background that each attends to."""
        outside = (1 - mask).flatten(2)  # [N, 1, L]
        values = x.flatten(2).transpose(1, 2)  # [N, L, C]
        scores = self.queries(x).flatten(2).transpose(1, 2) @ self.keys(x).flatten(2) / KEYS**0.5
        weights = torch.softmax(scores + torch.log(outside + _EPS), 2)  # [N, L, L], small where the foreground is
        mean = weights @ values
        deviation = (weights @ values.square() - mean.square()).clamp(min=0).add(_EPS).sqrt()
        own, spread = statistics(x, mask)
        shape = x.shape
        mean, deviation = (v.transpose(1, 2).reshape(shape) for v in (mean, deviation))
        changed = (x - own) / spread * deviation + mean
        return mask * changed + (1 - mask) * x


def statistics(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation [N, C, 1, 1] where the mask is, over its own area."""
    area = mask.sum((2, 3), keepdim=True) + _EPS
    mean = (x * mask).sum((2, 3), keepdim=True) / area
    variance = ((x - mean).square() * mask).sum((2, 3), keepdim=True) / area
    return mean, (variance + _EPS).sqrt()


def colours(composite: Tensor, mask: Tensor) -> list[Tensor]:
    """Mean and deviation of the colours in the foreground and in the background, four of [N, 3]."""
    return [value.flatten(1) for part in (mask, 1 - mask) for value in statistics(composite, part)]


def apply(composite: Tensor, mask: Tensor, transforms: Tensor) -> Tensor:
    """The composite with its foreground transformed, [N, 3, H, W] in 0..1; outside the mask as it was."""
    matrix = F.interpolate(transforms, size=composite.shape[2:], mode="bilinear", align_corners=False)
    count, _, height, width = composite.shape
    matrix = matrix.reshape(count, 3, 4, height, width)
    changed = (matrix[:, :, :3] * composite[:, None]).sum(2) + matrix[:, :, 3]
    return composite + mask * (changed.clamp(0, 1) - composite)
