# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of one photograph, or of a frame, besides its recipe; it travels in the metadata of its surface."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from .errors import BadSurface
from .materials import Material

if TYPE_CHECKING:
    from .surface import Surface

_KEY = "photograph"
MAX_CLICKS = 16


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

    What weathers is the surface's `object_mask`; without one the pieces around the texels `at` ((x, y) from the upper left, one
    or several of them), or what a segmenter finds: all of `material`, or the objects. `stages` gives what was made on the way.
    Of a rendered frame `harmonize` alone is asked.
    """

    harmonize: bool = False
    stages: bool = False
    material: Material | None = None
    at: tuple[tuple[int, int], ...] | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        places: Any = self.at or ()
        places = places if not places or isinstance(places[0], (tuple, list)) else [places]
        clicks = tuple(dict.fromkeys((int(x), int(y)) for x, y in places))
        if len(clicks) > MAX_CLICKS:
            raise BadSurface(f"At most {MAX_CLICKS} places are clicked on, not {len(clicks)}.", "Give a mask.")
        object.__setattr__(self, "at", clicks or None)

    @property
    def clicks(self) -> tuple[tuple[int, int], ...]:
        """`at` as the several that it may be; none where nothing was clicked on."""
        return self.at or ()  # type: ignore[return-value]

    def metadata(self) -> dict[str, str]:
        return {_KEY: json.dumps(asdict(self) | {"material": self.material.value if self.material else None})}

    @staticmethod
    def of(surface: Surface) -> Still:
        """Raises BadSurface where the metadata do not say it."""
        try:
            said = json.loads(surface.metadata.get(_KEY, "{}"))
            at, material = said.get("at"), said.get("material")
            kind = Material(material) if material else None
            return Still(bool(said.get("harmonize")), bool(said.get("stages")), kind, at)
        except (ValueError, TypeError, AttributeError, IndexError):
            raise BadSurface("The photograph's metadata cannot be read.") from None
