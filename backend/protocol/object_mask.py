# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image given as the mask of a photograph means, the same for files and for Blender's images."""

from __future__ import annotations

import numpy as np

from .errors import BadSurface
from .surface import Map

LEAST = 1.999 / 255  # less than 2 of 255 is what JPEG leaves in black
ROWS = 256  # of a strip


def mask_of(image: Map) -> Map:
    """How much of each texel is meant, [H, W, 1] in the image's type: grey or the mean of the colours, by alpha; below LEAST 0.

    `image` has 1 to 4 channels, of which the second or the fourth is alpha. Raises BadSurface for values that are no numbers.
    """
    height, width, channels = image.array.shape
    mask = np.empty((height, width, 1), image.array.dtype)
    top = np.iinfo(mask.dtype).max if mask.dtype.kind == "u" else None
    for begin in range(0, height, ROWS):
        rows = slice(begin, min(begin + ROWS, height))
        values = image.floats((rows, slice(None)))
        meant = values[..., : 1 if channels < 3 else 3].mean(axis=2, keepdims=True)
        if channels in (2, 4):
            meant *= values[..., -1:]
        if not np.isfinite(meant).all():
            raise BadSurface("The mask holds values that are no numbers.", "Render or export it again.")
        meant[meant < LEAST] = 0
        mask[rows] = meant if top is None else np.rint(meant * np.float32(top))
    return Map(mask)
