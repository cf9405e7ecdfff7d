# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab Sabi in the sidebar of the 3D View and of the Image Editor. Panels draw; they compute nothing."""

from __future__ import annotations

import textwrap

import bpy

from ..backend.protocol.recipe import Exposure
from . import material, work
from .capture import CaptureSettings
from .jobs import in_words
from .properties import begin, untouched
from .weathering import estimate

WEIGHTS = tuple(name for name in Exposure.__dataclass_fields__ if name != "strict")


class SABI_UL_layers(bpy.types.UIList):
    """The recipe's layers, the lowest first"""

    def draw_item(self, _context, layout, _data, layer, _icon, _active, _property, _index) -> None:  # type: ignore[no-untyped-def]
        row = layout.row(align=True)
        row.prop(layer, "effect", text="", emboss=False)
        row.prop(layer, "age", text="", slider=True)


class _Sidebar:
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Sabi"


class SABI_PT_weather(_Sidebar, bpy.types.Panel):
    """Weathering, and how it goes"""

    bl_label = "Sabi"

    def draw(self, context: bpy.types.Context) -> None:
        draw_action(self.layout, context, "sabi.weather")


class SABI_PT_recipe(_Sidebar, bpy.types.Panel):
    """What Weather paints"""

    bl_label = "Recipe"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.sabi
        if untouched(settings) and not bpy.app.timers.is_registered(_begin):
            bpy.app.timers.register(_begin, first_interval=0.0)  # nothing may be changed while drawing
        row = layout.row(align=True)
        row.operator_menu_enum("sabi.preset_load", "preset", text="Presets", icon="PRESET")
        row.operator("sabi.recipe_load", text="", icon="FILE_FOLDER")
        row.operator("sabi.recipe_save", text="", icon="FILE_TICK")
        row = layout.row()
        row.template_list("SABI_UL_layers", "", settings, "layers", settings, "active_layer", rows=4)
        column = row.column(align=True)
        column.operator_menu_enum("sabi.layer_add", "effect", text="", icon="ADD")
        column.operator("sabi.layer_remove", text="", icon="REMOVE")
        column.separator()
        column.operator("sabi.layer_move", text="", icon="TRIA_UP").by = -1
        column.operator("sabi.layer_move", text="", icon="TRIA_DOWN").by = 1
        layout.use_property_split = True
        layout.use_property_decorate = False
        if settings.active_layer < len(settings.layers):
            layer = settings.layers[settings.active_layer]
            column = layout.column()
            for name in ("age", "opacity", "feature_size", "relief", "seed", "style"):
                column.prop(layer, name)
            row = column.row(align=True)
            row.prop_search(layer, "mask", bpy.data, "images", icon="IMAGE_DATA")
            row.prop(layer, "invert_mask", text="", icon="ARROW_LEFTRIGHT")
        else:
            layout.label(text="Add a layer or load a preset", icon="INFO")


def _begin() -> None:
    """Lets the scenes that windows show begin with a recipe; no undo step, and the file counts as saved as before."""
    for window in bpy.context.window_manager.windows:
        begin(window.scene)


class SABI_PT_exposure(_Sidebar, bpy.types.Panel):
    """Where the chosen layer weathers"""

    bl_label = "Exposure"
    bl_parent_id = "SABI_PT_recipe"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.scene.sabi.active_layer < len(context.scene.sabi.layers)

    def draw(self, context: bpy.types.Context) -> None:
        self.layout.use_property_split = True
        exposure = context.scene.sabi.layers[context.scene.sabi.active_layer].exposure
        for name in WEIGHTS:
            self.layout.prop(exposure, name)


class SABI_PT_surroundings(_Sidebar, bpy.types.Panel):
    """Up, ground and neighbours"""

    bl_label = "Surroundings"
    bl_parent_id = "SABI_PT_recipe"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.sabi
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.row().prop(settings, "mode", expand=True)
        layout.prop(settings, "gravity")
        row = layout.row(heading="Ground")
        row.prop(settings, "use_ground", text="")
        value = row.row()
        value.enabled = settings.use_ground
        value.prop(settings, "ground", text="")


