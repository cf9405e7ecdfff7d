# SPDX-License-Identifier: GPL-3.0-or-later
"""The formula carried out: a painted layer at its age over the maps of a surface.

Where coverage is 0 every texel of every map is the input's, bit for bit: results begin as copies, and only covered texels are
written. Albedo is mixed in scene-linear light, height in metres over the bare surface, so that layers follow its bolts and
grooves; normals lean by the slope of the height that was added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..protocol import growth
from ..protocol.painted import PaintedLayer
from ..protocol.recipe import Layer, Recipe
from ..protocol.surface import ColorSpace, Map, Space, Surface
from .colour import decode, encode, store
from .degree import STORED, degrees
from .grid import parallel
from .gutters import Allocate, is_constant

# What a surface is taken to be where it lacks a map: value and type of each channel.
DEFAULTS: dict[str, tuple[tuple[int, ...], type]] = {
    "albedo": ((188, 188, 188), np.uint8),  # half of the light, sRGB-encoded
    "roughness": ((128,), np.uint8),
    "metallic": ((0,), np.uint8),
    "height": ((32768,), np.uint16),
    "normal": ((128, 128, 255), np.uint8),
}
MATERIAL = tuple(DEFAULTS)
STRIP = 1 << 17  # texels at a time in float
STEEPEST = 0.05  # z of the flattest normal that is leant further: beyond it slopes run off

Density = Callable[[slice], np.ndarray]  # rows -> texels per metre [h, W], or something that broadcasts to it


@dataclass(frozen=True)
class Covered:
    """Where coverage is above 0 in some rows: `texels` [n] flat in those rows, `coverage` and `depth` [n, 1] float32."""

    texels: np.ndarray
    coverage: np.ndarray
    depth: np.ndarray


def completed(surface: Surface, recipe: Recipe) -> Surface:
    """`surface` with a map for all that weathering changes; what it lacks is a constant that takes no memory.

    A frame has neither height nor tangent space, so it gets no such maps. Where height is new its scale is wide enough for
    all layers.
    """
    names = [
        n for n in MATERIAL if n not in surface and (surface.space is Space.TEXTURE or n not in ("height", "normal"))
    ]
    maps = {name: Map(*_constant(name, surface.size)) for name in names}
    if "height" in names:
        relief = max(float(layer.relief or 0) for layer in recipe.layers)
        surface = replace(surface, height_scale=max(surface.height_scale, 2 * relief))
    return surface.with_maps(maps)


def covered(surface: Surface, layer: Layer, painted: PaintedLayer, rows: slice) -> Covered:
    """Where and how far a layer covers `rows`, from its 8-bit images: growth.py's formula, times mask and alpha.

    Nowhere outside islands and, in a frame, outside the object. Raises MissingMap when the surface lacks the layer's mask.
    """
    depths = degrees(layer.age)[:, None] - STORED  # of each exposure and threshold
    grown = painted.growth[rows]
    pair = grown[..., 0].astype(np.uint16)
    pair <<= 8
    pair |= grown[..., 1]
    texels = np.flatnonzero((depths > 0).ravel().take(pair))
    for name in ("island_mask", "object_mask"):
        if name in surface and not is_constant(surface[name].array):
            texels = texels[surface[name].array[rows].reshape(-1)[texels] > 0]
    depth = depths.ravel().take(pair.reshape(-1)[texels])
    coverage = growth.coverage(depth, STORED.take(grown[..., 2].reshape(-1)[texels]), layer.opacity)
    if layer.mask:
        mask = np.clip(_values(surface[layer.mask], rows, texels)[:, 0], 0, 1)
        coverage *= 1 - mask if layer.invert_mask else mask
    if "alpha" in surface:
        coverage *= np.clip(_values(surface["alpha"], rows, texels)[:, 0], 0, 1)
    if not coverage.all():
        some = coverage > 0
        texels, coverage, depth = texels[some], coverage[some], depth[some]
    return Covered(texels, coverage[:, None], depth[:, None])


def coverage_map(surface: Surface, layer: Layer, painted: PaintedLayer, rows: slice = slice(None)) -> np.ndarray:
    """Coverage of a layer in `rows`: float32 [h, W], 0..1."""
    here = covered(surface, layer, painted, rows)
    dense = np.zeros(painted.growth[rows].shape[:2], np.float32)
    dense.reshape(-1)[here.texels] = here.coverage[:, 0]
    return dense


def composite(
    surface: Surface,
    layer: Layer,
    painted: PaintedLayer,
    *,
    bare: Map | None = None,
    density: Density | None = None,
    allocate: Allocate = np.empty,
) -> Surface:
    """`surface` weathered by one layer at `layer.age`: those of MATERIAL's maps that it has, in new arrays of their types.

    `bare` is the height map before any layer, `surface`'s own where None: a layer's height counts from it, and takes the
    place of the heights of the layers below. `density` gives texels per metre by rows, for normals;
    `surface.texels_per_metre` where None.
    """
    height, width = surface.size
    maps = {name: surface[name] for name in MATERIAL if name in surface}
    results = {name: allocate(map_.array.shape, map_.array.dtype) for name, map_ in maps.items()}

    def strip(rows: slice) -> None:
        for name, map_ in maps.items():
            results[name][rows] = map_.array[rows]
        here = covered(surface, layer, painted, rows)
        if not len(here.texels):
            return
        values = _mixed(maps, painted, here, rows)
        if "height" in maps:
            added = _added(surface, layer, painted, bare, rows, here)
            values["height"] = _raised(surface, added, rows, here)
            if "normal" in maps:
                values["normal"] = _leant(surface, layer, painted, bare, added, here, rows, density)
        for name, value in values.items():
            results[name][rows].reshape(-1, value.shape[1])[here.texels] = value

    parallel(strip, strips(height, width))
    return surface.with_maps({name: Map(array, maps[name].color_space) for name, array in results.items()})


def strips(height: int, width: int) -> list[slice]:
    step = max(1, STRIP // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def _mixed(maps: dict[str, Map], painted: PaintedLayer, here: Covered, rows: slice) -> dict[str, np.ndarray]:
    """Albedo, roughness and metallic at covered texels: [n, C] each, in the maps' own types."""
    key = growth.key_position(here.depth)
    thin, thick = (image[rows].reshape(-1, 4)[here.texels] for image in (painted.thin, painted.thick))
    values = {}
    if "albedo" in maps:
        added = decode(thin[:, :3], ColorSpace.SRGB)
        added += key * (decode(thick[:, :3], ColorSpace.SRGB) - added)
        values["albedo"] = encode(_mix(maps["albedo"], rows, here, added), maps["albedo"])
    for name, channel in (("roughness", thin[:, 3:]), ("metallic", thick[:, 3:])):
        if name in maps:
            values[name] = store(_mix(maps[name], rows, here, channel * np.float32(1 / 255)), maps[name].array.dtype)
    return values


