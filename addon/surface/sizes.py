# SPDX-License-Identifier: GPL-3.0-or-later
"""How large the maps of a capture are, and how long it takes to bake them."""

from __future__ import annotations

import math

import bpy
import numpy as np

from ...backend.protocol.words import LARGEST, SMALLEST
from .. import units
from ..pixels import reading
from . import channels, rest, timing, uvs
from .capture_settings import DEFAULT, CaptureSettings

NARROWEST = 8  # times as long as wide


def output_size(obj: bpy.types.Object, settings: CaptureSettings = DEFAULT) -> tuple[int, int]:
    """Width and height of the maps: the size asked for, else that of the materials' largest image, else by texels a metre.

    Without a size asked for, the longest side lies between 512 and 8192. They have the shape of the largest image, but are no
    strips: what is a strip is a ramp or palette of colours, and no picture of the surface.
    """
    materials = channels.check(obj)
    found = [_extent(image) for material in materials for image in channels.used_images(material.node_tree)]
    if not found:
        side = settings.size or _side_by_density(obj, settings.density)
        return side, side
    width, height = max(found, key=lambda size: (size[0] * size[1], size))
    longest = settings.size or min(max(width, height, SMALLEST), LARGEST)
    scale = longest / max(width, height)
    least = longest // NARROWEST
    return max(round(width * scale), least, 1), max(round(height * scale), least, 1)


def _extent(image: bpy.types.Image) -> tuple[int, int]:
    """An image's width and height; of a tiled one those of a square that holds as many texels as all tiles have."""
    if image.source != "TILED":
        return reading.facts(image).size
    texels = sum(width * height for width, height in reading.tile_sizes(image))
    side = 2 ** math.ceil(math.log2(max(math.sqrt(texels), 1)))
    return side, side


def _side_by_density(obj: bpy.types.Object, density: float) -> int:
    """The power of two nearest to what gives the faces `density` texels a metre, where their UVs fill the square."""
    corners = uvs.loops(obj.data, uvs.render_uv(obj.data))
    scale = abs(rest.world_of(obj).to_3x3().determinant()) ** (1 / 3) * units.of_object(obj)
    metres = math.sqrt(float(corners.areas.sum())) * scale
    filled = min(max(math.sqrt(float(np.abs(uvs.signed_areas(corners.triangles)).sum())), 0.25), 1.0)
    wanted = density * metres / filled
    return min(max(2 ** round(math.log2(max(wanted, 1.0))), SMALLEST), LARGEST)


def estimate(obj: bpy.types.Object, settings: CaptureSettings = DEFAULT) -> float:
    """Seconds a capture is likely to take when nothing of it is cached."""
    return timing.seconds(output_size(obj, settings))