class SABI_PT_object(_Sidebar, bpy.types.Panel):
    """What is on the active object, live"""

    bl_label = "On This Object"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return material.weathered(context.object) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        applied = material.weathered(context.object)
        layout.use_property_split = True
        for label, sockets in zip(applied.labels, applied.layers, strict=True):
            column = layout.column(align=True)
            column.label(text=label)
            for name in ("Age", "Opacity", "Height"):
                column.prop(sockets[name], "default_value", text=name, slider=name != "Height")
        layout.operator("sabi.recipe_from_object", icon="EYEDROPPER")
        row = layout.row(align=True)
        row.operator("sabi.revert", icon="LOOP_BACK")
        row.operator("sabi.flatten", icon="TEXTURE")


class SABI_PT_frame(bpy.types.Panel):
    """Weathering what the camera sees"""

    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Sabi"
    bl_label = "Sabi"

    def draw(self, context: bpy.types.Context) -> None:
        draw_action(self.layout, context, "sabi.weather_frame")


def draw_action(layout: bpy.types.UILayout, context: bpy.types.Context, operator: str) -> None:
    """The button, or the bar while work goes on, and what became of the last."""
    now = work.current()
    if now is not None and not now.ended:
        layout.progress(factor=now.progress.fraction, text=now.progress.text)
        layout.operator("sabi.cancel", icon="X")
        return
    column = layout.column()
    column.scale_y = 1.5
    column.operator(operator, icon="SHADERFX")
    if operator == "sabi.weather":
        layout.prop(context.scene.sabi, "size")
        if seconds := _estimated(context):
            layout.label(text=f"Takes about {in_words(seconds)}", icon="TIME")
    if now is None:
        return
    if now.error is not None and now.error.code != "cancelled":
        draw_text(layout.box(), now.error.message, "ERROR", context.region.width)
        draw_text(layout.box(), now.error.hint, "INFO", context.region.width)
    elif now.outcome is not None:
        draw_text(layout, now.outcome.message, "CHECKMARK", context.region.width)
        for warning in now.outcome.warnings:
            draw_text(layout.box(), warning, "INFO", context.region.width)


_last_estimate: tuple[object, float] = (None, 0.0)


def _estimated(context: bpy.types.Context) -> float:
    """The estimate for what is selected, asked for again only when that changes or none was to be had: panels are drawn often."""
    global _last_estimate
    settings, objects = context.scene.sabi, [obj for obj in context.selected_objects if obj.type == "MESH"]
    about = [(obj.session_uid, len(obj.data.polygons), len(obj.material_slots)) for obj in objects]
    state = (settings.size, len(settings.layers), about, work.current() is not None and work.current().ended)
    if _last_estimate[0] != state or not _last_estimate[1]:
        recipe_size = CaptureSettings(size=0 if settings.size == "AUTO" else int(settings.size))
        _last_estimate = (state, estimate(objects, len(settings.layers), recipe_size))
    return _last_estimate[1]


def draw_text(layout: bpy.types.UILayout, text: str, icon: str, width: int) -> None:
    """Labels do not wrap by themselves; `width` is the region's, in pixels."""
    column = layout.column(align=True)
    characters = max(int(width / (7.5 * bpy.context.preferences.system.ui_scale)) - 4, 16)
    for number, line in enumerate(textwrap.wrap(text, characters)):
        column.label(text=line, icon=icon if number == 0 else "BLANK1")


_CLASSES = (
    SABI_UL_layers,
    SABI_PT_weather,
    SABI_PT_recipe,
    SABI_PT_exposure,
    SABI_PT_surroundings,
    SABI_PT_object,
    SABI_PT_frame,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
