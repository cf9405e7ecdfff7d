# SPDX-License-Identifier: GPL-3.0-or-later
"""The presets as a menu of pictures: what `python -m sabi.addon.demo.thumbnails` has rendered of each."""

from __future__ import annotations

from pathlib import Path

import bpy
import bpy.utils.previews

from ..backend.protocol.recipe import preset_names
from .effects import in_words

PICTURES = Path(__file__).parent / "thumbnails"
Item = tuple[str, str, str, int, int]
_items: list[Item] = []  # Blender keeps no copy of the strings of an enum that a function gives
_pictures: bpy.utils.previews.ImagePreviewCollection | None = None


def items(_self: object = None, _context: object = None) -> list[Item]:
    """The recipe as it is, then every preset with its picture; files are read when a picture is first drawn."""
    if not _items:
        _items.append(("NONE", "Own Recipe", "The recipe as it is", 0, 0))
        for number, name in enumerate(preset_names(), start=1):
            _items.append((name, in_words(name), "", _icon(name), number))
    return _items


def shipped(_self: object, _context: object) -> list[Item]:
    """The presets alone."""
    return items()[1:]


def number(preset: str) -> int:
    """Of a preset's entry; that of the recipe as it is where there is no such preset."""
    return next((item[4] for item in items() if item[0] == preset), 0)


def name(number: int) -> str:
    """The preset of an entry; "" for the recipe as it is."""
    return items()[number][0] if 0 < number < len(items()) else ""


def _icon(preset: str) -> int:
    path = PICTURES / f"{preset}.png"
    if _pictures is None or not path.is_file():
        return 0
    known = _pictures.get(preset) or _pictures.load(preset, str(path), "IMAGE")
    return known.icon_id


def register() -> None:
    global _pictures
    _pictures = bpy.utils.previews.new()


def unregister() -> None:
    global _pictures
    _items.clear()
    if _pictures is not None:
        bpy.utils.previews.remove(_pictures)
    _pictures = None
