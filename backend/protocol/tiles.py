# SPDX-License-Identifier: GPL-3.0-or-later
"""A surface as an atlas of UDIM tiles: which window of it each tile is. Painted whole, so that tiles agree, and sent in tiles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from .errors import BadMessage

MOST = 1000  # tiles; UDIM numbers are 1001 + u + 10 v
NUMBERS = range(1001, 2001)


@dataclass(frozen=True)
class Tile:
    """A UDIM tile's number, and its window in texels, row 0 at the top."""

    number: int
    top: int
    left: int
    height: int
    width: int

    @property
    def window(self) -> tuple[slice, slice]:
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def to_text(tiles: Sequence[Tile]) -> str:
    return json.dumps([astuple(tile) for tile in tiles], separators=(",", ":"))


def from_text(text: str, height: int, width: int) -> tuple[Tile, ...]:
    """What `to_text` wrote. Raises BadMessage where that is no windows of a surface of this size, each tile once."""
    try:
        rows = json.loads(text) if text else []
        tiles = tuple(Tile(*row) for row in rows)
    except (ValueError, TypeError, RecursionError):
        tiles, rows = (), [None]
    numbers = {tile.number for tile in tiles}
    whole = all(type(value) is int for tile in tiles for value in astuple(tile))
    if len(numbers) != len(rows) or len(rows) > MOST or not whole or not all(n in NUMBERS for n in numbers):
        raise BadMessage("The tiles of a surface are [number, top, left, height, width], each number once.")
    for tile in tiles:
        rows_fit = 0 <= tile.top < tile.top + tile.height <= height
        if not rows_fit or not 0 <= tile.left < tile.left + tile.width <= width:
            raise BadMessage(f"Tile {tile.number} does not lie within its surface.")
    return tiles
