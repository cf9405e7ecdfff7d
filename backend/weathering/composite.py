# SPDX-License-Identifier: GPL-3.0-or-later
"""The formula carried out: a painted layer at its age over the maps of a surface.

Where coverage is 0 every texel of every map is the input's, bit for bit: results begin as copies, and only covered texels are
written. Albedo is mixed in scene-linear light, height in metres; normals lean by the slope of the height that was added.
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
from .grid import parallel
from .gutters import Allocate

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
class Extent:
    """How far a layer has come in some rows: `coverage` and `depth`, float32 [h, W]."""

    coverage: np.ndarray
    depth: np.ndarray


def completed(surface: Surface, recipe: Recipe) -> Surface:
    """`surface` with a map for all that weathering changes; what it lacks is a constant that takes no memory.

    A frame has neither height nor tangent space, so it gets no such maps. Where height is new its scale is wide enough for
    all layers.
    """
    names = [n for n in MATERIAL if n not in surface and (surface.space is Space.TEXTURE or n not in ("height", "normal"))]
    maps = {name: Map(*_constant(name, surface.size)) for name in names}
    if "height" in names:
        relief = max(float(layer.relief or 0) for layer in recipe.layers)
        surface = replace(surface, height_scale=max(surface.height_scale, 2 * relief))
    return surface.with_maps(maps)


def extent(surface: Surface, layer: Layer, painted: PaintedLayer, rows: slice) -> Extent:
    """Coverage and depth of a layer in `rows`, from its 8-bit images: growth.py's formula, times mask and alpha.

    0 outside islands and, in a frame, outside the object. Raises MissingMap when the layer's mask is not among the surface's maps.
    """
    exposure, threshold, softness, _ = (painted.growth[rows, :, channel] for channel in range(4))
    steps = np.arange(256, dtype=np.float32) / np.float32(255)
    depth = growth.degree(steps, layer.age).take(exposure)
    depth -= steps.take(threshold)
    coverage = growth.coverage(depth, steps.take(softness), layer.opacity)
    window = (rows, slice(None))
    if layer.mask:
        mask = np.clip(surface[layer.mask].floats(window)[..., 0], 0, 1)
        coverage *= 1 - mask if layer.invert_mask else mask
    if "alpha" in surface:
        coverage *= np.clip(surface["alpha"].floats(window)[..., 0], 0, 1)
    for name in ("island_mask", "object_mask"):
        if name in surface:
            coverage *= surface[name].array[window][..., 0] > 0
    return Extent(coverage, depth)


def composite(
    surface: Surface,
    layer: Layer,
    painted: PaintedLayer,
    *,
    density: Density | None = None,
    allocate: Allocate = np.empty,
) -> Surface:
    """`surface` weathered by one layer at `layer.age`: those of MATERIAL's maps that it has, in new arrays of their types.

    `density` gives texels per metre by rows, `surface.texels_per_metre` where None; normals need it.
    """
    height, width = surface.size
    maps = {name: surface[name] for name in MATERIAL if name in surface}
    results = {name: allocate(map_.array.shape, map_.array.dtype) for name, map_ in maps.items()}

    def strip(rows: slice) -> None:
        for name, map_ in maps.items():
            results[name][rows] = map_.array[rows]
        here = extent(surface, layer, painted, rows)
        texels = np.flatnonzero(here.coverage)
        if not len(texels):
            return
        values = _mixed(maps, surface, layer, painted, here, rows, texels)
        if "normal" in maps and "height" in maps:
            values["normal"] = _leant(surface, layer, painted, rows, texels, density)
        for name, value in values.items():
            results[name][rows].reshape(-1, value.shape[1])[texels] = value

    parallel(strip, strips(height, width))
    return surface.with_maps({name: Map(array, maps[name].color_space) for name, array in results.items()})


def strips(height: int, width: int) -> list[slice]:
    step = max(1, STRIP // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def _mixed(
    maps: dict[str, Map],
    surface: Surface,
    layer: Layer,
    painted: PaintedLayer,
    here: Extent,
    rows: slice,
    texels: np.ndarray,
) -> dict[str, np.ndarray]:
    """Albedo, roughness, metallic and height at covered texels (flat in `rows`): [n, C] each, in the maps' own types."""
    coverage = here.coverage.reshape(-1, 1)[texels]
    key = growth.key_position(here.depth.reshape(-1, 1)[texels])
    thin, thick, grown = (image[rows].reshape(-1, 4)[texels] for image in (painted.thin, painted.thick, painted.growth))

    def base(name: str) -> np.ndarray:
        return maps[name].array[rows].reshape(-1, maps[name].array.shape[2])[texels]

    values = {}
    if "albedo" in maps:
        layer_albedo = decode(thin[:, :3], ColorSpace.SRGB)
        layer_albedo += key * (decode(thick[:, :3], ColorSpace.SRGB) - layer_albedo)
        mixed = decode(base("albedo"), maps["albedo"].color_space)
        mixed += coverage * (layer_albedo - mixed)
        values["albedo"] = encode(mixed, maps["albedo"])
    for name, channel in (("roughness", thin[:, 3:]), ("metallic", thick[:, 3:])):
        if name in maps:
            mixed = decode(base(name), ColorSpace.DATA)
            mixed += coverage * (channel * np.float32(1 / 255) - mixed)
            values[name] = store(mixed, maps[name].array.dtype)
    if "height" in maps:
        mixed = decode(base("height"), ColorSpace.DATA)
        mixed += coverage * (_metres(grown[:, 3:], layer) / np.float32(surface.height_scale) + np.float32(0.5) - mixed)
        values["height"] = store(mixed, maps["height"].array.dtype)
    return values


