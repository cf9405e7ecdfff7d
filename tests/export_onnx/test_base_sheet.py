# SPDX-License-Identifier: GPL-3.0-or-later
"""The sheets: bases are eight of each, unseen in training, in the colours they are given; degrees grow to the right."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sabi.backend.protocol.recipe import Effect
from sabi.export_onnx import base_sheet, sheet
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


class Whitewash:
    """Covers all with white from a degree on, that of the seed in tenths."""

    card = SimpleNamespace(styles={"rust": {"blooming": []}})

    def style(self, effect, name):
        return None

    def noise(self, size, seed):
        return seed

    def paint(self, base, exposure, style, noise):
        painted = base.new_ones(1, 11, *base.shape[2:])
        painted[:, 0], painted[:, 1] = 0.02 + noise / 10, 0.3
        return painted


@pytest.mark.parametrize(("kind", "metallic"), [(Kind.PAINTED, 0), (Kind.ALLOY, 1), (Kind.STAINED, 0)])
def test_a_base_takes_its_colour(grey, kind, metallic):
    maps = Base("metal", kind, (0.8, 0.4, 0.2)).maps(grey)[0]
    red, green, blue = (float(maps[i].mean()) for i in range(3))
    assert green / red == pytest.approx(0.5, rel=0.02)
    assert blue / red == pytest.approx(0.25, rel=0.02)
    assert float(maps[4].mean()) == metallic
    assert float(maps[0, 0, -1]) > float(maps[0, 0, 0])


def test_a_cell_shows_the_base_and_how_far_the_weathering_is_from_it(grey):
    pixels, distance = base_sheet.cell(Whitewash(), Base("metal").maps(grey), "paint", "white", 0)
    assert pixels.shape == (256, 256, 3)
    assert pixels[:, 80:].min() > pixels[:, :60].max()
    assert 20 < distance < 60


def test_degrees_stand_beside_the_photograph(grey, tmp_path, monkeypatch):
    """A row for each style that the painter has: three seeds at three degrees, every one at the same degree everywhere."""
    photograph = effects.Photograph("blooming", "metal", effects.Area.GROWN, grain=(40, 9, 2.5))
    monkeypatch.setattr(effects, "styles", lambda: [("rust", photograph), ("moss", photograph)])
    monkeypatch.setitem(effects.HELD_CLEAN, "rust", ("metal",))
    (tmp_path / "textures").symlink_to(grey)
    sheet.draw_degrees(Whitewash(), tmp_path, tmp_path / "degrees.png", cell=64)
    cells = np.asarray(Image.open(tmp_path / "degrees.png"))[sheet.LABEL :].reshape(64, 10, 64, 3).mean((0, 2, 3))
    assert (cells[[6, 7, 8]] > 250).all()
    assert cells[0] > cells[1] > cells[2]
    assert cells[9] < 200


def test_plain_colours_need_no_data(tmp_path):
    sheet.draw_plain(Whitewash(), tmp_path / "plain.png", size=96, columns=1)
    cells = np.asarray(Image.open(tmp_path / "plain.png"))[sheet.LABEL :].reshape(32, 9, 32, 3).mean((0, 2, 3))
    assert (cells[[6, 7, 8]] > 250).all()
    assert cells[0] > cells[1] > cells[2]
