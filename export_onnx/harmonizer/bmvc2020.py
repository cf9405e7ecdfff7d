# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of Hao, Iizuka and Fukui (BMVC 2020), a baseline that is trained on the same pairs: composite and mask -> picture.

Nine convolutions lead down to an eighth of the size, three lead up again beside their features. Between them the whole
attends to itself, then the foreground to the background, and the foreground's features take over the deviation of what they
found; theirs are statistics of features that are zero outside of their part. What is added to the composite is bounded by
tanh. Layers, widths, loss and optimizer are those of the paper and the authors' release (11.6 M parameters).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (4, 64, 128, 256, 256, 512, 512, 512, 512, 256)
HALVED = (0, 2, 4)  # convolutions that halve the size
KEPT = (1, 3, 7)  # those whose features the way up sees beside its own
UP = (128, 32, 16)
MEAN = 0.4462414  # of the colours of their data
NARROWER = 8  # keys and queries than features
_EPS = 1e-5


class Bmvc2020(nn.Module):
    """composite [N, 3, H, W] (sRGB, 0..1), mask [N, 1, H, W] (0..1) -> the picture [N, 3, H, W]. H and W multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        steps = enumerate(pairwise(WIDTHS))
        self.down = nn.ModuleList(_block(a, b, 2 if number in HALVED else 1) for number, (a, b) in steps)
        self.everywhere, self.across = Attention(WIDTHS[-1]), Attention(WIDTHS[-1])
        self.whole, self.part = (nn.Parameter(torch.zeros(1)) for _ in range(2))
        beside = [WIDTHS[number + 1] for number in reversed(KEPT)]
        widths = zip((WIDTHS[-1], *UP), beside, UP, strict=False)
        self.up = nn.ModuleList(_block(own + other, out, 1) for own, other, out in widths)
        self.out = nn.Conv2d(UP[-1], 3, 3, padding=1)

    def forward(self, composite: Tensor, mask: Tensor) -> Tensor:
        kept, x = [], torch.cat((composite - MEAN, mask), 1)
        for number, block in enumerate(self.down):
            x = block(x)
            if number in KEPT:
                kept.append(x)
        x = self.modulated(x, torch.round(F.avg_pool2d(mask, 2, 2 ** len(HALVED))))
        for block, other in zip(self.up, reversed(kept), strict=True):
            x = torch.cat((x, other), 1)
            x = block(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
        return (composite + torch.tanh(self.out(x))).clamp(0, 1)

    def modulated(self, x: Tensor, mask: Tensor) -> Tensor:
        """Features with those of the foreground added, as spread as what each finds in the background."""
        x = x + self.whole * self.everywhere(x, x)
        foreground, background = mask * x, (1 - mask) * x
        found = self.across(foreground, background)
        return x + self.part * foreground * (_deviation(found) / _deviation(foreground))


class Attention(nn.Module):
    """Each place of `x` [N, C, h, w] as the mean of the places of `other` that resemble it (Zhang et al. 2019, SAGAN)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.queries, self.keys = (nn.Conv2d(channels, channels // NARROWER, 1) for _ in range(2))
        self.values = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        queries, keys, values = self.queries(x).flatten(2), self.keys(other).flatten(2), self.values(other).flatten(2)
        weights = torch.softmax(queries.transpose(1, 2) @ keys, 2)  # [N, places of x, places of other]
        return (values @ weights.transpose(1, 2)).reshape(x.shape)


def _deviation(x: Tensor) -> Tensor:
    """[N, C, 1, 1], over the whole size."""
    return (x.flatten(2).var(2) + _EPS).sqrt()[..., None, None]


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs), nn.ReLU())
