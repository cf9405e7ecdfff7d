# SPDX-License-Identifier: GPL-3.0-or-later
"""Light told from paint by brightness alone: a guided filter on log luminance (He, Sun and Tang 2013).

Wide or strong steps of brightness are light, grain is paint. Edge-aware, and wrong where paint is as wide as shadows are: a dark
wall beside a bright one counts as half in the shade.
"""

from __future__ import annotations

import numpy as np

from ..photographed.picture import blurred

REACH = 10.0  # of 256 texels on the longer side: what is smaller is of the surface
STEP = 0.15  # variance of log luminance at which a step is half shadow, half paint


def light_in(bright: np.ndarray, reach: float = REACH) -> tuple[np.ndarray, np.ndarray]:
    """`slope` and `level`, both [h, w], of log light = slope * bright + level, where `bright` [h, w] is log luminance."""
    mean = blurred(bright, reach)
    spread = np.maximum(blurred(bright * bright, reach) - mean * mean, 0)
    slope = spread / (spread + np.float32(STEP))
    return blurred(slope, reach), blurred(mean - slope * mean, reach)
