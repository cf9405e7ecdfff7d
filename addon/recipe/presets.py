# SPDX-License-Identifier: GPL-3.0-or-later
"""The presets as a menu of pictures: what `python -m sabi.addon.demo.thumbnails` has rendered of each."""

from __future__ import annotations

import zlib
from pathlib import Path

import bpy
import bpy.utils.previews

from ...backend.protocol.words import preset_names
from .effects import in_words

PICTURES = Path(__file__).parents[1] / "thumbnails"
OWN, _NUMBERS = "NONE", 2**30
Item = tuple[str, str, str, int, int]
_items: list[Item] = []  # Blender keeps no copy of the strings of an enum that a function gives
_pictures: bpy.utils.previews.ImagePreviewCollection | None = None


def items(_self: object = None, _context: object = None) -> list[Item]:
    """The recipe as it is, then every preset with its picture; files are read when a picture is first drawn."""
    if not _items:
        _items.append((OWN, "Own Recipe", "The recipe as it is", 0, 0))
        for name in preset_names():
            number = 1 + zlib.crc32(name.encode()) % _NUMBERS  # files keep it, whatever presets come and go
            _items.append((name, in_words(name), "", _icon(name), number))
    return _items


def shipped(_self: object, _context: object) -> list[Item]:
    """The presets alone."""
    return items()[1:]


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
