# SPDX-License-Identifier: GPL-3.0-or-later
"""What the painter is trained by: statistics of its composites joined with the degree, against the photograph's.

Every distance is a sliced Wasserstein distance: both sets projected on random directions, sorted, compared. The degree is added
to every projection with a random weight (a spatial tag: Heitz et al. 2021), so that it is the joint distribution that must
agree. All crops of a call are of one style and are pooled: no crop has to repeat its own photograph.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ..backend.protocol import growth
from . import composite

TAG_UNIT = 0.25  # a difference of degree that weighs as much as one standard deviation of a projection
POINTS = 2048  # at most so many points a set are sorted


def sliced_wasserstein(fake: Tensor, real: Tensor) -> Tensor:
    """fake, real [D, P]: D directions, tags added. Distance of the sorted values, squared up to 1 and linear beyond."""
    return F.smooth_l1_loss(fake.sort(1).values, real.sort(1).values)


def joined(fake: Tensor, real: Tensor, degree: Tensor) -> Tensor:
    """Distance of projections [N, D, H, W] joined with the degree [N, 1, H, W] at the same places."""
    pick = torch.randperm(degree.numel())[:POINTS]
    rows = lambda x: x.transpose(0, 1).flatten(1)[:, pick].float()  # noqa: E731
    fake, real, tag = rows(fake), rows(real), rows(degree) / TAG_UNIT
    spread = spread_of(real)
    tag = tag * torch.randn(len(fake), 1)
    return sliced_wasserstein(fake / spread + tag, real / spread + tag)


def spread_of(real: Tensor) -> Tensor:
    """Standard deviation of each direction of [D, P], kept away from 0."""
    spread = real.std(1, keepdim=True)
    return spread + 0.05 * spread.mean() + 1e-3


def feature_loss(fake: list[Tensor], real: list[Tensor], degree: Tensor, directions: int = 48) -> Tensor:
    """Backbone features, every channel scaled by its own spread first."""
    total = torch.zeros(())
    for f, r in zip(fake, real, strict=True):
        spread = r.float().std((0, 2, 3), keepdim=True) + 1e-3
        kernel = F.normalize(torch.randn(directions, f.shape[1]), dim=1)[:, :, None, None]
        at = F.adaptive_avg_pool2d(degree, (f.shape[-2], f.shape[-1]))
        total = total + joined(F.conv2d(f.float() / spread, kernel), F.conv2d(r.float() / spread, kernel), at)
    return total / len(fake)


def patch_kernels(directions: int, channels: int, side: int) -> Tensor:
    """Random unit directions of patches; every other one without a mean in each channel, so that detail counts beside colour."""
    kernel = torch.randn(directions, channels, side, side)
    kernel[::2] -= kernel[::2].mean((2, 3), keepdim=True)
    return kernel / kernel.square().sum((1, 2, 3), keepdim=True).sqrt()


def patch_loss(
    fake: Tensor, real: Tensor, degree: Tensor, side: int, scales: tuple[int, ...], directions: int = 32
) -> Tensor:
    """Raw patches of maps [N,C,H,W] at 1/scale of the resolution, a random subset of the places."""
    total = torch.zeros(())
    spread = real.std((0, 2, 3), keepdim=True) + 0.06
    for scale in scales:
        f, r, d = (F.avg_pool2d(x, scale) if scale > 1 else x for x in (fake / spread, real / spread, degree))
        stride = max(1, 4 // scale)
        start = int(torch.randint(stride, (), device="cpu"))
        kernel = patch_kernels(directions, f.shape[1], side)
        centre = side // 2
        crop = d[:, :, centre + start : d.shape[2] - centre : stride, centre + start : d.shape[3] - centre : stride]
        project = lambda x: F.conv2d(x[:, :, start:, start:], kernel, stride=stride)  # noqa: E731, B023
        total = total + joined(project(f), project(r), crop)
    return total / len(scales)


def layer_loss(layer: Tensor, photograph: Tensor, area: Tensor, side: int = 5, directions: int = 48) -> Tensor:
    """The layer where it is thick, against patches of the photograph that lie wholly inside the weathered area."""
    inside = F.avg_pool2d(area, side, stride=2) > 0.97
    places = inside.flatten().nonzero()[:, 0]
    if len(places) < 256:
        return layer.sum() * 0
    spread = photograph.std((0, 2, 3), keepdim=True) + 0.1  # a map that hardly varies must not outweigh the others
    kernel = patch_kernels(directions, layer.shape[1], side)
    rows = lambda x: F.conv2d(x / spread, kernel, stride=2).transpose(0, 1).flatten(1)  # noqa: E731
    fake, real = rows(layer), rows(photograph)[:, places]
    fake, real = (x[:, torch.randint(x.shape[1], (POINTS // 2,))] for x in (fake, real))
    spread = spread_of(real) + 0.1
    return sliced_wasserstein(fake / spread, real / spread)


def spectrum_loss(fake: Tensor, real: Tensor, side: int = 8) -> Tensor:
    """Logarithms of the power spectra of pictures [N,C,H,W], in squares of `side` frequencies: no weave, no blur, no speckle."""
    lines, columns = fake.shape[-2:]
    window = torch.hann_window(lines)[:, None] * torch.hann_window(columns)
    floor = window.square().sum() * (0.5 / 255) ** 2  # what storing in 8 bits would add

    def log_power(x: Tensor) -> Tensor:
        power = torch.fft.rfft2((x - x.mean((2, 3), keepdim=True)) * window).abs().square().mean(0)
        power = torch.fft.fftshift(power, 1)[:, :, : columns // 2]
        return (F.avg_pool2d(power, side) + floor).log()

    return F.smooth_l1_loss(log_power(fake), log_power(real))


def popping_loss(painted: Tensor, base: Tensor, most: float) -> Tensor:
    """By how much albedo (sRGB 0..1) changes by more than `most` within a hundredth of the age, mean of the texels that do.

    Every texel is looked at anywhere between its first trace and its full coverage. Only softness learns from it: a
    layer as bright or as dark as it is shall just come more slowly.
    """
    painted = torch.cat([painted[:, :1], painted[:, 1:2], painted[:, 2:].detach()], 1)
    degree = (painted[:, :1] + painted[:, 1:2] * torch.rand_like(painted[:, :1])).detach()
    looks = [composite.weathered(painted, base, d)[0][:, :3] for d in (degree, degree + 0.01 * growth.RATE_MAX)]
    excess = F.relu((looks[1] - looks[0]).abs().amax(1) - most)
    return excess.sum() / ((excess > 0).sum() + 100)


def colour_loss(layer: Tensor, cover: Tensor, photograph: Tensor, area: Tensor) -> Tensor:
    """The layer's means, [N,6,H,W] where it covers [N,1,H,W] and everywhere, against the photograph's weathered texels'.

    However few these are: where too little is weathered for `layer_loss` nothing else holds the colours.
    """
    inside = (area > 0.7).float()
    if float(inside.sum()) < 64:
        return layer.sum() * 0
    wanted = (photograph * inside).sum((0, 2, 3)) / inside.sum()
    covering = (layer * cover).sum((0, 2, 3)) / (cover.sum() + 1)
    return ((covering - wanted).abs() + (layer.mean((0, 2, 3)) - wanted).abs()).mean()


def calibration_loss(cover: Tensor, degree: Tensor, bins: int = 6) -> Tensor:
    """Where a degree is asked for, that much is covered in the mean over all crops; windows would forbid large shapes."""
    which = (degree.detach() * bins).long().clamp(max=bins - 1).flatten()
    count = torch.zeros(bins).index_add(0, which, torch.ones_like(degree).flatten())
    difference = torch.zeros(bins).index_add(0, which, (cover - degree).flatten()) / (count + 1)
    return (difference.square() * count).sum() / count.sum()


def quarter_turn(maps: Tensor, turns: int) -> Tensor:
    """Maps [N,C,H,W] turned counterclockwise."""
    return torch.rot90(maps, turns, (2, 3))


def quarter_turn_unfolded(maps: Tensor, turns: int) -> Tensor:
    """Maps [N,4,H,W] that stand for one channel at twice the resolution, turned as that is."""
    return F.pixel_unshuffle(quarter_turn(F.pixel_shuffle(maps, 2), turns), 2)


def quarter_turn_direction(down: Tensor, turns: int) -> Tensor:
    """A field of directions [N,2,H,W] (x to the right, y down) turned with its picture: down becomes right."""
    down = quarter_turn(down, turns)
    for _ in range(turns % 4):
        down = torch.cat([down[:, 1:], -down[:, :1]], 1)
    return down
