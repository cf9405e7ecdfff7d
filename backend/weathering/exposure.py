# SPDX-License-Identifier: GPL-3.0-or-later
"""Exposure: how readily each texel weathers, from what its geometry says and the weights of a layer.

`survey` reads a surface once, at reduced size; `Survey.exposure` weighs what it found for one layer; the field that comes of
it is read back at any window and any resolution. Nothing keeps a float copy of the surface.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..protocol.errors import MissingMap
from ..protocol.recipe import Frame, FrameMode, Layer
from ..protocol.surface import Space, Surface
from ..threads import meanwhile
from . import drips, geometry, noise, relief
from .grid import Grid, reduced
from .gutters import Band, band
from .levels import levelled, smoothstep, some_of
from .seams import Rims, Seams, find_seams, pair_rims
from .torn import NOWHERE, torn_cells, torn_texels
from .voxels import Nodes, nodes

POINTS = 70_000  # of the surface that runs are followed from, about
RUN_LENGTH = 8.0  # features after which 1/e of what runs is left
CREEP = 1.0  # features that weathering creeps from edges and crevices
CREEP_SHARE = 0.6  # how strongly
PATCH = 20.0  # features across the largest patches of noise: clusters of patches of clusters, down to a few features
PATCH_OCTAVES = 4
PATCH_FALL = 0.75  # strength of each octave of it over the one before
NOISE_GAIN = 0.35  # what a weight of 1 makes of noise of unit variance
SPLASH = 0.35  # of the object's height is near the ground, but at most
SPLASH_METRES = 0.6
SPLASH_CELLS = 50  # or as many cells of the grid, on objects so large that the metres would not show
CELLS = 3  # of the grid across a feature, at least
LARGEST = 1000.0  # metres across a feature, as a recipe allows
# What each weight can be had from: one of these maps is enough, the first is what the artist is asked for.
SOURCES: dict[str, tuple[str, ...]] = {
    "edges": ("curvature", "normal", "height"),
    "cavities": ("ambient_occlusion", "curvature", "normal", "height"),
    "up": ("world_normal", "position"),
    "drips": ("position",),
    "ground": ("position",),
    "noise": (),
}


@dataclass(frozen=True)
class ExposureField:
    """Exposure of one layer over a whole surface: `values` [h, w] of the grid, 0..1. `warnings`: sentences for the artist.

    `shift`: what is added at the texels of a band, so that islands agree where they meet; None where the grid has every texel.
    """

    grid: Grid
    values: np.ndarray
    warnings: tuple[str, ...] = ()
    shift: tuple[Band, np.ndarray] | None = None

    def window(self, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """Exposure [h, w] float32, 0..1, of a window of the surface, texel by texel."""
        size = self.grid.surface.size
        y, x = (np.arange(length)[part] for length, part in zip(size, (rows, columns), strict=True))
        values = self.grid.sample(self.values, y + 0.5, x + 0.5)
        if self.shift is not None and values.size:
            band, amount = self.shift
            here, at = band.window(slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1), size[1])
            values.reshape(-1)[at] = np.clip(values.reshape(-1)[at] + amount[here], 0, 1)
        return values

    def across(self, seams: Seams) -> ExposureField:
        """The same, both sides of every seam brought together: cells of a reduced grid end before islands do.

        `seams` are those of the whole surface; a texel at the rim goes half the way to its partner, those within less.
        """
        inside = seams.inside
        if self.grid.stride == 1 or not len(inside.texels):
            return self
        values = self.grid.at(self.values, seams.rim)
        half = np.where(seams.partner >= 0, values[seams.partner] - values, 0) / 2
        fade = smoothstep(1 - inside.distance / (inside.distance.max() + 1))
        return replace(self, shift=(inside, (half[inside.nearest] * fade).astype(np.float32)))


def exposure(surface: Surface, layer: Layer, frame: Frame) -> np.ndarray:
    """Exposure [H, W] float32 of a whole surface, 0..1; see `Survey.exposure`. Large surfaces are better read by windows."""
    field = survey(surface, frame).exposure(layer)
    if field.grid.stride > 1 and surface.space is Space.TEXTURE and "island_mask" in surface:
        position, normal = (surface[n].array if n in surface else None for n in ("position", "world_normal"))
        mask = surface["island_mask"].array[..., 0]
        torn = NOWHERE if position is None else torn_texels(field.grid)
        field = field.across(find_seams(mask, position, normal, reach=1, share=3 * field.grid.stride, torn=torn))
    return field.window()


def survey(surface: Surface, frame: Frame) -> Survey:
    """What the layers of a recipe ask of a surface."""
    return Survey(surface, frame, reduced(surface))


@dataclass(frozen=True)
class Survey:
    """A surface at reduced size and what its geometry says: arrays [h, w] of 0..1, each made when first asked for."""

    surface: Surface
    frame: Frame
    grid: Grid

    def exposure(self, layer: Layer) -> ExposureField:
        """How readily each texel weathers under `layer`: smooth over the object and across UV seams, never NaN.

        What the geometry says joins as a union, so one cause is enough; noise shifts it; then it is levelled so that
        `layer.exposure.amount` of the surface weathers readily. Does not depend on the layer's age.
        A weight whose maps the surface lacks is dropped, the others are raised to the same sum, and one warning says so;
        raises MissingMap where `layer.exposure.strict`.
        """
        weights, warnings = self._weights(layer)
        # features finer than the grid come out larger, as they do when painted
        layer = replace(layer, feature_size=max(layer.feature_size, min(CELLS * self.grid.spacing, LARGEST)))
        rims = meanwhile(lambda: self._rims)
        patches = meanwhile(self.patches, layer)
        sources = self._union(layer, weights)
        causes = [sources]
        if self._has_nodes and (weights["edges"] or weights["cavities"]):
            causes.append(np.float32(CREEP_SHARE) * self._creep(sources, layer.feature_size))
        if weights["up"]:
            causes.append(np.float32(weights["up"]) * self.up)
        if weights["ground"]:
            causes.append(np.float32(weights["ground"]) * self.ground)
        if weights["drips"] and self._has_nodes:
            causes.append(np.float32(weights["drips"]) * self._runs(sources, layer))
        bare = np.ones(self.grid.inside.shape, np.float32)
        for cause in causes:
            bare *= 1 - cause
        score = 1 - bare
        score += np.float32(NOISE_GAIN * weights["noise"]) * patches.result()
        score = self._over_seams(score, rims.result(), layer.feature_size)
        return ExposureField(self.grid, levelled(score, self.grid.inside, layer.exposure), warnings)

    @cached_property
    def occlusion(self) -> np.ndarray:
        """How closed in, from ambient occlusion: relative to the object's own range, or to a quarter of the full one."""
        open_ = self.grid.pooled("ambient_occlusion")[..., 0]
        sample = some_of(open_[self.grid.inside])
        low, high = np.percentile(sample, (2, 95)).tolist() if len(sample) else (0.0, 0.0)
        return smoothstep(np.clip((high - open_) / max(high - low, 0.25), 0, 1))

    @cached_property
    def bend(self) -> np.ndarray:
        """Curvature of the mesh as -1 (crevice) .. 1 (edge); what is sharpest on the object counts as full."""
        bend = np.clip(2 * self.grid.pooled("curvature")[..., 0] - 1, -1, 1) * self.grid.inside
        sharp = np.abs(some_of(bend[np.abs(bend) > 0.05]))
        return np.clip(bend / np.clip(np.percentile(sharp, 95) if len(sharp) else 1, 0.2, 1), -1, 1).astype(np.float32)

    @cached_property
    def up(self) -> np.ndarray:
        """How far a cell looks upward: 0 for walls and undersides, 1 for floors."""
        return smoothstep(np.clip((-(self.normals @ self.gravity) - np.float32(0.15)) / np.float32(0.75), 0, 1))

    @cached_property
    def ground(self) -> np.ndarray:
        """Nearness to the ground: 1 on it, falling to 0 at `SPLASH` of the object's height; 0 on undersides."""
        assert self.grid.position is not None
        height = geometry.heights(self.grid.position, self.surface, self.frame)
        on_object = height[self.grid.inside]
        low, high = (float(on_object.min()), float(on_object.max())) if len(on_object) else (0.0, 0.0)
        ground = self.frame.ground
        if ground is None:  # in a scene the ground lies at 0, unless all of the object is below
            ground = low if self.frame.mode is FrameMode.ASSET or high < 0 else 0.0
        reach = min(SPLASH * (high - low), max(SPLASH_METRES, SPLASH_CELLS * self.grid.spacing)) + 1e-6
        near = smoothstep(np.clip(1 - (height - np.float32(ground)) / np.float32(reach), 0, 1))
        return near * smoothstep(np.clip((np.float32(0.9) - self.normals @ self.gravity) / np.float32(0.6), 0, 1))

    @cached_property
    def _slopes(self) -> np.ndarray | None:
        return relief.slopes(self.grid)

    @cached_property
    def gravity(self) -> np.ndarray:
        return geometry.gravity_at_rest(self.surface, self.frame)

    @cached_property
    def normals(self) -> np.ndarray:
        return _normals(self.grid)

    def patches(self, layer: Layer) -> np.ndarray:
        """Noise of unit variance [h, w] in patches of many sizes: on the object, or on its texels where it has no place."""
        spacing = PATCH * layer.feature_size
        if self.grid.position is None:
            high, wide = (n if wraps else 0 for n, wraps in zip(self.surface.size, self.surface.wrap, strict=True))
            texels = max(spacing * self.surface.texels_per_metre, 16 * self.grid.stride)
            rows, columns = self.grid.rows, self.grid.columns
            return noise.texel_octaves(
                rows, columns, texels, layer.seed, "exposure", PATCH_OCTAVES, (high, wide), PATCH_FALL
            )
        grid, points, _ = self._points
        coarsest = max(spacing, 20 * grid.spacing)
        return self._on_grid(noise.octaves(points, coarsest, layer.seed, "exposure", PATCH_OCTAVES, PATCH_FALL))

    def _weights(self, layer: Layer) -> tuple[dict[str, float], tuple[str, ...]]:
        """The weights whose maps there are, raised to the sum of all, at most 1 each; and what is said of those dropped.

        Nothing is said of a bare texture, which has no shape at all: patches are what it can have.
        """
        wanted = layer.exposure.weights()
        kept = {n: w for n, w in wanted.items() if not SOURCES[n] or any(m in self.surface for m in SOURCES[n])}
        dropped = [name for name, weight in wanted.items() if name not in kept and weight > 0]
        if dropped and layer.exposure.strict:
            raise MissingMap(SOURCES[dropped[0]][0])
        scale = sum(wanted.values()) / sum(kept.values()) if any(kept.values()) else 1.0
        weights = {name: min(scale * kept.get(name, 0.0), 1.0) for name in wanted}
        shaped = any(source in self.surface for sources in SOURCES.values() for source in sources)
        if not dropped or not shaped:
            return weights, ()
        lacking = dict.fromkeys(" or ".join(SOURCES[name]) for name in dropped)
        effect = layer.effect.value.replace("_", " ")
        return weights, (f"The surface has no {', no '.join(lacking)} map: {effect} ignores {', '.join(dropped)}.",)

    def _union(self, layer: Layer, weights: dict[str, float]) -> np.ndarray:
        """Edges and cavities, weighed and joined: where weathering starts, and what runs start from."""
        edges, cavities = np.float32(weights["edges"]), np.float32(weights["cavities"])
        bare = np.ones(self.grid.inside.shape, np.float32)
        if not (edges or cavities):
            return 1 - bare
        bends = [self.bend] if "curvature" in self.surface else []
        if self._slopes is not None:
            bends.append(relief.bend(self.grid, self._slopes, layer.feature_size))
        for part in bends:
            bare *= 1 - edges * np.clip(part, 0, 1)
            bare *= 1 - cavities * np.clip(-part, 0, 1)
        if cavities and "ambient_occlusion" in self.surface:
            bare *= 1 - cavities * self.occlusion
        return 1 - bare

    @property
    def _has_nodes(self) -> bool:
        return self.grid.position is not None and bool(self.grid.inside.any())

    @cached_property
    def _nodes(self) -> Nodes:
        assert self.grid.position is not None
        inside = self.grid.inside
        return nodes(self.grid.position[inside], self.normals[inside], self.grid.spacing)

    @cached_property
    def _points(self) -> tuple[Grid, np.ndarray, np.ndarray]:
        """A coarser grid of about `POINTS` cells inside islands, and their places and normals."""
        share = np.sqrt(POINTS / max(int(self.grid.inside.sum()), 1))
        grid = reduced(self.surface, int(np.clip(share, 0.1, 1) * max(self.grid.inside.shape)))
        assert grid.position is not None
        return grid, grid.position[grid.inside], _normals(grid)[grid.inside]

    @cached_property
    def _rims(self) -> Rims | None:
        grid = self.grid
        if grid.position is None or self.surface.space is not Space.TEXTURE:
            return None
        return pair_rims(grid.inside, grid.position, self.normals, torn=torn_cells(grid))

    def _over_seams(self, score: np.ndarray, rims: Rims | None, feature: float) -> np.ndarray:
        """`score` brought together where islands meet, over a feature: the faces of a sharp edge look different ways."""
        if rims is None or not (rims.partner >= 0).any():
            return score
        met = np.flatnonzero(rims.partner >= 0)
        rim = rims.texels[met]
        half = (score.ravel()[rims.texels[rims.partner[met]]] - score.ravel()[rim]) / 2
        depth = int(np.clip(feature / self.grid.spacing, 6, 32))
        beside = band(self.grid.inside, rim, depth, inside=True)
        shift = np.zeros(score.size, np.float32)
        shift[beside.texels] = half[beside.nearest] * smoothstep(1 - beside.distance / (depth + 1))
        shift = self.grid.smooth(shift.reshape(score.shape), 1).ravel()
        shift[rim] = half
        return score + shift.reshape(score.shape)

    def _creep(self, sources: np.ndarray, feature: float) -> np.ndarray:
        """`sources` [h, w] spread over the surface by about a feature, across UV seams; the most reached counts as full."""
        at_nodes = self._nodes.spread(self._nodes.mean(sources[self.grid.inside]), CREEP * feature)
        full = np.percentile(at_nodes, 98)
        _, points, normals = self._points
        return self._on_grid(np.clip(self._nodes.read(at_nodes, points, normals) / max(full, 0.05), 0, 1))

    def _runs(self, sources: np.ndarray, layer: Layer) -> np.ndarray:
        """Runs below `sources` and below spots that noise sets, 0..1 [h, w]."""
        at_nodes = self._nodes.mean(sources[self.grid.inside])
        narrow = max(0.8 * layer.feature_size, 1.5 * self._nodes.size)
        streaks = noise.octaves(self._nodes.centre, narrow, layer.seed, "runs", 2)
        spots = noise.octaves(self._nodes.centre, 2.5 * narrow, layer.seed, "spots", 2)
        gives = at_nodes**2 * smoothstep(np.clip(streaks - np.float32(0.2), 0, 1))
        gives += np.float32(0.1) * np.clip(spots - np.float32(1.2), 0, 1)
        gives = self._nodes.spread(
            gives, 0.8 * self._nodes.size
        )  # what is as fine as the nodes would come out as ripples
        _, points, normals = self._points
        flow = drips.runs(points, normals, self._nodes, gives, self.gravity, RUN_LENGTH * layer.feature_size)
        runs = flow[flow > 0]
        full = np.percentile(runs, 95) if len(runs) else 1.0
        return self._on_grid(1 - np.exp(-2 * flow / np.float32(max(full, 1e-6))), rounds=3)

    def _on_grid(self, values: np.ndarray, rounds: int = 1) -> np.ndarray:
        """Values of `_points` as an array over the grid, smoothed by a cell or more."""
        coarse = self._points[0]
        field = np.zeros(coarse.inside.shape, np.float32)
        field[coarse.inside] = values
        return coarse.sample(coarse.smooth(field, rounds), self.grid.rows, self.grid.columns)


def _normals(grid: Grid) -> np.ndarray:
    """Unit normals [h, w, 3] at rest: the surface's, else those of `position`."""
    if "world_normal" in grid.surface:
        normals = grid.texels("world_normal")
    else:
        assert grid.position is not None
        right, below = geometry.tangents(grid.position, grid.inside, grid.surface.wrap)
        normals = np.cross(below, right).astype(np.float32)
    x, y, z = np.moveaxis(normals, -1, 0)
    normals /= np.maximum(np.sqrt(x * x + y * y + z * z), np.float32(1e-6))[..., None]
    return normals
