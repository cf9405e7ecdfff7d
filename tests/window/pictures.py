# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests ask of photographs: float RGB [H, W, 3] in 0..1."""

import numpy as np


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where a hand's breadth of colour lies between the two, bool [H, W]."""
    return np.abs(after - before).max(axis=2) > 0.06


def coarse(seen: np.ndarray, across: int = 4) -> np.ndarray:
    """The means of squares: edges, which a view draws a little otherwise each time, fade."""
    height, width = (side // across for side in seen.shape[:2])
    return seen[: height * across, : width * across].reshape(height, across, width, across, 3).mean(axis=(1, 3))


def pink(colours: np.ndarray) -> float:
    """How much of it is the pink of materials that fail to compile or have too many images."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    return float(((red > 0.7) & (blue > 0.7) & (green < 0.35)).mean())
