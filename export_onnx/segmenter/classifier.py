# SPDX-License-Identifier: GPL-3.0-or-later
"""Which materials a picture shows, learnt from their names alone: a frozen backbone and a head that gives every class a score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...backend.protocol.materials import MATERIALS

HIDDEN = 128
SHARP = 2.0  # of the mean that a picture's score is of its places': 0 the plain mean, much the maximum
DROPPED = 0.3


@dataclass(frozen=True)
class Named:
    """A picture [H,W,3] uint8, and the channels of the materials that are in it: all that weak supervision is told."""

    picture: np.ndarray
    names: tuple[int, ...]


@dataclass(frozen=True)
class Learning:
    """What shapes the head, besides the pictures."""

    steps: int = 600
    seed: int = 0
    pictures: int = 16  # of a step
    rate: float = 2e-3
    decay: float = 0.05


class Classifier(nn.Module):
    """`backbone`: images [N,3,H,W] in 0..1 -> features by falling resolution, each made from the one before it; frozen."""

    def __init__(self, backbone: nn.Module, classes: int = len(MATERIALS)) -> None:
        super().__init__()
        self.backbone = backbone.eval().requires_grad_(False)
        with torch.no_grad():
            channels = self.backbone(torch.zeros(1, 3, 64, 64))[-1].shape[1]
        self.head = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, HIDDEN, 1),
            nn.ReLU(),
            nn.Dropout(DROPPED),
            nn.Conv2d(HIDDEN, classes, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Logits [N, classes]."""
        return pooled(self.head(self.backbone(images)[-1]))


def pooled(scores: Tensor) -> Tensor:
    """Scores of places [N,classes,h,w] -> of pictures [N,classes]: logs of mean exponentials, which lean to the highest."""
    places = scores.flatten(2)
    return ((SHARP * places).logsumexp(-1) - math.log(places.shape[-1])) / SHARP


def learn(backbone: nn.Module, pictures: Sequence[Named], learning: Learning) -> Classifier:
    """A classifier of pictures, mirrored or not, by turns of each size. Same pictures and Learning, same weights."""
    torch.manual_seed(learning.seed)
    model = Classifier(backbone)
    sizes = dict.fromkeys(one.picture.shape for one in pictures)
    groups = [[one for one in pictures if one.picture.shape == size] for size in sizes]
    known = [(features_of(model, group), truth_of(group)) for group in groups]
    optimizer = torch.optim.AdamW(model.head.parameters(), learning.rate, weight_decay=learning.decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, learning.steps)
    rng = np.random.default_rng(learning.seed)
    model.head.train()
    for step in range(learning.steps):
        features, truth = known[step % len(known)]
        chosen, turned = rng.integers(len(truth), size=learning.pictures), rng.integers(2, size=learning.pictures)
        logits = pooled(model.head(features[chosen, turned]))
        loss = F.binary_cross_entropy_with_logits(logits, truth[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def truth_of(pictures: Sequence[Named]) -> Tensor:
    """[pictures, classes], 1 for the names of each."""
    truth = torch.zeros(len(pictures), len(MATERIALS))
    for told, one in zip(truth, pictures, strict=True):
        told[list(one.names)] = 1
    return truth


@torch.no_grad()
def features_of(model: Classifier, pictures: Sequence[Named]) -> Tensor:
    """[pictures, 2, C, h, w]: the backbone's last of each, as it is and mirrored."""
    found = []
    for one in pictures:
        image = as_image(one.picture)
        found.append(model.backbone(torch.cat([image, image.flip(-1)]))[-1])
    return torch.stack(found)


def as_image(picture: np.ndarray) -> Tensor:
    """[H,W,3] uint8 -> [1,3,H,W] in 0..1."""
    return torch.from_numpy(np.moveaxis(picture, -1, 0).copy())[None].float() / 255
