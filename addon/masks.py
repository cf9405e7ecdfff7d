# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's masks: images of the file that say where a layer may act, white where it may.

A layer names its image. In Blender the image itself feeds the layer's live socket, in the UV map that renders use, so that
painting on it shows at once; the backend gets its texels as a map of the surface, where that lies in the same UV map.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator
from dataclasses import replace

import bpy

from ..backend.protocol.errors import BadFile, SceneError
from ..backend.protocol.recipe import Layer, Recipe
from ..backend.protocol.surface import ColorSpace, Map
from . import geometry_maps, images, reading
from .mask_kinds import parts
from .progress import Progress


def check(recipe: Recipe) -> dict[str, bpy.types.Image]:
    """The images of a recipe's masks, by the names of their maps.

    Raises SceneError, with the reason, where a mask is no image of the file or cannot be read.
    """
    found: dict[str, bpy.types.Image] = {}
    for number, layer in enumerate(recipe.layers, start=1):
        kind, name = parts(layer.mask)
        if layer.hidden or not name or kind != "IMAGE":
            continue
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


def captured(recipe: Recipe) -> tuple[str, ...]:
    """The masks that are captured from the object itself, each once."""
    names = (layer.mask for layer in recipe.shown.layers)
    return tuple(dict.fromkeys(name for name in names if parts(name)[0] in ("GROUP", "ATTRIBUTE")))


def read(recipe: Recipe, size: tuple[int, int]) -> Generator[Progress, None, dict[str, Callable[[], Map]]]:
    """One copy of an image a step; what it gives makes the maps, of `size` (height, width), in any thread."""
    found: dict[str, Callable[[], Map]] = {}
    for name in check(recipe):
        image = check(recipe)[name]  # looked up again: an undo between steps leaves dangling references
        pixels = yield from reading.in_steps(images.grabbing(image), Progress("Reading the masks"))
        found[name] = lambda pixels=pixels: mask_map(pixels, *size)
    return found


def image(layer: Layer) -> bpy.types.Image | None:
    """The artist's image that is a layer's mask."""
    kind, name = parts(layer.mask)
    return bpy.data.images.get(name) if name and kind == "IMAGE" else None


def without(recipe: Recipe, kinds: Collection[str] = ("IMAGE", "GROUP", "ATTRIBUTE")) -> Recipe:
    """Without masks of these kinds; layers as masks lie wherever their layers do."""
    return replace(
        recipe,
        layers=tuple(
            replace(layer, mask="", invert_mask=False) if parts(layer.mask)[0] in kinds else layer
            for layer in recipe.layers
        ),
    )


def mask_map(pixels: images.Pixels, height: int, width: int) -> Map:
    """An image as a mask of this size, stretched over the UV square as a texture is. numpy alone: for any thread."""
    values = pixels.raw[..., : min(pixels.raw.shape[2], 3)]
    if pixels.color_space is ColorSpace.SRGB:
        values = images.decode_srgb(values)
    grey = values @ geometry_maps.LUMINANCE if values.shape[2] == 3 else values[..., 0]
    return geometry_maps.data_map(geometry_maps.enlarge(grey, height, width))
