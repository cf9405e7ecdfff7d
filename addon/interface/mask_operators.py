# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on the chosen layer's masks and on its curve of opacity by degree."""

from itertools import pairwise

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ...backend.protocol.materials import Material
from ...backend.protocol.words import GAMMA_MAX, GAMMA_MIN, LARGEST, MAX_MASKS, MAX_POINTS
from ..preferences import service
from ..recipe import effects, mask_kinds
from ..recipe.properties import plain
from . import live
from .operators import reporting


def chosen_layer(context: bpy.types.Context):  # type: ignore[no-untyped-def]
    """The layer whose settings are shown; None where there is none."""
    settings = context.scene.sabi
    return settings.layers[settings.active_layer] if settings.active_layer < len(settings.layers) else None


class _OnLayer:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return chosen_layer(context) is not None


class _OnMask(_OnLayer):
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        layer = chosen_layer(context)
        return layer is not None and layer.active_mask < len(layer.masks)


class _WithRoom:
    """Operators that add a mask."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        layer = chosen_layer(context)
        if layer is not None and len(layer.masks) >= MAX_MASKS:
            cls.poll_message_set(said("A layer has at most {} masks").format(MAX_MASKS))
            return False
        return layer is not None


class SABI_OT_mask_add(_WithRoom, bpy.types.Operator):
    """Lay another mask on those of the chosen layer"""

    bl_idname = "sabi.mask_add"
    bl_label = "Add Mask"
    bl_options = {"REGISTER", "UNDO"}

    kind: EnumProperty(name="Mask From", description="What says where the layer may act", items=mask_kinds.KINDS)
    mask: StringProperty(
        name="Mask",
        description="As a recipe names it, such as group:Top or degree:1; the panel's choice when left out",
        options={"SKIP_SAVE"},
    )
    combine: EnumProperty(
        name="Combine", description="How the mask is laid on those above it in the list", items=mask_kinds.COMBINE
    )
    invert: BoolProperty(name="Invert Mask", description="Act where the mask is black", options={"SKIP_SAVE"})
    low: FloatProperty(
        name="Black Level", description="What of the mask counts as black", min=0, max=1, options={"SKIP_SAVE"}
    )
    high: FloatProperty(
        name="White Level",
        description="What of the mask counts as white",
        min=0,
        max=1,
        default=1,
        options={"SKIP_SAVE"},
    )
    gamma: FloatProperty(
        name="Gamma",
        description="Above 1 brightens what of the mask lies between black and white",
        min=GAMMA_MIN,
        max=GAMMA_MAX,
        default=1,
        options={"SKIP_SAVE"},
    )

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ...backend.protocol.belongs_on import BELONGS_ON
        from ...backend.protocol.mask_stack import Combine, Mask
        from ...backend.protocol.recipe import effect_named
        from ..recipe.conversion import fill_mask

        layer = chosen_layer(context)
        levels = (plain(self.low), plain(self.high), plain(self.gamma))
        given = Mask(self.mask, Combine[self.combine], self.invert, *levels) if self.mask else None
        made = layer.masks.add()
        if given is not None:
            fill_mask(made, given)
        else:
            made.kind, made.combine = self.kind, self.combine
            if self.kind == "MATERIAL" and effects.segments(service.health):
                belongs = BELONGS_ON.get(effect_named(layer.effect), (Material.METAL,))
                made.source = mask_kinds.of_materials([material.value for material in belongs])
            made.number = context.scene.sabi.active_layer if self.kind in mask_kinds.OF_LAYERS else 0
        layer.active_mask = len(layer.masks) - 1
        return {"FINISHED"}


class _OnObject:
    """Operators that paint on the active object."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        obj = context.object
        if obj is None or obj.type != "MESH" or not obj.data.uv_layers:
            cls.poll_message_set("Select a mesh object that has a UV map")
            return False
        return super().poll(context)


class SABI_OT_mask_image_new(_OnObject, _WithRoom, bpy.types.Operator):
    """Give the chosen layer a new image as a mask, and paint on it: the layer acts where it is white"""

    bl_idname = "sabi.mask_image_new"
    bl_label = "New Mask to Paint"
    bl_options = {"REGISTER", "UNDO"}

    white: BoolProperty(name="White", description="Begin with the layer everywhere, and paint it away in black")
    size: IntProperty(name="Size", description="Texels a side; 0 for the size of the results", min=0, max=LARGEST)

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..recipe import mask_painting

        obj = context.object
        image = mask_painting.new_mask(context.scene, obj, chosen_layer(context), self.white, self.size)
        mask_painting.paint_on(context, obj, image)
        return {"FINISHED"}


