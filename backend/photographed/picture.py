# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph on the grid that degree is found on, and its looks: what one place's appearance is compared by."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

LONGEST = 256  # cells along the longer side: degree is smooth, so more would only take longer
_OPPONENT = np.array([[1, 3, 1.5], [1, -3, 1.5], [1, 0, -3]], np.float32) / 3  # lightness, red - green, yellow - blue
_LUMINANCE = np.array([0.3, 0.5, 0.2], np.float32)
_BLACK = 0.02  # what is darker says nothing of the light


def step_for(height: int, width: int) -> int:
    """Texels a side of one cell of the grid."""
    return -(-max(height, width) // LONGEST)


def pooled(bands: Iterable[np.ndarray], height: int, width: int, step: int) -> np.ndarray:
    """Means of cells of step x step texels [ceil(height/step), ceil(width/step), C] float32, from bands of rows [n, width, C]."""
    rows, columns, top = -(-height // step), np.arange(0, width, step), 0
    total: np.ndarray | None = None
    for band in bands:
        across = np.add.reduceat(band, columns, axis=1, dtype=np.float32)
        if total is None:
            total = np.zeros((rows, *across.shape[1:]), np.float32)
        first = np.r_[0, np.arange(step - top % step, len(band), step)]
        total[top // step : top // step + len(first)] += np.add.reduceat(across, first, axis=0)
        top += len(band)
    assert total is not None
    high = np.minimum(step, height - np.arange(rows) * step)
    wide = np.minimum(step, width - columns)
    return total / (high[:, None] * wide).astype(np.float32)[..., None]


def spread(
    values: np.ndarray,
    height: int,
    width: int,
    step: int,
    rows: slice = slice(None),
    wrap: tuple[bool, bool] = (False, False),
) -> np.ndarray:
    """Values of cells [h, w] at the texels of some rows, linear between their centres; `wrap`: past the last comes the first."""
    above, below, down = _between(np.arange(height)[rows], step, values.shape[0], wrap[0])
    left, beside, right = _between(np.arange(width), step, values.shape[1], wrap[1])
    band = values[above] + (values[below] - values[above]) * down[:, None]
    return band[:, left] + (band[:, beside] - band[:, left]) * right


def _between(texels: np.ndarray, step: int, cells: int, wraps: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The cells on both sides of each texel, and how far it is from the first to the second."""
    at = (texels + 0.5) / step - 0.5
    at = at if wraps else np.clip(at, 0, cells - 1)
    first = np.floor(at).astype(np.int64)
    second = (first + 1) % cells if wraps else np.minimum(first + 1, cells - 1)
    return first % cells, second, (at - first).astype(np.float32)


def blurred(values: np.ndarray, width: float) -> np.ndarray:
    """[h, w] or [h, w, C] after a Gaussian of `width` cells at LONGEST, in two matrix products."""
    width = width * max(values.shape[:2]) / LONGEST
    flat = values.reshape(values.shape[0], -1)
    down = (_gaussian(values.shape[0], width) @ flat).reshape(values.shape)
    return np.moveaxis(np.tensordot(_gaussian(values.shape[1], width), down, (1, 1)), 0, 1)


@lru_cache(maxsize=64)
def _gaussian(length: int, width: float) -> np.ndarray:
    apart = np.subtract.outer(np.arange(length), np.arange(length)) / max(width, 0.1)
    weights = np.exp(-0.5 * apart**2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def looks(picture: np.ndarray, width: float) -> np.ndarray:
    """What each cell looks like over `width` cells around it [h, w, 4]: opponent colours and how much the lightness varies.

    Local means of encoded colour: where a share of a place is weathered, that share lies in the look as in the degree.
    """
    opponent = picture @ _OPPONENT
    lightness = opponent[..., :1]
    grain = np.sqrt(np.maximum(blurred((lightness - blurred(lightness, 2)) ** 2, max(width, 2)), 0))
    return np.concatenate([blurred(opponent, width), grain], axis=-1)


def brightness(picture: np.ndarray, width: float) -> np.ndarray:
    """Logarithm of the local luminance [h, w]: light adds to it."""
    return np.log(np.maximum(blurred(picture @ _LUMINANCE, width), 0) + _BLACK)


def places(picture: np.ndarray) -> np.ndarray:
    """Where each cell of [h, w, ...] lies [h, w, 2]: -0.5 to 0.5 down and across the picture."""
    height, width = picture.shape[:2]
    down, across = np.indices((height, width), np.float32)
    return np.stack([down / height - 0.5, across / width - 0.5], axis=-1)


def relit(picture: np.ndarray, tilt: np.ndarray) -> np.ndarray:
    """The picture with light that grows by `tilt` (logarithm over the picture's height, width) taken out."""
    light = places(picture) @ tilt
    return picture / np.exp(light - light.mean()).astype(np.float32)[..., None]


def smoothed(amount: np.ndarray, done: float = 0.0) -> np.ndarray:
    """Degree from the amount found cell by cell (already over `done` cells): the more neighbours differ, the wider the mean."""
    amount = np.clip(amount, 0, 1).astype(np.float32)
    unrest = float(((amount - blurred(amount, 6)) ** 2).mean())
    width = 3 + 6 * min(unrest / 0.06, 1)
    return blurred(amount, float(np.sqrt(width**2 - done**2))) if width > done else amount
