# SPDX-License-Identifier: GPL-3.0-or-later
"""An exemplar's colours on a painted layer: where it grows the painter has said, what it looks like the photograph says.

The photograph lies on the object at rest, in metres, upright: on three planes, blended by the direction of the surface. So it
crosses UV seams, is as large everywhere, and stays where it is when a map is rolled. A bare texture has one plane.
Roughness, metallic and height are the photograph's own where it has such maps, else as the painter painted them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..photographed.exemplar import pictures
from ..protocol.errors import Cancelled
from ..protocol.exemplar import Exemplar
from ..protocol.recipe import Layer
from ..protocol.surface import Surface
from ..threads import parallel
from . import geometry
from .by_example import Example, Lattice
from .grid import Grid
from .scale import Scales
from .seams import Seams

STRIP = 1 << 16  # texels at a time in float
UPRIGHT = 8.0  # power of a direction's share: planes meet within some ten degrees
FAINT = 0.02  # shares below are none
# Channels of a painted layer's images that each map of an exemplar takes.
PLACES = {"roughness": ("thin", 3), "metallic": ("thick", 3), "height": ("growth", 3)}


@dataclass(frozen=True)
class Look:
    """An exemplar made ready: its channels as noise, the first three colours, and the names of the others."""

    example: Example
    maps: tuple[str, ...]


def look_of(layer: Layer) -> Look | None:
    """Raises BadRecipe where the layer's exemplar has a damaged picture."""
    exemplar = layer.exemplar
    return None if exemplar is None else _look(exemplar.picture, tuple(sorted(exemplar.maps.items())), exemplar.width)


@lru_cache(maxsize=4)
def _look(picture: str, maps: tuple[tuple[str, str], ...], width: float) -> Look:
    parts = pictures(Exemplar(picture, maps=dict(maps)))
    if "height" in parts:
        parts["height"] = parts["height"] - parts["height"].mean() + np.float32(0.5)  # about flush
    return Look(Example(np.concatenate([*parts.values()], axis=2), width), tuple(parts)[1:])


