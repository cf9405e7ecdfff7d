# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab Sabi in the sidebars of the 3D View, the Shader Editor and the Image Editor. Panels draw; they compute nothing."""

from __future__ import annotations

import textwrap
from contextlib import suppress
from functools import lru_cache

import bpy
from bpy.app.translations import pgettext_iface as said

from ...backend.protocol.errors import SabiError
from ...backend.protocol.words import EXPOSURES, LIVE
from .. import units, work
from ..later import Later
from ..nodes import freshness, on_object
from ..nodes.on_object import CHANNEL_SOCKETS
from ..preferences import service
from ..progress import Progress, in_words
from ..recipe import effects, styles
from ..recipe.mask_kinds import COMBINE, KINDS, OF_LAYERS
from ..recipe.properties import painted_layers, untouched
from ..recipe.styles import CUSTOM, NONE, chosen
from . import problems

KIND_ICONS, COMBINE_ICONS = ({item[0]: item[3] for item in items} for items in (KINDS, COMBINE))
# Where the tab is, and how its panels' names end there; the first has the plain names.
SPACES = {"VIEW_3D": "", "NODE_EDITOR": "_shader", "IMAGE_EDITOR": "_image"}


class SABI_UL_layers(bpy.types.UIList):
    """The recipe's layers, the lowest first"""

    def draw_item(self, _context, layout, _data, layer, _icon, _active, _property, _index) -> None:  # type: ignore[no-untyped-def]
        row = layout.row(align=True)
        content = row.split(factor=0.7, align=True)  # for the longest name of an effect
        content.active = not layer.hidden
        content.prop(layer, "effect", text="", emboss=False)
        content.prop(layer, "age", text="", slider=True)
        row.prop(layer, "solo", text="", icon="SOLO_ON" if layer.solo else "SOLO_OFF", emboss=False)
        row.prop(layer, "hidden", text="", icon="HIDE_ON" if layer.hidden else "HIDE_OFF", emboss=False)


class SABI_UL_masks(bpy.types.UIList):
    """A layer's masks, in the order in which they are combined"""

    def draw_item(self, _context, layout, _data, mask, _icon, _active, _property, index) -> None:  # type: ignore[no-untyped-def]
        row = layout.row(align=True)
        row.label(text="", icon=COMBINE_ICONS[mask.combine] if index else "BLANK1")
        if mask.kind in OF_LAYERS:
            row.prop(mask, "below", text="", icon=KIND_ICONS[mask.kind], emboss=False)
        else:
            row.prop(mask, "source", text="", icon=KIND_ICONS[mask.kind], emboss=False)
        row.prop(mask, "invert", text="", icon="ARROW_LEFTRIGHT")


OWN_UVS = (
    "Painted in a UV map of its own, since its UVs overlap or leave the square. Patterns cross seams, so nothing is projected. "
    "Shared Tiles paints in its first UVs: faces that overlap weather alike"
)


class _Tab:
    """A panel of the tab, in whichever editor."""

    bl_region_type = "UI"
    bl_category = "Sabi"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        space = context.space_data
        return getattr(space, "type", "") != "NODE_EDITOR" or space.tree_type == "ShaderNodeTree"


