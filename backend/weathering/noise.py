# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise that belongs to the object: a lattice of random numbers in metres, read at each texel's position at rest.

The lattice is counter-based (Philox), so a value depends on seed, stream and place alone: not on UV, tile, size or order.
Between lattice points values are blended linearly, with weights whose squares sum to 1, so variance is 1 everywhere.
A texture that lies on no object reads a lattice of its own texels, which repeats where the texture does.
"""

from __future__ import annotations

from functools import lru_cache
from zlib import crc32

import numpy as np

SIDE = 32  # lattice points after which the 3D lattice repeats, along its own axes
TEXEL_SIDE = 256  # the same of the texel lattice, where the texture does not wrap
BLOCK = 1 << 15  # points at a time, so that what is in between stays in cache

# The lattice is turned against the object by angles that share no period with its axes: a face of a box then cuts it
# obliquely and sees no repetition within hundreds of lattice points. Columns are orthonormal.
_TURN, _ = np.linalg.qr(np.array([[0.36, 0.48, 0.80], [0.71, -0.62, 0.13], [0.27, 0.53, -0.41]]))


def lattice_noise(
    position: np.ndarray, spacing: float, seed: int, stream: str, channels: int = 1, stretch: np.ndarray | None = None
) -> np.ndarray:
    """Noise [..., channels] float32 at `position` [..., 3] (metres): mean 0, variance 1, near to Gaussian.

    `spacing` is the metres between lattice points: nothing in it is smaller. `stream` names what the noise is for; other
    names, seeds and channels are independent. `stretch` [3, 3] is applied to positions first: see `stretched`. Same bytes for
    the same position, however the array is cut. NaN reads as 0.
    """
    table = _table(seed, stream, channels)
    flat = position.reshape(-1, 3)
    noise = np.empty((channels, len(flat)), np.float32)
    turn = (_TURN if stretch is None else stretch @ _TURN) / spacing
    for start in range(0, len(flat), BLOCK):
        points = flat[start : start + BLOCK].astype(np.float64)
        if not np.isfinite(points.sum()):
            points = np.nan_to_num(points, copy=False, posinf=0.0, neginf=0.0)
        points = np.ascontiguousarray((points @ turn).T)  # axis by axis from here on, several times faster
        corner = np.floor(points)
        points -= corner
        low, high = _weights(points.astype(np.float32))
        x, y, z = corner.astype(np.int64) & (SIDE - 1)
        y1, z1 = ((axis + 1) & (SIDE - 1) for axis in (y, z))
        row, row1, plane, plane1 = y * SIDE + x, y1 * SIDE + x, z * SIDE**2, z1 * SIDE**2
        corners = [
            (table.take(plane + row, axis=0), low[1] * low[2]),
            (table.take(plane + row1, axis=0), high[1] * low[2]),
            (table.take(plane1 + row, axis=0), low[1] * high[2]),
            (table.take(plane1 + row1, axis=0), high[1] * high[2]),
        ]
        for channel, out in enumerate(noise[:, start : start + BLOCK]):
            near, far = (_weighed(corners, channel + beyond) for beyond in (0, channels))
            near *= low[0]
            far *= high[0]
            np.add(near, far, out=out)
    return np.moveaxis(noise.reshape(channels, *position.shape[:-1]), 0, -1)


def lattice_values(position: np.ndarray, spacing: float, seed: int, stream: str, channels: int = 1) -> np.ndarray:
    """The number of the lattice point that is nearest to `position`, [..., channels]: `lattice_noise` at points further apart
    than the lattice's, where nothing is left to blend. Several times faster."""
    table = _table(seed, stream, channels)[:, :channels]
    flat = position.reshape(-1, 3)
    values = np.empty((len(flat), channels), np.float32)
    turn = _TURN / spacing
    for start in range(0, len(flat), BLOCK):
        points = flat[start : start + BLOCK].astype(np.float64)
        if not np.isfinite(points.sum()):
            points = np.nan_to_num(points, copy=False, posinf=0.0, neginf=0.0)
        x, y, z = (np.rint(points @ turn).astype(np.int64) & (SIDE - 1)).T
        values[start : start + BLOCK] = table.take(z * SIDE**2 + y * SIDE + x, axis=0)
    return values.reshape(*position.shape[:-1], channels)


def _weighed(corners: list[tuple[np.ndarray, np.ndarray]], column: int) -> np.ndarray:
    """The sum of one column of tables [n, C] by weights [n]."""
    total: np.ndarray = corners[0][0][:, column] * corners[0][1]
    for values, weight in corners[1:]:
        total += values[:, column] * weight
    return total


