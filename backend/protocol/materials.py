# SPDX-License-Identifier: GPL-3.0-or-later
"""What surfaces are made of, how a recipe names masks of it, and how closely to look."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from .errors import BadRecipe
from .mask_names import MATERIAL


class Material(Enum):
    """What the segmenter tells apart, in the order of its channels: the Flickr Material Database's ten, and six more."""

    FABRIC = "fabric"
    FOLIAGE = "foliage"
    GLASS = "glass"
    LEATHER = "leather"
    METAL = "metal"
    PAPER = "paper"
    PLASTIC = "plastic"
    STONE = "stone"
    WATER = "water"
    WOOD = "wood"
    CONCRETE = "concrete"
    BRICK = "brick"
    SOIL = "soil"
    PAINTED_SURFACE = "painted_surface"
    SKY = "sky"
    OTHER = "other"

    @property
    def channel(self) -> int:
        return MATERIALS.index(self)


MATERIALS = tuple(Material)


class Quality(Enum):
    """How deep the segmenter looks: one level, two, all three, or until the least sure places are sure enough."""

    FAST = "fast"
    BALANCED = "balanced"
    BEST = "best"
    AUTO = "auto"


def masked(materials: Iterable[Material]) -> str:
    """The name, in a recipe, of the mask that is white on these materials: `material:metal+wood`."""
    return MATERIAL + "+".join(material.value for material in materials)


def of_mask(mask: str) -> tuple[Material, ...]:
    """The materials that a mask of that name is white on. Raises BadRecipe where one is unknown."""
    names = mask.removeprefix(MATERIAL).split("+")
    known = {material.value: material for material in Material}
    for name in names:
        if name not in known:
            raise BadRecipe(f"'{name}' is no material.", f"Known: {', '.join(known)}; several with + between.")
    return tuple(known[name] for name in names)