class SABI_OT_mask_paint(_OnObject, _OnMask, bpy.types.Operator):
    """Paint on the chosen mask's image, in Texture Paint"""

    bl_idname = "sabi.mask_paint"
    bl_label = "Paint Mask"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        layer = chosen_layer(context)
        mask = layer.masks[layer.active_mask]
        return mask.kind == "IMAGE" and mask.source in bpy.data.images

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..recipe import mask_painting

        layer = chosen_layer(context)
        image = bpy.data.images[layer.masks[layer.active_mask].source]
        mask_painting.paint_on(context, context.object, image)
        return {"FINISHED"}


class SABI_OT_mask_remove(_OnMask, bpy.types.Operator):
    """Take the chosen mask off the layer; the image or the group stays"""

    bl_idname = "sabi.mask_remove"
    bl_label = "Remove Mask"
    bl_options = {"REGISTER", "UNDO"}

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..recipe import mask_painting

        layer = chosen_layer(context)
        layer.masks.remove(layer.active_mask)
        layer.active_mask = max(min(layer.active_mask, len(layer.masks) - 1), 0)
        if not mask_painting.show(context.scene, context.object):
            live.changed(layer, context)
        return {"FINISHED"}


class SABI_OT_mask_move(_OnMask, bpy.types.Operator):
    """Move the chosen mask; masks are combined from the first to the last"""

    bl_idname = "sabi.mask_move"
    bl_label = "Move Mask"
    bl_options = {"REGISTER", "UNDO"}

    by: IntProperty(name="By", description="Places down the list; negative for up", default=1)

    def execute(self, context: bpy.types.Context) -> set[str]:
        layer = chosen_layer(context)
        target = min(max(layer.active_mask + self.by, 0), len(layer.masks) - 1)
        layer.masks.move(layer.active_mask, target)
        layer.active_mask = target
        live.changed(layer, context)
        return {"FINISHED"}


class SABI_OT_curve_add(_OnLayer, bpy.types.Operator):
    """Add a point to the layer's opacity by degree, in the widest gap"""

    bl_idname = "sabi.curve_add"
    bl_label = "Add Point"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        layer = chosen_layer(context)
        return layer is not None and len(layer.curve) < MAX_POINTS

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ...backend.protocol.opacity import Curve
        from ..recipe.conversion import fill_curve

        layer = chosen_layer(context)
        points = [(plain(point.degree), plain(point.opacity)) for point in layer.curve]
        fill_curve(layer, Curve(_with_another(points), layer.curve_smooth))
        return {"FINISHED"}


class SABI_OT_curve_remove(_OnLayer, bpy.types.Operator):
    """Take this point off the curve"""

    bl_idname = "sabi.curve_remove"
    bl_label = "Remove Point"
    bl_options = {"REGISTER", "UNDO"}

    point: IntProperty(name="Point", description="Its place in the list, from 0; negative from the end", default=-1)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        layer = chosen_layer(context)
        return layer is not None and len(layer.curve) > 0

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        layer = chosen_layer(context)
        curve = layer.curve
        curve.remove(min(self.point, len(curve) - 1) % len(curve))
        live.changed(layer, context)
        return {"FINISHED"}


def _with_another(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The points of a curve and one more; a new curve rises from nothing to all."""
    if not points:
        return (0.0, 0.0), (1.0, 1.0)
    if len(points) == 1:
        return (points[0], (1.0, 1.0)) if points[0][0] < 0.5 else ((0.0, 0.0), points[0])
    gaps = [(before[0] - after[0], place) for place, (before, after) in enumerate(pairwise(points))]
    _, place = min(gaps)
    middle = tuple(round((a + b) / 2, 6) for a, b in zip(points[place], points[place + 1], strict=True))
    return (*points[: place + 1], middle, *points[place + 1 :])


_CLASSES = (
    SABI_OT_mask_add,
    SABI_OT_mask_image_new,
    SABI_OT_mask_paint,
    SABI_OT_mask_remove,
    SABI_OT_mask_move,
    SABI_OT_curve_add,
    SABI_OT_curve_remove,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
