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
from ..protocol.opacity import ChannelOpacity
from ..protocol.painted import PaintedLayer
from ..protocol.recipe import Layer, Recipe
from ..protocol.surface import ColorSpace, Map, Space, Surface
from ..threads import parallel
from .colour import decode, encode, store
from .degree import STORED, degrees
from .gutters import Allocate, is_constant
from .masks import combined

# What a surface is taken to be where it lacks a map: value and type of each channel.
DEFAULTS: dict[str, tuple[tuple[int, ...], type]] = {
    "albedo": ((188, 188, 188), np.uint8),  # half of the light, sRGB-encoded
    "roughness": ((128,), np.uint8),
    "metallic": ((0,), np.uint8),
    "height": ((32768,), np.uint16),
    "normal": ((128, 128, 255), np.uint8),
}
MATERIAL = tuple(DEFAULTS)
STRIP = 1 << 18  # texels at a time in float
STEEPEST = 0.05  # z of the flattest normal that is leant further: beyond it slopes run off

Density = Callable[[slice], np.ndarray]  # rows -> texels per metre [h, W], or something that broadcasts to it


@dataclass(frozen=True)
class Covered:
    """Where coverage is above 0 in some rows: `texels` [n] flat in those rows, rising, `coverage` and `depth` [n] float32."""

    texels: np.ndarray
    coverage: np.ndarray
    depth: np.ndarray

    def within(self, start: int, stop: int) -> Covered:
        """Those from the flat texel `start` up to `stop`, counted from `start`."""
        first, last = np.searchsorted(self.texels, (start, stop))
        return Covered(self.texels[first:last] - start, self.coverage[first:last], self.depth[first:last])


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
    """Where and how far a layer covers `rows`, from its 8-bit images: growth.py's formula, times masks and alpha.

    Nowhere outside islands and, in a frame, outside the object. Raises MissingMap when the surface lacks one of the masks.
    """
    depths = (degrees(layer.age) - STORED[:, None]).ravel()  # of each threshold and exposure
    grown = np.ascontiguousarray(painted.growth[rows]).view("<u2")  # threshold and exposure, height and softness
    begun = (depths > 0).take(grown[..., 0])
    for name in ("island_mask", "object_mask"):
        if name in surface and not is_constant(surface[name].array):
            begun &= surface[name].array[rows, :, 0] > 0
    texels = np.flatnonzero(begun)
    depth = depths.take(grown[..., 0].reshape(-1).take(texels))
    softness = STORED.take(_channel(painted.growth, 2, rows, texels))
    coverage = growth.coverage(depth, softness, layer.opacity)
    if layer.curve.points:
        coverage *= growth.opacity_at(layer.curve, degrees(layer.age)).take(_channel(painted.growth, 0, rows, texels))
    if layer.stack:
        coverage *= combined(layer.stack, lambda mask: _values(surface[mask.mask], rows, texels)[0])
    if "alpha" in surface:
        coverage *= np.clip(_values(surface["alpha"], rows, texels)[0], 0, 1)
    if not coverage.all():
        some = coverage > 0
        texels, coverage, depth = texels[some], coverage[some], depth[some]
    return Covered(texels, coverage, depth)


def coverage_map(surface: Surface, layer: Layer, painted: PaintedLayer, rows: slice = slice(None)) -> np.ndarray:
    """Coverage of a layer in `rows`: float32 [h, W], 0..1."""
    here = covered(surface, layer, painted, rows)
    dense = np.zeros(painted.growth[rows].shape[:2], np.float32)
    dense.reshape(-1)[here.texels] = here.coverage
    return dense


def stored_coverage(surface: Surface, layer: Layer, painted: PaintedLayer, allocate: Allocate = np.empty) -> Map:
    """Coverage of a layer as a mask for others, in 16 bits; the surface's alpha counts in theirs."""
    array = allocate((*surface.size, 1), np.uint16)
    opaque = replace(surface, maps={name: map_ for name, map_ in surface.maps.items() if name != "alpha"})

    def strip(rows: slice) -> None:
        array[rows, :, 0] = np.rint(coverage_map(opaque, layer, painted, rows) * np.float32(65535))

    parallel(strip, strips(*surface.size))
    return Map(array)


