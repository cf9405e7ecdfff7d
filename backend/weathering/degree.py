# SPDX-License-Identifier: GPL-3.0-or-later
"""From exposure to susceptibility, and from age to degree: Gu et al. 2006 (STAF), in the form of protocol/growth.py."""

from __future__ import annotations

import numpy as np

from ..protocol import growth


def susceptibility(exposure: np.ndarray) -> np.ndarray:
    """Rate and onset of weathering [..., 2] float32 from exposure [...] in 0..1: what the painter sees of geometry."""
    stored = quantised(exposure)
    return np.stack([growth.rate(stored), growth.onset(stored)], axis=-1).astype(np.float32)


def degree(exposure: np.ndarray, age: float) -> np.ndarray:
    """How weathered the surface is around each texel at an age, 0..1, float32; monotone in age and in exposure, 0 at age 0."""
    return growth.degree(quantised(exposure), age).astype(np.float32)


def quantised(exposure: np.ndarray) -> np.ndarray:
    """Exposure as it is stored in a painted layer, in steps of 1/255: what both hosts evaluate from."""
    return (to_bytes(exposure) * np.float32(1 / 255)).astype(np.float32)


def to_bytes(exposure: np.ndarray) -> np.ndarray:
    """Exposure as uint8; NaN is stored as 0."""
    return np.rint(np.clip(np.nan_to_num(exposure), 0, 1) * 255).astype(np.uint8)
