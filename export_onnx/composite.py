# SPDX-License-Identifier: GPL-3.0-or-later
"""The formula of backend.protocol.growth and the compositing, differentiable, on what the painter painted."""

from __future__ import annotations

import torch
from torch import Tensor

from ..backend.protocol import growth


def to_linear(srgb: Tensor) -> Tensor:
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0.04) + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Tensor) -> Tensor:
    return torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.003) ** (1 / 2.4) - 0.055)


def susceptibility(exposure: Tensor) -> Tensor:
    """[N,1,H,W] exposure -> [N,2,H,W] rate and onset."""
    rate = growth.RATE_MIN + (growth.RATE_MAX - growth.RATE_MIN) * exposure
    return torch.cat([rate, growth.ONSET_MAX * (1 - exposure)], 1)


def degree_at(exposure: Tensor, age: Tensor) -> Tensor:
    """growth.degree; `age` [N,1,1,1]."""
    rate, onset = susceptibility(exposure).chunk(2, 1)
    return (rate * age - onset).clamp(0, 1)


def exposure_for(degree: Tensor, age: Tensor) -> Tensor:
    """growth.exposure_for: what gives `degree` at `age`."""
    span = growth.RATE_MAX - growth.RATE_MIN
    return ((degree - age * growth.RATE_MIN + growth.ONSET_MAX) / (age * span + growth.ONSET_MAX)).clamp(0, 1)


def coverage(painted: Tensor, degree: Tensor) -> Tensor:
    """[N,1,H,W] of painted [N,11,H,W] at degree [N,1,H,W]."""
    t = ((degree - painted[:, :1]) / painted[:, 1:2]).clamp(0, 1)
    return t * t * (3 - 2 * t)


def layer_at(painted: Tensor, degree: Tensor) -> Tensor:
    """The layer alone, [N,6,H,W]: albedo in scene-linear, between thin and thick by depth; roughness, metallic, height."""
    t = ((degree - painted[:, :1]) / growth.KEY_DEPTH).clamp(0, 1)
    albedo = torch.lerp(to_linear(painted[:, 2:5]), to_linear(painted[:, 5:8]), t)
    return torch.cat([albedo, painted[:, 8:]], 1)


def weathered(painted: Tensor, base: Tensor, degree: Tensor) -> tuple[Tensor, Tensor]:
    """The surface at a degree, maps [N,6,H,W] (albedo sRGB-encoded) and coverage [N,1,H,W]."""
    cover = coverage(painted, degree)
    linear = torch.cat([to_linear(base[:, :3]), base[:, 3:]], 1)
    mixed = torch.lerp(linear, layer_at(painted, degree), cover)
    return torch.cat([to_srgb(mixed[:, :3]), mixed[:, 3:]], 1), cover