def _mix(base: Map, rows: slice, here: Covered, added: np.ndarray) -> np.ndarray:
    """base + coverage * (added - base), decoded."""
    under = _values(base, rows, here.texels)
    added -= under
    added *= here.coverage
    added += under
    return added


def _raised(surface: Surface, added: np.ndarray, rows: slice, here: Covered) -> np.ndarray:
    """The height map at covered texels [n, 1], in its own type."""
    raised = _values(surface["height"], rows, here.texels)
    raised += added.reshape(-1, 1)[here.texels] / np.float32(surface.height_scale)
    return store(raised, surface["height"].array.dtype)


def _leant(
    surface: Surface,
    layer: Layer,
    painted: PaintedLayer,
    bare: Map | None,
    added: np.ndarray,
    here: Covered,
    rows: slice,
    density: Density | None,
) -> np.ndarray:
    """The normal map at covered texels [n, 3], leant by the slope of `added`, metres of height (bump mapping, Blinn 1978)."""
    height, width = surface.size
    tall = np.empty((rows.stop - rows.start + 2, width + 2), np.float32)  # with a border of one texel
    tall[1:-1, 1:-1] = _with_rims(surface, added, rows)
    for border, row in ((0, rows.start - 1), (-1, rows.stop)):
        row = row % height if surface.wrap[0] else min(max(row, 0), height - 1)
        beyond = slice(row, row + 1)
        there = covered(surface, layer, painted, beyond)
        tall[border, 1:-1] = _with_rims(surface, _added(surface, layer, painted, bare, beyond, there), beyond)
    tall[:, 0], tall[:, -1] = (tall[:, -2], tall[:, 1]) if surface.wrap[1] else (tall[:, 1], tall[:, -2])
    at = here.texels + 2 * (here.texels // width) + width + 3  # of the covered texels in `tall`
    own, flat = tall.ravel()[at], tall.ravel()

    def beside(step: int) -> np.ndarray:
        neighbour = flat[at + step]
        return np.where(np.isnan(neighbour), own, neighbour)  # beyond the rim of an island the rim's own height goes on

    if density is None:
        metre = np.float32(surface.texels_per_metre / 2)
    else:
        metre = np.broadcast_to(density(rows), tall[1:-1, 1:-1].shape).reshape(-1)[here.texels] * np.float32(0.5)
    normal = _values(surface["normal"], rows, here.texels) * 2 - 1
    z = np.maximum(normal[:, 2], np.float32(STEEPEST))
    normal[:, 0] -= z * metre * (beside(1) - beside(-1))
    normal[:, 1] += z * metre * (beside(width + 2) - beside(-width - 2))  # rows run down, +Y of the map is up
    normal[:, 2] = z
    normal *= np.float32(0.5) / np.sqrt(np.einsum("ni,ni->n", normal, normal))[:, None]
    return store(normal + np.float32(0.5), surface["normal"].array.dtype)


def _added(
    surface: Surface, layer: Layer, painted: PaintedLayer, bare: Map | None, rows: slice, here: Covered
) -> np.ndarray:
    """Metres of height that the layer adds to the layers below it: float32 [h, W]."""
    metres = painted.growth[rows, :, 3].reshape(-1)[here.texels, None] * np.float32(1 / 255) - np.float32(0.5)
    metres *= np.float32(2 * float(layer.relief or 0))
    if bare is not None and bare is not surface["height"]:
        below = _values(surface["height"], rows, here.texels) - _values(bare, rows, here.texels)
        metres -= below * np.float32(surface.height_scale)
    added = np.zeros((rows.stop - rows.start, surface.size[1]), np.float32)
    added.reshape(-1)[here.texels] = (here.coverage * metres)[:, 0]
    return added


def _with_rims(surface: Surface, added: np.ndarray, rows: slice) -> np.ndarray:
    """`added` with NaN outside islands: what lies there says nothing of slopes."""
    if "island_mask" not in surface or is_constant(surface["island_mask"].array):
        return added
    return np.where(surface["island_mask"].array[rows, :, 0] > 0, added, np.float32(np.nan))


def _values(map_: Map, rows: slice, texels: np.ndarray) -> np.ndarray:
    """A map at texels (flat in `rows`): [n, C] float32, colours decoded to scene-linear."""
    array = map_.array[rows]
    return decode(array.reshape(-1, array.shape[2])[texels], map_.color_space)


def _constant(name: str, size: tuple[int, int]) -> tuple[np.ndarray, ColorSpace]:
    value, dtype = DEFAULTS[name]
    color_space = ColorSpace.SRGB if name == "albedo" else ColorSpace.DATA
    return np.broadcast_to(np.array(value, dtype), (*size, len(value))), color_space
