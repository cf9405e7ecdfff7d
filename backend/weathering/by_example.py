# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise that looks like a picture, without end and without seams: histogram-preserving tiling and blending, after Heitz and
Neyret 2018 (High-Performance By-Example Noise using a Histogram-Preserving Blending Operator) and Burley 2019.

A picture is made Gaussian channel by channel, along axes on which its colours do not correlate. Patches of it, drawn at random
and laid on a lattice of triangles, are blended where they meet so that variance stays, and the histogram is given back.
Weights are sharpened: within a patch the picture is itself, so that what has structure keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from .noise import generator
from .resample import Axis, weigh

PATCH = 0.45  # of the picture's shorter side: metres between patches
SHARPNESS = 8.0  # power of the weights: patches meet in a band of about a tenth of their distance
FAINT = 0.02  # weights below are none
SIDE = 64  # patches after which a lattice repeats that has no period of its own, or a longer one
STEPS = 4096  # of the tables that make a channel Gaussian, and undo it
REACH = 3.8  # standard deviations that the tables span
SMALLEST = 8  # texels of the shorter side of a picture that is looked at from afar
GRAIN = (
    8  # of the picture's texels, by which patches are shifted: so that smaller pictures are shifted by whole texels too
)
CRISP = 8.0  # steepness between texels; where points lie as far apart as texels, linear interpolation (1) loses 4 dB of grain
HALF = 0.5  # octaves between the sizes at which a picture is kept


