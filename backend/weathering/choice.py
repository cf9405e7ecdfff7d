# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a photograph weathers: under a mask, what a segmenter finds, or all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..networks.registry import Networks
from ..photographed.degree import Grid, bands_of
from ..protocol.errors import BadSurface
from ..protocol.still import Still
from ..protocol.surface import ColorSpace, Map, Surface
from .colour import to_srgb
from .segment import LEVELS, Segments, segment

LEAST = 0.5  # how sure a segmenter must be of a place somewhere


@dataclass(frozen=True)
class Choice:
    """`mask` [H, W, 1], soft; what chose it in words, and what the segmenter saw where it was asked."""

    mask: Map
    said: str
    segments: Segments | None = None


def choose(surface: Surface, still: Still, networks: Networks) -> Choice:
    """Raises BadSurface where nothing is chosen, NetworkError where a segmenter is wanted and there is none."""
    if "object_mask" in surface:
        if surface["object_mask"].array.max() <= 0:
            raise BadSurface("The mask is empty.", "Paint white what should weather.")
        return Choice(surface["object_mask"], "What weathers is what the mask shows.")
    asked = still.material is not None or still.at is not None
    if not asked and LEVELS[0] not in networks:
        whole = Map(np.broadcast_to(np.uint8(255), (*surface.size, 1)))
        return Choice(whole, "The whole picture weathers: give a mask (white) to choose what does.")
    picture, grid = surface["combined"], Grid(*surface.size)
    cells = grid.pooled(bands_of(picture.array))
    found = segment(to_srgb(cells) if picture.color_space is ColorSpace.LINEAR else cells, networks)
    if still.at is not None:
        x, y = still.at
        height, width = surface.size
        if not (0 <= x < width and 0 <= y < height):
            raise BadSurface(
                f"{x},{y} is not in the picture of {width} x {height} texels.", "Counted from the upper left."
            )
        at = (y * found.materials.shape[0] // height, x * found.materials.shape[1] // width)
        share, said = _around(found.materials, at), f"What weathers is the piece at {x},{y}, as the segmenter sees it."
    elif still.material is not None:
        share, said = (
            found.share(still.material),
            f"What weathers is all {still.material.value} that the segmenter sees.",
        )
    else:
        share, said = found.objects, "What weathers are the objects that the segmenter sees."
    if share.max() < LEAST:
        what = "object" if still.material is None else still.material.value
        raise BadSurface(
            f"The segmenter finds no {what} in the picture.", "Give a mask, white where it should weather."
        )
    return Choice(Map(grid.texels(share)), said, found)


def _around(materials: np.ndarray, at: tuple[int, int]) -> np.ndarray:
    """The cells [h, w] of one material that are joined to a cell: 0 or 1."""
    same = np.pad(materials == materials[at], 1)
    piece = np.zeros_like(same)
    piece[at[0] + 1, at[1] + 1] = True
    while True:
        grown = piece.copy()
        for axis in (0, 1):
            for step in (1, -1):
                grown |= np.roll(piece, step, axis)
        grown &= same
        if (grown == piece).all():
            return piece[1:-1, 1:-1].astype(np.float32)
        piece = grown
