# SPDX-License-Identifier: GPL-3.0-or-later
"""What an albedo and a shading are held against: up to one factor a picture, since no picture tells how bright its light was.

The logarithmic error is that of Eigen et al. (2014), gradients at four scales as in Li and Snavely (2018).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .batches import Batch

DARK = 0.01  # added before logarithms
SCALES = 4


def losses(light: Tensor, share: Tensor, batch: Batch) -> dict[str, Tensor]:
    """By name, of the network's logits (ShadingNetwork.logits) for `batch.image`."""
    kept = 1 - torch.sigmoid(share)
    shading = torch.exp(light)
    albedo = batch.image * kept / shading
    mine, theirs = torch.log(albedo + DARK), torch.log(batch.albedo + DARK)
    true_light = torch.log(batch.shading + DARK)
    known = batch.known
    first, second = mine[0::2], mine[1::2]
    return {
        "albedo": log_error(mine, theirs, known),
        "shading": log_error(light, true_light, known),
        "albedo_linear": linear_error(albedo, batch.albedo, known),
        "shading_linear": linear_error(shading, batch.shading, known),
        "albedo_gradient": gradient_error(mine, theirs, known),
        "shading_gradient": gradient_error(light, true_light, known),
        "agreement": log_error(first, second, known[0::2]),
        "residual": mean(((1 - kept) - batch.share).abs(), known),
    }


def mean(values: Tensor, known: Tensor) -> Tensor:
    """Over what is known of all pictures."""
    return (values * known).sum() / (values.shape[1] * known.sum()).clamp(min=1)


def log_error(mine: Tensor, theirs: Tensor, known: Tensor) -> Tensor:
    """Mean square of what two logarithms differ by, after each picture's mean difference was taken off."""
    apart = mine - theirs
    area = (apart.shape[1] * known.sum((1, 2, 3), keepdim=True)).clamp(min=1)
    middle = (apart * known).sum((1, 2, 3), keepdim=True) / area
    return mean((apart - middle).square(), known)


def linear_error(mine: Tensor, theirs: Tensor, known: Tensor) -> Tensor:
    """Mean over pictures of min over f of |f mine - theirs|^2 / |theirs|^2."""
    dims = (1, 2, 3)
    across = (mine * theirs * known).sum(dims)
    own, other = ((x.square() * known).sum(dims) + 1e-6 for x in (mine, theirs))
    return (1 - across.square() / (own * other)).mean()


def gradient_error(mine: Tensor, theirs: Tensor, known: Tensor) -> Tensor:
    """Mean absolute difference of what neighbours differ by, at the full size and at halves of it."""
    apart, total = mine - theirs, mine.new_zeros(())
    for scale in range(SCALES):
        if scale:
            apart, known = F.avg_pool2d(apart * known, 2), F.avg_pool2d(known, 2)
            apart, known = apart / known.clamp(min=1e-3), (known > 0.999).float()
        down = mean((apart[:, :, 1:] - apart[:, :, :-1]).abs(), known[:, :, 1:] * known[:, :, :-1])
        across = mean((apart[..., 1:] - apart[..., :-1]).abs(), known[..., 1:] * known[..., :-1])
        total = total + down + across
    return total / SCALES
