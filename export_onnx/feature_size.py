# SPDX-License-Identifier: GPL-3.0-or-later
"""How many texels one flake, tuft or stain has at the painter's scale: what the card's texels_per_feature says."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .painting import Brush, at_age

SIZE = 512
AGES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # under even exposure
COVERED = 0.35  # clusters have grown together, and do not yet fill the surface


def chord(mask: np.ndarray) -> float:
    """Mean length of the runs of True along rows and columns, weighted by length: the run that a weathered texel lies in."""
    lengths = []
    for rows in (mask, mask.T):
        edges = np.diff(np.pad(rows, ((0, 0), (1, 1))).astype(np.int8), axis=1)
        starts, ends = np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]
        lengths.append(ends - starts)
    runs = np.concatenate(lengths).astype(np.float64)
    return float((runs**2).sum() / runs.sum()) if len(runs) else 0.0


def measure(brush: Brush) -> dict[str, float]:
    """effect -> texels, the mean over its styles of the chord at the age that covers `COVERED` or nearest to it."""
    base = torch.full((1, 6, SIZE, SIZE), 0.5)
    base[:, 4] = 0
    sizes = {}
    for effect, styles in brush.card.styles.items():
        chords = [style_chord(brush, base, brush.style(effect, style)) for style in styles]
        sizes[effect] = round(float(np.mean(chords)), 1)
    return sizes


def style_chord(brush: Brush, base: Tensor, style: Tensor) -> float:
    exposure = torch.full((1, 1, SIZE, SIZE), 0.5)
    painted = brush.paint(base, exposure, style, brush.noise(SIZE, 11))
    masks = [at_age(painted, base, exposure, age)[1][0, 0].numpy() > 0.5 for age in AGES]
    return chord(min(masks, key=lambda mask: abs(mask.mean() - COVERED)))
