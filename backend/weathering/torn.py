# SPDX-License-Identifier: GPL-3.0-or-later
"""Where texels that lie side by side in the map belong to pieces that lie apart on the object: islands without a gutter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .geometry import JUMP
from .grid import Grid

CHUNK = 1 << 18  # texels looked at at a time


@dataclass(frozen=True)
class Torn:
    """Texels (flat, sorted) inside islands that are not of one piece with the next one `right` or `below`, also inside."""

    right: np.ndarray
    below: np.ndarray

    def between(self, texels: np.ndarray, axis: int) -> np.ndarray:
        """Whether each of `texels` (flat) is torn from the next along `axis` (0 to the right, 1 down): bool [n]."""
        known = (self.right, self.below)[axis]
        if not len(known):
            return np.zeros(texels.shape, bool)
        return known[np.minimum(np.searchsorted(known, texels), len(known) - 1)] == texels

    def both(self, width: int) -> np.ndarray:
        """All texels that have a torn side."""
        return np.unique(np.concatenate([self.right, self.right + 1, self.below, self.below + width]))


NOWHERE = Torn(np.empty(0, np.int64), np.empty(0, np.int64))


def torn_cells(grid: Grid) -> Torn:
    """Torn cells of a grid, as if they were texels."""
    found = []
    for axis, joined in ((1, grid.right), (0, grid.below)):
        apart = grid.inside & np.roll(grid.inside, -1, axis) & ~joined
        apart[(-1,) if axis == 0 else (slice(None), -1)] = False
        found.append(np.flatnonzero(apart))
    return Torn(*found)


def torn_texels(grid: Grid) -> Torn:
    """Torn texels of the grid's surface, looked for where its cells are torn. Of the rims of touching islands those shorter
    than a cell may be missed."""
    cells = torn_cells(grid)
    if grid.stride == 1 or not (len(cells.right) or len(cells.below)):
        return cells
    height, width = grid.surface.size
    i, j = np.divmod(cells.both(grid.inside.shape[1]), grid.inside.shape[1])
    mask = grid.surface["island_mask"].array.reshape(-1) > 0
    position = grid.surface["position"].array.reshape(-1, 3)
    within = np.arange(grid.stride)
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for start in range(0, len(i), max(1, CHUNK // grid.stride**2)):
        part = slice(start, start + max(1, CHUNK // grid.stride**2))
        y = (i[part, None, None] * grid.stride + within[:, None] + 0 * within).reshape(-1)
        x = (j[part, None, None] * grid.stride + 0 * within[:, None] + within).reshape(-1)
        for into, at, length, step in ((found[0], x, width, 1), (found[1], y, height, width)):
            here = np.flatnonzero((y < height) & (x < width) & (at < length - 1))
            texels, at = y[here] * width + x[here], at[here]
            both = mask[texels] & mask[texels + step]
            texels, at = texels[both], at[both]
            before = _step(position, mask, texels - step, step, at > 0)
            after = _step(position, mask, texels + step, step, at < length - 2)
            usual = np.maximum(JUMP * np.minimum(before, after), 2 * grid.spacing / grid.stride)
            into.append(texels[_step(position, mask, texels, step, at >= 0) > usual])
    return Torn(*(np.unique(np.concatenate(parts)) for parts in found))


def _step(position: np.ndarray, mask: np.ndarray, texels: np.ndarray, step: int, within: np.ndarray) -> np.ndarray:
    """Metres from each texel to the one `step` further; infinite where one is no texel of an island."""
    texels = np.where(within, texels, 0)
    way = position[texels + step].astype(np.float32) - position[texels]
    known = within & mask[texels] & mask[texels + step]
    return np.where(known, np.sqrt(way[:, 0] ** 2 + way[:, 1] ** 2 + way[:, 2] ** 2), np.float32(np.inf))
