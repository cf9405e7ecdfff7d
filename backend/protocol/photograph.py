# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph as a surface: its colours are `combined`, and what is asked of it travels in the metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum

from .errors import BadRecipe, BadSurface
from .materials import Material
from .surface import Map, Space, Surface

WIDTH = 2.0  # metres that a photograph spans when nothing is said
_KEY = "photograph"


class Down(Enum):
    """Which way things fall in a picture; `AWAY`: it looks down on the ground."""

    BOTTOM = "bottom"
    TOP = "top"
    LEFT = "left"
    RIGHT = "right"
    AWAY = "away"

    @property
    def gravity(self) -> tuple[float, float, float]:
        """A recipe's gravity for it: x is the picture's right, y leads into it, z is its upper border."""
        return _GRAVITY[self]


_GRAVITY = {
    Down.BOTTOM: (0.0, 0.0, -1.0),
    Down.TOP: (0.0, 0.0, 1.0),
    Down.LEFT: (-1.0, 0.0, 0.0),
    Down.RIGHT: (1.0, 0.0, 0.0),
    Down.AWAY: (0.0, 1.0, 0.0),
}


@dataclass(frozen=True)
class Still:
    """What is asked of one photograph besides its recipe.

    What weathers is the surface's `object_mask`; without one what a segmenter finds: all of `material`, or what is of one
    material and joined around the texel `at` (x, y from the upper left), or the objects. `stages` gives what was made on the way.
    """

    harmonize: bool = False
    stages: bool = False
    material: Material | None = None
    at: tuple[int, int] | None = None

    def metadata(self) -> dict[str, str]:
        return {_KEY: json.dumps(asdict(self) | {"material": self.material.value if self.material else None})}

    @staticmethod
    def of(surface: Surface) -> Still:
        """Raises BadSurface where the metadata do not say it."""
        try:
            said = json.loads(surface.metadata.get(_KEY, "{}"))
            at, material = said.get("at"), said.get("material")
            place = None if at is None else (int(at[0]), int(at[1]))
            return Still(
                bool(said.get("harmonize")), bool(said.get("stages")), Material(material) if material else None, place
            )
        except (ValueError, TypeError, AttributeError, IndexError):
            raise BadSurface("The photograph's metadata cannot be read.") from None


def photograph(
    picture: Map, still: Still, *, width: float = WIDTH, more: Mapping[str, Map] | None = None, name: str = "photograph"
) -> Surface:
    """The surface of a picture [H, W, 3] that spans `width` metres; `more` may hold `object_mask` and `alpha`.

    Raises BadSurface, BadRecipe for a width that none has.
    """
    if not 1e-4 <= width <= 1e4:
        raise BadRecipe(f"A photograph cannot span {width:g} metres.", "Choose a width from 0.0001 to 10000.")
    maps = {"combined": picture} | dict(more or {})
    mask = maps.get("object_mask")
    if mask is not None and mask.size != picture.size:
        sizes = (f"{size[1]} x {size[0]}" for size in (mask.size, picture.size))
        raise BadSurface(
            "The mask has {} texels, the photograph {}.".format(*sizes), "Give a mask of the photograph's size."
        )
    return Surface(
        maps, Space.PHOTOGRAPH, texels_per_metre=picture.size[1] / width, name=name, metadata=still.metadata()
    )
