# SPDX-License-Identifier: GPL-3.0-or-later
"""The shading network: a picture, small, in linear light -> how little light falls on each texel, and how much of it is mirrored.

A U-Net whose deepest level also hears of the whole picture. It answers with inverse shading 1 / (S + 1), which is bounded where
light is not, and with the share of each texel's colour that is residual (highlights); albedo is what is left of the picture.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..networks.blocks import two_convolutions

CHANNELS = (16, 32, 64, 96, 128)  # at 1/2, 1/4, 1/8, 1/16 and 1/32
FULL = 16  # at the input's size
MULTIPLE = 32
RANGE = 5.0  # of the shading's natural logarithm
SHARE = -4.0  # logit of the residual share before any training
DARK = 0.01  # below it the picture's logarithm is cut short
INPUT, OUTPUTS = "image", ("inverse_shading", "residual_share")


class ShadingNetwork(nn.Module):
    """image [N, 3, H, W], linear, exposed as backend.weathering.delight.exposure says -> both outputs [N, 3, H, W] in 0..1.

    Without training shading is 1 everywhere. Height and width are multiples of MULTIPLE.
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(two_convolutions(a, b, 2) for a, b in pairwise((3, *CHANNELS)))
        deep = CHANNELS[-1]
        self.whole = nn.Sequential(nn.Linear(deep, deep), nn.ReLU(), nn.Linear(deep, deep))
        self.up = nn.ModuleList(two_convolutions(a + b, b, 1) for a, b in pairwise(reversed(CHANNELS)))
        self.full = two_convolutions(CHANNELS[0] + 3, FULL, 1)
        self.out = nn.Conv2d(FULL, 6, 3, padding=1)
        for weights in self.out.parameters():
            nn.init.zeros_(weights)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        light, share = self.logits(image)
        return torch.sigmoid(-light), torch.sigmoid(share)

    def logits(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithm of the shading, and the residual share's logit, [N, 3, H, W] each."""
        seen = torch.log(image.clamp(min=0) + DARK)
        x, levels = seen, []
        for block in self.down:
            x = block(x)
            levels.append(x)
        x = x + self.whole(x.mean((2, 3)))[:, :, None, None]
        for block, level in zip(self.up, reversed(levels[:-1]), strict=True):
            x = block(torch.cat((F.interpolate(x, scale_factor=2.0, mode="nearest"), level), 1))
        x = self.full(torch.cat((F.interpolate(x, scale_factor=2.0, mode="nearest"), seen), 1))
        light, share = self.out(x).chunk(2, 1)
        return RANGE * torch.tanh(light / RANGE), share + SHARE
