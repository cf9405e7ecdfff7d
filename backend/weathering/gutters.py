# SPDX-License-Identifier: GPL-3.0-or-later
"""The rims of UV islands and the bands of texels beside them, each texel with the rim texel that is nearest to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

AROUND = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))
CHUNK = 1 << 20
ASTRAY = 0.7  # texels from a straight way to the texels that may follow it
SHORTEST = 0.75  # texels by which any step on such a way leads further from where it began

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

    Grown from the rim texels outwards, the nearest first, each along straight ways alone: distances are true up to the rare texel
    whose straight way to its nearest rim texel is barred by an island, or by rounding.
    """
    height, width = mask.shape
    across = width + 2  # a border of one texel, which nothing enters
    entry = allocate((height + 2, across), np.int32)  # of each texel in `found`: 0 may be entered, 1 may not
    entry[0], entry[-1], entry[:, 0], entry[:, -1] = 1, 1, 1, 1
    np.not_equal(mask > 0, inside, out=entry[1:-1, 1:-1], casting="unsafe")
    entries, ways = entry.reshape(-1), _ways(reach)
    found = _Found(2 + 2 * len(rim))
    found.way[0], found.way[1] = ways.unknown, ways.barred
    row, column = np.divmod(rim, width)
    begun = found.add((row + 1) * across + column + 1)
    found.nearest[begun], found.way[begun] = np.arange(len(rim), dtype=np.int32), ways.none
    waiting = np.arange(begun.start, begun.stop, dtype=np.int32)
    entries[found.texel[begun]] = waiting
    first, limit = begun.start if inside else begun.stop, 0.0
    while len(waiting):
        limit += SHORTEST
        near = ways.squared.take(found.way.take(waiting)) < limit * limit
        frontier, waiting, begin = waiting[near], waiting[~near], found.count
        onward = ways.onward.take(found.way.take(frontier))
        for bit, (down, right) in enumerate(AROUND):
            use = frontier[(onward & (1 << bit)) > 0]
            at, way = found.texel.take(use) + (down * across + right), found.way.take(use) + (down * ways.side + right)
            before = entries.take(at)
            nearer = np.flatnonzero(ways.squared.take(way) < ways.squared.take(found.way.take(before)))
            at, before = at.take(nearer), before.take(nearer)
            fresh = np.flatnonzero(before == 0)
            new = found.add(at.take(fresh))
            before[fresh] = entries[found.texel[new]] = np.arange(new.start, new.stop, dtype=np.int32)
            found.nearest[before], found.way[before] = found.nearest.take(use.take(nearer)), way.take(nearer)
        waiting = np.concatenate([waiting, np.arange(begin, found.count, dtype=np.int32)])
    parts = range(0, len(entries), CHUNK)
    at = np.concatenate(
        [np.flatnonzero(entries[start : start + CHUNK] >= first) + start for start in parts]
    )  # in order
    number = entries.take(at)
    row, column = np.divmod(at, across)
    distance = np.sqrt(ways.squared.take(found.way.take(number)), dtype=np.float32)
    return Band((row - 1) * width + (column - 1), found.nearest.take(number), distance)


@dataclass(frozen=True)
class _Ways:
    """The ways from a rim texel to the texels around it, numbered row by row, `side` in a row; and two that are none.

    Of each its squared length, and which steps of `AROUND` lead on from its end, a bit each. Of the two texels from which a
    texel can be reached, the one that is nearer to the straight way is a step before it, both where they are about as near.
    """

    side: int
    none: int  # from a rim texel to itself
    unknown: int  # longer than any
    barred: int  # shorter than any
    squared: np.ndarray
    onward: np.ndarray


@lru_cache(maxsize=8)
def _ways(reach: int) -> _Ways:
    side = 2 * reach + 5  # the ends of the longest, and a step beyond
    down, right = np.indices((side, side), np.int32) - side // 2
    onward = np.zeros((side, side), np.uint8)
    for bit, (d, r) in enumerate(AROUND):
        y, x = down + d, right + r
        longer, shorter = np.maximum(abs(y), abs(x)), np.minimum(abs(y), abs(x))
        away = (y * d >= abs(d)) & (x * r >= abs(r))
        if d and r:
            leads = away & (shorter >= (1 - ASTRAY) * longer)
        else:
            leads = away & (abs(y * d + x * r) == longer) & (shorter <= ASTRAY * longer)
        onward |= leads.astype(np.uint8) << bit
    squared = (down * down + right * right).reshape(-1)
    squared = np.append(squared, (reach * reach + 1, -1)).astype(np.int32)
    return _Ways(
        side, side * side // 2, side * side, side * side + 1, squared, np.append(onward, (0, 0)).astype(np.uint8)
    )


class _Found:
    """Texels that were reached, in arrays that grow: flat place, nearest rim texel, number of the way from it."""

    def __init__(self, capacity: int) -> None:
        self.count = 2
        self.texel, self.nearest, self.way = (np.empty(capacity, np.int32) for _ in range(3))

    def add(self, texels: np.ndarray) -> slice:
        """Room for these texels: their numbers."""
        new = slice(self.count, self.count + len(texels))
        if new.stop > self.texel.size:
            more = np.empty(max(self.texel.size, new.stop), np.int32)
            self.texel, self.nearest, self.way = (
                np.concatenate([part, more]) for part in (self.texel, self.nearest, self.way)
            )
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
