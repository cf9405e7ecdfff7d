# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's masks: images of the file that say where a layer may act, white where it may.

A layer names its images. In Blender the image itself feeds the node group, in the UV map that renders use, so that painting on it
shows at once; the backend gets its texels as a map of the surface, where that lies in the same UV map.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Generator, Sequence
from dataclasses import replace

import bpy
import numpy as np

from ...backend.protocol.errors import BadFile, SceneError
from ...backend.protocol.merging import merged_places, wired
from ...backend.protocol.recipe import Recipe
from ...backend.protocol.surface import ColorSpace, Map
from ..pixels import images, reading
from ..progress import Progress
from ..surface import geometry_maps
from .mask_kinds import parts

IMAGES = 4  # that masks may take: with twelve of four layers and an artist's own four, EEVEE has samplers for all
PACKED = 3  # masks in one image of Sabi's own
OF_OBJECTS = ("IMAGE", "GROUP", "ATTRIBUTE")  # kinds of masks that a rendered frame has not


def check(recipe: Recipe) -> dict[str, bpy.types.Image]:
    """The images of a recipe's masks, by the names of their maps.

    Raises SceneError, with the reason, where a mask is no image of the file or cannot be read.
    """
    found: dict[str, bpy.types.Image] = {}
    for number, layer in enumerate(recipe.layers, start=1):
        for mask in layer.stack:
            kind, name = parts(mask.mask)
            if layer.hidden or kind != "IMAGE":
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
            found[mask.mask] = image
    return found


def of_kinds(recipe: Recipe, *kinds: str) -> tuple[str, ...]:
    """The masks of these kinds of the layers that are painted, each once, in order."""
    names = (mask.mask for layer in recipe.shown.layers for mask in layer.stack)
    return tuple(dict.fromkeys(name for name in names if parts(name)[0] in kinds))


def captured(recipe: Recipe) -> tuple[str, ...]:
    """The masks that are captured from the object itself, each once."""
    return of_kinds(recipe, "GROUP", "ATTRIBUTE")


def seen(recipe: Recipe) -> tuple[str, ...]:
    """The masks of materials, which the backend finds in what was captured, each once."""
    return of_kinds(recipe, "MATERIAL")


def packed(recipe: Recipe, readable: bool = True) -> tuple[str, ...]:
    """The masks that nodes find in images of Sabi's own, PACKED in each: those of the mesh, of materials and by merged layers,
    and images where they are too many.

    Together with the artist's images that stay live they take at most IMAGES samplers; where images are not `readable` in the UV
    map of the painted images, all of them stay live. Raises SceneError where there are too many masks even so.
    """
    recipe = wired(recipe)
    own, theirs = captured(recipe) + seen(recipe) + of_kinds(recipe, "MERGED"), of_kinds(recipe, "IMAGE")
    for live in range(len(theirs), -1, -1):
        if not readable or live + math.ceil((len(own) + len(theirs) - live) / PACKED) <= IMAGES:
            return own + theirs[live:]
    raise SceneError(
        f"The layers have {len(own) + len(theirs)} different masks, and a material shows {PACKED * IMAGES}.",
        "Use fewer, or the same in several layers.",
    )


def check_merged(recipe: Recipe) -> None:
    """Where images lie in another UV map than the painted ones. Raises SceneError where one masks a layer that is merged."""
    for place in merged_places(recipe):
        for mask in recipe.layers[place].stack:
            kind, name = parts(mask.mask)
            if kind == "IMAGE":
                raise SceneError(
                    f"Layer {place + 1} is merged with others, and its mask '{name}' lies in another UV map than Sabi's images.",
                    "Move the layer among the three on top, hide layers until four are left, or mask it by a vertex group.",
                )


def read(
    recipe: Recipe, size: tuple[int, int], names: Collection[str] | None = None
) -> Generator[Progress, None, dict[str, Callable[[], Map]]]:
    """One copy of an image a step; what it gives makes the maps, of `size` (height, width), in any thread.

    All images that are masks, or those of these names.
    """
    found: dict[str, Callable[[], Map]] = {}
    for name in [name for name in check(recipe) if names is None or name in names]:
        image = check(recipe)[name]  # looked up again: an undo between steps leaves dangling references
        pixels = yield from reading.in_steps(images.grabbing(image), Progress("Reading the masks"))
        found[name] = lambda pixels=pixels: mask_map(pixels, *size)
    return found


def image(mask: str) -> bpy.types.Image | None:
    """The artist's image that a mask is."""
    kind, name = parts(mask)
    return bpy.data.images.get(name) if kind == "IMAGE" else None


def without(recipe: Recipe, kinds: Collection[str] = OF_OBJECTS) -> Recipe:
    """Without masks of these kinds; layers as masks lie wherever their layers do."""
    return replace(
        recipe,
        layers=tuple(
            layer.with_masks([mask for mask in layer.stack if parts(mask.mask)[0] not in kinds])
            for layer in recipe.layers
        ),
    )


def mask_map(pixels: images.Pixels, height: int, width: int) -> Map:
    """An image as a mask of this size, stretched over the UV square as a texture is. numpy alone: for any thread."""
    values = pixels.raw[..., : min(pixels.raw.shape[2], 3)]
    if pixels.color_space is ColorSpace.SRGB:
        values = images.decode_srgb(values)
    grey = values @ geometry_maps.LUMINANCE if values.shape[2] == 3 else values[..., 0]
    return geometry_maps.data_map(geometry_maps.enlarge(grey, height, width), np.uint16)  # levels may stretch it


def together(maps: Sequence[Map]) -> Map:
    """Up to PACKED masks of one size as the channels of one map, in the finest of their types."""
    wide = any(map_.array.dtype != np.uint8 for map_ in maps)
    arrays = [_as_uint16(map_.array) if wide else map_.array for map_ in maps]
    while 1 < len(arrays) < PACKED:
        arrays.append(arrays[-1])
    return Map(np.concatenate(arrays, axis=2))


def _as_uint16(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "f":
        return np.rint(np.clip(values.astype(np.float32), 0, 1) * np.float32(65535)).astype(np.uint16)
    return values * np.uint16(257) if values.dtype == np.uint8 else values