def stored_degree(layer: Layer, painted: PaintedLayer) -> Map:
    """Degree of a layer as a mask for others, in 16 bits."""
    return Map(np.rint(degrees(layer.age) * 65535).astype(np.uint16)[painted.growth[..., :1]])


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
        around = slice(max(rows.start - 1, 0), min(rows.stop + 1, height))  # slopes look at the rows beside
        there = covered(surface, layer, painted, around)
        here = there.within((rows.start - around.start) * width, (rows.stop - around.start) * width)
        if not len(here.texels):
            return
        values = _mixed(maps, layer.channels, painted, here, rows)
        if "height" in maps and layer.channels.height:
            added = _added(surface, layer, painted, bare, around, there)
            own = there.texels.searchsorted((rows.start - around.start) * width)
            values["height"] = _raised(surface, added[own : own + len(here.texels)], rows, here)
            if "normal" in maps:
                tall = _tall(surface, layer, painted, bare, there.texels, added, rows, around)
                values["normal"] = _leant(surface, tall, here, rows, density)
        for name, value in values.items():
            result = results[name][rows].reshape(-1)
            for channel, part in enumerate(value):
                result[here.texels * len(value) + channel] = part

    parallel(strip, strips(height, width))
    return surface.with_maps({name: Map(array, maps[name].color_space) for name, array in results.items()})


