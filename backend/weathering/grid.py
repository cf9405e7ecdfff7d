# SPDX-License-Identifier: GPL-3.0-or-later
"""A surface at reduced size: what needs the whole of it is computed here, then read back at any texel.

A cell stands for one texel of its block, so no cell mixes islands, and reading between cells of different pieces goes by
place on the object, so islands that lie closer than a cell do not bleed into each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from os import cpu_count
from typing import TypeVar

import numpy as np

from ..protocol.surface import Surface
from . import geometry

LONGEST = 1024  # cells along the longer side
BAND = 64  # rows of cells at a time
_POOL = ThreadPoolExecutor(min(4, cpu_count() or 1), thread_name_prefix="sabi-numpy")
_T = TypeVar("_T")
_R = TypeVar("_R")


def parallel(function: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """`[function(i) for i in items]`, several at a time: numpy lets go of the interpreter while it computes."""
    return list(_POOL.map(function, items))


@dataclass(frozen=True)
class Grid:
    """Cell (i, j) stands for texel ((i + 0.5) * stride, (j + 0.5) * stride) or, outside islands, for another of its block.

    `texel`: row and column of each cell's texel, int [h, w] each; `inside` [h, w] bool; `position` [h, w, 3] float32 in the
    surface's own space (0 outside), None where it is unknown.
    """

    surface: Surface
    stride: int
    texel: tuple[np.ndarray, np.ndarray]
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
        step = np.linalg.norm(np.roll(self.position, -1, 1) - self.position, axis=-1)[self.right]
        step = step[step > 0]
        return float(np.median(step)) if len(step) else self.stride / self.surface.texels_per_metre

    def texels(self, name: str) -> np.ndarray:
        """A map at each cell's own texel: float32 [h, w, C]. Cheap, and exact for what is smooth."""
        values = self.surface[name].floats(self.texel)
        return np.nan_to_num(values, copy=False, posinf=0.0, neginf=0.0)

    def pooled(self, name: str) -> np.ndarray:
        """Means of a map over each cell's texels inside islands: float32 [h, w, C], 0 where there are none."""
        map_, stride = self.surface[name], self.stride
        h, w = self.inside.shape
        out = np.zeros((h, w, map_.array.shape[2]), np.float32)

        def band(top: int) -> None:
            window = (slice(top * stride, min(top + BAND, h) * stride), slice(None))
            belongs = geometry.inside(self.surface, window)[..., None].astype(np.float32)
            values = np.nan_to_num(map_.floats(window), copy=False, posinf=0.0, neginf=0.0)
            values *= belongs
            count = _block_sums(belongs, stride)
            out[top : top + BAND] = _block_sums(values, stride) / np.maximum(count, 1)

        parallel(band, range(0, h, BAND))
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
        """`values` [h, w] read at texel coordinates (0.5 is the centre of the first): float32 [len(rows), len(columns)].

        Linear within a piece of surface; at its border only cells of that piece count. Finite outside islands.
        """
        r0, r1, up = self._between(rows, 0)
        c0, c1, left = self._between(columns, 1)
        if len(rows) * len(self.inside[0]) < len(columns) * len(self.inside):
            part = values[r0] * (1 - up)[:, None] + values[r1] * up[:, None]
            result = part[:, c0] * (1 - left) + part[:, c1] * left
        else:
            part = values[:, c0] * (1 - left) + values[:, c1] * left
            result = part[r0] * (1 - up)[:, None] + part[r1] * up[:, None]
        here = _texel_of(rows, self.surface.size[0]), _texel_of(columns, self.surface.size[1])
        y, x = np.nonzero(geometry.inside(self.surface, np.ix_(*here)) & ~self._whole[np.ix_(r0, c0)])
        if len(y):
            quad = ((r0[y], c0[x]), (r0[y], c1[x]), (r1[y], c0[x]), (r1[y], c1[x]))
            v, u = up[y], left[x]
            weights = np.stack([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u])
            result[y, x] = self._near(values, quad, weights, (here[0][y], here[1][x]))
        return result.astype(np.float32, copy=False)

    @cached_property
    def _whole(self) -> np.ndarray:
        """Where a cell and those right of it, below and across are one piece; there are none past a border that does not wrap."""
        right, below = self.right.copy(), self.below.copy()
        if not self.surface.wrap[1]:
            right[:, -1] = self.inside[:, -1]
        if not self.surface.wrap[0]:
            below[-1] = self.inside[-1]
        across = below & np.roll(below, -1, 1) if self.surface.wrap[1] else below & np.c_[below[:, 1:], below[:, -1:]]
        down = right & np.roll(right, -1, 0) if self.surface.wrap[0] else right & np.r_[right[1:], right[-1:]]
        return across & down

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

    def _near(
        self, values: np.ndarray, quad: tuple, weights: np.ndarray, texel: tuple[np.ndarray, np.ndarray]
    ) -> np.ndarray:
        """Values of scattered texels whose four cells are not one piece: those that lie near on the object count."""
        belongs = np.stack([self.inside[cell] for cell in quad])
        weights = (weights + np.float32(0.01)) * belongs
        if self.position is not None:
            place = np.nan_to_num(self.surface["position"].array[texel].astype(np.float32), posinf=0.0, neginf=0.0)
            apart = np.stack([np.square(self.position[cell] - place).sum(axis=-1) for cell in quad])
            beyond = apart - np.where(belongs, apart, np.inf).min(axis=0)
            weights *= np.exp(-np.clip(beyond / np.float32(2 * self.spacing**2), 0, 60))
        read = np.stack([values[cell] for cell in quad])
        return (read * weights).sum(axis=0) / np.maximum(weights.sum(axis=0), np.float32(1e-12))


def reduced(surface: Surface, longest: int = LONGEST) -> Grid:
    """The grid of a surface: the least whole stride that leaves at most `longest` cells along its longer side."""
    stride = -(-max(surface.size) // longest)
    texel = _texels(surface, stride)
    inside = geometry.inside(surface, texel)
    if "position" not in surface:
        return Grid(surface, stride, texel, inside, None)
    position = surface["position"].array[texel].astype(np.float32)
    inside = inside & np.isfinite(position).all(axis=-1)
    position[~inside] = 0
    return Grid(surface, stride, texel, inside, position)


_AROUND = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


def _texels(surface: Surface, stride: int) -> tuple[np.ndarray, np.ndarray]:
    """The texel of each cell: the middle of its block or, where that is outside, the first inside of eight around it."""
    height, width = surface.size
    h, w, middle = -(-height // stride), -(-width // stride), stride // 2
    rows = np.minimum(np.arange(h) * stride + middle, height - 1)
    columns = np.minimum(np.arange(w) * stride + middle, width - 1)
    r, c = np.repeat(rows[:, None], w, axis=1), np.repeat(columns[None], h, axis=0)
    if middle:
        i, j = np.nonzero(~geometry.inside(surface, np.ix_(rows, columns)))
        for down, right in _AROUND:
            y = np.clip(i * stride + middle + down * middle, i * stride, np.minimum((i + 1) * stride, height) - 1)
            x = np.clip(j * stride + middle + right * middle, j * stride, np.minimum((j + 1) * stride, width) - 1)
            found = geometry.inside(surface, (y, x))
            r[i[found], j[found]], c[i[found], j[found]] = y[found], x[found]
            i, j = i[~found], j[~found]
    return r, c


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
    tall = values.reshape(h, stride, w * stride * channels).sum(axis=1).reshape(h, w, stride, channels)
    total = tall[:, :, 0].copy()
    for k in range(1, stride):
        total += tall[:, :, k]
    return total
