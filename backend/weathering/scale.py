# SPDX-License-Identifier: GPL-3.0-or-later
"""At which scale a surface is painted, so that features are as large in metres wherever they lie and at any map size.

A network was trained with so many texels to a feature. Where the surface has others to the metre, it is painted on a
canvas larger or smaller than its maps. One density takes one canvas, exactly; islands of different densities take
several, each at densities that there are, and each texel reads the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..networks.card import Card
from ..protocol.recipe import Layer
from ..protocol.surface import Surface
from . import geometry
from .grid import Grid

LARGEST, SMALLEST = 4.0, 1 / 64  # canvas texels to a map texel
SPREAD = 0.35  # densities within so many octaves are one density: features come out within 13 % of their size
RARE = 0.002  # share of the surface whose density gets no canvas for itself
SAME = 0.02  # a canvas this near to the size of the maps takes their size
BLEND = 0.2  # octaves over which one canvas gives way to the next
CANVASES = 5


@dataclass(frozen=True)
class Canvas:
    """`size` (height, width) in canvas texels, `texel` metres across each, `octave` log2 of canvas texels to a map texel."""

    size: tuple[int, int]
    texel: float
    octave: float


@dataclass(frozen=True)
class Scales:
    """The canvases of one layer, from small to large; `octaves` [h, w] on the grid: where each texel would best be painted.

    `octaves` is None where one canvas serves all. `coarse` says that features should be smaller than LARGEST allows.
    """

    canvases: tuple[Canvas, ...]
    octaves: np.ndarray | None
    coarse: bool = False

    def share(self, index: int, octaves: np.ndarray) -> np.ndarray:
        """How much of each texel comes from canvas `index`, given `octaves` there: float32, over all canvases 1."""
        own = self.canvases[index].octave
        share = np.ones(octaves.shape, np.float32)
        for other, sign in ((index - 1, 1), (index + 1, -1)):
            if 0 <= other < len(self.canvases):
                middle = (own + self.canvases[other].octave) / 2
                share *= np.clip(sign * (octaves - middle) / BLEND + 0.5, 0, 1)
        return share


def densities(surface: Surface, grid: Grid) -> np.ndarray | None:
    """Texels per metre [h, w] on the grid, 0 where unknown; None where only the surface's single number is known."""
    if "texels_per_metre" in surface:
        return grid.pooled("texels_per_metre")[..., 0]
    if grid.position is None:
        return None
    return geometry.density(*grid.tangents)


def scales(surface: Surface, grid: Grid, density: np.ndarray | None, layer: Layer, card: Card) -> Scales:
    """Which canvases a layer is painted on: a feature of `layer.feature_size` metres has the card's texels on each."""
    texels = card.texels_per_feature.get(layer.effect.value, 24.0)
    wanted = float(layer.feature_size or 0.05) / texels  # metres across one canvas texel
    octaves: np.ndarray | None = None
    low = high = -np.log2(wanted * surface.texels_per_metre)
    known = density[(density > 0) & grid.inside] if density is not None else np.empty(0)
    if density is not None and len(known):
        low, middle, high = np.quantile(-np.log2(wanted * known), (0.02, 0.5, 0.98))
        if high - low <= SPREAD:
            low = high = middle
        else:
            octaves = -np.log2(wanted * np.where(density > 0, density, np.float32(2**-middle / wanted)))
    limits = np.log2(SMALLEST), np.log2(LARGEST)
    coarse = bool(high > limits[1] + 0.05)
    if octaves is None:
        octave = float(np.clip(low, *limits))
        return Scales((_canvas(surface, card, octave, wanted * 2.0 ** (float(low) - octave)),), None, coarse)
    low, high = (float(np.clip(v, *limits)) for v in (low, high))
    middles = _middles(np.clip(-np.log2(wanted * known), low, high))
    canvases = tuple(_canvas(surface, card, octave, wanted) for octave in middles)
    return Scales(canvases, octaves.astype(np.float32), coarse)


def _middles(octaves: np.ndarray) -> list[float]:
    """The octaves of the canvases for texels of `octaves` [n], rising: no more than put each within SPREAD / 2 of one.

    Where that takes more than CANVASES, so many, as near as they can.
    """
    counts, edges = np.histogram(octaves, max(1, int(np.ceil(np.ptp(octaves) / (SPREAD / 16)))))
    there = np.flatnonzero(counts > RARE * len(octaves))
    low, high = edges[there], edges[there + 1]
    spread = SPREAD
    while len(found := _covered(low, high, spread)) > CANVASES:
        spread *= 1.1
    while spread > SPREAD / 16 and len(nearer := _covered(low, high, spread := spread * 0.95)) == len(found):
        found = nearer
    return found


def _covered(low: np.ndarray, high: np.ndarray, spread: float) -> list[float]:
    """Middles of the fewest intervals of `spread` that hold all of the intervals low..high, which rise and are narrower."""
    middles, first = [], 0
    while first < len(low):
        last = max(first, int(np.searchsorted(high, low[first] + spread + 1e-9, side="right")) - 1)
        middles.append(float(low[first] + high[last]) / 2)
        first = last + 1
    return middles


def _canvas(surface: Surface, card: Card, octave: float, texel: float) -> Canvas:
    factor = 2.0**octave
    if abs(factor - 1) < SAME:
        factor = 1.0
    sides = []
    for length, wraps in zip(surface.size, surface.wrap, strict=True):
        step = card.multiple if wraps else 1
        sides.append(max(step, round(length * factor / step) * step))
    return Canvas((sides[0], sides[1]), texel, octave)
