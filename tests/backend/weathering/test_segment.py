# SPDX-License-Identifier: GPL-3.0-or-later
"""The segmenter's stage on a stand-in: levels, sizes, when `auto` stops, and what is refused."""

import numpy as np
import pytest
import segmenters
from segmenters import BLUE, GREEN, RED, Asked

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.belongs_on import BELONGS_ON
from sabi.backend.protocol.errors import BadSurface, NetworkError
from sabi.backend.protocol.materials import MATERIALS, Material, Quality
from sabi.backend.protocol.recipe import Effect
from sabi.backend.weathering.segment import COLOURS, coloured, segment


def halves(height=64, width=96):
    """Red at the left, green at the right."""
    picture = np.zeros((height, width, 3), np.float32)
    picture[:, : width // 2, 0] = picture[:, width // 2 :, 1] = 1
    return picture


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return segmenters.write(tmp_path_factory.mktemp("networks"))


@pytest.mark.parametrize(("quality", "level"), [(Quality.FAST, 1), (Quality.BALANCED, 2), (Quality.BEST, 3)])
def test_every_level_goes_on_from_the_one_before(tmp_path, quality, level):
    networks = segmenters.write(tmp_path)
    found = segment(halves(), networks, quality)
    assert found.level == level == len(networks.loaded())
    assert (found.materials[:, :48] == RED.channel).all()
    assert (found.materials[:, 48:] == GREEN.channel).all()


@pytest.mark.parametrize(
    ("steepness", "level"), [((20, 20, 20), 1), ((0.1, 20, 20), 2), ((0.1, 0.1, 20), 3), ((0.1, 0.1, 0.1), 3)]
)
def test_auto_stops_where_the_least_confident_tenth_is_confident_enough(tmp_path, steepness, level):
    networks = segmenters.write(tmp_path, Asked(steepness, (0.9, 0.9, 2.0)))
    assert segment(halves(), networks).level == level


@pytest.mark.parametrize(("unsure", "level"), [(0.05, 1), (0.15, 2)])
def test_a_twentieth_of_doubtful_texels_does_not_matter_a_seventh_does(tmp_path, unsure, level):
    networks = segmenters.write(tmp_path, Asked(confident=(0.9, 0.0, 2.0)))
    picture = halves(32, 320)
    picture[:, : int(320 * unsure)] = 0
    assert segment(picture, networks).level == level


@pytest.mark.parametrize("size", [(1, 1), (5, 7), (31, 33), (33, 100)])
def test_any_size_is_answered_texel_by_texel(networks, size):
    picture = np.zeros((*size, 3), np.float32)
    picture[..., 2] = 1
    found = segment(picture, networks, Quality.BEST)
    assert found.probabilities.shape == (*size, len(MATERIALS))
    assert found.objects.shape == found.degree.shape == size
    assert (found.materials == BLUE.channel).all()
    assert found.share(BLUE).min() > 0.99  # what is padded is no other colour
    np.testing.assert_allclose(found.probabilities.sum(-1), 1, rtol=1e-5)


def test_shares_of_materials_add_up(networks):
    found = segment(halves(), networks, Quality.FAST)
    both = found.share(RED, GREEN)
    np.testing.assert_allclose(both, found.share(RED) + found.share(GREEN), atol=1e-6)
    assert both.min() > 0.99
    assert found.share(BLUE).max() < 0.01


def test_one_colour_and_values_that_are_no_colours(networks):
    flat = segment(np.full((40, 40, 3), 0.5, np.float32), networks)
    assert len(np.unique(flat.materials)) == 1
    wild = halves()
    wild[0, 0], wild[1, 1] = np.nan, 1e6
    assert np.isfinite(segment(wild, networks).probabilities).all()


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 4), (0, 8, 3)])
def test_what_is_no_picture_is_refused(networks, shape):
    with pytest.raises(BadSurface):
        segment(np.zeros(shape, np.float32), networks)


def test_without_a_segmenter(tmp_path):
    with pytest.raises(NetworkError, match="segmenter_1"):
        segment(halves(), Networks.load(device="cpu", folder=tmp_path))


def test_every_material_has_its_own_colour_and_every_effect_its_materials():
    assert set(COLOURS) == set(Material)
    assert len(set(COLOURS.values())) == len(MATERIALS)
    assert set(BELONGS_ON) == set(Effect)
    for materials in BELONGS_ON.values():
        assert materials
        assert not {Material.SKY, Material.OTHER} & set(materials)
    assert coloured(np.array([[Material.SKY.channel]]))[0, 0].tolist() == list(COLOURS[Material.SKY])
