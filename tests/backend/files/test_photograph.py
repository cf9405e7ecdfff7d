# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs read from disk and written as surfaces."""

import numpy as np
import pytest
from image_files import noise, save

from sabi.backend.files import write_surface
from sabi.backend.files.image import read_image
from sabi.backend.files.photograph import read_still
from sabi.backend.protocol.still import Still


@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (4, np.uint16)])
def test_a_photographs_surface_is_written_as_the_picture_it_is(tmp_path, channels, dtype):
    given = noise(channels=channels, dtype=dtype)
    still = read_still(save(tmp_path / "wall.png", given), Still(), width=2)
    assert write_surface(still.surface, tmp_path / "again.png") == [tmp_path / "again.png"]
    assert np.array_equal(read_image(tmp_path / "again.png")[0], given)