def lay_exemplar(
    look: Look,
    surface: Surface,
    layer: Layer,
    scales: Scales,
    grid: Grid,
    gravity: np.ndarray,
    seams: Seams | None,
    images: dict[str, np.ndarray],
    cancelled: Callable[[], bool],
) -> None:
    """Both keys of a painted layer's `images` take the exemplar's look, in place; gutters as what they stand for.

    `cancelled` is asked strip by strip: raises Cancelled.
    """
    laid = _Laid(look, surface, layer, scales, grid, gravity, seams)
    look.example.prepare(laid.levels())
    step = max(1, STRIP // surface.size[1])

    def strip(top: int) -> None:
        if cancelled():
            raise Cancelled()
        rows = slice(top, min(top + step, surface.size[0]))
        texels, values = laid.strip(rows)
        values *= 255
        values += np.float32(0.5)
        stored = np.clip(values, 0, 255, out=values).astype(np.uint8)
        for name in ("thin", "thick"):
            for channel in range(3):
                images[name][rows].reshape(-1, 4)[texels, channel] = stored[:, channel]
        for number, name in enumerate(look.maps, start=3):
            image, channel = PLACES[name]
            images[image][rows].reshape(-1, 4)[texels, channel] = stored[:, number]

    parallel(strip, range(0, surface.size[0], step))


class _Laid:
    """An exemplar on a surface, strip by strip."""

    def __init__(
        self,
        look: Look,
        surface: Surface,
        layer: Layer,
        scales: Scales,
        grid: Grid,
        gravity: np.ndarray,
        seams: Seams | None,
    ) -> None:
        self._example, self._surface, self._grid, self._seams = look.example, surface, grid, seams
        self._seed, self._stream = layer.seed, f"{layer.effect.value} exemplar"
        first = scales.canvases[0]
        self._texel = first.texel * 2.0**first.octave  # metres, where it is one everywhere
        self._texels: np.ndarray | None = None
        if scales.octaves is not None:
            self._texels = (first.texel * 2.0 ** scales.octaves.astype(np.float64)).astype(np.float32)
        self._on_object = "position" in surface
        if self._on_object:
            self._axes = _upright(gravity)
            self._lattice = Lattice.over((0.0, 0.0), self._example.spacing, self._example.grain)
            self._normals = None if "world_normal" in surface else _facing(grid)
        else:
            extent = [
                side * self._texel if wraps else 0.0 for side, wraps in zip(surface.size, surface.wrap, strict=True)
            ]
            self._lattice = Lattice.over((extent[0], extent[1]), self._example.spacing, self._example.grain)

    def levels(self) -> Sequence[int]:
        if self._texels is None:
            return [int(self._example.level(self._texel))]
        return [int(level) for level in np.unique(self._example.level(self._texels))]

    def strip(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """The texels that belong to something, flat in these rows [n], and the exemplar's channels there [n, C]."""
        inside = np.array(geometry.inside(self._surface, (rows, slice(None))))
        gutter = None
        if self._seams is not None:
            gutter = self._seams.gutter(rows, slice(0, self._surface.size[1]))
            inside[gutter[0]] = True
        texels = np.flatnonzero(inside)
        planes = self._on_planes(rows, texels, gutter) if self._on_object else self._on_plane(rows, texels)
        if self._texels is None:
            return texels, self._example(planes, len(texels), self._lattice, self.levels()[0], self._seed, self._stream)
        width = self._surface.size[1]
        size = self._grid.sample(self._texels, np.arange(rows.start, rows.stop) + 0.5, np.arange(width) + 0.5)
        levels = self._example.level(size.reshape(-1)[texels])
        values: np.ndarray | None = None
        for level in np.unique(levels):
            here = levels == level
            part = [tuple(a[here[at]] for a in (at, *rest)) for at, *rest in planes]
            found = self._example(part, len(texels), self._lattice, int(level), self._seed, self._stream)
            values = found if values is None else np.where(here[:, None], found, values)
        return texels, np.zeros((0, 3), np.float32) if values is None else values

    def _on_plane(self, rows: slice, texels: np.ndarray) -> list[tuple[np.ndarray, ...]]:
        y, x = np.divmod(texels, self._surface.size[1])
        down, right = (y + (rows.start + 0.5)) * self._texel, (x + 0.5) * self._texel
        return [(np.arange(len(texels)), right, down, np.ones(len(texels), np.float32))]

    def _on_planes(self, rows: slice, texels: np.ndarray, gutter: tuple | None) -> list[tuple[np.ndarray, ...]]:
        place = self._read("position", rows, texels, gutter) @ self._axes.T
        if self._normals is None:
            normal = self._read("world_normal", rows, texels, gutter)
        else:
            width = np.arange(self._surface.size[1]) + 0.5
            normal = self._grid.sample(self._normals, np.arange(rows.start, rows.stop) + 0.5, width)
            normal = normal.reshape(-1, 3)[texels].astype(np.float64)
        shares = np.abs(normal @ self._axes.T)
        shares /= np.maximum(shares.max(axis=1, keepdims=True), 1e-9)
        shares = shares**UPRIGHT
        shares[shares.sum(axis=1) == 0, 2] = 1
        shares /= shares.sum(axis=1, keepdims=True)
        x, y, z = place.T
        planes: list[tuple[np.ndarray, ...]] = []
        for share, right, down in zip(shares.T, (y, x, x), (-z, -z, -y), strict=True):
            at = np.flatnonzero(share > FAINT)
            planes.append((at, right[at], down[at], share[at]))
        return planes

    def _read(self, name: str, rows: slice, texels: np.ndarray, gutter: tuple | None) -> np.ndarray:
        """A map of vectors at texels, flat in these rows: float64 [n, 3]; gutters as the texels that they stand for."""
        values = self._surface[name].floats((rows, slice(None)))
        if gutter is not None:
            values[gutter[0]] = self._surface[name].floats(gutter[1])
        found = values.reshape(-1, values.shape[2])[texels].astype(np.float64)
        return np.nan_to_num(found, copy=False, posinf=0.0, neginf=0.0)


def _upright(gravity: np.ndarray) -> np.ndarray:
    """Axes [3, 3] as rows: two level ones, as near to the object's own as can be, and up."""
    up = -np.asarray(gravity, np.float64)
    up /= max(float(np.linalg.norm(up)), 1e-12)
    own = np.eye(3)[1 if abs(up[0]) > 0.9 else 0]
    first = own - up * (own @ up)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(up, first), up])


def _facing(grid: Grid) -> np.ndarray:
    """Directions of the surface [h, w, 3] on the grid, from its tangents; 0 where unknown."""
    right, below = grid.tangents
    return np.cross(below, right).astype(np.float32) / np.float32(max(grid.spacing / grid.stride, 1e-12)) ** 2