class _OfLayer(_Tab):
    """A panel about the chosen layer."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        settings = context.scene.sabi
        return super().poll(context) and settings.active_layer < len(settings.layers)

    def layer(self, context: bpy.types.Context):  # type: ignore[no-untyped-def]
        self.layout.use_property_split, self.layout.use_property_decorate = True, False
        return context.scene.sabi.layers[context.scene.sabi.active_layer]


class _Weather(_Tab):
    """Weathering, and how it goes"""

    bl_label = "Sabi"

    def draw(self, context: bpy.types.Context) -> None:
        draw_action(self.layout, context, "sabi.weather")


class _Recipe(_Tab):
    """What Weather paints"""

    bl_label = "Recipe"

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.sabi
        if untouched(settings) and not bpy.app.timers.is_registered(_begin):
            bpy.app.timers.register(_begin, first_interval=0.0)  # nothing may be changed while drawing
        if styles.outdated() and not bpy.app.timers.is_registered(styles.catch_up):
            bpy.app.timers.register(styles.catch_up, first_interval=0.0)
        row = layout.row()
        row.template_icon_view(settings, "preset", show_labels=True, scale=4.0, scale_popup=5.0)
        column = row.column(align=True)
        column.operator("sabi.recipe_load", text="", icon="FILE_FOLDER")
        column.operator("sabi.recipe_save", text="", icon="FILE_TICK")
        column.operator("sabi.recipe_publish", text="", icon="ASSET_MANAGER")
        column.operator("sabi.seed_roll", text="", icon="FILE_REFRESH").every = True
        row = layout.row()
        row.template_list("SABI_UL_layers", "", settings, "layers", settings, "active_layer", rows=5)
        column = row.column(align=True)
        column.operator_menu_enum("sabi.layer_add", "effect", text="", icon="ADD")
        column.operator("sabi.layer_remove", text="", icon="REMOVE")
        column.operator("sabi.layer_duplicate", text="", icon="DUPLICATE")
        column.separator()
        column.operator("sabi.layer_move", text="", icon="TRIA_UP").by = -1
        column.operator("sabi.layer_move", text="", icon="TRIA_DOWN").by = 1
        for sentence in _merged(settings):
            draw_text(layout.box(), sentence, "INFO", context.region.width if context.region else 300)
        layout.use_property_split = True
        layout.use_property_decorate = False
        if settings.active_layer < len(settings.layers):
            _draw_layer(layout.column(), context, settings.layers[settings.active_layer])
        else:
            layout.label(text="Add a layer or load a preset", icon="INFO")


def _merged(settings) -> list[str]:  # type: ignore[no-untyped-def]
    """What is to be said of layers that will be merged; it is only looked at where there may be some."""
    if len(settings.layers) > LIVE:
        from ...backend.protocol.merging import lowest
        from ..recipe import merged

        with suppress(SabiError):
            places = lowest(painted_layers(settings))
            return merged.in_a_sentence({place: settings.layers[place].effect for place in places})
    return []


def _draw_layer(column: bpy.types.UILayout, context: bpy.types.Context, layer) -> None:  # type: ignore[no-untyped-def]
    """What an artist names first."""
    column.prop(layer, "age")
    column.prop(layer.exposure, "amount")
    column.prop(layer, "feature_size")
    if effects.styles(layer.effect, service.health) or layer.style:
        column.prop(layer, "style_first")
        now = chosen(layer)
        if now.first != CUSTOM:
            column.prop(layer, "style_second")
        if now.second != NONE:
            column.prop(layer, "style_share")
    else:
        column.label(text="The painter in use does not paint this effect", icon="ERROR")
    if layer.exemplar:
        row = column.row(align=True)
        row.prop(layer, "exemplar_name")
        row.operator("sabi.exemplar_remove", text="", icon="X")
        maps = [said(name.capitalize()) for name in ("albedo", *layer.exemplar_maps.split())]
        column.label(text=said("Its maps: {}").format(", ".join(maps)), translate=False)
        column.prop(layer, "exemplar_width")
    else:
        column.operator("sabi.exemplar_open", icon="IMAGE_DATA")
    row = column.row(align=True)
    row.prop(layer, "seed")
    row.prop(layer, "lock_seed", text="", icon="LOCKED" if layer.lock_seed else "UNLOCKED")
    row.operator("sabi.seed_roll", text="", icon="FILE_REFRESH")


def _draw_mask(column: bpy.types.UILayout, obj: bpy.types.Object | None, mask, width: int) -> None:  # type: ignore[no-untyped-def]
    """What of a mask does not fit into its row of the list."""
    column.prop(mask, "kind")
    mesh = obj if obj is not None and obj.type == "MESH" else None
    if mask.kind in OF_LAYERS:
        column.prop(mask, "below")
    elif mask.kind == "MATERIAL":
        column.grid_flow(columns=2, align=True).prop(mask, "materials", expand=True)
        if mask.materials - {"metal"} and not effects.segments(service.health):
            draw_text(column.box(), "No segmenter is here: only metal can be told", "ERROR", width)
    elif mask.kind == "IMAGE":
        column.prop_search(mask, "source", bpy.data, "images", icon="IMAGE_DATA")
        column.operator("sabi.mask_paint", icon="BRUSH_DATA")
    elif mesh is None:
        column.prop(mask, "source")
    elif mask.kind == "GROUP":
        column.prop_search(mask, "source", mesh, "vertex_groups")
    else:
        column.prop_search(mask, "source", mesh.data, "color_attributes", icon="VPAINT_HLT")
    column.prop(mask, "combine")
    for name in ("low", "high", "gamma"):
        column.prop(mask, name)


def _begin() -> None:
    """Lets the scenes that windows show begin with a recipe; no undo step, and the file counts as saved as before."""
    from ..recipe.conversion import begin

    for window in bpy.context.window_manager.windows:
        begin(window.scene)


class _Masks(_OfLayer):
    """Where the chosen layer may act"""

    bl_label = "Masks"
    bl_parent_id = "SABI_PT_recipe"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layer, layout = self.layer(context), self.layout
        row = layout.row()
        row.template_list("SABI_UL_masks", "", layer, "masks", layer, "active_mask", rows=3)
        column = row.column(align=True)
        column.operator_menu_enum("sabi.mask_add", "kind", text="", icon="ADD")
        column.operator("sabi.mask_image_new", text="", icon="BRUSH_DATA")
        column.operator("sabi.mask_remove", text="", icon="REMOVE")
        if len(layer.masks) > 1:
            column.operator("sabi.mask_move", text="", icon="TRIA_UP").by = -1
            column.operator("sabi.mask_move", text="", icon="TRIA_DOWN").by = 1
        if layer.active_mask < len(layer.masks):
            width = context.region.width if context.region else 300
            _draw_mask(layout.column(), context.object, layer.masks[layer.active_mask], width)


class _Opacity(_OfLayer):
    """How opaque the chosen layer is, by channel and by degree"""

    bl_label = "Opacity"
    bl_parent_id = "SABI_PT_recipe"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layer, layout = self.layer(context), self.layout
        column = layout.column()
        for name in ("opacity", *CHANNEL_SOCKETS):
            column.prop(layer, name)
        layout.label(text="By Degree")
        for place, point in enumerate(layer.curve):
            row = layout.row(align=True)
            row.use_property_split = False
            row.prop(point, "degree")
            row.prop(point, "opacity")
            row.operator("sabi.curve_remove", text="", icon="X").point = place
        row = layout.row()
        row.operator("sabi.curve_add", icon="ADD")
        if len(layer.curve) > 1:
            row.prop(layer, "curve_smooth")


class _Where(_OfLayer):
    """Where the chosen layer weathers"""

    bl_label = "Where"
    bl_parent_id = "SABI_PT_recipe"

    def draw(self, context: bpy.types.Context) -> None:
        exposure = self.layer(context).exposure
        column = self.layout.column()
        for name in (*EXPOSURES, "contrast"):
            column.prop(exposure, name)


class _Further(_OfLayer):
    """What of the chosen layer is rarely changed"""

    bl_label = "More of This Layer"
    bl_parent_id = "SABI_PT_recipe"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layer, column = self.layer(context), self.layout.column()
        for name in ("relief", "style"):
            column.prop(layer, name)
        if layer.exemplar:
            column.prop(layer, "exemplar_source")
            column.prop(layer, "exemplar_licence")
        column.prop(layer.exposure, "strict")


class _Surroundings(_Tab):
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


class _Object(_Tab):
    """What is on the active object, live"""

    bl_label = "On This Object"

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and on_object.weathered(context.object) is not None

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        applied = on_object.weathered(context.object)
        for reason in freshness.reasons(context.object):
            draw_text(layout.box(), freshness.REASONS[reason], "ERROR", context.region.width if context.region else 300)
        if on_object.UV_MAP in context.object and not on_object.is_module(context.object):
            draw_text(layout.box(), OWN_UVS, "UV", context.region.width if context.region else 300)
        if "Age" not in applied.layers[0]:
            from ..recipe import merged

            for sentence in merged.told_of(applied.recipe_json, bpy.app.translations.locale):
                draw_text(layout.box(), sentence, "INFO", context.region.width if context.region else 300)
        layout.use_property_split = True
        for label, sockets in zip(applied.labels, applied.layers, strict=True):
            column = layout.column(align=True)
            column.label(text=label, translate=False)
            for name in (name for name in ("Age", "Opacity", "Height") if name in sockets):
                column.prop(sockets[name], "default_value", text=name, slider=name != "Height")
        if on_object.OVERLAY in context.object:
            layout.operator("sabi.overlay_hide", icon="HIDE_ON")
        else:
            layout.operator_menu_enum("sabi.overlay_show", "what", icon="OVERLAY")
        layout.operator("sabi.recipe_from_object", icon="EYEDROPPER")
        layout.operator("sabi.timelapse", icon="TIME")
        row = layout.row(align=True)
        row.operator("sabi.revert", icon="LOOP_BACK")
        row.operator("sabi.flatten", icon="TEXTURE")


class _Export(_Tab):
    """Maps of weathered objects as files"""

    bl_label = "Export Maps"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return super().poll(context) and context.object is not None and on_object.touched(context.object)

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.sabi.export
        layout.use_property_split, layout.use_property_decorate = True, False
        for name in ("engine", "file_format", "depth", "pattern", "directory"):
            layout.prop(settings, name)
        layout.operator("sabi.export_maps", icon="EXPORT")


class SABI_PT_frame(_Tab, bpy.types.Panel):
    """Weathering what the camera sees"""

    bl_space_type = "IMAGE_EDITOR"
    bl_label = "Rendered Frame"

    def draw(self, context: bpy.types.Context) -> None:
        settings = context.scene.sabi
        self.layout.prop(settings, "frame_harmonize")
        self.layout.operator("sabi.weather_frame", icon="RENDER_STILL").harmonize = settings.frame_harmonize


class SABI_PT_degree(_Tab, bpy.types.Panel):
    """How weathered a photograph is, from marks painted on it"""

    bl_space_type = "IMAGE_EDITOR"
    bl_label = "Degree of a Photograph"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.sabi
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.operator("sabi.degree_marks_new", icon="BRUSH_DATA")
        column = layout.column()
        column.prop(settings, "degree_method")
        column.prop(settings, "degree_invert")
        button = layout.operator("sabi.degree_from_marks", icon="TEXTURE")
        button.method, button.invert = settings.degree_method, settings.degree_invert


class SABI_PT_delight(_Tab, bpy.types.Panel):
    """A texture without the light it was photographed in"""

    bl_space_type = "IMAGE_EDITOR"
    bl_label = "Light on a Texture"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.sabi
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(settings, "delight_amount")
        button = layout.operator("sabi.delight", icon="LIGHT_SUN")
        button.amount = settings.delight_amount


class SABI_PT_photograph(_Tab, bpy.types.Panel):
    """A photograph aged in its own light"""

    bl_space_type = "IMAGE_EDITOR"
    bl_label = "Photograph"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: bpy.types.Context) -> None:
        layout, settings = self.layout, context.scene.sabi
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("mask", "width", "down", "harmonize", "stages"):
            layout.prop(settings, f"photograph_{name}")
        mask = settings.photograph_mask
        seen = mask is None and effects.segments(service.health)
        if mask is None:
            layout.prop(settings, "photograph_at")
            layout.operator("sabi.photograph_pick", icon="EYEDROPPER")
        if seen:
            layout.prop(settings, "photograph_material")
        button = layout.operator("sabi.weather_photograph", icon="IMAGE_DATA")
        if mask is None:
            button.at = settings.photograph_at
        if seen:
            button.material = settings.photograph_material
        button.mask_image = mask.name if mask is not None else ""
        button.width, button.down = settings.photograph_width, settings.photograph_down
        button.harmonize, button.stages = settings.photograph_harmonize, settings.photograph_stages


def draw_action(layout: bpy.types.UILayout, context: bpy.types.Context, operator: str) -> None:
    """What is wrong and what mends it; the button, or the bar while work goes on; what became of the last."""
    now, width = work.current(), context.region.width if context.region else 300
    if now is not None and not now.ended:
        layout.progress(factor=now.progress.fraction, text=_in_short(now.progress))
        layout.operator("sabi.cancel", icon="X")
        if not now.gives_way:
            return
    found = list(problems.problems(context))
    for problem in found:
        row = layout.box().row()
        draw_text(row, said(problem.said).format(problem.name), "ERROR", int(0.6 * width))
        _draw_remedy(row, problem.remedy)
    column = layout.column()
    column.scale_y = 1.5
    column.operator(operator, icon="SHADERFX")
    layout.use_property_split, layout.use_property_decorate = True, False
    layout.prop(context.scene.sabi, "size")
    layout.use_property_split = False
    layout.prop(context.scene.sabi, "live_preview")
    if operator == "sabi.weather" and (context.scene.sabi.differ or problems.several(context)):
        layout.prop(context.scene.sabi, "differ")
    if operator == "sabi.weather" and (
        context.scene.sabi.shared_tiles
        or problems.repeats(context)
        or problems.shared(context)
        or problems.unwrapped(context)
    ):
        layout.prop(context.scene.sabi, "shared_tiles", icon="MESH_GRID")
    if operator == "sabi.weather":
        _draw_instances(layout, context)
    if not found and (seconds := _estimated(context)):
        layout.label(text=said("Takes about {}").format(in_words(seconds)), icon="TIME", translate=False)
    if now is None or not now.ended:
        return
    if now.error is not None and now.error.code != "cancelled":
        box = layout.box()
        draw_text(box, now.error.message, "ERROR", width)
        draw_text(box, now.error.hint, "INFO", width)
        if remedy := problems.remedy(now.error):
            _draw_remedy(box, remedy)
    elif now.outcome is not None:
        draw_text(layout, now.outcome.message, "CHECKMARK", width)
        if problems.unseen(context):
            _draw_remedy(layout, problems.SHOW)
        for warning in now.outcome.warnings:
            draw_text(layout.box(), warning, "INFO", width)


def _draw_instances(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The choice where there may be instances, and the dice for their ages and offsets."""
    chosen = context.scene.sabi.instances
    if not (chosen or problems.instanced(context)):
        return
    row = layout.row(align=True)
    row.enabled = not context.scene.sabi.shared_tiles  # modules of a kit differ by themselves
    row.prop(context.scene.sabi, "instances", icon="OUTLINER_OB_GROUP_INSTANCE")
    if chosen:
        row.operator("sabi.instances_vary", text="", icon="FILE_REFRESH")


