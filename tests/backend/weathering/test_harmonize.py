# SPDX-License-Identifier: GPL-3.0-or-later
"""Applying a harmonizer's map: in strips as at once, outside the mask bit for bit, and what cannot be done is said."""

import numpy as np
import pytest

from sabi.backend.protocol.errors import BadSurface
from sabi.backend.weathering import harmonize
from sabi.backend.weathering.harmonize import applied, harmonized, shrunk

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
    at_once = applied(image, mask, transforms)
    monkeypatch.setattr(harmonize, "ROWS", rows)
    assert np.array_equal(applied(image, mask, transforms), at_once)


def test_shrinking_keeps_the_mean():
    image = picture(dtype=np.float32)
    small = shrunk(image, (144, 256))
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
