# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a harmonizer's map: in strips as at once, outside the mask bit for bit, and what cannot be done is said."""

import numpy as np
import pytest

from sabi.backend.protocol.errors import BadSurface
from sabi.backend.protocol.surface import ColorSpace, Map
from sabi.backend.weathering import harmonize
from sabi.backend.weathering.colour import to_linear, to_srgb
from sabi.backend.weathering.harmonize import applied, shrunk

IDENTITY = np.eye(3, 4, dtype=np.float32).ravel()


def brighter(inputs):
    """In place of a network: red up by a fifth on the left, by two fifths on the right."""
    count, _, height, width = inputs["composite"].shape
    assert inputs["mask"].shape == (count, 1, height, width)
    assert height % 16 == width % 16 == 0
    assert max(height, width) == 256
    transforms = np.tile(IDENTITY[None, :, None, None], (1, 1, height // 4, width // 4))
    transforms[:, 3] += np.linspace(0.2, 0.4, width // 4, dtype=np.float32)
    return {"transforms": transforms}


def picture(height=300, width=520, dtype=np.uint8):
    rng = np.random.default_rng(0)
    if np.dtype(dtype).kind == "u":
        return rng.integers(0, np.iinfo(dtype).max // 2, (height, width, 3), dtype)
    return (rng.random((height, width, 3)) / 2).astype(dtype)


def harmonized(image, mask, run, space=ColorSpace.SRGB):
    return harmonize.harmonized(Map(image, space), mask, run).array


def square(height=300, width=520, value=1.0):
    mask = np.zeros((height, width, 1), np.float32)
    mask[height // 4 : -height // 4, width // 4 : -width // 4] = value
    return mask


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_the_part_changes_and_the_rest_stays_bit_for_bit(dtype):
    image, mask = picture(dtype=dtype), square()
    given = image.copy()
    result = harmonized(image, mask, brighter)
    inside = mask[..., 0] > 0
    assert np.array_equal(image, given)
    assert result.dtype == dtype
    assert np.array_equal(result[~inside], image[~inside])
    top = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    red = (result[..., 0].astype(np.float64) - image[..., 0]) / top
    assert red[150, 140:380] == pytest.approx(0.2 + 0.2 * np.linspace(140, 380, 240) / 520, abs=0.006)
    assert np.abs(result[inside][:, 1:].astype(np.float64) - image[inside][:, 1:]).max() <= top / 1000


def test_a_soft_mask_goes_half_the_way():
    image = picture(dtype=np.float32)
    whole, half = (harmonized(image, square(value=v), brighter) for v in (1.0, 0.5))
    assert half == pytest.approx((whole + image) / 2, abs=1e-6)


@pytest.mark.parametrize("rows", [1, 7, 64, 10_000])
def test_strips_are_seamless(monkeypatch, rows):
    image, mask = picture(90, 70, np.float32), square(90, 70)
    rng = np.random.default_rng(1)
    transforms = IDENTITY + 0.1 * rng.standard_normal((16, 12, 12)).astype(np.float32)
    at_once = applied(Map(image), mask, transforms).array
    monkeypatch.setattr(harmonize, "ROWS", rows)
    assert np.array_equal(applied(Map(image), mask, transforms).array, at_once)


def test_each_texel_has_the_matrix_that_lies_between_those_around_it():
    """Against the sum that the words say, texel by texel, on a picture larger than the map and on a smaller one."""
    rng = np.random.default_rng(2)
    for height, width in ((37, 50), (5, 6)):
        image, mask = picture(height, width, np.float32), rng.random((height, width, 1), np.float32)
        transforms = IDENTITY + 0.1 * rng.standard_normal((10, 12, 12)).astype(np.float32)
        down, across = (
            np.maximum(0, 1 - np.abs((np.arange(n) + 0.5)[:, None] * m / n - 0.5 - np.arange(m)))
            if n >= m
            else np.clip(
                np.minimum(np.arange(m) + 1, (np.arange(n) + 1)[:, None] * m / n)
                - np.maximum(np.arange(m), np.arange(n)[:, None] * m / n),
                0,
                None,
            )
            for n, m in ((height, 10), (width, 12))
        )
        down, across = (weights / weights.sum(1, keepdims=True) for weights in (down, across))
        matrix = np.einsum("yk,xl,klm->yxm", down, across, transforms).reshape(height, width, 3, 4)
        after = np.clip(np.einsum("yxij,yxj->yxi", matrix[..., :3], image) + matrix[..., 3], 0, 1)
        assert applied(Map(image), mask, transforms).array == pytest.approx(image + mask * (after - image), abs=1e-5)


def test_scene_linear_colours_are_harmonized_as_srgb_encodes_them():
    """What is brighter than white stays; the rest is what the encoded picture gives."""
    mask, seen = square(), picture(dtype=np.float32)
    linear = to_linear(seen)
    linear[150:160, 200:300] = 5
    result = harmonized(linear, mask, brighter, ColorSpace.LINEAR)
    assert (result[150:160, 200:300] == 5).all()
    dim = (linear < 1).all(-1)
    clipped = to_srgb(linear)
    assert to_srgb(result)[dim] == pytest.approx(harmonized(clipped, mask, brighter)[dim], abs=1e-5)
    assert np.array_equal(result[mask[..., 0] == 0], linear[mask[..., 0] == 0])


def test_shrinking_keeps_the_mean():
    image = picture(dtype=np.float32)
    small = shrunk(Map(image), (144, 256))
    assert small.shape == (144, 256, 3)
    assert small.mean((0, 1)) == pytest.approx(image.mean((0, 1)), abs=1e-4)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((300, 520, 1), np.float32), "empty"),
        (np.ones((300, 520, 1), np.float32), "full"),
        (square(300, 520) * 1e-5, "empty"),
        (square(299, 520), "520 x 299 texels, the image 520 x 300"),
        (square() * np.float32("nan"), "no numbers"),
    ],
)
def test_masks_that_say_nothing(mask, words):
    with pytest.raises(BadSurface, match=words):
        harmonized(picture(), mask, brighter)


@pytest.mark.parametrize(
    ("covered", "words"),
    [
        (np.zeros((300, 520, 1), np.float32), "nothing of the picture weathers"),
        (square() * np.float32(1e-3), "hardly anything of the picture weathers"),
        (np.full((300, 520, 1), 0.3, np.float32), "all of the picture weathers"),
        (np.ones((300, 520, 1), np.float32), "all of the picture weathers"),
    ],
)
def test_what_leaves_nothing_to_go_by_is_not_harmonized_and_said(covered, words):
    """A thin film all over leaves no texel as it was."""
    given = Map(picture(), ColorSpace.SRGB)
    result, said = harmonize.settled(given, covered, brighter)
    assert result is given
    assert said[0].startswith(f"Not harmonized: {words}")


def test_images_that_are_no_numbers():
    image = picture(dtype=np.float32)
    image[0, 0] = np.inf
    with pytest.raises(BadSurface, match="no numbers"):
        harmonized(image, square(), brighter)


@pytest.mark.parametrize(("height", "width"), [(1, 40), (2000, 3), (16, 16), (257, 255)])
def test_any_shape(height, width):
    mask = np.zeros((height, width, 1), np.float32)
    mask[: max(height // 2, 1), : width // 2] = 1
    assert harmonized(picture(height, width), mask, brighter).shape == (height, width, 3)
