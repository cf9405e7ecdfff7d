# SPDX-License-Identifier: GPL-3.0-or-later
"""The lowest layers of a result laid on one another, at their ages, as the one layer that a material shows of them.

Porter and Duff's `over` (1984), each channel with a cover of its own: laid over any base the merged layer gives what its layers
give one by one, up to the rounding of 8 bits; height has 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..protocol import growth
from ..protocol.mask_names import MERGED
from ..protocol.merging import MERGED_CHANNELS, merged_count
from ..protocol.painted import PaintedLayer
from ..protocol.recipe import Layer, Recipe
from ..protocol.surface import ColorSpace, Map, Surface
from ..threads import parallel
from .colour import decode, to_srgb
from .composite import coverage_map, strips
from .degree import STORED, degrees
from .gutters import Allocate
from .layer_masks import with_layer_masks

COVERS = ("albedo", "roughness", "metallic", "height")
TRACE = np.float32(1e-4)  # of a layer's look where it does not cover: what lies beside covered texels is not black
OUTSIDE = ("island_mask", "object_mask", "alpha")  # a material goes by none of these


@dataclass(frozen=True)
class Wired:
    """The layers that a material shows, and the masks by merged layers that those on top have, by their names there."""

    layers: tuple[PaintedLayer, ...]
    masks: dict[str, Map]


def merge(surface: Surface, recipe: Recipe, layers: Sequence[PaintedLayer], allocate: Allocate = np.empty) -> Wired:
    """The painted layers of `recipe.shown` as merging.wired has them; `surface` holds the maps of their masks.

    Where no more than LIVE are shown these are the layers themselves. Raises MissingMap where a mask is lacking.
    """
    recipe = recipe.shown
    count = merged_count(recipe)
    if not count:
        return Wired(tuple(layers), {})
    bare = replace(surface, maps={name: map_ for name, map_ in surface.maps.items() if name not in OUTSIDE})
    for index in range(count):  # a mask may be any layer below
        bare = with_layer_masks(bare, recipe, index, layers[index], allocate)
    below, relief = recipe.layers[:count], max(layer.relief for layer in recipe.layers[:count])
    images = {name: allocate((*surface.size, 4), np.uint8) for name in MERGED_CHANNELS}

    def strip(rows: slice) -> None:
        laid = _Laid.nothing((rows.stop - rows.start, surface.size[1]))
        for layer, painted in zip(below, layers, strict=False):
            laid.lay(layer, painted, rows, coverage_map(bare, layer, painted, rows))
        for name, values in laid.channels(relief).items():
            images[name][rows] = values

    parallel(strip, strips(*surface.size))
    wanted = {mask.mask for layer in recipe.layers[count:] for mask in layer.stack if 1 <= mask.layer <= count}
    masks = {f"{MERGED}{name}": bare[name] for name in sorted(wanted)}
    return Wired((PaintedLayer.from_images(images), *layers[count:]), masks)


@dataclass
class _Laid:
    """Layers laid on nothing: sums of their looks by what shows of them [h, W] or [h, W, 3], and those shares' sums."""

    looks: dict[str, np.ndarray]  # by COVERS; height in metres
    shares: dict[str, np.ndarray]
    covers: dict[str, np.ndarray]  # without what is a trace
    coverage: np.ndarray

    @staticmethod
    def nothing(size: tuple[int, int]) -> _Laid:
        def empty() -> dict[str, np.ndarray]:
            return {name: np.zeros(size, np.float32) for name in COVERS}

        looks = {**empty(), "albedo": np.zeros((*size, 3), np.float32)}
        return _Laid(looks, empty(), empty(), np.zeros(size, np.float32))

    def lay(self, layer: Layer, painted: PaintedLayer, rows: slice, coverage: np.ndarray) -> None:
        """Lays a layer on those before it; `coverage` [h, W] of these rows."""
        grown = painted.growth[rows]
        depth = degrees(layer.age)[grown[..., 0]] - STORED[grown[..., 1]]
        key = growth.key_position(depth)[..., None]
        thin, thick = (_light(image[rows]) for image in (painted.thin, painted.thick))
        looks = {
            "albedo": thin + (thick - thin) * key,
            "roughness": STORED[painted.thin[rows][..., 3]],
            "metallic": STORED[painted.thick[rows][..., 3]],
            "height": (STORED[grown[..., 3]] - np.float32(0.5)) * np.float32(2 * layer.relief),
        }
        for name, look in looks.items():
            cover = coverage * np.float32(getattr(layer.channels, name))
            share = np.maximum(cover, TRACE)
            whole = share[..., None] if look.ndim == 3 else share
            self.looks[name] += (look - self.looks[name]) * whole
            self.shares[name] += (1 - self.shares[name]) * share
            self.covers[name] += (1 - self.covers[name]) * cover
        self.coverage += (1 - self.coverage) * coverage

    def channels(self, relief: float) -> dict[str, np.ndarray]:
        """The images' texels, uint8 [h, W, 4] each."""
        look = {n: v / (self.shares[n][..., None] if v.ndim == 3 else self.shares[n]) for n, v in self.looks.items()}
        level = (
            look["height"] / np.float32(2 * relief) + np.float32(0.5) if relief else np.full_like(self.coverage, 0.5)
        )
        high, low = np.divmod(np.rint(np.clip(level, 0, 1) * np.float32(65535)).astype(np.uint16), 256)
        albedo = _bytes(to_srgb(look["albedo"]))
        return {
            "thin": np.concatenate([albedo, _bytes(look["roughness"])[..., None]], -1),
            "thick": np.stack(
                [_bytes(look["metallic"]), high.astype(np.uint8), low.astype(np.uint8), _bytes(self.coverage)], -1
            ),
            "growth": np.stack([_bytes(self.covers[name]) for name in COVERS], -1),
        }


def _light(image: np.ndarray) -> np.ndarray:
    """The colours of an image of a painted layer, scene-linear float32 [h, W, 3]."""
    return decode(np.ascontiguousarray(image[..., :3]), ColorSpace.SRGB)


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(values, 0, 1) * np.float32(255)).astype(np.uint8)
