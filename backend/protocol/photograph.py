# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph as a surface: its colours are `combined`, and what is asked of it travels in the metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .errors import BadRecipe, BadSurface
from .still import Still
from .surface import Map, Space, Surface
from .words import PHOTOGRAPH_WIDTH


def photograph(
    picture: Map,
    still: Still,
    *,
    width: float = PHOTOGRAPH_WIDTH,
    more: Mapping[str, Map] | None = None,
    name: str = "photograph",
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


def asked_to_harmonize(frame: Surface) -> Surface:
    """A rendered frame of which what weathers is to be brought nearer to the colours of the rest."""
    return replace(frame, metadata={**frame.metadata, **Still(harmonize=True).metadata()})
