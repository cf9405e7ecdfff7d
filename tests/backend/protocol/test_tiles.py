# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiles of an atlas: written, read and cut; hostile ones are test_hostile's."""

import numpy as np
import pytest

from sabi.backend.protocol.errors import BadMessage
from sabi.backend.protocol.tiles import Tile, from_text, to_text
from sabi.backend.server.results import ResultArrays

TILES = (Tile(1001, 0, 2, 3, 4), Tile(1012, 3, 0, 1, 6))


def test_tiles_are_read_as_they_were_written():
    assert from_text(to_text(TILES), 4, 6) == TILES
    assert from_text("", 4, 6) == ()


def test_a_tile_lies_within_its_surface():
    with pytest.raises(BadMessage, match="1012"):
        from_text(to_text(TILES), 3, 6)


def test_layers_are_cut_and_the_rest_is_not():
    texels = np.arange(4 * 6 * 4, dtype=np.uint8).reshape(4, 6, 4)
    whole = ResultArrays({"layer0.thin": texels, "surface.albedo": texels}, {})
    cut = whole.cut(TILES).arrays
    assert set(cut) == {"layer0.thin.1001", "layer0.thin.1012", "surface.albedo"}
    assert np.array_equal(cut["layer0.thin.1001"], texels[0:3, 2:6])
    assert np.array_equal(cut["layer0.thin.1012"], texels[3:4, 0:6])
    assert whole.cut(()) is whole
