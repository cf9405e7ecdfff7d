# SPDX-License-Identifier: GPL-3.0-or-later
"""The degree map of a photograph that is on the server: maps in, one map out."""

from __future__ import annotations

import numpy as np

from ..photographed.degree import DegreeMethod, Grid, bands_of, degree_of_cells
from ..protocol.errors import BadMessage, BadSurface
from ..protocol.surface import ColorSpace, Map
from ..weathering.colour import to_srgb
from .map_cache import KeptMap


def degree_texels(
    photograph: KeptMap, marks: KeptMap | None, color_space: str, method: str, invert: bool
) -> np.ndarray:
    """How weathered a photograph [H, W, 3] is around each texel, uint8 [H, W, 1].

    `marks` is RGBA of the same size: red weathered, green clean, alpha 0 where nothing is marked. Raises BadMessage for a
    method or colour space that there is none of, BadSurface for pictures that tell nothing.
    """
    try:
        chosen, space = DegreeMethod(method), ColorSpace(color_space)
    except ValueError:
        raise BadMessage(f"There is no method '{method}', or no colour space '{color_space}'.") from None
    if chosen is DegreeMethod.MAPS:
        raise BadMessage("Degree is read from maps by the command line alone.")
    maps = [kept for kept in (photograph, marks) if kept is not None]
    for kept in maps:
        kept.check()
    pictures = [kept.array for kept in maps]
    size = Map(pictures[0]).size
    if [picture.shape for picture in pictures] != [(*size, 3), (*size, 4)][: len(pictures)]:
        raise BadSurface("A photograph has three channels, its marks four and the same size.")
    grid = Grid(*size)
    cells = grid.pooled(bands_of(pictures[0]))
    if space is ColorSpace.LINEAR:
        cells = to_srgb(cells)
    given = grid.painted_marks(bands_of(pictures[1])) if marks is not None else None
    return grid.texels(degree_of_cells(cells, chosen, given, invert))
