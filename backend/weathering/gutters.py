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
    across = width + 2  # a border of one texel, which no ring enters
    entry = allocate((height + 2, across), np.int32)  # of each texel in `found`: 0 may be entered, 1 may not
    entry[0], entry[-1], entry[:, 0], entry[:, -1] = 1, 1, 1, 1
    np.not_equal(mask > 0, inside, out=entry[1:-1, 1:-1], casting="unsafe")
    entries = entry.reshape(-1)
    found = _Found(2 + 2 * len(rim))
    found.squared[0], found.squared[1] = reach * reach + 1, -1
    row, column = np.divmod(rim, width)
    frontier = found.add((row + 1) * across + column + 1)
    found.nearest[frontier] = np.arange(len(rim), dtype=np.int32)
    found.away[:, frontier], found.squared[frontier] = 0, 0
    entries[found.texel[frontier]] = np.arange(frontier.start, frontier.stop, dtype=np.int32)
    first = frontier.start if inside else frontier.stop
    for _ in range(reach):
        texel, nearest, away, squared = (
            part[..., frontier].copy() for part in (found.texel, found.nearest, found.away, found.squared)
        )
        begin = found.count
        for down, right in AROUND:
            at = texel + (down * across + right)
            before = entries.take(at)
            far = squared + (2 * down) * away[0] + (2 * right) * away[1] + (down * down + right * right)
            nearer = np.flatnonzero(far < found.squared.take(before))
            at, before = at.take(nearer), before.take(nearer)
            fresh = np.flatnonzero(before == 0)
            new = found.add(at.take(fresh))
            before[fresh] = entries[found.texel[new]] = np.arange(new.start, new.stop, dtype=np.int32)
            found.nearest[before], found.squared[before] = nearest.take(nearer), far.take(nearer)
            found.away[0, before] = away[0].take(nearer) + down
            found.away[1, before] = away[1].take(nearer) + right
        frontier = slice(begin, found.count)
        if begin == found.count:
            break
    parts = range(0, len(entries), CHUNK)
    at = np.concatenate(
        [np.flatnonzero(entries[start : start + CHUNK] >= first) + start for start in parts]
    )  # in order
    number = entries.take(at)
    row, column = np.divmod(at, across)
    distance = np.sqrt(found.squared.take(number), dtype=np.float32)
    return Band((row - 1) * width + (column - 1), found.nearest.take(number), distance)


class _Found:
    """Texels that rings have reached, in arrays that grow: flat place, nearest rim texel, way and squared distance from it."""

    def __init__(self, capacity: int) -> None:
        self.count = 2
        self.texel, self.nearest, self.squared = (np.empty(capacity, np.int32) for _ in range(3))
        self.away = np.empty((2, capacity), np.int32)

    def add(self, texels: np.ndarray) -> slice:
        """Room for these texels: their numbers."""
        new = slice(self.count, self.count + len(texels))
        if new.stop > self.texel.size:
            more = max(self.texel.size, new.stop)
            self.texel, self.nearest, self.squared = (
                np.concatenate([part, np.empty(more, np.int32)]) for part in (self.texel, self.nearest, self.squared)
            )
            self.away = np.concatenate([self.away, np.empty((2, more), np.int32)], axis=1)
        self.texel[new] = texels
        self.count = new.stop
        return new


def dilate(array: np.ndarray, rim: np.ndarray, outside: Band, margin: int) -> None:
    """Give every texel of the band within `margin` the value of the rim texel nearest to it; in place, [H, W, C]."""
    near = np.flatnonzero(outside.distance <= margin)
    flat = array.reshape(-1, array.shape[2])
    in_place = np.may_share_memory(flat, array)
    for start in range(0, len(near), CHUNK):
        part = near[start : start + CHUNK]
        texels, values = outside.texels.take(part), flat.take(rim.take(outside.nearest.take(part)), axis=0)
        if in_place:
            flat[texels] = values
        else:  # a view whose rows do not follow one another
            array[np.divmod(texels, array.shape[1])] = values


def is_constant(array: np.ndarray) -> bool:
    """Whether one texel is repeated all over, without memory of its own (np.broadcast_to)."""
    return array.strides[:2] == (0, 0)
