# SPDX-License-Identifier: GPL-3.0-or-later
"""The formula that turns a painted layer into its look at an age. No network; also what the node group evaluates.

    rate, onset = from exposure        degree   = clip(rate * age - onset, 0, 1)           (Gu et al. 2006, STAF)
    depth       = degree - threshold   coverage = opacity * curve(degree) * mask * smoothstep(0, softness, depth)

Exposure, threshold and softness are stored in 8 bits; both hosts evaluate from the stored values, so they agree.
On a kit `exposure` is that of the shared tile and of the module together: `shared_exposure`.
Coverage rises with age at most `MAX_SLOPE` per unit of age, so a time-lapse does not pop.
"""

from __future__ import annotations

import numpy as np

from .opacity import Curve, segments

RATE_MIN, RATE_MAX = 0.3, 1.2
ONSET_MAX = 0.3
KEY_DEPTH = 0.5  # depth at which a layer looks as it does where it is thick
THRESHOLD_MIN, THRESHOLD_MAX = 0.02, 0.98  # above 0, so that nothing is weathered at age 0
SOFTNESS_MIN, SOFTNESS_MAX = 0.225, 0.6
MAX_SLOPE = RATE_MAX * 1.5 / SOFTNESS_MIN  # 8: smoothstep's steepest slope is 1.5 / softness


def rate(exposure: np.ndarray) -> np.ndarray:
    """Degree gained per unit of age; exposure 0..1."""
    return np.float32(RATE_MIN) + np.float32(RATE_MAX - RATE_MIN) * exposure


def onset(exposure: np.ndarray) -> np.ndarray:
    """Degree that is held back before weathering shows; exposure 0..1."""
    return np.float32(ONSET_MAX) * (1 - exposure)


def degree(exposure: np.ndarray, age: float) -> np.ndarray:
    """How weathered the surface is around each texel, 0..1; monotone in age, 0 everywhere at age 0."""
    return np.clip(rate(exposure) * np.float32(age) - onset(exposure), 0, 1)


def shared_exposure(tile: np.ndarray, module: np.ndarray, mean: float) -> np.ndarray:
    """Exposure, 0..1, where a tile painted once lies on a module: the module's, and what the tile has beyond `mean` of its own.

    `mean` is the tile's by the layer's settings (Exposure.mean), so that over many repeats the module's exposure is kept.
    """
    return np.clip(module + (tile - np.float32(mean)), 0, 1)


def exposure_for(degree: np.ndarray, age: float) -> np.ndarray:
    """The exposure that gives `degree` at `age` (> 0): the formula solved for exposure, clipped to 0..1."""
    return np.clip((degree - age * RATE_MIN + ONSET_MAX) / (age * (RATE_MAX - RATE_MIN) + ONSET_MAX), 0, 1)


def depth(exposure: np.ndarray, threshold: np.ndarray, age: float) -> np.ndarray:
    """How far past its own start each texel is; negative before it starts."""
    return degree(exposure, age) - threshold


def coverage(depth: np.ndarray, softness: np.ndarray, opacity: float = 1.0) -> np.ndarray:
    """How far the layer hides the base, 0..1, before masks: opacity * smoothstep(0, softness, depth)."""
    t = np.clip(depth / np.maximum(softness, np.float32(SOFTNESS_MIN)), 0, 1)
    return np.float32(opacity) * t * t * (3 - 2 * t)


def key_position(depth: np.ndarray) -> np.ndarray:
    """Where between the thin look (0) and the thick look (1) a texel is."""
    return np.clip(depth * np.float32(1 / KEY_DEPTH), 0, 1)


def opacity_at(curve: Curve, degree: np.ndarray) -> np.ndarray:
    """A layer's opacity by degree, float32 0..1; monotone."""
    total = np.full(np.shape(degree), curve.points[0][1] if curve.points else 1.0, np.float32)
    for (before, low), (after, high) in segments(curve.points):
        t = np.clip((degree - np.float32(before)) / np.float32(after - before), 0, 1)
        total += np.float32(high - low) * (t * t * (3 - 2 * t) if curve.smooth else t)
    return total