@dataclass(frozen=True)
class Lattice:
    """Patches at the corners of triangles: columns `across` metres apart, rows `down`; every other row is half a column over.

    `period` (rows, columns) after which it repeats; rows are even.
    """

    across: float
    down: float
    period: tuple[int, int] = (SIDE, SIDE)

    @staticmethod
    def over(extent: tuple[float, float], spacing: float, grain: float) -> Lattice:
        """About `spacing` metres wide; repeats after `extent` (height, width) metres, where that is above 0."""
        high, wide = extent
        columns = max(1, round(wide / spacing)) if wide else SIDE
        rows = max(2, 2 * round(high / spacing / np.sqrt(3))) if high else SIDE
        across = wide / columns if wide else max(1, round(spacing / grain)) * grain
        down = high / rows if high else max(1, round(spacing * np.sqrt(0.75) / grain)) * grain
        return Lattice(across, down, (rows, columns))

    def patches(self, x: np.ndarray, y: np.ndarray, grain: float) -> list[tuple[np.ndarray, ...]]:
        """The three patches around each point of `x`, `y` [n] metres: number in the lattice, where it begins, and weight.

        Where, x and y, is a whole number of `grain` metres but for whole periods.
        """
        row = y / self.down
        column = x / self.across - row / 2
        j, i = np.floor(row), np.floor(column)
        v, u = row - j, column - i
        upper = u + v > 1
        third = np.where(upper, u + v - 1, 1 - u - v)
        corners = ((upper, upper, third), (1, 0, np.where(upper, 1 - v, u)), (0, 1, np.where(upper, 1 - u, v)))
        raised = [weight**SHARPNESS for _, _, weight in corners]
        total = raised[0] + raised[1] + raised[2]
        return [
            (*self._patch(i + right, j + below, grain), weight / total)
            for (right, below, _), weight in zip(corners, raised, strict=True)
        ]

    def _patch(self, column: np.ndarray, row: np.ndarray, grain: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, columns = self.period
        turns = np.floor(row / rows)
        row = row - turns * rows
        column = column + turns * (rows // 2)  # rows lean by half a column each
        around = np.floor(column / columns)
        column = column - around * columns
        x = np.rint((column + row / 2) * (self.across / grain)) * grain + around * (columns * self.across)
        y = np.rint(row * (self.down / grain)) * grain + turns * (rows * self.down)
        return (row % SIDE * min(columns, SIDE) + column % SIDE).astype(np.int64), x, y


@dataclass(frozen=True)
class _Level:
    """The picture at one size, `texel` metres down and across each: `field` [h * w, C] Gaussian; `undo` [C, STEPS] gives what
    it was, on `axes` [C, C] from `mean`. `crisp`: between two texels the nearer counts for more than in linear interpolation."""

    size: tuple[int, int]
    texel: tuple[float, float]
    field: np.ndarray
    undo: np.ndarray
    axes: np.ndarray
    mean: np.ndarray
    crisp: bool

    def read(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The field at `x`, `y` [n] texels, between them interpolated, mirrored beyond the border: [n, C]."""
        height, width = self.size
        i, j = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
        v, u = ((at - first).astype(np.float32)[:, None] for at, first in ((y, i), (x, j)))
        if self.crisp:
            v, u = (np.clip((part - np.float32(0.5)) * np.float32(CRISP) + np.float32(0.5), 0, 1) for part in (v, u))
        upper, lower = _mirrored(i, height) * width, _mirrored(i + 1, height) * width
        left, right = _mirrored(j, width), _mirrored(j + 1, width)
        above = self.field.take(upper + left, axis=0)
        above += (self.field.take(upper + right, axis=0) - above) * u
        below = self.field.take(lower + left, axis=0)
        below += (self.field.take(lower + right, axis=0) - below) * u
        below -= above
        below *= v
        above += below
        return above

    def undone(self, field: np.ndarray) -> np.ndarray:
        """[n, C] of the picture's own values from Gaussian ones."""
        at = field * np.float32((STEPS - 1) / (2 * REACH))
        at += np.float32((STEPS - 1) / 2 + 0.5)
        np.clip(at, 0, STEPS - 1, out=at)
        index = at.astype(np.int64)
        values = np.empty_like(field)
        for channel, table in enumerate(self.undo):
            values[:, channel] = table.take(index[:, channel])
        return values @ self.axes + self.mean


class Example:
    """A picture [h, w, C] float32 that spans `width` metres, as noise. Values come back in its own range, not clipped."""

    def __init__(self, picture: np.ndarray, width: float) -> None:
        self._picture, self._texel = picture, width / picture.shape[1]
        self._extent = picture.shape[0] * self._texel, width
        self._levels: dict[int, _Level] = {}
        self.grain = GRAIN * self._texel
        self.spacing = PATCH * min(picture.shape[:2]) * self._texel

    def level(self, texel: np.ndarray | float) -> np.ndarray:
        """Which size of the picture suits texels of so many metres: whole numbers from 0, the picture itself; -1 magnifies it."""
        least = max(0, int(np.log2(min(self._picture.shape[:2]) / SMALLEST) / HALF))
        octaves = np.log2(np.maximum(np.asarray(texel) / self._texel, 1e-9))
        return np.clip(np.floor(octaves / HALF + 0.1), -1, least).astype(np.int64)

    def prepare(self, levels: Sequence[int]) -> None:
        """Make ready for these levels: threads may then read them."""
        for level in levels:
            if level == -1 and level not in self._levels:
                self.prepare([0])
                self._levels[level] = replace(self._levels[0], crisp=False)
            elif level not in self._levels:
                self._levels[level] = _gaussian(self._shrunk(level), self._extent)

    def __call__(
        self, planes: Sequence[tuple[np.ndarray, ...]], count: int, lattice: Lattice, level: int, seed: int, stream: str
    ) -> np.ndarray:
        """[count, C] float32 at points that lie on planes: for each plane the points that it shows (numbers below `count`),
        their x to the right and y down (metres), and their share of the point. A point on no plane gets some value."""
        picture, grain = self._levels[level], self.grain
        total = np.zeros((count, picture.field.shape[1]), np.float32)
        squares = np.zeros(count, np.float32)
        for number, (at, x, y, share) in enumerate(planes):
            if not len(at):
                continue
            offsets = _offsets(seed, f"{stream} {number}", *(min(side, SIDE) for side in lattice.period))
            for patch, left, top, weight in lattice.patches(x, y, grain):
                part = np.flatnonzero(weight > FAINT)
                here = offsets.take(patch[part], axis=0)
                strength = (weight[part] * share[part]).astype(np.float32)
                across, below = (
                    (along[part] - begin[part] + np.rint(here[:, axis] * (side / grain)) * grain) / texel - 0.5
                    for axis, along, begin, side, texel in (
                        (0, x, left, self._extent[1], picture.texel[1]),
                        (1, y, top, self._extent[0], picture.texel[0]),
                    )
                )  # by whole texels: where points lie as texels do, nothing is blurred
                field = picture.read(across, below)
                field *= strength[:, None]
                total[at[part]] += field
                squares[at[part]] += strength * strength
        total /= np.sqrt(np.maximum(squares, np.float32(1e-12)))[:, None]
        return picture.undone(total)

    def _size(self, level: int) -> tuple[int, int]:
        height, width = self._picture.shape[:2]
        factor = 2.0 ** (HALF * level)
        return max(1, round(height / factor)), max(1, round(width / factor))

    def _shrunk(self, level: int) -> np.ndarray:
        picture = self._picture
        for axis, (before, after) in enumerate(zip(picture.shape[:2], self._size(level), strict=True)):
            if before != after:
                first, last, sources, weights = Axis(before, after).taps(0, after)
                picture = weigh(
                    picture.take(np.clip(np.arange(first, last), 0, before - 1), axis=axis), axis, sources, weights
                )
        return picture


def _gaussian(picture: np.ndarray, extent: tuple[float, float]) -> _Level:
    height, width, channels = picture.shape
    flat = picture.reshape(-1, channels)
    mean = flat.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((flat - mean).T.astype(np.float64)).reshape(channels, channels))
    axes = axes.T.astype(np.float32)
    along = (flat - mean) @ axes.T
    field, undo = np.empty_like(flat), np.empty((channels, STEPS), np.float32)
    quantiles = _quantiles()
    share = (np.arange(len(flat), dtype=np.float32) + np.float32(0.5)) / np.float32(len(flat))
    normal = np.interp(share, (np.arange(STEPS) + 0.5) / STEPS, quantiles)
    inner = np.minimum(share, 1 - share) < 0.5 / STEPS
    normal[inner] = [NormalDist().inv_cdf(float(s)) for s in share[inner]]
    steps = np.linspace(-REACH, REACH, STEPS)
    for channel in range(channels):
        order = np.argsort(along[:, channel], kind="stable")
        field[order, channel] = normal
        undo[channel] = np.interp(steps, normal, along[order, channel])
    return _Level((height, width), (extent[0] / height, extent[1] / width), field, undo, axes, mean, crisp=True)


@lru_cache(maxsize=1)
def _quantiles() -> np.ndarray:
    return np.array([NormalDist().inv_cdf((k + 0.5) / STEPS) for k in range(STEPS)])


def _mirrored(at: np.ndarray, length: int) -> np.ndarray:
    at = at % (2 * length)
    return np.minimum(at, 2 * length - 1 - at)


@lru_cache(maxsize=16)
def _offsets(seed: int, stream: str, rows: int, columns: int) -> np.ndarray:
    """Where in the picture each patch has its middle: [rows * columns, 2] across and down, of its sides."""
    margin = PATCH / 2
    table = margin + (1 - 2 * margin) * generator(seed, stream).random((rows * columns, 2))
    table.flags.writeable = False
    return table
