# SPDX-License-Identifier: GPL-3.0-or-later
"""What the painter is told of a surface: base maps, susceptibility, down and noise, on a canvas of any scale, window by window.

Maps stay in their own type; a window becomes float32 when a tile asks for it, in strips, so an 8192 x 8192 surface never
lies in memory. Gutters between islands are filled from across the seams before anything is resampled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import local

import numpy as np

from ..networks.card import Card
from ..protocol.recipe import Layer
from ..protocol.surface import ColorSpace, Map, Surface
from .colour import decode, to_srgb
from .degree import susceptibility
from .grid import Grid
from .gutters import is_constant
from .noise import lattice_noise, lattice_values, stretched, texel_noise
from .resample import Axis, weigh
from .scale import Canvas
from .seams import Seams

# What a map that a surface lacks is taken to be, between 0 and 1.
DEFAULTS = {"albedo": 0.5, "roughness": 0.5, "metallic": 0.0, "height": 0.5}
STRIP = 1 << 19  # texels of a map in float at a time
COARSE = 8  # canvas texels between those at which `down` is read: it is smooth

Read = Callable[[slice, slice, np.ndarray], None]


@dataclass
class Conditions:
    """The painter's inputs for one layer on one canvas. Each of `sources()` fills windows [C, h, w], float32, for any thread.

    `exposure` is [H, W] of 8 bits, `down` [h, w, 2] on the grid or None where unknown, `gravity` a unit vector [3] in the space
    of `position`.
    """

    surface: Surface
    layer: Layer
    canvas: Canvas
    card: Card
    grid: Grid
    seams: Seams | None
    exposure: np.ndarray
    down: np.ndarray | None
    gravity: np.ndarray
    _last: local = field(default_factory=local, init=False)  # places and gutters of the windows that a thread read last

    def sources(self) -> dict[str, Read]:
        noise = {name: self._noise_source(name) for name in self.card.noise}
        return {"base": self.base, "susceptibility": self.susceptibility, "down": self.downward, **noise}

    def base(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Albedo (3, sRGB-encoded), roughness, metallic, height: 0..1."""
        parts = dict(zip(DEFAULTS, np.split(out, (3, 4, 5)), strict=True))
        self._read([(self.surface[name], part) for name, part in parts.items() if name in self.surface], rows, columns)
        for name, part in parts.items():
            if name not in self.surface:
                part[:] = DEFAULTS[name]
            elif self.surface[name].color_space is ColorSpace.LINEAR:
                part[:] = to_srgb(part)
            elif self.surface[name].array.dtype.kind == "f":
                np.clip(part, 0, 1, out=part)

    def susceptibility(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Rate and onset of the formula, from exposure."""
        exposure = out[:1]
        self._read([(Map(self.exposure[..., None]), exposure)], rows, columns)
        susceptibility(exposure[0], out)

    def downward(self, rows: slice, columns: slice, out: np.ndarray) -> None:
        """Which way is down in texture space."""
        if self.down is None:
            out[:] = 0
            return
        (y, first_row), (x, first_column) = (self._sparse(part, axis) for axis, part in enumerate((rows, columns)))
        block = self.grid.sample(self.down, y, x)
        if self.seams is not None:
            self._turn_gutters(block, y.astype(np.int64), x.astype(np.int64))
        wide = np.moveaxis(block, -1, 0).repeat(COARSE, axis=2)[..., first_column : first_column + out.shape[2]]
        for i in range(len(y)):
            out[:, max(i * COARSE - first_row, 0) : (i + 1) * COARSE - first_row] = wide[:, i, None]

    def _noise_source(self, name: str) -> Read:
        stride, channels, spacing, stretch = self.card.noise[name]
        spacing = spacing or stride
        stream = f"{self.layer.effect.value} {name}"
        along = stretched(self.gravity, stretch) if stretch != 1 else None

        def on_texels(rows: slice, columns: slice, out: np.ndarray) -> None:
            y, x = (np.arange(part.start, part.stop) * stride + stride / 2 for part in (rows, columns))
            high, wide = (side if wraps else 0 for side, wraps in zip(self.canvas.size, self.surface.wrap, strict=True))
            longer = self._texels_stretch(stretch)
            noise = texel_noise(y, x, spacing, self.layer.seed, stream, channels, (high, wide), longer)
            out[:] = np.moveaxis(noise, -1, 0)

        def on_object(rows: slice, columns: slice, out: np.ndarray) -> None:
            place = self._place(stride, rows, columns)
            given = place, spacing * self.canvas.texel, self.layer.seed, stream, channels
            noise = lattice_values(*given) if spacing < stride and along is None else lattice_noise(*given, along)
            out[:] = np.moveaxis(noise, -1, 0)

        return on_object if "position" in self.surface else on_texels

    def _texels_stretch(self, stretch: float) -> tuple[float, float]:
        """By how much a texel lattice is longer down and across: along the axis nearest to the mean of `down`, where known."""
        if self.down is None:
            return 1.0, 1.0
        across, down = (abs(float(v)) for v in self.down[self.grid.inside].mean(axis=0))
        return (1 + (stretch - 1) * down, 1.0) if down >= across else (1.0, 1 + (stretch - 1) * across)

    def _read(self, maps: Sequence[tuple[Map, np.ndarray]], rows: slice, columns: slice) -> None:
        """A window of maps on the canvas, each into its [C, h, w]: gutters filled, not decoded."""
        across, down = self._axes()
        varied = []
        for map_, out in maps:
            if is_constant(map_.array):
                out[:] = map_.floats((slice(0, 1), slice(0, 1)))[0, 0, :, None, None]
            else:
                varied.append((map_, out))
        if not varied:
            return
        left, right, across_from, across_by = across.taps(columns.start, columns.stop)

        def strip(part: slice) -> None:
            there = slice(part.start - rows.start, part.stop - rows.start)
            if self.canvas.size == self.surface.size:
                gutter = self._gutter(part, columns)
                for map_, out in varied:
                    _copy(map_.array[part, columns], out[:, there])
                    if gutter is not None:
                        _fill(out[:, there], map_.array, *gutter)
                return
            top, bottom, down_from, down_by = down.taps(part.start, part.stop)
            for map_, out in varied:
                block = self._block(map_, down, across, top, bottom, left, right)
                if down.before != down.after:
                    block = weigh(block, 0, down_from, down_by)
                if across.before != across.after:
                    block = weigh(block, 1, across_from, across_by)
                out[:, there] = np.moveaxis(block, -1, 0)

        for part in self._strips(rows, 2 * (right - left) * down.before / down.after):
            strip(part)

    def _gutter(self, rows: slice, columns: slice) -> tuple | None:
        """Seams.gutter of a window, found once for all maps that are read there one after the other."""
        if self.seams is None:
            return None
        window = rows.start, rows.stop, columns.start, columns.stop
        if getattr(self._last, "gutter_window", None) != window:
            self._last.gutter_window, self._last.gutter = window, self.seams.gutter(rows, columns)
        return self._last.gutter

    def _block(self, map_: Map, down: Axis, across: Axis, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """Texels of a map as float32 [h, w, C]; beyond its borders it wraps or repeats; gutters are filled."""
        inner = slice(max(top, 0), min(bottom, down.before)), slice(max(left, 0), min(right, across.before))
        if (inner[0].start, inner[0].stop, inner[1].start, inner[1].stop) == (top, bottom, left, right):
            block = decode(map_.array[inner], ColorSpace.DATA)
        else:
            block = decode(map_.array[np.ix_(down.within(top, bottom), across.within(left, right))], ColorSpace.DATA)
        if self.seams is not None:
            view = block[inner[0].start - top : inner[0].stop - top, inner[1].start - left : inner[1].stop - left]
            at, texels = self.seams.gutter(*inner)
            view[at] = decode(map_.array[texels], ColorSpace.DATA)
        return block

    def _place(self, stride: int, rows: slice, columns: slice) -> np.ndarray:
        """Where on the object the centres of a noise input's texels lie: [h, w, 3] metres. All strides are read at once."""
        step = self.card.multiple
        window = (
            rows.start * stride // step,
            -(-rows.stop * stride // step),
            columns.start * stride // step,
            -(-columns.stop * stride // step),
        )
        if getattr(self._last, "window", None) != window:
            self._last.window, self._last.places = window, self._all_places(*(edge * step for edge in window))
        top, left = window[0] * step // stride, window[2] * step // stride
        return self._last.places[stride][rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]

    def _all_places(self, top: int, bottom: int, left: int, right: int) -> dict[int, np.ndarray]:
        strides = {noise.stride for noise in self.card.noise.values()}
        places = {s: np.empty(((bottom - top) // s, (right - left) // s, 3), np.float32) for s in strides}
        across, down = self._axes()
        jump = (
            4 * self.grid.spacing / self.grid.stride
        )  # metres between neighbours that are not on one piece of surface

        def strip(part: slice) -> None:
            at = {s: (_centres(down, part.start, part.stop, s), _centres(across, left, right, s)) for s in strides}
            edges = [
                (min(int(v.min()) for v in c), max(int(v.max()) for v in c) + 2) for c in zip(*at.values(), strict=True)
            ]
            (first_row, last_row), (first_column, last_column) = edges
            map_ = self.surface["position"]
            block = self._block(map_, down, across, first_row, last_row, first_column, last_column)
            planes = np.ascontiguousarray(np.moveaxis(block, -1, 0))
            for s, (y, x) in at.items():
                target = places[s][(part.start - top) // s : (part.stop - top) // s]
                target[:] = np.moveaxis(_linear(planes, y - first_row, x - first_column, jump), 0, -1)

        per_row = (right - left) * across.before / across.after * down.before / down.after
        for part in self._strips(slice(top, bottom), per_row, step=self.card.multiple):
            strip(part)
        return places

    def _axes(self) -> tuple[Axis, Axis]:
        """Across and down: from the maps to the canvas."""
        down, across = (
            Axis(length, side, wraps)
            for length, side, wraps in zip(self.surface.size, self.canvas.size, self.surface.wrap, strict=True)
        )
        return across, down

    def _strips(self, rows: slice, texels_per_row: float, step: int = 1) -> Iterator[slice]:
        height = max(step, int(STRIP / max(texels_per_row, 1)) // step * step)
        return (slice(top, min(top + height, rows.stop)) for top in range(rows.start, rows.stop, height))

    def _sparse(self, part: slice, axis: int) -> tuple[np.ndarray, int]:
        """Map coordinates of every COARSEth canvas texel around a window, and where the window begins among all texels."""
        first, last = part.start // COARSE, -(-part.stop // COARSE)
        ratio = self.surface.size[axis] / self.canvas.size[axis]
        at = (np.arange(first, last) + 0.5) * COARSE * ratio
        return np.minimum(at, self.surface.size[axis] - 0.5), part.start - first * COARSE

    def _turn_gutters(self, block: np.ndarray, y: np.ndarray, x: np.ndarray) -> None:
        """Directions at gutter texels (rows y, columns x of the map) are those across the seam, turned as it turns them."""
        assert self.seams is not None
        assert self.down is not None
        stride, down = self.grid.stride, self.down
        texels = (y[:, None] * self.surface.size[1] + x).ravel()
        at, beyond = self.seams.directions(texels, lambda rows, columns: down[rows // stride, columns // stride])
        block.reshape(-1, 2)[at] = beyond


def _copy(array: np.ndarray, out: np.ndarray) -> None:
    """`array` [h, w, C] into `out` [C, h, w], integers over their range."""
    for channel, target in enumerate(out):
        np.copyto(target, array[..., channel], casting="unsafe")
        if array.dtype.kind == "u":
            target *= np.float32(1 / np.iinfo(array.dtype).max)


def _fill(out: np.ndarray, array: np.ndarray, at: tuple, texels: tuple) -> None:
    """The texels `at` of `out` [C, h, w] from those of the whole map that they stand for."""
    values = np.empty((len(out), len(at[0]), 1), np.float32)
    _copy(array[texels][:, None], values)
    for target, value in zip(out, values, strict=True):
        target[at] = value[:, 0]


def _centres(axis: Axis, start: int, stop: int, stride: int) -> np.ndarray:
    """Map coordinates (texel centres are whole numbers) of the centres of `stride` canvas texels, from start to stop."""
    return np.clip(
        (np.arange(start // stride, stop // stride) + 0.5) * stride * (axis.before / axis.after) - 0.5,
        0,
        axis.before - 1,
    )


def _linear(planes: np.ndarray, y: np.ndarray, x: np.ndarray, jump: float) -> np.ndarray:
    """Positions between the texels of `planes` [3, h, w]; the nearest texel's where the four around are not one piece."""
    down, right = (np.floor(v).astype(np.int64) for v in (y, x))
    a, b = (y - down).astype(np.float32)[:, None], (x - right).astype(np.float32)
    nearest_row, nearest_column, *around = (
        _even(at) for at in (np.rint(y).astype(np.int64), np.rint(x).astype(np.int64), down, down + 1, right, right + 1)
    )
    near = [plane[nearest_row][:, nearest_column] for plane in planes]
    if not (a.any() or b.any()):
        return np.stack(near)
    out = np.empty((len(planes), len(y), len(x)), np.float32)
    torn = np.zeros(out.shape[1:], bool)
    upper, lower, left, right = around
    with np.errstate(invalid="ignore"):
        for plane, nearest, mean in zip(planes, near, out, strict=True):
            above = plane[upper][:, left] * (1 - b)
            above += plane[upper][:, right] * b
            below = plane[lower][:, left] * (1 - b)
            below += plane[lower][:, right] * b
            above *= 1 - a
            below *= a
            np.add(above, below, out=mean)
            np.subtract(mean, nearest, out=above)
            torn |= ~(np.abs(above, out=above) <= jump)  # NaN is torn
    for mean, nearest in zip(out, near, strict=True):
        np.copyto(mean, nearest, where=torn)
    return out


def _even(at: np.ndarray) -> np.ndarray | slice:
    """An index as a slice where it is one."""
    step = int(at[1] - at[0]) if len(at) > 1 else 1
    if step > 0 and (np.diff(at) == step).all():
        return slice(int(at[0]), int(at[-1]) + 1, step)
    return at