def _in_short(progress: Progress) -> str:
    left = "" if progress.seconds_left is None else said("{} left").format(in_words(progress.seconds_left))
    return ", ".join(filter(None, (said(progress.stage), left)))


def _draw_remedy(layout: bpy.types.UILayout, remedy: problems.Remedy) -> None:
    button = layout.operator(remedy.operator, text=remedy.label)
    for name, value in remedy.settings:
        setattr(button, name, value)


_weathering = Later("weathering")  # with numpy and all: drawing does not wait for it
_last_estimate: tuple[object, float] = (None, 0.0)


def _estimated(context: bpy.types.Context) -> float:
    """The estimate for what is selected, asked for again only when that changes or none was to be had: panels are drawn often."""
    global _last_estimate
    settings, objects = context.scene.sabi, [obj for obj in context.selected_objects if obj.type == "MESH"]
    about = [(obj.session_uid, len(obj.data.polygons), len(obj.material_slots)) for obj in objects]
    state = (
        settings.size,
        len(settings.layers),
        units.of_scene(context.scene),
        about,
        work.current() is not None and work.current().ended,
    )
    weathering = _weathering.get(wait=bpy.app.background)
    if weathering is not None and (_last_estimate[0] != state or not _last_estimate[1]):
        asked = weathering.CaptureSettings(size=0 if settings.size == "AUTO" else int(settings.size))
        _last_estimate = (state, weathering.estimate(objects, len(settings.layers), asked))
    return _last_estimate[1]


