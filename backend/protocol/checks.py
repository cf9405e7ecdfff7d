# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of recipes, checked in one sentence."""

from __future__ import annotations

from .errors import BadRecipe

_MEANINGS = {
    "age": "0 is new, 1 is as weathered as the effect gets.",
    "opacity": "0 hides the layer, 1 shows all of it.",
    "feature size": "It is how many metres one flake, tuft or stain is across.",
    "relief": "It is how many metres the layer rises above the surface.",
    "ground": "It is a height in metres; leave it out to take the lowest point.",
}


def check_number(name: str, value: object, low: float, high: float) -> None:
    """Raises BadRecipe where `value` is no number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise BadRecipe(
            f"The {name} must be a number from {low:g} to {high:g}, not {value!r}.",
            _MEANINGS.get(name, "Correct it, or leave it out to take the effect's own."),
        )
