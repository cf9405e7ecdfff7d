# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's style as the panel shows it: a menu of names, a second one blended in by a slider, or a code kept as it is.

The layer's text is the truth, as in a recipe: a name, or as JSON a blend of names by weight or a code; empty for the effect's
first. What the menus cannot show is called custom; it stays in the menu when another style is tried.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import bpy

from ...backend.protocol.errors import BadRecipe
from ..preferences import service
from . import effects

CUSTOM, NONE = "CUSTOM", "NONE"
Item = tuple[str, str, str, str, int]
_kept: dict[object, list[Item]] = {}  # Blender keeps no copy of the strings of an enum that a function gives
_busy = False
_shown_for: tuple[object, str] | None = None


class Chosen(NamedTuple):
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
        _kept[key] = [(*item, "NONE", _number(item[0])) for item in found]
    return _kept[key]


def second_items(layer, _context: object) -> list[Item]:  # type: ignore[no-untyped-def]
    names, now = _known(layer), chosen(layer)
    key = (names, now.first)
    if key not in _kept:
        found = [(NONE, "None", "No other style is blended in")]
        found += [(name, effects.in_words(name), "") for name in names if name != now.first]
        _kept[key] = [(*item, "NONE", _number(item[0])) for item in found]
    return _kept[key]


def refresh(layer) -> None:  # type: ignore[no-untyped-def]
    """Has the menus show what the layer's text says. They have no getters: a view may draw those while a bake ends."""
    now = chosen(layer)
    with _showing():
        for name, shown, items in (("style_first", now.first, first_items), ("style_second", now.second, second_items)):
            if any(item[0] == shown for item in items(layer, None)):
                setattr(layer, name, shown)
        layer.style_share = now.share


def first_chosen(layer, _context: object) -> None:  # type: ignore[no-untyped-def]
    """The first menu was used."""
    if not _busy:
        now, name = chosen(layer), layer.style_first
        choose(layer, Chosen(name, now.second, now.share) if name != CUSTOM else Chosen(CUSTOM))


def second_chosen(layer, _context: object) -> None:  # type: ignore[no-untyped-def]
    now = chosen(layer)
    if not _busy and now.first != CUSTOM:
        choose(layer, Chosen(now.first, layer.style_second, now.share if now.second != NONE else 0.5))


def share_chosen(layer, _context: object) -> None:  # type: ignore[no-untyped-def]
    now = chosen(layer)
    if not _busy and now.second != NONE:
        choose(layer, Chosen(now.first, now.second, layer.style_share))


def outdated() -> bool:
    """Whether menus may show what another painter, or another file, had."""
    return _shown_for != _state()


def catch_up() -> None:
    """Has the menus of all layers show what their texts say to the painter in use. A timer: panels may change nothing."""
    global _shown_for
    _shown_for = _state()
    for scene in [scene for scene in bpy.data.scenes if scene.is_editable]:
        for layer in scene.sabi.layers:
            refresh(layer)
            for mask in layer.masks:
                mask.number = mask.number  # its menu follows


def _state() -> tuple[object, str]:
    return id(service.health), bpy.data.filepath


@contextmanager
def _showing() -> Iterator[None]:
    """Within, menus that are set choose nothing."""
    global _busy
    before, _busy = _busy, True
    try:
        yield
    finally:
        _busy = before


def _known(layer) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    return effects.styles(layer.effect, service.health)


def _number(name: str) -> int:
    """Files keep a menu's choice by its number: by the name, whatever other styles there are."""
    fixed = {NONE: 0, CUSTOM: 1}
    return fixed[name] if name in fixed else 2 + zlib.crc32(name.encode()) % 2**30
