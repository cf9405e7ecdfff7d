# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers of a recipe a material shows only merged into one, in words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from bpy.app.translations import pgettext_iface as said

from ...backend.protocol.errors import SabiError, SceneError
from ...backend.protocol.merging import LIVE, merged_places
from ...backend.protocol.recipe import Recipe
from .effects import in_words


def told(recipe: Recipe) -> list[str]:
    """A sentence for the artist where layers are merged; none where all are wired as they are."""
    return in_a_sentence({place: recipe.layers[place].effect.value for place in merged_places(recipe)})


def in_a_sentence(effects: Mapping[int, str]) -> list[str]:
    """As `told`, of merged layers' places and effects."""
    if not effects:
        return []
    names = ", ".join(f"{place + 1} {said(in_words(effect))}" for place, effect in effects.items())
    return [
        said("A material shows four layers: {} are merged into one. A change of theirs needs Weather.").format(names)
    ]


@lru_cache(maxsize=64)
def told_of(recipe_json: str, _language: str = "") -> tuple[str, ...]:
    """As `told`, for a recipe as groups keep it: panels ask at every redraw."""
    try:
        return tuple(told(Recipe.from_json(recipe_json)))
    except SabiError:
        return ()


def refuse(recipe: Recipe, what: str) -> None:
    """Raises SceneError where layers would be merged, for what goes by the ages of all: such as `Shared tiles`."""
    if places := merged_places(recipe):
        raise SceneError(
            f"{what} show at most {LIVE} layers, and the recipe has {len(recipe.painted)}.",
            f"Hide or remove {len(places) - 1} of them.",
        )
