# SPDX-License-Identifier: GPL-3.0-or-later
"""Which effects belong on which materials: the one table of it. A recipe that wants it otherwise names other materials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .mask_names import MATERIAL
from .mask_stack import Mask
from .materials import Material, masked
from .recipe import Effect, Layer, Recipe

_MASONRY = (Material.STONE, Material.CONCRETE, Material.BRICK)
_SOLID = tuple(m for m in Material if m not in (Material.WATER, Material.SKY, Material.OTHER))

BELONGS_ON: Mapping[Effect, tuple[Material, ...]] = {
    Effect.RUST: (Material.METAL, Material.PAINTED_SURFACE),
    Effect.PEELING_PAINT: (Material.PAINTED_SURFACE,),
    Effect.MOSS: (*_MASONRY, Material.WOOD, Material.SOIL),
    Effect.DIRT: _SOLID,
    Effect.SCRATCHES: (
        Material.METAL,
        Material.PAINTED_SURFACE,
        Material.PLASTIC,
        Material.WOOD,
        Material.LEATHER,
        Material.GLASS,
    ),
    Effect.PATINA: (Material.METAL,),
    Effect.PITTING: (Material.METAL,),
    Effect.STAINS: (*_MASONRY, Material.WOOD, Material.PAINTED_SURFACE, Material.FABRIC, Material.PAPER),
    Effect.CRACKS: (*_MASONRY, Material.PAINTED_SURFACE, Material.LEATHER),
    Effect.EROSION: (*_MASONRY, Material.WOOD),
    Effect.GREYED_WOOD: (Material.WOOD,),
}


def kept_to_materials(recipe: Recipe) -> Recipe:
    """The recipe with each layer's masks multiplied by that of the materials its effect belongs on.

    Layers that have a mask of materials keep theirs; effects that the table does not know act everywhere.
    """
    return replace(recipe, layers=tuple(_kept(layer) for layer in recipe.layers))


def _kept(layer: Layer) -> Layer:
    materials = BELONGS_ON.get(layer.effect) if isinstance(layer.effect, Effect) else None
    if materials is None or any(mask.mask.startswith(MATERIAL) for mask in layer.stack):
        return layer
    return layer.with_masks([*layer.stack, Mask(masked(materials))])
