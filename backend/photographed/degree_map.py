# SPDX-License-Identifier: GPL-3.0-or-later
"""Photograph in, degree map out: of files or of what is in memory, by whichever method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..protocol.errors import BadRecipe, BadSurface
from ..protocol.surface import ColorSpace, Map
from ..weathering.colour import to_srgb
from .degree import DegreeMethod, Grid, bands_of, degree_of_cells
from .files import photograph_in, read_maps, read_marks, read_photograph
from .maps import degree_by_maps
from .marks import Marks

Places = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Found:
    """A degree map [H, W, 1], the method that told it, and where that is MAPS the name of the map which it was read from."""

    degree: Map
    method: DegreeMethod
    map: str = ""


def degree_of(
    photograph: Path | str | Map,
    marks: Places | np.ndarray | Path | str | None = None,
    method: DegreeMethod | None = None,
    invert: bool = False,
) -> Map:
    """How weathered a photographed texture is around each texel: data [H, W, 1], 0 clean to 1 as weathered as it gets.

    `photograph` is a file, a folder of a texture's maps (its albedo is looked at), or colours [H, W, 1..4]: of any depth, grey
    is spread to colour and alpha left out. The result has its size, and 16 bits where it holds more than 8, else 8.

    `marks` are places (x, y, degree), x and y in texels from the upper left corner, or what was painted over the photograph, as
    a file or an array of its size [H, W, 3 or 4]: green is clean, red weathered, yellow half of it, all else no mark. There must
    be a clean one and a weathered one.

    `method`: MARKS (by itself where there are marks) is radial basis functions over look and place (Iizuka et al. 2016);
    MANIFOLD (by itself where there are none) is the geodesic distance between the least and the most weathered looks (Wang et
    al. 2006), which it finds itself unless they are marked; RARITY takes what looks like little else for weathered (Bellini et
    al. 2016); MAPS reads the set's metallic, else roughness, else height. Without marks the wrong end may be taken: look at the
    map, and `invert` it then.

    Raises BadRecipe where marks and method do not go together, BadSurface for a picture or marks that tell nothing, MissingMap
    where the set has no map that does, BadFile, TooLarge.
    """
    where = Path(photograph) if isinstance(photograph, str) else photograph
    return find_degree(where, Path(marks) if isinstance(marks, str) else marks, method, invert).degree


def find_degree(
    photograph: Path | Map,
    marks: Places | np.ndarray | Path | None = None,
    method: DegreeMethod | None = None,
    invert: bool = False,
) -> Found:
    """`degree_of`, and what told it."""
    chosen = method or (DegreeMethod.MANIFOLD if marks is None else DegreeMethod.MARKS)
    if marks is not None and chosen in (DegreeMethod.RARITY, DegreeMethod.MAPS):
        raise BadRecipe(
            f"The method {chosen.value} takes no marks.", "Choose marks or manifold, or leave the marks out."
        )
    path, told = None, ""
    if isinstance(photograph, Map):
        cells, grid, deep = _cells(photograph)
    else:
        path = photograph_in(photograph)
        cells, grid, deep = read_photograph(path)
    if chosen is DegreeMethod.MAPS:
        if path is None:
            raise BadRecipe("Only files have a texture's maps beside them.", "Give its folder, or another method.")
        degree, told = degree_by_maps(read_maps(path, cells.shape[:2]))
        degree = 1 - degree if invert else degree
    else:
        degree = degree_of_cells(cells, chosen, _given(marks, grid), invert)
    return Found(Map(grid.texels(degree, np.uint16 if deep else np.uint8)), chosen, told)


def _cells(photograph: Map) -> tuple[np.ndarray, Grid, bool]:
    """As read_photograph, of what is in memory."""
    array, grid = photograph.array, Grid(*photograph.size)
    cells = grid.pooled(bands_of(array[..., :3] if array.shape[2] >= 3 else array[..., :1]))
    cells = np.repeat(cells, 3, axis=2) if cells.shape[2] == 1 else cells
    return to_srgb(cells) if photograph.color_space is ColorSpace.LINEAR else cells, grid, array.dtype != np.uint8


def _given(marks: Places | np.ndarray | Path | None, grid: Grid) -> Marks | None:
    if marks is None:
        return None
    if isinstance(marks, Path):
        return read_marks(marks, grid)
    if isinstance(marks, np.ndarray) and marks.ndim == 3:
        if Map(marks).size != (grid.height, grid.width) or marks.shape[2] not in (3, 4):
            raise BadSurface(
                f"The marks are {marks.shape}, the photograph has {grid.width} x {grid.height} texels.",
                "Paint the marks on colours of the photograph's size.",
            )
        return grid.painted_marks(bands_of(marks))
    places: Places = marks.tolist() if isinstance(marks, np.ndarray) else marks
    for place in places:
        if len(place) != 3 or not 0 <= place[2] <= 1:
            raise BadRecipe(
                f"{','.join(f'{number:g}' for number in place)} is no mark.",
                "A mark is x,y,degree, where 0 is clean and 1 as weathered as it gets.",
            )
    return grid.marks(places)