def strips(height: int, width: int) -> list[slice]:
    step = max(1, STRIP // width)
    return [slice(top, min(top + step, height)) for top in range(0, height, step)]


def _mixed(
    maps: dict[str, Map], channels: ChannelOpacity, painted: PaintedLayer, here: Covered, rows: slice
) -> dict[str, np.ndarray]:
    """Albedo, roughness and metallic at covered texels: [C, n] each, in the maps' own types; without those of no opacity."""
    values = {}
    if "albedo" in maps and channels.albedo:
        key = growth.key_position(here.depth)
        thin, thick = (
            decode(_texels(i, rows, here.texels)[:3], ColorSpace.SRGB) for i in (painted.thin, painted.thick)
        )
        thick -= thin
        thick *= key
        thin += thick
        values["albedo"] = encode(_mix(maps["albedo"], rows, here, thin, channels.albedo), maps["albedo"])
    for name, image in (("roughness", painted.thin), ("metallic", painted.thick)):
        share = getattr(channels, name)
        if name in maps and share:
            added = _channel(image, 3, rows, here.texels)[None] * np.float32(1 / 255)
            values[name] = store(_mix(maps[name], rows, here, added, share), maps[name].array.dtype)
    return values


def _mix(base: Map, rows: slice, here: Covered, added: np.ndarray, share: float) -> np.ndarray:
    """base + share * coverage * (added - base), decoded: [C, n], in the place of `added`."""
    under = _values(base, rows, here.texels)
    added -= under
    added *= here.coverage
    if share != 1:
        added *= np.float32(share)
    added += under
    return added


def _raised(surface: Surface, added: np.ndarray, rows: slice, here: Covered) -> np.ndarray:
    """The height map at covered texels [1, n], in its own type; `added` [n] metres."""
    raised = _values(surface["height"], rows, here.texels)
    raised += added / np.float32(surface.height_scale)
    return store(raised, surface["height"].array.dtype)


def _leant(surface: Surface, tall: np.ndarray, here: Covered, rows: slice, density: Density | None) -> np.ndarray:
    """The normal map at covered texels [3, n], leant by the slope of the metres `tall` (bump mapping, Blinn 1978)."""
    width, flat = surface.size[1], tall.reshape(-1)
    at = here.texels + 2 * (here.texels // width) + width + 3  # of the covered texels in `tall`
    own = flat.take(at)

    def beside(step: int) -> np.ndarray:
        neighbour = flat.take(at + step)
        np.copyto(neighbour, own, where=np.isnan(neighbour))  # beyond the rim of an island the rim's own height goes on
        return neighbour

    per_metre = np.asarray(surface.texels_per_metre if density is None else density(rows), np.float32)
    metre = per_metre.reshape(-1) * np.float32(0.5)
    if len(metre) > 1:
        metre = np.broadcast_to(per_metre, (rows.stop - rows.start, width)).reshape(-1).take(here.texels)
        metre *= np.float32(0.5)
    x, y, z = normal = _values(surface["normal"], rows, here.texels)
    normal *= 2
    normal -= 1
    np.maximum(z, np.float32(STEEPEST), out=z)
    slope = z * metre
    x -= slope * (beside(1) - beside(-1))
    y += slope * (beside(width + 2) - beside(-width - 2))  # rows run down, +Y of the map is up
    normal *= np.float32(0.5) / np.sqrt(x * x + y * y + z * z)
    normal += np.float32(0.5)
    return store(normal, surface["normal"].array.dtype)


def _tall(
    surface: Surface,
    layer: Layer,
    painted: PaintedLayer,
    bare: Map | None,
    texels: np.ndarray,
    added: np.ndarray,
    rows: slice,
    around: slice,
) -> np.ndarray:
    """Metres of height added over `rows` and a border of one texel [h + 2, W + 2], NaN outside islands.

    `added` [n] are those at `texels`, flat in the rows `around`, which are `rows` and those beside that the surface has.
    """
    height, width = surface.size
    tall = np.empty((rows.stop - rows.start + 2, width + 2), np.float32)
    known = tall[1 + around.start - rows.start : 1 + around.stop - rows.start]
    known[:, 1:-1] = _flat(surface, around)
    known.reshape(-1)[texels + 2 * (texels // width) + 1] = added
    for border, beside, beyond, missing in (
        (0, 1, height - 1, rows.start == 0),
        (-1, -2, 0, rows.stop == height),
    ):
        if missing and surface.wrap[0]:
            row = slice(beyond, beyond + 1)
            there = covered(surface, layer, painted, row)
            tall[border, 1:-1] = _flat(surface, row)
            tall[border, 1 + there.texels] = _added(surface, layer, painted, bare, row, there)
        elif missing:
            tall[border] = tall[beside]
    tall[:, 0], tall[:, -1] = (tall[:, -2], tall[:, 1]) if surface.wrap[1] else (tall[:, 1], tall[:, -2])
    return tall


def _flat(surface: Surface, rows: slice) -> np.ndarray | float:
    """No metres at all: 0, and NaN outside islands, for what lies there says nothing of slopes."""
    if "island_mask" not in surface or is_constant(surface["island_mask"].array):
        return 0.0
    return np.where(surface["island_mask"].array[rows, :, 0] > 0, np.float32(0), np.float32(np.nan))


def _added(
    surface: Surface, layer: Layer, painted: PaintedLayer, bare: Map | None, rows: slice, here: Covered
) -> np.ndarray:
    """Metres of height that the layer adds to the layers below it, at covered texels: float32 [n]."""
    metres = _channel(painted.growth, 3, rows, here.texels) * np.float32(1 / 255)
    metres -= np.float32(0.5)
    metres *= np.float32(2 * float(layer.relief or 0))
    if bare is not None and bare is not surface["height"]:
        below = _values(surface["height"], rows, here.texels) - _values(bare, rows, here.texels)
        metres -= below[0] * np.float32(surface.height_scale)
    metres *= here.coverage * np.float32(layer.channels.height)
    return metres


def _values(map_: Map, rows: slice, texels: np.ndarray) -> np.ndarray:
    """A map at texels (flat in `rows`): [C, n] float32, colours decoded to scene-linear."""
    return decode(_texels(map_.array, rows, texels), map_.color_space)


def _texels(array: np.ndarray, rows: slice, texels: np.ndarray) -> np.ndarray:
    """`array` [H, W, C] at texels, flat in `rows`: [C, n]."""
    part = array[rows]
    return np.ascontiguousarray(part.reshape(-1, part.shape[2]).take(texels, axis=0).T)


def _channel(array: np.ndarray, channel: int, rows: slice, texels: np.ndarray) -> np.ndarray:
    """One channel of `array` [H, W, C] at texels, flat in `rows`: [n]."""
    part = array[rows]
    return part.reshape(-1).take(texels * part.shape[2] + channel)


def _constant(name: str, size: tuple[int, int]) -> tuple[np.ndarray, ColorSpace]:
    value, dtype = DEFAULTS[name]
    color_space = ColorSpace.SRGB if name == "albedo" else ColorSpace.DATA
    return np.broadcast_to(np.array(value, dtype), (*size, len(value))), color_space
