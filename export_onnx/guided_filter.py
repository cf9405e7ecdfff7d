# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps made to follow a picture's own borders: the guided filter with colour as its guide (He, Sun and Tang 2013)."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage


def guided(guide: np.ndarray, values: np.ndarray, radius: int, flat: float) -> np.ndarray:
    """`values` [H,W,C] as the linear function of `guide` [H,W,3] in 0..1 that fits best around each texel (eq. 14 to 16).

    `radius`: texels to each side; `flat`: variance of colour that counts as no border. What is even stays as it is.
    """
    mean = partial(ndimage.uniform_filter, size=(2 * radius + 1,) * 2, axes=(0, 1), mode="nearest")
    colours = guide.shape[-1]
    middle, level = mean(guide), mean(values)
    spread = mean(guide[..., :, None] * guide[..., None, :]) - middle[..., :, None] * middle[..., None, :]
    along = mean(guide[..., :, None] * values[..., None, :]) - middle[..., :, None] * level[..., None, :]
    slope = np.linalg.solve(spread + flat * np.eye(colours), along)  # [H,W,3,C]
    rest = level - (middle[..., None, :] @ slope)[..., 0, :]
    return (guide[..., None, :] @ mean(slope))[..., 0, :] + mean(rest)
