# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a wrapping surface begins. It has no first row or column of its own, but a network's lattice of 32 texels needs one.

The origin is taken from what the maps show (the phase of the first harmonic of their row and column sums), so that rolling
the maps rolls it along, by whole texels, and everything computed from it. The price: on a bare texture, whose noise lies on
its own texels, repainting part of the maps may shift the pattern. A texture that repeats within itself, a flat one above
all, has no such place; it begins where its array begins, and rolling it is no change that could be followed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..protocol.surface import Map, Surface
from .gutters import Allocate, is_constant

SHOWN = ("albedo", "height", "normal", "roughness", "metallic", "alpha", "mask", "position")
FAINT = 1e-6  # share of a map's sum below which its first harmonic is rounding
OFF_CENTRE = (
    0.25  # texels: mirror symmetric maps have their phase at whole and half texels, so rounding keeps clear of both
)


def origin(surface: Surface) -> tuple[int, int]:
    """Row and column of the origin, 0 along axes that do not wrap. Rolled with the maps, exactly."""
    found = [0, 0]
    for axis in (0, 1):
        if surface.wrap[axis]:
            for name in SHOWN:
                if name in surface and (place := _phase(surface[name], axis)) is not None:
                    found[axis] = int(np.floor(place + OFF_CENTRE)) % surface.size[axis]
                    break
    return found[0], found[1]


def rolled(surface: Surface, shift: tuple[int, int], allocate: Allocate = np.empty) -> Surface:
    """The surface with all maps rolled by `shift` rows and columns."""
    if shift == (0, 0):
        return surface
    return replace(
        surface, maps={n: Map(roll(m.array, shift, allocate), m.color_space) for n, m in surface.maps.items()}
    )


def roll(array: np.ndarray, shift: tuple[int, int], allocate: Allocate = np.empty) -> np.ndarray:
    """np.roll over rows and columns into an array from `allocate`; constants, which have no extent in memory, stay."""
    if not (shift[0] or shift[1]) or is_constant(array):
        return array
    out = allocate(array.shape, array.dtype)
    down, right = (step % length for step, length in zip(shift, array.shape[:2], strict=True))
    for to_rows, rows in (
        (slice(down, None), slice(None, array.shape[0] - down)),
        (slice(None, down), slice(array.shape[0] - down, None)),
    ):
        for to_columns, columns in (
            (slice(right, None), slice(None, array.shape[1] - right)),
            (slice(None, right), slice(array.shape[1] - right, None)),
        ):
            out[to_rows, to_columns] = array[rows, columns]
    return out


def _phase(map_: Map, axis: int) -> float | None:
    """Where along an axis the first harmonic of a map peaks, in texels; None where it has none."""
    array = map_.array
    if is_constant(array):
        return None
    length = array.shape[axis]
    sums = np.zeros(length)
    for top in range(0, array.shape[0], 256):
        part = array[top : top + 256].astype(np.float64)
        if axis == 0:
            sums[top : top + 256] = part.sum(axis=(1, 2))
        else:
            sums += part.sum(axis=(0, 2))
    harmonic = (sums * np.exp(-2j * np.pi * np.arange(length) / length)).sum()
    if not np.isfinite(harmonic) or np.abs(harmonic) <= FAINT * np.abs(sums).sum():
        return None
    return float(-np.angle(harmonic) * length / (2 * np.pi))