def stretched(along: np.ndarray, factor: float) -> np.ndarray:
    """The matrix [3, 3] for `lattice_noise` whose lattice cells are `factor` times as long along the unit vector `along`."""
    along = np.asarray(along, np.float64)
    return np.eye(3) - (1 - 1 / factor) * np.outer(along, along)


def texel_noise(
    rows: np.ndarray,
    columns: np.ndarray,
    spacing: float,
    seed: int,
    stream: str,
    channels: int = 1,
    period: tuple[int, int] | None = None,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> np.ndarray:
    """Noise [len(rows), len(columns), channels] for a bare texture, at texel centres (0.5, 1.5, ...) given by row and column.

    `spacing` in texels; lattice points lie at (k + 0.5) * spacing. `period` is the texture's height and width where it
    wraps (0 along an axis that does not): spacing is then rounded so that the lattice fits, and the noise tiles.
    `stretch`: how many times as long its cells are down and across.
    """
    (r0, r1, row_low, row_high, high), (c0, c1, column_low, column_high, wide) = (
        _axis(at, spacing * longer, extent)
        for at, extent, longer in zip((rows, columns), period or (0, 0), stretch, strict=True)
    )
    table = _texel_table(seed, stream, high, wide, channels)
    across = table[:, c0] * column_low[:, None] + table[:, c1] * column_high[:, None]
    return across[r0] * row_low[:, None, None] + across[r1] * row_high[:, None, None]


def octaves(
    position: np.ndarray, spacing: float, seed: int, stream: str, count: int = 3, fall: float = 0.5
) -> np.ndarray:
    """Fractal noise [...] of unit variance: `count` octaves, the coarsest `spacing` metres, each `fall` as strong as the last."""
    total = np.zeros(position.shape[:-1], np.float32)
    for octave in range(count):
        noise = lattice_noise(position, spacing / 2**octave, seed, f"{stream} {octave}")
        total += noise[..., 0] * np.float32(fall**octave)
    return total * _to_unit_variance(count, fall)


def texel_octaves(
    rows: np.ndarray,
    columns: np.ndarray,
    spacing: float,
    seed: int,
    stream: str,
    count: int = 3,
    period: tuple[int, int] | None = None,
    fall: float = 0.5,
) -> np.ndarray:
    """`octaves` on the texel lattice: [len(rows), len(columns)], spacing in texels."""
    total = np.zeros((len(rows), len(columns)), np.float32)
    for octave in range(count):
        noise = texel_noise(rows, columns, spacing / 2**octave, seed, f"{stream} {octave}", period=period)
        total += noise[..., 0] * np.float32(fall**octave)
    return total * _to_unit_variance(count, fall)


def _to_unit_variance(count: int, fall: float) -> np.float32:
    return np.float32(sum(fall ** (2 * octave) for octave in range(count)) ** -0.5)


def generator(seed: int, stream: str) -> np.random.Generator:
    """numpy's Philox keyed by seed and the name of what it is for."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, crc32(stream.encode())], np.uint64)))


def _weights(fraction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the lower and the higher lattice point along each axis; their squares sum to 1."""
    low = 1 - fraction
    scale = low * low
    scale += fraction * fraction
    np.sqrt(scale, out=scale)
    np.divide(1, scale, out=scale)
    low *= scale
    return low, fraction * scale


def _axis(at: np.ndarray, spacing: float, extent: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    """Indices of the lattice points before and after each texel centre, their weights, and the lattice's length."""
    if extent:
        count = max(1, round(extent / spacing))
        place = np.asarray(at, np.float64) * (count / extent) - 0.5
    else:
        count = TEXEL_SIDE
        place = np.asarray(at, np.float64) / spacing - 0.5
    corner = np.floor(place)
    low, high = _weights((place - corner).astype(np.float32))
    before = corner.astype(np.int64) % count
    return before, (before + 1) % count, low, high, count


@lru_cache(maxsize=16)
def _table(seed: int, stream: str, channels: int) -> np.ndarray:
    """[SIDE^3, 2 * channels]: each lattice point beside its neighbour in x, which saves half of the look-ups."""
    values = generator(seed, stream).standard_normal((SIDE, SIDE, SIDE, channels), np.float32)
    table = np.concatenate([values, np.roll(values, -1, axis=2)], axis=-1).reshape(-1, 2 * channels)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=8)
def _texel_table(seed: int, stream: str, height: int, width: int, channels: int) -> np.ndarray:
    table = generator(seed, stream).standard_normal((height, width, channels), np.float32)
    table.flags.writeable = False
    return table