def _leant(
    surface: Surface,
    layer: Layer,
    painted: PaintedLayer,
    rows: slice,
    texels: np.ndarray,
    density: Density | None,
) -> np.ndarray:
    """The normal map at covered texels [n, 3], leant by the slope of the height that the layer adds (bump mapping, Blinn 1978).

    The slope of what is added, not of the whole: the base's own slopes are in its normal map already, and where the layer
    hides them they go with it.
    """
    height, width = surface.size
    wrap_rows, wrap_columns = surface.wrap
    added = _added(surface, layer, painted, rows)
    above, below = rows.start - 1, rows.stop
    if wrap_rows:
        above, below = above % height, below % height
    above, below = max(above, 0), min(below, height - 1)
    tall = np.concatenate([
        _added(surface, layer, painted, slice(above, above + 1)),
        added,
        _added(surface, layer, painted, slice(below, below + 1)),
    ])  # fmt: skip
    wide = np.pad(added, ((0, 0), (1, 1)), mode="wrap" if wrap_columns else "edge")
    per_metre = np.float32(surface.texels_per_metre) if density is None else density(rows)
    added = np.nan_to_num(added)
    right = (_beside(wide[:, 2:], added) - _beside(wide[:, :-2], added)) * (per_metre * np.float32(0.5))
    down = (_beside(tall[2:], added) - _beside(tall[:-2], added)) * (per_metre * np.float32(0.5))
    map_ = surface["normal"]
    normal = decode(map_.array[rows].reshape(-1, 3)[texels], ColorSpace.DATA) * 2 - 1
    z = np.maximum(normal[:, 2], np.float32(STEEPEST))
    normal[:, 0] -= z * right.ravel()[texels]
    normal[:, 1] += z * down.ravel()[texels]  # rows run down, +Y of the map is up
    normal[:, 2] = z
    normal /= np.sqrt((normal * normal).sum(axis=1, keepdims=True))
    return store(normal * np.float32(0.5) + np.float32(0.5), map_.array.dtype)


def _added(surface: Surface, layer: Layer, painted: PaintedLayer, rows: slice) -> np.ndarray:
    """Metres of height that the layer adds to what lies under it: float32 [h, W], NaN outside islands."""
    base = (surface["height"].floats((rows, slice(None)))[..., 0] - np.float32(0.5)) * np.float32(surface.height_scale)
    added = extent(surface, layer, painted, rows).coverage * (_metres(painted.growth[rows, :, 3], layer) - base)
    if "island_mask" in surface:
        added[surface["island_mask"].array[rows, :, 0] == 0] = np.nan
    return added


def _beside(neighbour: np.ndarray, own: np.ndarray) -> np.ndarray:
    """The height beside each texel; beyond the rim of an island the rim's own goes on."""
    return np.where(np.isnan(neighbour), own, neighbour)


def _metres(height: np.ndarray, layer: Layer) -> np.ndarray:
    return (height * np.float32(1 / 255) - np.float32(0.5)) * np.float32(2 * float(layer.relief or 0))


def _constant(name: str, size: tuple[int, int]) -> tuple[np.ndarray, ColorSpace]:
    value, dtype = DEFAULTS[name]
    color_space = ColorSpace.SRGB if name == "albedo" else ColorSpace.DATA
    return np.broadcast_to(np.array(value, dtype), (*size, len(value))), color_space
