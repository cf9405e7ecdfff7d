# SPDX-License-Identifier: GPL-3.0-or-later
"""Images as masks: colours, alpha and what JPEG leaves in black."""

import numpy as np
import pytest

from sabi.backend.protocol.errors import BadSurface
from sabi.backend.protocol.object_mask import mask_of
from sabi.backend.protocol.surface import Map


@pytest.mark.parametrize(
    ("texel", "meant"),
    [
        ([200], 200),
        ([255, 51], 51),
        ([0, 255, 0], 85),
        ([255, 255, 255], 255),
        ([255, 255, 255, 0], 0),
        ([0, 255, 0, 51], 17),
        ([1], 0),
        ([2], 2),
        ([2, 1, 1], 0),
        ([255, 1], 0),
    ],
)
def test_colours_and_alpha_of_every_type(texel, meant):
    for dtype in (np.uint8, np.uint16, np.float16, np.float32):
        top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
        given = np.full((3, 2, len(texel)), np.array(texel) / 255 * top).astype(dtype)
        mask = mask_of(Map(given))
        assert (mask.array.shape, mask.array.dtype) == ((3, 2, 1), dtype)
        assert mask.floats() == pytest.approx(meant / 255, abs=2e-3)
        assert (mask.array.max() > 0) == (meant > 0), dtype


def test_strips_join():
    given = np.random.default_rng(0).integers(0, 256, (600, 3, 1), np.uint8)
    assert np.array_equal(mask_of(Map(given)).array, np.where(given < 2, 0, given))


def test_no_numbers():
    with pytest.raises(BadSurface, match="no numbers"):
        mask_of(Map(np.full((2, 2, 3), np.nan, np.float32)))
