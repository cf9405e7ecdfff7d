# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of files: photographs as their cameras were held, textures as they are stored."""

import base64
import io

import numpy as np
import pytest
from image_files import save
from PIL import Image

from sabi.backend.items import Engine, Photographed, Settings, weather_item
from sabi.backend.picture import picture_of
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.still import Still
from sabi.backend.report import Showing, exhibits


@pytest.mark.parametrize(
    ("orientation", "turn"), [(3, lambda stored: stored[::-1, ::-1]), (6, lambda stored: np.rot90(stored, -1))]
)
def test_before_and_after_of_a_turned_photograph_are_both_upright(
    tmp_path, networks_folder, monkeypatch, orientation, turn
):
    monkeypatch.setenv("SABI_NETWORKS", str(networks_folder))
    stored = np.full((40, 64, 3), 120, np.uint8)
    stored[:20, :32] = 30
    file = save(tmp_path / "wall.tif", stored, Orientation=orientation)
    assert np.array_equal(picture_of(file, 64, photograph=True), turn(stored))
    assert np.array_equal(picture_of(file, 64), stored)
    settings = Settings(photograph=Photographed(Still()), threads=1)
    weather_item(file, Recipe((Layer(Effect.RUST, age=0.0),)), settings, Engine(settings), lambda *_: None)
    (shown,) = exhibits([tmp_path], Showing(), None)
    for picture in (shown.before, shown.frames[-1][1]):
        data = base64.b64decode(picture.address.partition(",")[2])
        assert np.abs(np.asarray(Image.open(io.BytesIO(data)), int) - turn(stored)).mean() < 3  # JPEG
