# SPDX-License-Identifier: GPL-3.0-or-later
"""The painter: paints a weathering once, for all ages (DESIGN.md, "The painter paints once").

From 1/32 of the resolution to full: at every level the base, the susceptibility, the direction of gravity and fresh noise
are added by a 1x1 convolution, then 3x3 convolutions, each followed by its activation and by the style's modulation (FiLM),
in this order so that a convolution and its activation stay one fused operation. Every level adds its own share to the
picture, so that large shapes are made where they are cheap, from coarse noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...backend.protocol import growth

BASE, SUSCEPTIBILITY, DOWN = 6, 2, 2  # albedo 3, roughness, metallic, height; rate, onset; x, y
STYLE = 16
MULTIPLE = 32
OVERLAP = 128  # the receptive field reaches 94 texels to each side, and 31 more where the coarse grid lies badly
NOISE = {
    "noise_32": (32, 8),
    "noise_16": (16, 8),
    "noise_8": (8, 4),
    "noise_4": (4, 4),
    "noise_2": (2, 2),
}  # stride, channels
INPUTS = ("base", "susceptibility", "down", *NOISE, "style")
PAINTED = (
    "threshold",
    "softness",
    "thin_r",
    "thin_g",
    "thin_b",
    "thick_r",
    "thick_g",
    "thick_b",
    "roughness",
    "metallic",
    "height",
)
HEAD = 16  # channels each level adds to the picture: a multiple of 16 is faster than the eleven that are used


class Level(nn.Module):
    """One resolution: conditions and noise added, then 3x3 convolutions through `channels`, each modulated by the style."""

    def __init__(self, inner: int, channels: tuple[int, ...], noise: int) -> None:
        super().__init__()
        self.inject = nn.Conv2d(BASE + SUSCEPTIBILITY + DOWN + noise, inner, 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip((inner, *channels), channels, strict=False)
        )
        self.films = nn.ModuleList(nn.Linear(STYLE, 2 * c) for c in channels)

    def forward(self, x: Tensor | None, conditions: Tensor, style: Tensor) -> Tensor:
        injected = self.inject(conditions)
        x = injected if x is None else x + injected
        for conv, film in zip(self.convs, self.films, strict=True):
            scale, shift = film(style)[:, :, None, None].chunk(2, 1)
            x = F.leaky_relu(conv(x), 0.2) * (1 + scale) + shift
        return x


class Painter(nn.Module):
    """Contract in backend/networks/card.py. All inputs float32; H and W multiples of `MULTIPLE`.

    base [N,6,H,W] (albedo sRGB-encoded, roughness, metallic, height), susceptibility [N,2,H,W], down [N,2,H,W],
    noise_s [N,C,H/s,W/s] for each of `NOISE`, style [N,16] -> painted [N,11,H,W] in the order of `PAINTED`, all final values.
    """

    def __init__(self) -> None:
        super().__init__()
        inner = (96, 96, 96, 96, 64, 32)
        channels = ((96,), (96, 96), (96, 96), (64, 64), (48, 32), (32,))
        noise = [c for _, c in NOISE.values()] + [0]
        self.levels = nn.ModuleList(Level(*sizes) for sizes in zip(inner, channels, noise, strict=True))
        self.heads = nn.ModuleList(nn.Conv2d(c[-1], HEAD, 1) for c in channels[:-1])
        self.heads.append(nn.Conv2d(channels[-1][-1], HEAD, 3, padding=1))
        self.start()

    def start(self) -> None:
        """Weights with which every level's noise shows in the threshold from the first step, the coarse most.

        torch's own shrink the coarse noise at every convolution; all shapes are then made from the finest, and stay small.
        """
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.05)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.2)
                module.bias = nn.Parameter(torch.zeros(module.out_channels))
        for head, strength in zip(self.heads, (0.6, 0.8, 0.8, 0.5, 0.3, 0.2), strict=True):
            assert isinstance(head, nn.Conv2d)
            head.weight.data *= 0.15
            head.weight.data[0] *= strength / 0.15
        bias = torch.zeros(HEAD)
        bias[PAINTED.index("metallic")] = -3  # what covers is seldom metal
        self.heads[-1].bias = nn.Parameter(bias)

    def forward(
        self,
        base: Tensor,
        susceptibility: Tensor,
        down: Tensor,
        noise_32: Tensor,
        noise_16: Tensor,
        noise_8: Tensor,
        noise_4: Tensor,
        noise_2: Tensor,
        style: Tensor,
    ) -> Tensor:
        pyramid = [torch.cat([base * 2 - 1, susceptibility, down], 1)]
        for _ in NOISE:
            pyramid.append(F.avg_pool2d(pyramid[-1], 2))
        x: Tensor | None = None
        raw = torch.zeros(())
        noises = (noise_32, noise_16, noise_8, noise_4, noise_2, None)
        for level, head, conditions, noise in zip(self.levels, self.heads, reversed(pyramid), noises, strict=True):
            if x is not None:
                x = twice(x)
            x = level(x, conditions if noise is None else torch.cat([conditions, noise], 1), style)
            raw = head(x) if level is self.levels[0] else smoothed(twice(raw)) + head(x)
        return final_values(raw[:, : len(PAINTED)])


def twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def smoothed(x: Tensor) -> Tensor:
    """Mean of 3x3: takes the steps out of what was doubled."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def final_values(raw: Tensor) -> Tensor:
    """The head's [N,11,H,W] as the painted maps: threshold and softness in growth's ranges, the others in 0..1."""
    low, high = growth.THRESHOLD_MIN, growth.THRESHOLD_MAX
    threshold = low + (high - low) * torch.sigmoid(raw[:, :1])
    softness = growth.SOFTNESS_MIN + (growth.SOFTNESS_MAX - growth.SOFTNESS_MIN) * torch.sigmoid(raw[:, 1:2] - 3)
    return torch.cat([threshold, softness, torch.sigmoid(raw[:, 2:])], 1)


def inputs_of(count: int, height: int, width: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
    """Random inputs of the right shapes and ranges, by name: for tracing and for tests."""
    draw = lambda channels: torch.rand(count, channels, height, width, generator=generator)  # noqa: E731
    exposure = draw(1)
    rate = growth.RATE_MIN + (growth.RATE_MAX - growth.RATE_MIN) * exposure
    noise = {n: torch.randn(count, c, height // s, width // s, generator=generator) for n, (s, c) in NOISE.items()}
    named = {
        "base": draw(BASE),
        "susceptibility": torch.cat([rate, growth.ONSET_MAX * (1 - exposure)], 1),
        "down": draw(DOWN) * 2 - 1,
    }
    return named | noise | {"style": torch.randn(count, STYLE, generator=generator)}
