# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in a picture a class is, by a classifier that was told names alone: DCSM, and the CAM that it is measured against.

Distinct class-specific saliency maps (Shimoda and Yanai, ECCV 2016): a class' saliency at a place is the strongest derivative of
its score by the channels of an intermediate feature map there; from each class' map those of the other classes in the picture are
taken off, and what is left is averaged over layers and over scales of the picture. In place of the paper's dense CRF a guided
filter makes the maps follow the picture's borders.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..guided_filter import guided
from .classifier import Classifier, as_image, pooled

LAYERS = (2, 3, 4)  # of the backbone's features
SCALES = (0.75, 1.0, 1.5)
STEEP = 3.0  # the paper's alpha: what is weak beside a map's maximum counts, too
RADIUS, FLAT = 1 / 8, 1e-3  # of the guided filter: of the picture's shorter side; variance of colour


def dcsm(
    model: Classifier,
    picture: np.ndarray,
    names: Sequence[int],
    layers: Sequence[int] = LAYERS,
    scales: Sequence[float] = SCALES,
) -> np.ndarray:
    """Of a picture [H,W,3] uint8: how distinctly each of the classes `names` is where, [names,H,W] float32 in 0..1."""
    height, width = picture.shape[:2]
    image, found = as_image(picture), torch.zeros(len(names), height, width)
    for scale in scales:
        sides = [max(32, round(scale * side)) for side in (height, width)]
        scaled = F.interpolate(image, sides, mode="bilinear", antialias=True)
        for gradients in derivatives(model, scaled, names, layers):
            apart = distinct(gradients)
            found += F.interpolate(apart[None], (height, width), mode="bilinear")[0]
    return (found / (len(scales) * len(layers))).numpy()


def derivatives(model: Classifier, image: Tensor, names: Sequence[int], layers: Sequence[int]) -> list[Tensor]:
    """Of the classes' scores by the backbone's features: [names,C,h,w] a layer."""
    features = model.backbone(image.requires_grad_())
    wanted = [features[layer] for layer in layers]
    scores = pooled(model.head(features[-1]))[0]
    of_each = [torch.autograd.grad(scores[name], wanted, retain_graph=True) for name in names]
    return [torch.cat(parts) for parts in zip(*of_each, strict=True)]


def distinct(gradients: Tensor) -> Tensor:
    """[names,C,h,w] -> [names,h,w] in 0..1: what of a class' saliency is more than the other classes', summed over these.

    Where there is one class alone, all of its saliency.
    """
    saliency = gradients.abs().amax(1)
    if len(saliency) > 1:
        saliency = (saliency[:, None] - saliency[None]).clamp(min=0).sum(1)
    most = saliency.flatten(1).amax(1).clamp(min=torch.finfo(saliency.dtype).tiny)
    return torch.tanh(STEEP * saliency / most[:, None, None])


@torch.no_grad()
def cam(model: Classifier, picture: np.ndarray, names: Sequence[int]) -> np.ndarray:
    """Class activation maps (Zhou et al. 2016): the classes' probabilities by the scores of places, [names,H,W] in 0..1.

    Each over its own maximum, as maps of one class are shown, they make worse labels where all of a picture is of some class.
    """
    probabilities = model.head(model.backbone(as_image(picture))[-1])[:, list(names)].sigmoid()
    return F.interpolate(probabilities, picture.shape[:2], mode="bilinear")[0].numpy()


def refined(maps: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Maps [names,H,W] that keep to the borders of the picture [H,W,3] uint8."""
    radius = max(1, round(RADIUS * min(picture.shape[:2])))
    filtered = guided(picture.astype(np.float64) / 255, np.moveaxis(maps, 0, -1).astype(np.float64), radius, FLAT)
    return np.moveaxis(filtered, -1, 0).clip(0, 1).astype(np.float32)
