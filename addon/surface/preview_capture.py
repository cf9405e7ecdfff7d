# SPDX-License-Identifier: GPL-3.0-or-later
"""An object to a surface that is small enough to be painted while a slider moves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from ...backend.protocol.surface import Map
from ...backend.protocol.tiles import Tile
from .. import work
from . import channels
from .atlas import arrange, atlas, image_tiles
from .capture import Capture
from .sizes import output_size

SIDE = 512  # texels a side at most; of very many UDIM tiles together somewhat more
NARROWEST = 16  # texels, the longest side that the largest of them keeps


class PreviewCapture(Capture):
    """A capture of at most SIDE texels a side: of every so manyth texel where a whole one is cached, else baked at that size.

    Work that bakes holds its place. `whole` tells, at the end, whether a whole one bakes nothing.
    """

    whole = False

    def _capture(self):  # type: ignore[no-untyped-def]
        sizes = image_tiles(channels.check(self._obj))
        tiles = atlas(self._obj, sizes, self.settings.size)
        if tiles is not None and (yield tiles.overlaps):
            tiles = None
        full = output_size(self._obj, self.settings) if tiles is None else tiles.size
        found = yield from self._find(full, tiles)
        self.whole = found.baked is not None or max(full) <= SIDE
        with ExitStack() as held:
            if found.baked is None or self.settings.masks:
                held.enter_context(work.holding())
            if not self.whole:
                used = {tile.number: sizes[tile.number] for tile in tiles.tiles} if tiles else {}
                self.settings = self.settings._replace(size=longest_side(used))
                tiles = atlas(self._obj, used, self.settings.size)
                found = yield from self._find(tiles.size if tiles else output_size(self._obj, self.settings), tiles)
            captured = yield from self._finish(found)
        step = -(-max(captured.surface.size) // SIDE)
        maps = yield lambda: {name: thinned(map_, step) for name, map_ in captured.surface.maps.items()}
        left = tuple(thinned_tile(tile, step, captured.surface.size) for tile in captured.tiles)
        return replace(captured, surface=replace(captured.surface, maps=maps), tiles=left)


def longest_side(sizes: Mapping[int, tuple[int, int]]) -> int:
    """Of the largest of these UDIM tiles, at which all of them have room in SIDE texels a side; SIDE where there are none."""
    longest = SIDE
    while sizes and longest > NARROWEST and max(arrange(sizes, longest)[1]) > SIDE:
        longest //= 2
    return longest


def thinned(map_: Map, step: int) -> Map:
    """Every `step`th texel: no texel mixes two islands, or two places of the object. numpy alone: for any thread."""
    return Map(np.ascontiguousarray(map_.array[step // 2 :: step, step // 2 :: step]), map_.color_space)


def thinned_tile(tile: Tile, step: int, size: tuple[int, int]) -> Tile:
    """Where a UDIM tile lies among what `thinned` leaves of a surface of this size (height, width); it keeps a texel at least."""

    def kept(begin: int, length: int, side: int) -> tuple[int, int]:
        first, end = (-(-(at - step // 2) // step) for at in (begin, begin + length))
        first = min(first, -(-(side - step // 2) // step) - 1)
        return first, max(end - first, 1)

    (top, height), (left, width) = kept(tile.top, tile.height, size[0]), kept(tile.left, tile.width, size[1])
    return Tile(tile.number, top, left, height, width)
