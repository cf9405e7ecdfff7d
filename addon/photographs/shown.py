# SPDX-License-Identifier: GPL-3.0-or-later
"""The Image Editor's image as a picture: a single one, and of colours where that is asked."""

from __future__ import annotations

import bpy

from ...backend.protocol.errors import BadFile
from ...backend.protocol.surface import ColorSpace, Map
from ..pixels import images


def single(image: bpy.types.Image, channels: tuple[int, ...] = (0, 1, 2)) -> Map:
    """As `images.read`. Raises BadFile for tiles too, of which that would be the first alone."""
    if image.source == "TILED":
        raise BadFile(
            f"The image '{image.name}' is tiled, not a single picture.",
            "Open one of its tiles' files as an image of its own; objects weather with all their tiles.",
        )
    return images.read(image, channels)


def colours(image: bpy.types.Image) -> Map:
    """Its colours, with alpha where it has one. Raises BadFile."""
    picture = single(image, (0, 1, 2, 3) if image.channels == 4 else (0, 1, 2))
    if picture.color_space is ColorSpace.DATA:
        name = images.linear_name() if image.is_float else images.srgb_name()
        raise BadFile(
            f"The image '{image.name}' holds data, not colours.",
            f"Where it shows colours set its colour space to {name}, else open the albedo.",
        )
    return picture