def draw_text(layout: bpy.types.UILayout, text: str, icon: str, width: int) -> None:
    """Labels do not wrap by themselves; `width` is the region's, in pixels."""
    column = layout.column(align=True)
    scale = bpy.context.preferences.system.ui_scale or 1.0  # 0 without a window
    characters = max(int(width / (7.5 * scale)) - 4, 16)
    text = said(text)
    if not text.isascii():
        characters //= 2  # Japanese is twice as wide
    for number, line in enumerate(_lines(text, characters)):
        column.label(text=line, icon=icon if number == 0 else "BLANK1", translate=False)


@lru_cache(maxsize=64)
def _lines(text: str, characters: int) -> list[str]:
    return textwrap.wrap(text, characters)


def _in_space(panel: type, space: str, ending: str) -> type:
    """The panel as Blender wants it in an editor: a class of its own, below its parent's there."""
    named = {"bl_space_type": space, "bl_label": panel.bl_label, "__doc__": panel.__doc__}
    if parent := getattr(panel, "bl_parent_id", ""):
        named["bl_parent_id"] = parent + ending
    return type(f"SABI_PT{panel.__name__.lower()}{ending}", (panel, bpy.types.Panel), named)


_SHARED = (_Weather, _Recipe, _Where, _Masks, _Opacity, _Further, _Surroundings, _Object, _Export)
_CLASSES = (
    SABI_UL_layers,
    SABI_UL_masks,
    *(_in_space(panel, space, ending) for space, ending in SPACES.items() for panel in _SHARED),
    SABI_PT_frame,
    SABI_PT_degree,
    SABI_PT_delight,
    SABI_PT_photograph,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
