# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour profiles applied on the way in, undone on the way out, and what cannot be applied said."""

from pathlib import Path

import numpy as np
import pytest
from image_files import noise
from PIL import ImageCms
from profiles import SRGB, embedded, profile

from sabi.backend.files.profile import colours_of

PNG = Path("p.png")


def test_wide_colours_are_seen_as_srgb_and_come_back():
    pixels = noise(channels=4)
    pixels[0, 0, :3], pixels[0, 1, :3] = (128, 128, 128), (200, 60, 60)
    given = colours_of("p.png", pixels, embedded(pixels))
    assert not given.warnings
    assert np.abs(given.seen[0, 0].astype(int) - 128).max() <= 2
    assert given.seen[0, 1, 0] > 215
    assert np.array_equal(given.back(given.seen, PNG), pixels[..., :3])
    changed = given.seen.copy()
    changed[0, 0] = 90
    back = given.back(changed, PNG)
    assert np.abs(back[0, 0].astype(int) - 90).max() <= 3
    back[0, 0] = 128
    assert np.array_equal(back, pixels[..., :3])
    assert given.back(changed, Path("p.exr")) is changed


def test_a_small_change_beyond_srgb_is_a_small_change():
    """Adobe RGB's pure green is clipped to be looked at, not to be written."""
    pixels = np.full((4, 4, 3), (0, 255, 0), np.uint8)
    given = colours_of("p.png", pixels, embedded(pixels))
    changed = given.seen.copy()
    changed[..., 1] -= 2
    assert np.abs(given.back(changed, PNG).astype(int) - pixels).max() <= 4


def test_what_is_srgb_is_left_as_it_is():
    pixels = noise()
    given = colours_of("p.png", pixels, embedded(pixels, profile(SRGB, 2.2)))
    assert given.profile is not None, "a plain gamma is not sRGB's curve"
    same = colours_of(
        "p.png", pixels, embedded(pixels, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    )
    assert same.profile is None
    assert np.array_equal(same.seen, pixels)


@pytest.mark.parametrize(
    ("pixels", "data", "words"),
    [
        (noise(dtype=np.uint16), profile(), "'Wide', which is applied to 8 bits a channel alone"),
        (noise(), b"no profile", "The colour profile of p.png cannot be read"),
        (noise(channels=1), profile(), ""),
        (noise(dtype=np.float32), profile(), ""),
    ],
)
def test_what_is_not_applied_is_said(pixels, data, words):
    given = colours_of("p.png", pixels, embedded(pixels, data))
    assert given.seen.shape[2] == 3
    assert given.profile is None
    assert bool(words) == bool(given.warnings)
    assert words in "".join(given.warnings)
