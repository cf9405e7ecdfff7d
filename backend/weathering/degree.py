# SPDX-License-Identifier: GPL-3.0-or-later
"""From exposure to susceptibility, and from age to degree: Gu et al. 2006 (STAF), in the form of protocol/growth.py."""

from __future__ import annotations

import numpy as np

from ..protocol import growth

STORED = np.arange(256, dtype=np.float32) / np.float32(255)  # what the bytes of a painted layer stand for


def to_bytes(exposure: np.ndarray) -> np.ndarray:
    """Exposure as a painted layer stores it, uint8: what both hosts evaluate from. NaN is stored as 0."""
    values = np.nan_to_num(exposure)
    np.clip(values, 0, 1, out=values)
    values *= 255
    return np.rint(values, out=values).astype(np.uint8)


def susceptibility(exposure: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Rate and onset of weathering [2, ...] float32 from exposure [...] in 0..1: what the painter sees of geometry.

    Into `out` where it is given; `exposure` may lie in it.
    """
    out = np.empty((2, *exposure.shape), np.float32) if out is None else out
    out[1], out[0] = growth.onset(exposure), growth.rate(exposure)
    return out


def degrees(age: float) -> np.ndarray:
    """How weathered the surface is around a texel of each of the 256 exposures that can be stored: float32 in 0..1.

    Monotone in age and in exposure; 0 at age 0.
    """
    return growth.degree(STORED, age).astype(np.float32, copy=False)
