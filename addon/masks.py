# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's masks: images of the file that say where a layer may act, white where it may.

A layer names its image. In Blender the image itself feeds the layer's live socket, in the UV map that renders use, so that
painting on it shows at once; the backend gets its texels as a map of the surface, where that lies in the same UV map.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

import bpy
import numpy as np

from ..backend.protocol.errors import BadFile, SceneError
from ..backend.protocol.recipe import Recipe
from ..backend.protocol.surface import MASK, ColorSpace, Map
from . import geometry_maps, images
from .jobs import Progress

LUMINANCE = np.array(
    [0.2126, 0.7152, 0.0722], np.float32
)  # what a colour comes to where Blender's nodes ask for a number


def check(recipe: Recipe) -> dict[str, bpy.types.Image]:
    """The images of a recipe's masks, by the names of their maps.

    Raises SceneError, with the reason, where a mask is no image of the file or cannot be read.
    """
    found: dict[str, bpy.types.Image] = {}
    for number, layer in enumerate(recipe.layers, start=1):
        if not layer.mask:
            continue
        name = image_name(layer.mask)
        image = bpy.data.images.get(name)
        if image is None:
            raise SceneError(
                f"The mask of layer {number}, '{name}', is no image of this file.",
                "Choose another image in the layer's panel, or none.",
            )
        if image.source not in ("FILE", "GENERATED"):
            raise SceneError(
                f"The mask of layer {number}, '{name}', is not a single image.",
                "Choose one that is neither tiled nor moving.",
            )
        try:
            images.check(image)
        except BadFile as error:
            raise SceneError(f"The mask of layer {number} cannot be read. {error.message}", error.hint) from error
        found[layer.mask] = image
    return found


def read(recipe: Recipe, size: tuple[int, int]) -> Generator[Progress, None, dict[str, Callable[[], Map]]]:
    """One copy of an image a step; what it gives makes the maps, of `size` (height, width), in any thread."""
    found: dict[str, Callable[[], Map]] = {}
    for name in check(recipe):
        pixels = images.grab(check(recipe)[name])  # looked up again: an undo between steps leaves dangling references
        found[name] = lambda pixels=pixels: mask_map(pixels, *size)
        yield Progress("Reading the masks")
    return found


def image_name(mask: str) -> str:
    """Of the image that a recipe's mask means."""
    return mask.removeprefix(MASK)


def map_name(image: str) -> str:
    """Of the map that an image becomes; one that is called `mask` is the map `mask`, as on the command line."""
    return image if image in ("", "mask") else MASK + image


def without(recipe: Recipe) -> Recipe:
    return replace(recipe, layers=tuple(replace(layer, mask="", invert_mask=False) for layer in recipe.layers))


def mask_map(pixels: images.Pixels, height: int, width: int) -> Map:
    """An image as a mask of this size, stretched over the UV square as a texture is. numpy alone: for any thread."""
    values = pixels.raw[..., : min(pixels.raw.shape[2], 3)]
    if pixels.color_space is ColorSpace.SRGB:
        values = images.decode_srgb(values)
    grey = values @ LUMINANCE if values.shape[2] == 3 else values[..., 0]
    return geometry_maps.data_map(geometry_maps.enlarge(grey, height, width))
