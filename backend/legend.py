# SPDX-License-Identifier: GPL-3.0-or-later
"""A segmented picture under its materials' colours, the colours' names beside it."""

from __future__ import annotations

import numpy as np
import OpenImageIO

from .protocol.materials import MATERIALS
from .weathering.segment import COLOURS, Segments, coloured

STRENGTH = 0.6  # of the colours over the picture
LEAST = 480  # texels that the picture's longer side is enlarged to
WIDE, LINE, LETTER, MARGIN = 190, 22, 14, 8
GROUND, INK = 30, 0.9


def overlay(picture: np.ndarray, segments: Segments) -> np.ndarray:
    """[h,w,3] in 0..1 and what was found in it -> uint8 [H,W,3], with the shares of the materials that have a hundredth."""
    scale = max(1, -(-LEAST // max(picture.shape[:2])))
    laid = (1 - STRENGTH) * 255 * picture.clip(0, 1) + STRENGTH * coloured(segments.materials)
    laid = laid.round().astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    shares = np.bincount(segments.materials.ravel(), minlength=len(MATERIALS)) / segments.materials.size
    shown = [i for i in np.argsort(-shares, kind="stable") if shares[i] >= 0.01]
    height = max(laid.shape[0], 2 * MARGIN + LINE * len(shown))
    sheet = np.full((height, laid.shape[1] + WIDE, 3), GROUND, np.uint8)
    sheet[: laid.shape[0], : laid.shape[1]] = laid
    left = laid.shape[1] + MARGIN
    for line, i in enumerate(shown):
        top = MARGIN + line * LINE
        sheet[top : top + LETTER, left : left + LETTER] = COLOURS[MATERIALS[i]]
    drawn = OpenImageIO.ImageBuf(np.ascontiguousarray(sheet))
    for line, i in enumerate(shown):
        said = f"{MATERIALS[i].value.replace('_', ' ')} {100 * shares[i]:.0f} %"
        at = left + LETTER + MARGIN, MARGIN + line * LINE + LETTER - 2
        OpenImageIO.ImageBufAlgo.render_text(drawn, *at, said, LETTER, "", (INK,) * 3)
    return np.asarray(drawn.get_pixels(OpenImageIO.UINT8), np.uint8)
