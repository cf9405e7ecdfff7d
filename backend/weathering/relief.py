# SPDX-License-Identifier: GPL-3.0-or-later
"""Bends that only a normal or height map has: bolts, seams, scratches."""

from __future__ import annotations

import numpy as np

from . import geometry
from .grid import Grid

SCALE = 1 / 6  # of a feature: bends are measured over this length, so they are alike at any resolution
FULL = 0.35  # change of slope over that length that counts as an edge
EVEN = 0.004  # slopes below this are an 8-bit map's flat


def slopes(grid: Grid) -> np.ndarray | None:
    """Rise of the detail to the right and downward, metres a metre: [h, w, 2], of the normal map, else of the height map.

    None where neither has any.
    """
    found = _slopes_of_normals(grid) if _varies(grid, "normal") else None
    if found is None and _varies(grid, "height"):
        found = _slopes_of_heights(grid)
    return found


def bend(grid: Grid, slopes: np.ndarray, feature: float) -> np.ndarray:
    """Detail's curvature [h, w], -1 in a groove .. 1 on a rim: how slopes diverge within islands. `feature` in metres."""
    falling = -geometry.difference(slopes[..., :1], grid.right, 1) - geometry.difference(slopes[..., 1:], grid.below, 0)
    width = SCALE * feature / grid.spacing
    smooth = _blurred(falling[..., 0] * grid.inside, int(np.clip(width / 2, 1, 32)), grid.surface.wrap)
    return np.clip(smooth * np.float32(max(width, 1.0) / FULL), -1, 1)


def _varies(grid: Grid, name: str) -> bool:
    """Whether a map has more than one value, judged by some of its rows."""
    if name not in grid.surface:
        return False
    array = grid.surface[name].array
    rows = array[:: max(1, len(array) // 256)]
    return bool((rows != rows[:1, :1]).any())


def _slopes_of_normals(grid: Grid) -> np.ndarray | None:
    normals = grid.pooled("normal") * np.float32(2) - np.float32(1)  # tangent space, +Y up the rows
    rise = normals[..., :2] * np.array([-1, 1], np.float32) / np.maximum(normals[..., 2:], np.float32(0.1))
    rise[~grid.inside] = 0
    return rise if np.abs(rise).max(initial=0) > 2 * EVEN else None


def _slopes_of_heights(grid: Grid) -> np.ndarray | None:
    metres = grid.pooled("height") * np.float32(grid.surface.height_scale / grid.spacing)
    rise = np.concatenate([geometry.difference(metres, j, a) for j, a in ((grid.right, 1), (grid.below, 0))], axis=-1)
    return rise if np.abs(rise).max(initial=0) > EVEN else None


def _blurred(values: np.ndarray, radius: int, wrap: tuple[bool, bool]) -> np.ndarray:
    """Two box blurs of 2 * radius + 1 cells along each axis."""
    for axis in (0, 1):
        border = [(2 * radius, 2 * radius) if a == axis else (0, 0) for a in (0, 1)]
        values = np.pad(values, border, mode="wrap" if wrap[axis] else "edge")
        values = _box(_box(values, 2 * radius + 1, axis), 2 * radius + 1, axis)
    return values


def _box(values: np.ndarray, length: int, axis: int) -> np.ndarray:
    total = np.cumsum(np.moveaxis(values, axis, 0), axis=0, dtype=np.float64)
    total = np.concatenate([np.zeros_like(total[:1]), total])
    return np.moveaxis((total[length:] - total[:-length]) / length, 0, axis).astype(np.float32)
