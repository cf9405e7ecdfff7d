# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks painted by hand: a new image for the chosen layer, and Blender's own texture paint with it as canvas."""

from __future__ import annotations

import bpy

from ...backend.protocol.errors import SabiError
from ...backend.protocol.mask_stack import Mask
from .. import preview
from ..nodes import on_object
from ..nodes.on_object import PAINT
from ..surface import uvs
from ..weathering import capture_settings, output_size
from . import mask_kinds
from .conversion import fill_mask, recipe_of
from .effects import in_words

OTHERWISE = 1024  # texels a side where it cannot be told how large results will be


def new_mask(scene: bpy.types.Scene, obj: bpy.types.Object, layer, white: bool, size: int) -> bpy.types.Image:  # type: ignore[no-untyped-def]
    """Gives a layer a new mask of one grey, which the file keeps, and has a weathered object show it; returns its image.

    `size` 0 is that of the object's results.
    """
    width, height = (size, size) if size else result_size(scene, obj)
    image = bpy.data.images.new(f"{obj.name} {in_words(layer.effect)} mask", width, height, is_data=True)
    image.generated_color = (*[float(white)] * 3, 1.0)  # packed when it is first saved with strokes on it
    image[PAINT] = True
    image.use_fake_user = True  # a recipe's mask is a name, which holds no image in the file
    fill_mask(layer.masks.add(), Mask(mask_kinds.map_name(image.name)))
    layer.active_mask = len(layer.masks) - 1
    show(scene, obj)
    return image


def show(scene: bpy.types.Scene, obj: bpy.types.Object | None) -> bool:
    """Has a weathered object show the masks of the scene's recipe, where nothing has to be painted for that."""
    try:
        return on_object.weathered(obj) is not None and preview.settle(obj, recipe_of(scene.sabi))
    except SabiError:
        return False


def result_size(scene: bpy.types.Scene, obj: bpy.types.Object) -> tuple[int, int]:
    """Width and height of an object's painted images, or of those that it will get."""
    applied = on_object.weathered(obj)
    if applied is not None:
        painted = on_object.painted_nodes(on_object.group_node(applied.materials[0]).node_tree)
        found = [node.image for node in painted.values() if node.image is not None]
        if found and min(found[0].size) > 0:
            return tuple(found[0].size)
    try:
        return output_size(obj, capture_settings(scene, recipe_of(scene.sabi)))
    except SabiError:
        return OTHERWISE, OTHERWISE


def paint_on(context: bpy.types.Context, obj: bpy.types.Object, image: bpy.types.Image) -> None:
    """Texture Paint on an object with an image as canvas, in the UV map that renders use; editors that show nothing show it."""
    own = uvs.render_uv(obj.data)
    if own in obj.data.uv_layers:
        obj.data.uv_layers.active = obj.data.uv_layers[own]
    painting = context.scene.tool_settings.image_paint
    painting.mode, painting.canvas = "IMAGE", image
    if obj.mode != "TEXTURE_PAINT":
        bpy.ops.object.mode_set(mode="TEXTURE_PAINT")
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR" and area.spaces.active.image is None:
                area.spaces.active.image = image
