# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi.degree_of`: files, folders and what is in memory give one answer, by every method; what is refused."""

import mixtures
import numpy as np
import pytest
from image_files import save

import sabi
from sabi import ColorSpace, DegreeMethod, Map, degree_of
from sabi.backend.protocol.errors import BadFile, BadRecipe, BadSurface, MissingMap

ASKED = 0.08


@pytest.fixture(scope="module")
def mixture():
    return mixtures.mixture(3, 3, mixtures.flaked)


def stored(pixels, dtype=np.uint8):
    return (pixels.clip(0, 1) * np.iinfo(dtype).max + 0.5).astype(dtype)


def picture(mixture, dtype=np.uint8):
    return Map(stored(mixture.photograph, dtype), ColorSpace.SRGB)


def error(mixture, degree):
    assert degree.color_space is ColorSpace.DATA
    assert degree.array.shape == (*mixture.degree.shape, 1)
    return mixture.error(degree.floats()[..., 0])


def painted(mixture, channels=4):
    """Discs of pure colour where an artist would mark."""
    pixels = np.zeros((*mixture.degree.shape, channels), np.uint8)
    for x, y, degree in mixture.marks(between=0):
        pixels[max(y - 6, 0) : y + 6, max(x - 6, 0) : x + 6] = ((255, 0, 0) if degree else (0, 255, 0)) + (255,) * (
            channels - 3
        )
    return pixels


def test_a_file_and_its_texels_are_one_photograph(tmp_path, mixture):
    save(tmp_path / "wall.png", picture(mixture).array)
    of_file = degree_of(tmp_path / "wall.png", mixture.marks())
    assert error(mixture, of_file) <= ASKED
    assert of_file.array.dtype == np.uint8
    assert np.array_equal(degree_of(picture(mixture), mixture.marks()).array, of_file.array)


def test_depths_and_encodings_are_one_photograph(mixture):
    marks, encoded = mixture.marks(), mixture.photograph.clip(0, 1)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)
    alpha = np.concatenate([stored(encoded, np.uint16), np.zeros((*encoded.shape[:2], 1), np.uint16)], axis=2)
    for given in (Map(linear, ColorSpace.LINEAR), Map(alpha, ColorSpace.SRGB)):
        degree = degree_of(given, marks)
        assert degree.array.dtype == np.uint16
        assert error(mixture, degree) <= ASKED
    grey = degree_of(Map(stored(encoded.mean(axis=2, keepdims=True)), ColorSpace.SRGB), marks)
    assert error(mixture, grey) <= 0.16


@pytest.mark.parametrize("channels", [3, 4])
def test_marks_that_were_painted(tmp_path, mixture, channels):
    save(tmp_path / "marks.png", painted(mixture, channels))
    found = degree_of(picture(mixture), painted(mixture, channels))
    assert error(mixture, found) <= ASKED
    assert np.array_equal(degree_of(picture(mixture), tmp_path / "marks.png").array, found.array)


def test_without_marks_looks_tell(mixture):
    found = degree_of(picture(mixture))
    assert error(mixture, found) <= 0.14
    assert np.array_equal(degree_of(picture(mixture), method=DegreeMethod.MANIFOLD).array, found.array)
    turned = degree_of(picture(mixture), invert=True)
    assert np.abs(turned.floats() + found.floats() - 1).max() < 0.005
    rare = degree_of(picture(mixture), method=DegreeMethod.RARITY)
    assert not np.array_equal(rare.array, found.array)


def test_the_maps_of_a_folder_tell(tmp_path, mixture):
    save(tmp_path / "steel_basecolor.png", picture(mixture).array)
    save(tmp_path / "steel_metallic.png", stored(1 - mixture.degree[..., None]))
    degree = degree_of(tmp_path, method=DegreeMethod.MAPS)
    assert error(mixture, degree) <= ASKED
    turned = degree_of(tmp_path, method=DegreeMethod.MAPS, invert=True)
    assert np.abs(degree.floats() + turned.floats() - 1).max() < 0.01
    (tmp_path / "steel_metallic.png").unlink()
    with pytest.raises(MissingMap):
        degree_of(tmp_path, method=DegreeMethod.MAPS)


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ({"marks": [(1, 1, 0.0), (40, 40, 1.0)], "method": DegreeMethod.RARITY}, BadRecipe, "takes no marks"),
        ({"marks": [(1, 1, 0.0), (40, 40, 1.5)]}, BadRecipe, "40,40,1.5 is no mark"),
        ({"marks": [(1, 1), (40, 40)]}, BadRecipe, "1,1 is no mark"),
        ({"marks": np.array([(1, 1, 0.0), (40, 40, -0.5)])}, BadRecipe, "40,40,-0.5 is no mark"),
        ({"marks": []}, BadSurface, "do not say what differs"),
        ({"marks": [(1, 1, 0.0), (64, 1, 1.0)]}, BadSurface, "outside the picture"),
        ({"marks": np.zeros((32, 64, 4), np.uint8)}, BadSurface, "64 x 64 texels"),
        ({"marks": np.zeros((64, 64, 4), np.uint8)}, BadSurface, "Nothing is painted"),
        ({"marks": np.zeros((64, 64, 4), np.int64)}, BadSurface, "int64"),
        ({"method": DegreeMethod.MARKS}, BadSurface, "no marks"),
        ({"method": DegreeMethod.MAPS}, BadRecipe, "folder"),
    ],
)
def test_what_is_refused(asked, error, sentence):
    noise = Map(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), ColorSpace.SRGB)
    with pytest.raises(error) as raised:
        degree_of(noise, **asked)
    assert sentence in f"{raised.value.message} {raised.value.hint}"


def test_files_that_are_none(tmp_path):
    for path in (tmp_path, tmp_path / "wall.png"):
        with pytest.raises(BadFile):
            sabi.degree_of(path)
