# SPDX-License-Identifier: GPL-3.0-or-later
"""What each level is taught by: the truth, and the last level where that is right."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ...backend.protocol.materials import MATERIALS
from .batches import Batch

TEMPERATURE = 2.0


def level_losses(logits: Tensor, batch: Batch, weights: Tensor) -> dict[str, Tensor]:
    """Of one level's logits [N, materials + 2, s, s]; materials, objects and degrees count where they are known."""
    count = len(MATERIALS)
    known, graded = batch.objects >= 0, batch.degree >= 0
    counted = batch.materials * weights[:, None, None]
    objects = F.binary_cross_entropy_with_logits(logits[:, count], batch.objects.clamp(min=0), reduction="none")
    degree = F.binary_cross_entropy_with_logits(logits[:, count + 1], batch.degree.clamp(min=0), reduction="none")
    return {
        "material": -(counted * logits[:, :count].log_softmax(1)).sum() / counted.sum().clamp(min=1),
        "object": (objects * known).sum() / known.sum().clamp(min=1),
        "degree": (degree * graded).sum() / graded.sum().clamp(min=1),
    }


def distillation_loss(shallow: Tensor, deep: Tensor, materials: Tensor) -> Tensor:
    """KL from the last level's probabilities to a shallow one's at TEMPERATURE, times its square, where the last is right.

    It is right where it says the material that has most of the cell, and that is known: `materials` [N, materials, s, s] are
    shares. The last level is not taught by it (MESS 2021).
    """
    count = len(MATERIALS)
    teacher = deep[:, :count].detach()
    right = (teacher.argmax(1) == materials.argmax(1)) & (materials.sum(1) > 0.5)
    divergence = F.kl_div(
        F.log_softmax(shallow[:, :count] / TEMPERATURE, 1),
        F.log_softmax(teacher / TEMPERATURE, 1),
        reduction="none",
        log_target=True,
    ).sum(1)
    return TEMPERATURE**2 * (divergence * right).sum() / right.sum().clamp(min=1)


def class_weights(shares: Tensor) -> Tensor:
    """[materials], mean 1: rare materials count more, by the root of their share."""
    weights = (shares + 0.01).rsqrt()
    return weights / weights.mean()


def shares_of(batches: list[Batch]) -> Tensor:
    """[materials], of all that is known."""
    cells = torch.stack([batch.materials.sum((0, 2, 3)) for batch in batches]).sum(0)
    return cells / cells.sum()
