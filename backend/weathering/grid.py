# SPDX-License-Identifier: GPL-3.0-or-later
"""A surface at reduced size: what needs the whole of it is computed here, then read back at any texel.

A cell stands for one texel of its block, so no cell mixes islands, and reading between cells of different pieces goes by
place on the object, so islands that lie closer than a cell do not bleed into each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..protocol.surface import Surface
from ..threads import parallel
from . import geometry

LONGEST = 1024  # cells along the longer side
BAND = 1 << 20  # texels read at a time


@dataclass(frozen=True)
class Grid:
    """Cell (i, j) stands for texel ((i + 0.5) * stride, (j + 0.5) * stride) or, outside islands, for another of its block.

    `inside` [h, w] bool; `position` [h, w, 3] float32 in the surface's own space (0 outside), None where it is unknown.
    `moved`: the cells (rows, columns) that stand for another texel than their middle, and those texels (rows, columns).
    """

    surface: Surface
    stride: int
    moved: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    inside: np.ndarray
    position: np.ndarray | None

    @cached_property
    def right(self) -> np.ndarray:
        """Whether each cell and the next to the right are neighbours on the object: bool [h, w]."""
        return self._joined(1)

    @cached_property
    def below(self) -> np.ndarray:
        """The same for the next cell down."""
        return self._joined(0)

    @cached_property
    def tangents(self) -> tuple[np.ndarray, np.ndarray]:
        """Metres moved by one texel to the right and down at each cell: [h, w, 3] twice, 0 where unknown.

        From the cells beside it on its piece of surface. Where one of them stands for another texel than its middle, by
        least squares over the ways between the texels.
        """
        assert self.position is not None
        joins = self.right, self.below
        right, below = (
            geometry.difference(self.position, j, a) / self.stride for j, a in zip(joins, (1, 0), strict=True)
        )
        length = np.array(self.inside.shape)
        odd = np.zeros(self.inside.shape, bool)
        for i, j in ((0, 0), *_AROUND[:4]):
            odd[(self.moved[0] + i) % length[0], (self.moved[1] + j) % length[1]] = True
        odd[-2:] = odd[:, -2:] = True  # blocks that are cut
        odd &= self.inside
        cell: tuple[np.ndarray, ...] = np.nonzero(odd)
        ways, steps = np.zeros((len(cell[0]), 2, 2)), np.zeros((len(cell[0]), 3, 2))
        for axis, joined in ((1, self.right), (0, self.below)):
            for sign in (1, -1):
                other = tuple((part + sign * (a == axis)) % length[a] for a, part in enumerate(cell))
                on = joined[cell if sign > 0 else other].astype(np.float32)[:, None]
                way = self._offset[:, other[0], other[1]].T.astype(np.float32) - self._offset[:, cell[0], cell[1]].T
                way[:, axis] += sign * self.stride
                way = way[:, ::-1] * on  # x, y
                step = (self.position[other] - self.position[cell]) * on
                ways += way[:, :, None] * way[:, None]
                steps += step[:, :, None] * way[:, None]
        det = ways[:, 0, 0] * ways[:, 1, 1] - ways[:, 0, 1] ** 2
        sound = det > 1e-3 * self.stride**4
        det = np.where(sound, det, 1)[:, None]
        for out, (i, j) in ((right, (0, 1)), (below, (1, 0))):
            found = (steps[:, :, i] * ways[:, None, j, j] - steps[:, :, j] * ways[:, None, 0, 1]) / det
            out[cell] = np.where(sound[:, None], found, 0)
        return right, below

    @property
    def rows(self) -> np.ndarray:
        """Texel coordinates of the cells' centres, for `sample`."""
        return np.arange(self.inside.shape[0]) * self.stride + (self.stride // 2 + 0.5)

    @property
    def columns(self) -> np.ndarray:
        return np.arange(self.inside.shape[1]) * self.stride + (self.stride // 2 + 0.5)

    @cached_property
    def spacing(self) -> float:
        """Metres between neighbouring cells, their median; by `texels_per_metre` where position is unknown."""
        if self.position is None:
            return self.stride / self.surface.texels_per_metre
        rows = slice(None, None, max(1, len(self.inside) // 256))  # a median needs no more
        part, right = self.position[rows], self.right[rows]
        step = np.sqrt(_squared(np.roll(part, -1, 1) - part)[right])
        step = step[step > 0]
        return float(np.median(step)) if len(step) else self.stride / self.surface.texels_per_metre

    def texels(self, name: str) -> np.ndarray:
        """A map at each cell's own texel: float32 [h, w, C]. Cheap, and exact for what is smooth."""
        map_ = self.surface[name]
        i, j, y, x = self.moved
        values = map_.floats(_texels(self.surface, self.stride))
        values[i, j] = map_.floats((y, x))  # type: ignore[arg-type]
        return np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)

    def pooled(self, name: str) -> np.ndarray:
        """Means of a map over each cell's texels inside islands: float32 [h, w, C], 0 where there are none."""
        map_, stride = self.surface[name], self.stride
        h, w = self.inside.shape
        out = np.zeros((h, w, map_.array.shape[2]), np.float32)
        rows = max(1, BAND // (stride * self.surface.size[1]))

        def band(top: int) -> None:
            window = (slice(top * stride, min(top + rows, h) * stride), slice(None))
            belongs = geometry.inside(self.surface, window)[..., None].astype(np.float32)
            values = np.nan_to_num(map_.floats(window), copy=False, posinf=0.0, neginf=0.0)
            values *= belongs
            count = _block_sums(belongs, stride)
            out[top : top + rows] = _block_sums(values, stride) / np.maximum(count, 1)

        parallel(band, range(0, h, rows))
        return out

    def smooth(self, values: np.ndarray, rounds: int = 1) -> np.ndarray:
        """`values` [h, w] averaged with the neighbouring cells of the same piece."""
        right, below = self.right.astype(np.float32), self.below.astype(np.float32)
        left, above = np.roll(right, 1, 1), np.roll(below, 1, 0)
        count = 1 + right + below + left + above
        for _ in range(rounds):
            total = values + right * np.roll(values, -1, 1) + left * np.roll(values, 1, 1)
            values = (total + below * np.roll(values, -1, 0) + above * np.roll(values, 1, 0)) / count
        return values

    def sample(self, values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """`values` [h, w, ...] at texel coordinates (0.5 is the centre of the first): float32 [len(rows), len(columns), ...].

        Linear within a piece of surface; at its border only cells of that piece count. Finite outside islands.
        """
        r0, r1, up = self._between(rows, 0)
        c0, c1, left = self._between(columns, 1)
        more = (1,) * (values.ndim - 2)
        v, u = up.reshape(-1, 1, *more), left.reshape(-1, *more)
        part = values[r0] * (1 - v) + values[r1] * v  # rows first, always: windows are the whole's bytes
        result, right = part.take(c0, axis=1), part.take(c1, axis=1)
        result *= 1 - u
        right *= u
        result += right
        y, x = np.nonzero(self._mixed[r0].take(c0, axis=1))
        here = _texel_of(rows, self.surface.size[0]), _texel_of(columns, self.surface.size[1])
        known = geometry.inside(self.surface, (here[0][y], here[1][x]))
        y, x = y[known], x[known]
        if len(y):
            quad = ((r0[y], c0[x]), (r0[y], c1[x]), (r1[y], c0[x]), (r1[y], c1[x]))
            v, u = up[y], left[x]
            weights = np.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u])
            steps = [np.stack([v - i, u - j]) for i, j in np.ndindex(2, 2)]
            result[y, x] = self._near(values, quad, weights, steps, (here[0][y], here[1][x]))
        return result.astype(np.float32, copy=False)

    def at(self, values: np.ndarray, texels: np.ndarray) -> np.ndarray:
        """`values` [h, w] at the centres of scattered texels (flat) inside islands, as `sample` reads them: float32 [n]."""
        y, x = np.divmod(texels, self.surface.size[1])
        (r0, r1, v), (c0, c1, u) = self._between(y + 0.5, 0), self._between(x + 0.5, 1)
        quad = (r0, c0), (r0, c1), (r1, c0), (r1, c1)
        weights = np.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u])
        result = sum(values[cell] * weight for cell, weight in zip(quad, weights, strict=True)).astype(np.float32)
        mixed = np.flatnonzero(self._mixed[r0, c0])
        if len(mixed):
            steps = [np.stack([v[mixed] - i, u[mixed] - j]) for i, j in np.ndindex(2, 2)]
            cells = [(row[mixed], column[mixed]) for row, column in quad]
            result[mixed] = self._near(values, cells, weights[:, mixed], steps, (y[mixed], x[mixed]))
        return result

    @cached_property
    def _mixed(self) -> np.ndarray:
        """Where a cell and those right of it, below and across are not one piece, but one of them is inside."""
        right, below = self.right.copy(), self.below.copy()
        if not self.surface.wrap[1]:  # nothing is past the border: the cell itself stands in
            right[:, -1] = self.inside[:, -1]
        if not self.surface.wrap[0]:
            below[-1] = self.inside[-1]
        some = self.inside | self._next(self.inside, 0)
        whole = below & self._next(below, 1) & right & self._next(right, 0)
        whole[self.moved[:2]] = False
        return (some | self._next(some, 1)) & ~whole

    def _next(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Each cell's next along `axis`; the last is its own where the surface does not wrap."""
        moved = np.roll(values, -1, axis)
        if not self.surface.wrap[axis]:
            last = (-1,) if axis == 0 else (slice(None), -1)
            moved[last] = values[last]
        return moved

    def _joined(self, axis: int) -> np.ndarray:
        position = self.position if self.position is not None else np.zeros((*self.inside.shape, 3), np.float32)
        return geometry.joined(position, self.inside, axis, self.surface.wrap[axis])

    def _between(self, at: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The cells before and after each coordinate, and the weight of the one after."""
        place = (np.asarray(at, np.float64) - (self.stride // 2 + 0.5)) / self.stride
        before = np.floor(place)
        first, length = before.astype(np.int64), self.inside.shape[axis]
        weight = (place - before).astype(np.float32)
        if self.surface.wrap[axis]:
            return first % length, (first + 1) % length, weight
        return np.clip(first, 0, length - 1), np.clip(first + 1, 0, length - 1), weight

    @cached_property
    def _offset(self) -> np.ndarray:
        """How far each cell's texel lies from the middle of its block: down and right, int8 texels [2, h, w]."""
        i, j, y, x = self.moved
        offset = np.zeros((2, *self.inside.shape), np.int8)
        middle = self.stride // 2
        for axis, (cells, length) in enumerate(zip(self.inside.shape, self.surface.size, strict=True)):
            beyond = (cells - 1) * self.stride + middle - (length - 1)  # blocks are cut where the surface ends
            offset[(axis, -1) if axis == 0 else (axis, slice(None), -1)] = -max(beyond, 0)
        offset[:, i, j] = y - (i * self.stride + middle), x - (j * self.stride + middle)
        return offset

    def _near(
        self, values: np.ndarray, quad: Sequence, weights: np.ndarray, steps: Sequence, texel: tuple
    ) -> np.ndarray:
        """Values of scattered texels whose four cells are not one piece of surface.

        Each cell foretells the texel's place, by its own slope and the `steps` (cells down and right) to it; it counts in so
        far as it is right.
        """
        inside = [self.inside[cell] for cell in quad]
        trust = weights + np.float32(0.01)
        if self.position is not None:
            place = np.nan_to_num(self.surface["position"].array[texel].astype(np.float32), posinf=0.0, neginf=0.0)
            found = [self._foretold(cell, step) for cell, step in zip(quad, steps, strict=True)]
            error = np.where(inside, [_squared(there - place) for there in found], np.inf)
            beyond = (error - error.min(axis=0)) / np.float32(0.1 * self.spacing**2)
            trust *= np.exp(-np.clip(beyond, 0, 60))
        trust = np.where(inside, trust, 0).astype(np.float32)
        trust /= np.maximum(trust.sum(axis=0), np.float32(1e-12))
        read = np.stack([values[cell] for cell in quad])
        return (read * trust.reshape(trust.shape + (1,) * (values.ndim - 2))).sum(axis=0)

    def _foretold(self, cell: tuple[np.ndarray, np.ndarray], step: np.ndarray) -> np.ndarray:
        """Where a cell's own slopes put a texel that lies `step` cells down and right of it: [n, 3] metres."""
        assert self.position is not None
        place = self.position[cell]
        way = step - self._offset[(slice(None), *cell)] / np.float32(self.stride)
        for axis, joined in ((0, self.below), (1, self.right)):
            length = self.inside.shape[axis]
            after, before = (
                tuple((part + shift) % length if a == axis else part for a, part in enumerate(cell))
                for shift in (1, -1)
            )
            ahead, behind = joined[cell][:, None], joined[before][:, None]
            slope = np.where(ahead, self.position[after] - self.position[cell], 0)
            slope += np.where(behind, self.position[cell] - self.position[before], 0)
            place = place + slope / np.maximum(ahead.astype(np.float32) + behind, 1) * way[axis][:, None]
        return place


def reduced(surface: Surface, longest: int = LONGEST) -> Grid:
    """The grid of a surface: the least whole stride that leaves at most `longest` cells along its longer side."""
    stride = -(-max(surface.size) // longest)
    inside = np.array(geometry.inside(surface, _texels(surface, stride)))
    moved = _moved(surface, stride, inside)
    grid = Grid(surface, stride, moved, inside, None)
    if "position" not in surface:
        return grid
    position = surface["position"].array[_texels(surface, stride)].astype(np.float32)
    position[moved[:2]] = surface["position"].array[moved[2:]]
    inside &= np.isfinite(position[..., 0] + position[..., 1] + position[..., 2])
    position[~inside] = 0
    return Grid(surface, stride, moved, inside, position)


_AROUND = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


def _texels(surface: Surface, stride: int, down: int = 0, right: int = 0) -> tuple:
    """Index of one texel a block: its middle, or half a block `down` (-1, 1) or `right` of it; no further than the surface."""
    middle = stride // 2
    at = [min(max(middle + way * middle, 0), stride - 1) for way in (down, right)]
    if all(n % stride == 0 for n in surface.size):
        return tuple(slice(first, None, stride) for first in at)
    counts = (-(-n // stride) for n in surface.size)
    return np.ix_(
        *(np.minimum(np.arange(c) * stride + a, n - 1) for c, a, n in zip(counts, at, surface.size, strict=True))
    )


def _moved(surface: Surface, stride: int, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For cells whose middle is outside: the first inside of eight around it. Rows, columns of cells; rows, columns of texels.

    `inside` [h, w] gains these cells.
    """
    height, width = surface.size
    middle = stride // 2
    found = [np.zeros((4, 0), np.int64)]
    for down, right in _AROUND if middle else ():
        i, j = np.nonzero(geometry.inside(surface, _texels(surface, stride, down, right)) & ~inside)
        inside[i, j] = True
        y, x = (min(max(middle + way * middle, 0), stride - 1) for way in (down, right))
        found.append(np.stack([i, j, np.minimum(i * stride + y, height - 1), np.minimum(j * stride + x, width - 1)]))
    moved = np.concatenate(found, axis=1)
    return moved[0], moved[1], moved[2], moved[3]


def _squared(vectors: np.ndarray) -> np.ndarray:
    """Squared lengths [...] of vectors [..., 3]; several times faster than a sum over so short an axis."""
    return vectors[..., 0] ** 2 + vectors[..., 1] ** 2 + vectors[..., 2] ** 2


def _texel_of(at: np.ndarray, length: int) -> np.ndarray:
    return np.clip(np.floor(at).astype(np.int64), 0, length - 1)


def _block_sums(values: np.ndarray, stride: int) -> np.ndarray:
    """Sums over blocks of stride x stride: [H, W, C] -> [h, w, C], the last block of a row or column cut where the array ends."""
    height, width, channels = values.shape
    if stride == 1:
        return values
    missing = -height % stride, -width % stride
    if any(missing):
        values = np.pad(values, ((0, missing[0]), (0, missing[1]), (0, 0)))
    h, w = values.shape[0] // stride, values.shape[1] // stride
    rows = values.reshape(h, stride, -1)
    tall = rows[:, 0].copy()
    for k in range(1, stride):
        tall += rows[:, k]
    tall = tall.reshape(h, w, stride, channels)
    total = tall[:, :, 0].copy()
    for k in range(1, stride):
        total += tall[:, :, k]
    return total
