# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of pictures with a colour profile (ICC) as sRGB's, and back, by Little CMS through Pillow, which knows 8 bits.

What does not change between keeps every bit; what is outside sRGB is clipped only to be looked at.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO
from PIL import Image, ImageCms

KEY = "ICCProfile"
_HELD_BY = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
_ALIKE = 2  # of 255: a profile that differs no more from sRGB is sRGB
_ROWS = 256  # of a strip
_CUBE = (np.indices((9, 9, 9)).reshape(3, -1).T[None] * 255 // 8).astype(np.uint8)


@dataclass(frozen=True)
class Profile:
    """Both ways between a profile's space and sRGB."""

    to_srgb: ImageCms.ImageCmsTransform
    from_srgb: ImageCms.ImageCmsTransform


@dataclass(frozen=True)
class Colours:
    """The colours of a picture: `stored` [H, W, 3] as its file has them, and as sRGB's, or scene-linear where they are floats.

    `warnings` say which profile was not applied, and why.
    """

    stored: np.ndarray
    seen: np.ndarray
    profile: Profile | None = None
    warnings: tuple[str, ...] = ()

    def back(self, changed: np.ndarray, target: Path) -> np.ndarray:
        """What `seen` has become as the file at `target` is to have it: in the profile's space where it can say so."""
        if self.profile is None or target.suffix.lower() not in _HELD_BY:
            return changed
        made = self.stored.copy()
        for rows in _strips(made):
            where = (changed[rows] != self.seen[rows]).any(axis=2)
            if where.any():
                after, before = (
                    _transformed(of[rows][where][None], self.profile.from_srgb)[0].astype(np.int16)
                    for of in (changed, self.seen)
                )
                made[rows][where] = np.clip(made[rows][where] + after - before, 0, 255)
        return made


def colours_of(name: str, pixels: np.ndarray, spec: OpenImageIO.ImageSpec) -> Colours:
    """The colours of a picture [H, W, 1..4]; grey is spread to three channels, and its profile is left alone."""
    if pixels.shape[2] < 3:
        grey = np.repeat(pixels[..., :1], 3, axis=2)
        return Colours(grey, grey)
    stored = np.ascontiguousarray(pixels[..., :3])
    embedded = spec.getattribute(KEY)
    if embedded is None or stored.dtype.kind != "u":
        return Colours(stored, stored)
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(np.asarray(embedded, np.uint8).tobytes()))
        called = ImageCms.getProfileDescription(given).strip()
        profile = _profile(given)
    except (OSError, ImageCms.PyCMSError):
        return Colours(stored, stored, None, (f"The colour profile of {name} cannot be read: it is taken for sRGB.",))
    if np.abs(_transformed(_CUBE, profile.to_srgb).astype(int) - _CUBE).max() <= _ALIKE:
        return Colours(stored, stored)
    if stored.dtype != np.uint8:
        said = f"{name} has the colour profile '{called}', which is applied to 8 bits a channel alone: it is taken for sRGB."
        return Colours(stored, stored, None, (said,))
    seen = np.concatenate([_transformed(stored[rows], profile.to_srgb) for rows in _strips(stored)])
    return Colours(stored, seen, profile)


def like(spec: OpenImageIO.ImageSpec, pixels: np.ndarray, same: bool) -> OpenImageIO.ImageSpec:
    """What a file of these texels is to say of itself: all that `spec` does, or in another format its colour profile alone."""
    if same:
        return spec
    height, width, channels = pixels.shape
    made = OpenImageIO.ImageSpec(width, height, channels, str(pixels.dtype))
    made.attribute("oiio:UnassociatedAlpha", 1)
    embedded = spec.getattribute(KEY)
    if embedded is not None and pixels.dtype.kind == "u":
        values = np.asarray(embedded, np.uint8)
        made.attribute(KEY, OpenImageIO.TypeDesc(f"uint8[{len(values)}]"), values)
    return made


def _profile(given: ImageCms.ImageCmsProfile) -> Profile:
    """Raises PyCMSError for a profile of other than red, green and blue."""
    srgb = ImageCms.createProfile("sRGB")
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    return Profile(
        ImageCms.buildTransform(given, srgb, "RGB", "RGB", intent),
        ImageCms.buildTransform(srgb, given, "RGB", "RGB", intent),
    )


def _transformed(colours: np.ndarray, transform: ImageCms.ImageCmsTransform) -> np.ndarray:
    """uint8 [h, w, 3] in another space."""
    made = ImageCms.applyTransform(Image.fromarray(np.ascontiguousarray(colours)), transform)
    assert made is not None
    return np.asarray(made)


def _strips(pixels: np.ndarray) -> Iterator[slice]:
    return (slice(top, min(top + _ROWS, len(pixels))) for top in range(0, len(pixels), _ROWS))
