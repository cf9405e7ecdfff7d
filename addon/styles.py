# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's style as the panel shows it: a menu of names, a second one blended in by a slider, or a code kept as it is.

The layer's text is the truth, as in a recipe: a name, or as JSON a blend of names by weight or a code; empty for the effect's
first. What the menus cannot show is called custom; it stays in the menu when another style is tried.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..backend.protocol.errors import BadRecipe
from . import effects
from .preferences import service

CUSTOM, NONE = "CUSTOM", "NONE"
Item = tuple[str, str, str, str, int]
_kept: dict[object, list[Item]] = {}  # Blender keeps no copy of the strings of an enum that a function gives


@dataclass(frozen=True)
class Chosen:
    """What the menus show: one name, or two with the share of the second; `first` is CUSTOM where they cannot show it."""

    first: str
    second: str = NONE
    share: float = 0.0


def parse(text: str) -> object:
    """A layer's text as the recipe's style. Raises BadRecipe."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        raise BadRecipe("A layer's style is not valid JSON.", "Write a style's name, or leave it empty.") from None
    return tuple(value) if isinstance(value, list) else value


def as_text(style: object) -> str:
    """A recipe's style as a layer's text."""
    if isinstance(style, str):
        return style
    return json.dumps(list(style) if isinstance(style, tuple) else dict(style))


def chosen(layer) -> Chosen:  # type: ignore[no-untyped-def]
    """What the menus show of a layer."""
    known = _known(layer)
    try:
        style = parse(layer.style)
    except BadRecipe:
        return Chosen(CUSTOM)
    if isinstance(style, str):
        return Chosen(style or (known[0] if known else ""))
    if isinstance(style, dict) and len(style) == 2:
        (first, a), (second, b) = style.items()
        if {first, second} <= set(known) and all(isinstance(v, int | float) and v >= 0 for v in (a, b)) and a + b > 0:
            return Chosen(first, second, b / (a + b))
    return Chosen(CUSTOM)


def choose(layer, wanted: Chosen) -> None:  # type: ignore[no-untyped-def]
    """Makes the layer's text say this; what was custom is kept beside it."""
    if chosen(layer).first == CUSTOM:
        layer.custom_style = layer.style
    if wanted.first == CUSTOM:
        layer.style = layer.custom_style
    elif wanted.second in (NONE, wanted.first):
        layer.style = wanted.first
    else:
        share = min(max(wanted.share, 0.0), 1.0)
        layer.style = as_text({wanted.first: round(1 - share, 4), wanted.second: round(share, 4)})


def effect_items(owner, _context: object) -> list[Item]:  # type: ignore[no-untyped-def]
    """The effects that a layer or an operator may have: see effects.items."""
    return effects.items(service.health, getattr(owner, "taught", ""))


def first_items(layer, _context: object) -> list[Item]:  # type: ignore[no-untyped-def]
    """The effect's styles, the custom one where there is one, and a name that the painter in use does not know."""
    names, now = _known(layer), chosen(layer)
    custom = now.first == CUSTOM or bool(layer.custom_style)
    strange = now.first if now.first not in (*names, CUSTOM, "") else None
    key = (names, custom, strange)
    if key not in _kept:
        found = [(name, effects.in_words(name), "") for name in names]
        if strange is not None:
            found.append((strange, strange, "The painter in use has no such style"))
        if custom:
            found.append((CUSTOM, "Custom", "A code from an exemplar, or a blend of several styles"))
        _kept[key] = [(*item, "NONE", number) for number, item in enumerate(found)]
    return _kept[key]


def second_items(layer, _context: object) -> list[Item]:  # type: ignore[no-untyped-def]
    names, now = _known(layer), chosen(layer)
    key = (names, now.first)
    if key not in _kept:
        found = [(NONE, "None", "No other style is blended in")]
        found += [(name, effects.in_words(name), "") for name in names if name != now.first]
        _kept[key] = [(*item, "NONE", number) for number, item in enumerate(found)]
    return _kept[key]


def get_first(layer) -> int:  # type: ignore[no-untyped-def]
    return _number(first_items(layer, None), chosen(layer).first)


def set_first(layer, number: int) -> None:  # type: ignore[no-untyped-def]
    now, name = chosen(layer), first_items(layer, None)[number][0]
    choose(layer, Chosen(name, now.second, now.share) if name != CUSTOM else Chosen(CUSTOM))


def get_second(layer) -> int:  # type: ignore[no-untyped-def]
    return _number(second_items(layer, None), chosen(layer).second)


def set_second(layer, number: int) -> None:  # type: ignore[no-untyped-def]
    now, name = chosen(layer), second_items(layer, None)[number][0]
    if now.first != CUSTOM:
        choose(layer, Chosen(now.first, name, now.share if now.second != NONE else 0.5))


def get_share(layer) -> float:  # type: ignore[no-untyped-def]
    return chosen(layer).share


def set_share(layer, share: float) -> None:  # type: ignore[no-untyped-def]
    now = chosen(layer)
    if now.second != NONE:
        choose(layer, Chosen(now.first, now.second, share))


def _known(layer) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    return effects.styles(layer.effect, service.health)


def _number(items: list[Item], name: str) -> int:
    return next((item[4] for item in items if item[0] == name), 0)
