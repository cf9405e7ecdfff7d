# SPDX-License-Identifier: GPL-3.0-or-later
"""An object to a surface that is small enough to be painted while a slider moves."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from ..backend.protocol.surface import Map
from . import work
from .capture import Capture
from .sizes import output_size

SIDE = 512  # texels a side at most


class PreviewCapture(Capture):
    """A capture of at most SIDE texels a side: of every so manyth texel where a whole one is cached, else baked at that size.

    Work that bakes holds its place. `whole` tells, at the end, whether a whole one bakes nothing.
    """

    whole = False

    def _capture(self):  # type: ignore[no-untyped-def]
        full = output_size(self._obj, self.settings)
        found = yield from self._find(full)
        self.whole = found.baked is not None or max(full) <= SIDE
        with ExitStack() as held:
            if found.baked is None or self.settings.masks:
                held.enter_context(work.holding())
            if not self.whole:
                self.settings = replace(self.settings, size=SIDE)
                found = yield from self._find(output_size(self._obj, self.settings))
            captured = yield from self._finish(found)
        step = -(-max(captured.surface.size) // SIDE)
        maps = yield lambda: {name: thinned(map_, step) for name, map_ in captured.surface.maps.items()}
        return replace(captured, surface=replace(captured.surface, maps=maps))


def thinned(map_: Map, step: int) -> Map:
    """Every `step`th texel: no texel mixes two islands, or two places of the object. numpy alone: for any thread."""
    return Map(np.ascontiguousarray(map_.array[step // 2 :: step, step // 2 :: step]), map_.color_space)
