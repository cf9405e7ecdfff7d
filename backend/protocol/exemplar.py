# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's own photograph as a recipe keeps it: small, whole, and with where it came from."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .checks import check_number
from .errors import BadRecipe
from .words import EXEMPLAR_WIDTH

LONGEST = 512  # texels of the longer side that are kept
SHORTEST = 16  # of the shorter side, that there is a texture at all
MOST_BYTES = 384 << 10  # of one picture as a file
MAPS = ("roughness", "metallic", "height")
_WORDS = 500  # characters of a name, a source, a licence
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True)
class Exemplar:
    """A photograph whose colours a layer takes, and whose maps, where it has some.

    `picture` and each of `maps` (name in MAPS -> grey picture) are PNG or JPEG files of at most LONGEST texels a side, as base64.
    `width` is how many metres the picture spans. `part` is what was kept of the file `name` with this `sha256`: x, y, width and
    height in its texels; None for all. `source` and `licence` are the artist's words. Raises BadRecipe.
    """

    picture: str
    width: float = EXEMPLAR_WIDTH
    name: str = ""
    sha256: str = ""
    part: tuple[int, int, int, int] | None = None
    source: str = ""
    licence: str = ""
    maps: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_number("exemplar's width", self.width, 1e-3, 1000)
        for name in ("name", "source", "licence"):
            if not isinstance(getattr(self, name), str) or len(getattr(self, name)) > _WORDS:
                raise BadRecipe(f"The exemplar's {name} must be a text of at most {_WORDS} characters.", "Shorten it.")
        if not (isinstance(self.sha256, str) and re.fullmatch(r"([0-9a-f]{64})?", self.sha256)):
            raise BadRecipe("The exemplar's sha256 is none.", "Leave it out where it is not known.")
        if self.part is not None:
            part = tuple(self.part) if isinstance(self.part, (list, tuple)) else ()
            whole = all(isinstance(n, int) and not isinstance(n, bool) for n in part)
            if not (len(part) == 4 and whole and min(part) >= 0 and min(part[2:]) > 0):
                raise BadRecipe(
                    "The exemplar's part must be x, y, width and height in texels.", "Leave it out for all."
                )
            object.__setattr__(self, "part", part)
        if not isinstance(self.maps, Mapping) or not set(self.maps) <= set(MAPS):
            raise BadRecipe("An exemplar has no such map.", f"Maps: {', '.join(MAPS)}.")
        for picture in (self.picture, *self.maps.values()):
            image_bytes(picture)


def image_bytes(picture: object) -> bytes:
    """The file that a picture of a recipe is. Raises BadRecipe for what is neither PNG nor JPEG, or too large."""
    hint = "Make it anew with --exemplar, or in the panel."
    if not isinstance(picture, str) or len(picture) > MOST_BYTES * 4 // 3 + 4:
        raise BadRecipe("The exemplar's picture is no text, or too long.", hint)
    try:
        data = base64.b64decode(picture, validate=True)
    except (binascii.Error, ValueError):
        raise BadRecipe("The exemplar's picture is not base64.", hint) from None
    if len(data) > MOST_BYTES:
        raise BadRecipe(f"The exemplar's picture has {len(data)} bytes, more than {MOST_BYTES}.", hint)
    if not data.startswith(_BEGINNINGS):
        raise BadRecipe("The exemplar's picture is neither PNG nor JPEG.", hint)
    return data


def as_picture(data: bytes) -> str:
    """A file's bytes as a recipe keeps them."""
    return base64.b64encode(data).decode("ascii")


def kept_size(height: int, width: int) -> tuple[int, int]:
    """Height and width to which a picture is reduced to be kept. Raises BadRecipe where it is too narrow for a texture."""
    scale = min(1.0, LONGEST / max(height, width))
    kept = max(1, round(height * scale)), max(1, round(width * scale))
    if min(kept) < SHORTEST:
        raise BadRecipe(
            f"A picture of {width} x {height} texels shows no texture.",
            f"Choose one, or a part of one, of at least {SHORTEST} texels a side that is not much longer than high.",
        )
    return kept
