# SPDX-License-Identifier: GPL-3.0-or-later
"""How weathered a photograph is around each cell of it, by one of four methods, and the cells that it is looked at in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from ..protocol.errors import BadSurface
from .manifold import degree_by_manifold
from .marks import Marks, degree_by_marks
from .picture import pooled, spread, step_for
from .rarity import degree_by_rarity

_ROWS = 256
_PURE = 0.2  # how much blue a painted mark may hold, of its strongest channel


class DegreeMethod(Enum):
    """What degree is told by."""

    MARKS = "marks"  # radial basis functions between marks (Iizuka 2016)
    MANIFOLD = "manifold"  # geodesics between the least and the most weathered looks (Wang 2006)
    RARITY = "rarity"  # what looks like little else (Bellini 2016)
    MAPS = "maps"  # the set's metallic, roughness or height


@dataclass(frozen=True)
class Grid:
    """The cells, `step` texels a side, that a picture of height x width texels is looked at in."""

    height: int
    width: int

    @property
    def step(self) -> int:
        return step_for(self.height, self.width)

    def pooled(self, bands: Iterable[np.ndarray]) -> np.ndarray:
        """Means over each cell [h, w, C] float32 of texels that come as bands of rows [n, width, C]; integers become 0..1."""
        return pooled((_floats(band) for band in bands), self.height, self.width, self.step)

    def texels(
        self,
        degree: np.ndarray,
        dtype: type[np.unsignedinteger] = np.uint8,
        wrap: tuple[bool, bool] = (False, False),
    ) -> np.ndarray:
        """A degree map of cells [h, w] as one of texels [height, width, 1], integers over 0..1; rows and columns may `wrap`."""
        top = np.iinfo(dtype).max
        out = np.empty((self.height, self.width, 1), dtype)
        for first in range(0, self.height, _ROWS):
            rows = slice(first, min(first + _ROWS, self.height))
            band = spread(degree, self.height, self.width, self.step, rows, wrap)
            out[rows, :, 0] = np.clip(band * np.float32(top) + np.float32(0.5), 0, top)
        return out

    def marks(self, listed: Sequence[Sequence[float]]) -> Marks:
        """Marks from (x, y, degree), x and y in texels from the upper left corner. Raises BadSurface outside the picture."""
        for x, y, _ in listed:
            if not (0 <= x < self.width and 0 <= y < self.height):
                raise BadSurface(
                    f"The mark {x:g},{y:g} lies outside the picture of {self.width} x {self.height} texels.",
                    "A mark is x,y in texels from the upper left corner.",
                )
        x, y, value = np.array(listed, float).reshape(-1, 3).T
        return Marks((y // self.step).astype(int), (x // self.step).astype(int), np.clip(value, 0, 1))

    def painted_marks(self, bands: Iterable[np.ndarray]) -> Marks:
        """Marks from a picture of this size, RGB or RGBA: red is weathered, green clean, what lies between in between.

        All that is transparent, grey, black, white or bluish is no mark. Raises BadSurface where nothing is painted.
        """
        cells = self.pooled(_painted(_floats(band)) for band in bands)
        rows, columns = np.nonzero(cells[..., 2] > 0.25)
        red, green, _ = cells[rows, columns].T
        if not len(rows):
            raise BadSurface(
                "Nothing is painted on the marks.", "Paint green where it is clean and red where it is weathered."
            )
        return Marks(rows, columns, red / (red + green))


def degree_of_cells(
    picture: np.ndarray, method: DegreeMethod, marks: Marks | None = None, invert: bool = False
) -> np.ndarray:
    """Degree [h, w] float32 in 0..1 of the cells of a picture [h, w, 3] in 0..1, sRGB-encoded; 1 - that with `invert`.

    Raises BadSurface where the method needs marks and has none.
    """
    if float(picture.reshape(-1, 3).std(axis=0).max()) < 1e-4:
        raise BadSurface(
            "The picture is of one colour only.", "Give a photograph of a texture that is weathered in part."
        )
    if method is DegreeMethod.MARKS:
        if marks is None:
            raise BadSurface("There are no marks.", "Mark a clean place and a weathered one, or choose another method.")
        degree = degree_by_marks(picture, marks)
    elif method is DegreeMethod.MANIFOLD:
        degree = degree_by_manifold(picture, marks)
    else:
        degree = degree_by_rarity(picture)
    return (1 - degree if invert else degree).clip(0, 1).astype(np.float32)


def _floats(band: np.ndarray) -> np.ndarray:
    if band.dtype.kind == "u":
        return band.astype(np.float32) * np.float32(1 / np.iinfo(band.dtype).max)
    return np.nan_to_num(band.astype(np.float32))


def _painted(band: np.ndarray) -> np.ndarray:
    """[n, W, 3]: red, green, and 1, where a mark is painted; else 0."""
    red, green, blue = np.moveaxis(band[..., :3], -1, 0)
    strongest = np.maximum(red, green)
    mark = (strongest > 0.3) & (blue < _PURE * strongest)
    if band.shape[2] == 4:
        mark &= band[..., 3] > 0.5
    return np.stack([red * mark, green * mark, mark.astype(np.float32)], axis=-1)


def bands_of(array: np.ndarray) -> Iterator[np.ndarray]:
    """An array in memory as bands of rows."""
    return (array[top : top + _ROWS] for top in range(0, array.shape[0], _ROWS))
