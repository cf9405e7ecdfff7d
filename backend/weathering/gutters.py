# SPDX-License-Identifier: GPL-3.0-or-later
"""The rims of UV islands and the bands of texels beside them, each texel with the rim texel that is nearest to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
CHUNK = 1 << 20

Allocate = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Band:
    """Texels beside the rim, sorted: flat index, number of the nearest rim texel, distance to it in texels."""

    texels: np.ndarray
    nearest: np.ndarray
    distance: np.ndarray

    def window(self, rows: slice, columns: slice, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Those inside a window of a map `width` wide: their positions in this band, and flat positions in the window."""
        starts = np.arange(rows.start, rows.stop, dtype=np.int64) * width
        first = np.searchsorted(self.texels, starts + columns.start)
        counts = np.searchsorted(self.texels, starts + columns.stop) - first
        here = np.arange(int(counts.sum())) + np.repeat(first - (np.cumsum(counts) - counts), counts)
        row = np.arange(len(starts)) * (columns.stop - columns.start) - starts - columns.start
        return here, self.texels[here] + np.repeat(row, counts)


def rim(mask: np.ndarray) -> np.ndarray:
    """Flat indices of the texels of `mask` [H, W] that have one outside it, or the border of the map, beside them."""
    height, width = mask.shape
    found = []
    for top in range(0, height, 512):
        rows = slice(top, min(top + 512, height))
        block = np.zeros((rows.stop - rows.start + 2, width + 2), bool)
        above, below = max(rows.start - 1, 0), min(rows.stop + 1, height)
        block[1 + above - rows.start : 1 + below - rows.start, 1:-1] = mask[above:below] > 0
        core = block[:-2, 1:-1] & block[2:, 1:-1] & block[1:-1, :-2] & block[1:-1, 2:]
        found.append(np.flatnonzero(block[1:-1, 1:-1] & ~core) + top * width)
    return np.concatenate(found)


def band(mask: np.ndarray, rim: np.ndarray, reach: int, *, inside: bool, allocate: Allocate = np.empty) -> Band:
    """The texels outside the islands (or inside, the rim itself included) within `reach` texels of the rim.

    Grown ring by ring, each texel taking the nearest of its neighbours' rim texels, so distances are true up to the rare
    texel whose nearest rim texel is hidden behind another's.
    """
    height, width = mask.shape
    owner = allocate((height, width), np.int32)
    owner[:] = -1
    rim_row, rim_column = (part.astype(np.int32) for part in np.divmod(rim, width))
    number = np.arange(len(rim), dtype=np.int32)
    owner[rim_row, rim_column] = number
    frontier, rings = (rim_row, rim_column), [rim] if inside else []
    for _ in range(reach):
        grown: list[tuple[np.ndarray, np.ndarray]] = []
        held = owner[frontier]
        for down, right in AROUND:
            row, column = frontier[0] + down, frontier[1] + right
            ok = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            row, column, of = row[ok], column[ok], held[ok]
            ok = (mask[row, column] > 0) == inside
            row, column, of = row[ok], column[ok], of[ok]
            before = owner[row, column]
            far = _squared(row, column, rim_row[of], rim_column[of])
            nearer = (far <= reach * reach) & (
                (before < 0) | (far < _squared(row, column, rim_row[before], rim_column[before]))
            )
            row, column, of, fresh = row[nearer], column[nearer], of[nearer], before[nearer] < 0
            owner[row, column] = of
            grown.append((row[fresh], column[fresh]))
        frontier = tuple(np.concatenate([part[axis] for part in grown]) for axis in (0, 1))
        if not len(frontier[0]):
            break
        rings.append(frontier[0].astype(np.int64) * width + frontier[1])
    texels = np.sort(np.concatenate(rings)) if rings else np.empty(0, np.int64)
    row, column = np.divmod(texels, width)
    nearest = owner[row, column]
    distance = np.sqrt(_squared(row, column, rim_row[nearest], rim_column[nearest]), dtype=np.float32)
    return Band(texels, nearest, distance)


def dilate(array: np.ndarray, rim: np.ndarray, outside: Band, margin: int) -> None:
    """Give every texel of the band within `margin` the value of the rim texel nearest to it; in place, [H, W, C]."""
    width = array.shape[1]
    near = np.flatnonzero(outside.distance <= margin)
    for start in range(0, len(near), CHUNK):
        part = near[start : start + CHUNK]
        array[np.divmod(outside.texels[part], width)] = array[np.divmod(rim[outside.nearest[part]], width)]


def is_constant(array: np.ndarray) -> bool:
    """Whether one texel is repeated all over, without memory of its own (np.broadcast_to)."""
    return array.strides[:2] == (0, 0)


def _squared(row: np.ndarray, column: np.ndarray, to_row: np.ndarray, to_column: np.ndarray) -> np.ndarray:
    return (row - to_row) ** 2 + (column - to_column) ** 2
