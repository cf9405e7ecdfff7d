# SPDX-License-Identifier: GPL-3.0-or-later
"""From a score of how exposed texels are, in no particular range, to exposure: what share of a surface weathers readily."""

from __future__ import annotations

import numpy as np

from ..protocol.recipe import Exposure

SAMPLE = 100_000  # values from which quantiles are taken


def levelled(score: np.ndarray, inside: np.ndarray, settings: Exposure) -> np.ndarray:
    """Exposure 0..1 from a score: half by rank, half by value, so that few edges still stand out and no object stays new.

    Monotone in the score. `settings.amount` sets the mean (0.15 to 0.95), `contrast` how far the extremes lie apart.
    """
    sample = some_of(score[inside])
    if not len(sample):
        return np.zeros(score.shape, np.float32)
    shares = np.linspace(0, 100, 65)
    knots = np.percentile(sample, shares)
    low, high = np.percentile(sample, (5, 98))
    by_value = np.clip((knots - low) / max(high - low, 1e-6), 0, 1)
    curve = 0.5 * by_value + 0.5 * shares / 100
    curve = np.clip(0.5 + (curve - 0.5) * settings.contrast, 0, 1)
    target = settings.mean
    gamma = _gamma(np.interp(sample, knots, curve), target)
    if high - low < 1e-4:
        return np.full(score.shape, np.float32(target))
    return np.interp(score, knots, curve**gamma).astype(np.float32)


def some_of(values: np.ndarray) -> np.ndarray:
    """About `SAMPLE` of the values [N], evenly chosen; all where there are not many more."""
    return values[:: max(1, len(values) // SAMPLE)]


def smoothstep(t: np.ndarray) -> np.ndarray:
    return t * t * (3 - 2 * t)


def _gamma(values: np.ndarray, target: float) -> float:
    """The power that gives `values` (0..1) the mean `target`, between 1/8 and 8."""
    low, high = -3.0, 3.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if (values ** (2.0**middle)).mean() > target else (low, middle)
    return 2.0**low
