# SPDX-License-Identifier: GPL-3.0-or-later
"""The bases of the sheet are eight of each, unseen in training, and take the colours they are given."""

import numpy as np
import pytest
from PIL import Image

from sabi.backend.protocol.recipe import Effect
from sabi.export_onnx import base_sheet
from sabi.export_onnx.base_sheet import BASES, Base, Kind
from sabi.export_onnx.data import effects, textures


def test_every_effect_has_eight_bases_that_training_has_not_seen():
    assert set(BASES) == {effect.value for effect in Effect}
    for bases in BASES.values():
        assert len(set(bases)) == 8
        assert not {base.texture for base in bases} & set(effects.CLEAN)


@pytest.fixture
def grey(tmp_path):
    """A folder with one texture: grey from dark to light."""
    (tmp_path / "metal").mkdir()
    ramp = np.broadcast_to(np.linspace(80, 180, textures.SIZE).astype(np.uint8), (textures.SIZE,) * 2)
    Image.fromarray(np.stack([ramp] * 3, -1)).save(tmp_path / "metal" / "albedo.png")
    return tmp_path


@pytest.mark.parametrize(("kind", "metallic"), [(Kind.PAINTED, 0), (Kind.ALLOY, 1), (Kind.STAINED, 0)])
def test_a_base_takes_its_colour(grey, kind, metallic):
    maps = Base("metal", kind, (0.8, 0.4, 0.2)).maps(grey)[0]
    red, green, blue = (float(maps[i].mean()) for i in range(3))
    assert green / red == pytest.approx(0.5, rel=0.02)
    assert blue / red == pytest.approx(0.25, rel=0.02)
    assert float(maps[4].mean()) == metallic
    assert float(maps[0, 0, -1]) > float(maps[0, 0, 0])


def test_a_cell_shows_the_base_and_how_far_the_weathering_is_from_it(grey):
    class Whitewash:
        """Covers all with white."""

        def style(self, effect, name):
            return None

        def noise(self, size, seed):
            return {}

        def paint(self, base, exposure, style, noise):
            painted = base.new_ones(1, 11, *base.shape[2:])
            painted[:, 0], painted[:, 1] = 0.02, 0.3
            return painted

    pixels, distance = base_sheet.cell(Whitewash(), Base("metal").maps(grey), "paint", "white", 0)
    assert pixels.shape == (256, 256, 3)
    assert pixels[:, 80:].min() > pixels[:, :60].max()
    assert 20 < distance < 60
