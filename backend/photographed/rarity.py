# SPDX-License-Identifier: GPL-3.0-or-later
"""Degree from rarity, without any marks, after Bellini et al. 2016 (Time-varying Weathering in Texture Space): what has been
spared looks alike all over a texture, what is weathered looks like little else.

Rarity tells the ends; between them degree is measured along the manifold of looks. Holds where most of the picture is clean:
a texture weathered by half has no rare part.
"""

from __future__ import annotations

import numpy as np

from .light import in_light_of
from .manifold import IN_SHADE, WEIGHTS, WIDTH, Manifold
from .picture import looks

_ALIKE = 0.4  # of the places: the nearest ones in look are taken to be clean, so more than this must be
_NEW, _OLD = 0.15, 0.98  # quantiles of rarity beyond which a place stands for degree 0 and 1


def degree_by_rarity(picture: np.ndarray) -> np.ndarray:
    """[h, w] in 0..1 from a picture [h, w, 3] in 0..1, sRGB-encoded."""
    for weights in (IN_SHADE, WEIGHTS):
        manifold = Manifold(looks(picture, WIDTH) * weights)
        rare = rarity(manifold.nodes)
        new, old = np.quantile(rare, (_NEW, _OLD))
        degree = manifold.degree(np.flatnonzero(rare <= new), np.flatnonzero(rare >= old))
        if weights is IN_SHADE:
            picture = in_light_of(picture, degree)
    return degree


def rarity(looks_: np.ndarray) -> np.ndarray:
    """How far each of [n, C] looks is from those most like it: mean distance to the nearest `_ALIKE` of all."""
    squares = (looks_**2).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * looks_ @ looks_.T, 0))
    count = int(_ALIKE * len(looks_))
    return np.partition(apart, count, axis=1)[:, :count].mean(axis=1)
