# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a photograph weathers: under a mask, around clicks, what a segmenter finds, or all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..networks.registry import Networks
from ..photographed.degree import Grid, bands_of
from ..protocol.errors import BadSurface
from ..protocol.still import Still
from ..protocol.surface import ColorSpace, Map, Surface
from ..threads import parallel
from . import clicked
from .colour import to_srgb
from .segment import LEVELS, Segments, segment

ROWS = 256  # at a time
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
    if not still.clicks and still.material is None and LEVELS[0] not in networks:
        whole = Map(np.broadcast_to(np.uint8(255), (*surface.size, 1)))
        return Choice(whole, "The whole picture weathers: click on what should, or give a mask (white).")
    picture, grid = surface["combined"], Grid(*surface.size)
    cells = _shown(picture, grid.pooled(bands_of(picture.array)))
    if still.clicks:
        return _clicked(picture, grid, cells, still.clicks)
    found = segment(cells, networks)
    if still.material is not None:
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


def _clicked(picture: Map, grid: Grid, cells: np.ndarray, clicks: Sequence[tuple[int, int]]) -> Choice:
    height, width = picture.size
    for x, y in clicks:
        if not (0 <= x < width and 0 <= y < height):
            raise BadSurface(
                f"{x},{y} is not in the picture of {width} x {height} texels.", "Counted from the upper left."
            )
    share = clicked.piece(cells, [(x // grid.step, y // grid.step) for x, y in clicks])
    mask = np.empty((height, width, 1), np.uint8)
    follow = clicked.Following(share, cells, grid)

    def strip(rows: slice) -> None:
        texels = Map(picture.array[rows, :, :3], picture.color_space).floats()
        mask[rows, :, 0] = np.rint(255 * follow(_shown(picture, texels), rows))

    parallel(strip, [slice(top, min(top + ROWS, height)) for top in range(0, height, ROWS)])
    places = " and ".join(f"{x},{y}" for x, y in clicks)
    return Choice(Map(mask), f"What weathers is the piece around {places}, by its colours and borders.")


def _shown(picture: Map, texels: np.ndarray) -> np.ndarray:
    return to_srgb(np.nan_to_num(texels)) if picture.color_space is ColorSpace.LINEAR else texels
