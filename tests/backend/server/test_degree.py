# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph's degree asked of a real backend."""

import mixtures
import numpy as np
import pytest

from sabi.backend.protocol.errors import BadMessage, BadSurface, NotFound
from sabi.backend.protocol.surface import ColorSpace, Map


@pytest.fixture(scope="module")
def picture():
    return mixtures.mixture(1, 1, mixtures.flaked)


def painted(picture):
    marks = np.zeros((*picture.degree.shape, 4), np.uint8)
    for x, y, degree in picture.marks(between=0):
        marks[max(y - 5, 0) : y + 6, max(x - 5, 0) : x + 6] = (255, 0, 0, 255) if degree else (0, 255, 0, 255)
    return marks


def encoded(picture):
    return Map((picture.photograph.clip(0, 1) * 255 + 0.5).astype(np.uint8), ColorSpace.SRGB)


def test_marks(backend, picture):
    degree = backend.client.degree(encoded(picture), painted(picture))
    assert degree.dtype == np.uint8
    assert degree.shape == (512, 512, 1)
    assert picture.error(degree[..., 0] / 255) <= 0.08


def test_without_marks_and_inverted(backend, picture):
    degree = backend.client.degree(encoded(picture), method="manifold")
    assert picture.error(degree[..., 0] / 255) <= 0.1
    other = backend.client.degree(encoded(picture), method="manifold", invert=True)
    assert np.abs(degree.astype(int) + other - 255).max() <= 1


def test_linear_floats_tell_the_same(backend, picture):
    """A picture kept scene-linear is looked at as its encoded twin."""
    encoded_picture = picture.photograph
    curve = np.where(encoded_picture <= 0.04045, encoded_picture / 12.92, ((encoded_picture + 0.055) / 1.055) ** 2.4)
    linear = Map(curve.astype(np.float32), ColorSpace.LINEAR)
    assert picture.error(backend.client.degree(linear, painted(picture))[..., 0] / 255) <= 0.08


def test_what_cannot_be_answered(backend, picture):
    client = backend.client
    with pytest.raises(BadMessage):
        client.degree(encoded(picture), method="tarot")
    with pytest.raises(BadMessage):
        client.degree(encoded(picture), method="maps")
    with pytest.raises(BadSurface, match="no marks"):
        client.degree(encoded(picture))
    with pytest.raises(BadSurface, match="same size"):
        client.degree(encoded(picture), painted(picture)[:100])
    with pytest.raises(BadSurface, match="Nothing is painted"):
        client.degree(encoded(picture), np.zeros((512, 512, 4), np.uint8))
    with pytest.raises(NotFound):
        client._connection.message("/v1/degree?photograph=" + "0" * 64)
    assert client.health()["jobs"]["unfinished"] == 0
