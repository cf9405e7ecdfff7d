# SPDX-License-Identifier: GPL-3.0-or-later
"""Which effects belong on which materials: the one table of it. A recipe that wants it otherwise names other materials."""

from __future__ import annotations

from collections.abc import Mapping

from .materials import Material
from .recipe import Effect

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
