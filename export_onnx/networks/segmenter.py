# SPDX-License-Identifier: GPL-3.0-or-later
"""The segmenter: three levels, each going on from the one before, each with its own answer (MLSNet; Yokoo, Iizuka, Fukui 2019).

STDC blocks (Fan et al. 2021): halves of halves of the channels, each a convolution further, laid side by side. An answer is found
at a quarter of the picture's resolution, where a level's own stage, enlarged, meets the picture's finest features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...backend.protocol.materials import MATERIALS

FINE, WIDTHS, HEAD = 64, (128, 256, 384), 64  # channels at 1/4; at 1/8, 1/16, 1/32; of an answer
MULTIPLE = 32
LEVELS = len(WIDTHS)
ANSWERS = ("materials", "object", "degree")  # channels: MATERIALS, 1, 1


class Convolution(nn.Sequential):
    """Convolution, normalised over the batch (folded into it when exported), ReLU."""

    def __init__(self, before: int, after: int, size: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(before, after, size, stride, size // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
        )


class Block(nn.Module):
    """[N,C,H,W] -> [N,`after`,H/stride,W/stride]."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.first = Convolution(before, after // 2, 1)
        self.second = Convolution(after // 2, after // 4, 3, stride)
        self.third = Convolution(after // 4, after // 8)
        self.fourth = Convolution(after // 8, after // 8)

    def forward(self, x: Tensor) -> Tensor:
        first = self.first(x)
        second = self.second(first)
        third = self.third(second)
        if self.stride > 1:
            first = F.avg_pool2d(first, 3, self.stride, 1)
        return torch.cat([first, second, third, self.fourth(third)], 1)


class Around(nn.Module):
    """Adds to features what a wide neighbourhood holds, at `factor` of their resolution: early levels see too little else."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.seen = nn.Sequential(Convolution(channels, HEAD), Convolution(HEAD, HEAD), Convolution(HEAD, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        small = F.avg_pool2d(x, self.factor) if self.factor > 1 else x
        return x + F.interpolate(self.seen(small), size=x.shape[-2:], mode="nearest")


class Level(nn.Module):
    """One stage and its answer. `stage`: features for the next level."""

    def __init__(self, before: int, channels: int, number: int) -> None:
        super().__init__()
        self.stage = nn.Sequential(Block(before, channels, 2), Block(channels, channels, 1))
        self.around = Around(channels, 2 ** (LEVELS - number))
        self.deep = Convolution(channels, HEAD, 1)
        self.fine = Convolution(FINE, HEAD, 1)
        self.earlier = nn.ModuleList(Convolution(width, HEAD, 1) for width in WIDTHS[: number - 1])
        self.meet = Convolution(HEAD, HEAD)
        self.answer = nn.Conv2d(HEAD, len(MATERIALS) + 2, 1)

    def forward(self, fine: Tensor, features: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """`fine` at 1/4 and the earlier levels' features -> this level's features, and logits at 1/4."""
        x = self.stage(features[-1] if features else fine)
        y = self.deep(self.around(x))
        for lateral, finer in zip(list(self.earlier)[::-1], features[::-1], strict=True):
            y = F.interpolate(y, size=finer.shape[-2:], mode="nearest") + lateral(finer)
        y = F.interpolate(y, size=fine.shape[-2:], mode="nearest") + self.fine(fine)
        return x, self.answer(self.meet(y))


class Segmenter(nn.Module):
    """Pictures [N,3,H,W] in 0..1, sRGB-encoded; height and width multiples of MULTIPLE."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(Convolution(3, FINE // 2, 3, 2), Convolution(FINE // 2, FINE, 3, 2))
        self.levels = nn.ModuleList(
            Level(before, channels, number)
            for number, (before, channels) in enumerate(zip((FINE, *WIDTHS), WIDTHS, strict=False), start=1)
        )

    def forward(self, picture: Tensor) -> list[Tensor]:
        """Logits [N, materials + 2, H, W] of every level."""
        return [enlarged(logits) for logits in self.seen(picture)[1]]

    def seen(self, picture: Tensor) -> tuple[tuple[Tensor, ...], list[Tensor]]:
        """Features at 1/4, 1/8, 1/16, 1/32 of the picture, and every level's logits at 1/4 [N, materials + 2, H/4, W/4]."""
        fine, answers = self.stem(picture - 0.5), []
        features: tuple[Tensor, ...] = ()
        for level in self.levels:
            found, logits = level(fine, features)
            features = (*features, found)
            answers.append(logits)
        return (fine, *features), answers


def enlarged(logits: Tensor) -> Tensor:
    return F.interpolate(logits, scale_factor=4.0, mode="bilinear", align_corners=False)


class Shipped(nn.Module):
    """One level as it ships: in, the picture (level 1) or the features before it; out, its answers and the features after it."""

    def __init__(self, segmenter: Segmenter, number: int) -> None:
        super().__init__()
        self.number = number
        self.stem = segmenter.stem if number == 1 else None
        self.level = segmenter.levels[number - 1]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        fine, *features = (self.stem(inputs[0] - 0.5),) if self.stem is not None else inputs
        found, logits = self.level(fine, tuple(features))
        logits = enlarged(logits)
        count = len(MATERIALS)
        answers = logits[:, :count].softmax(1), logits[:, count : count + 1].sigmoid(), logits[:, count + 1 :].sigmoid()
        if self.number == LEVELS:
            return answers
        return *answers, *((fine,) if self.number == 1 else ()), found


def features_before(number: int) -> dict[str, int]:
    """Names and channels of the features that a level's graph takes; `features_4` are those at a quarter's resolution."""
    every = {"features_4": FINE} | {f"features_{8 << i}": width for i, width in enumerate(WIDTHS)}
    return dict(list(every.items())[:number]) if number > 1 else {}


def features_after(number: int) -> dict[str, int]:
    """Those that its graph gives to the next."""
    if number == LEVELS:
        return {}
    return {name: width for name, width in features_before(number + 1).items() if name not in features_before(number)}
