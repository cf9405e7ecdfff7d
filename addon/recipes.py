# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on the scene's recipe: layers, presets, files."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.props import EnumProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ..backend.protocol.errors import BadFile, DiskFull, is_disk_full
from ..backend.protocol.recipe import MAX_LAYERS, Effect, Layer, Recipe, load_preset, preset_names
from . import material
from .operators import reporting
from .properties import EFFECTS, fill, fill_layer, plain, recipe_of

_preset_items: list[tuple[str, str, str]] = []  # Blender keeps no copy of the strings of an enum that a function gives


def _presets(_self: object, _context: bpy.types.Context) -> list[tuple[str, str, str]]:
    if not _preset_items:
        _preset_items.extend((name, name.replace("_", " ").title(), "") for name in preset_names())
    return _preset_items


class SABI_OT_layer_add(bpy.types.Operator):
    """Add a layer on top"""

    bl_idname = "sabi.layer_add"
    bl_label = "Add Layer"
    bl_options = {"REGISTER", "UNDO"}

    effect: EnumProperty(name="Effect", description="Kind of weathering", items=EFFECTS)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if len(context.scene.sabi.layers) >= MAX_LAYERS:
            cls.poll_message_set(f"A recipe has at most {MAX_LAYERS} layers")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.sabi
        fill_layer(settings.layers.add(), Layer(Effect(self.effect), seed=len(settings.layers) - 1))
        settings.active_layer = len(settings.layers) - 1
        return {"FINISHED"}


class _OnLayer:
    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        settings = context.scene.sabi
        return settings.active_layer < len(settings.layers)


class SABI_OT_layer_remove(_OnLayer, bpy.types.Operator):
    """Remove the chosen layer from the recipe"""

    bl_idname = "sabi.layer_remove"
    bl_label = "Remove Layer"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.sabi
        settings.layers.remove(settings.active_layer)
        settings.active_layer = max(min(settings.active_layer, len(settings.layers) - 1), 0)
        return {"FINISHED"}


class SABI_OT_layer_move(_OnLayer, bpy.types.Operator):
    """Move the chosen layer; layers lie on one another from the first to the last"""

    bl_idname = "sabi.layer_move"
    bl_label = "Move Layer"
    bl_options = {"REGISTER", "UNDO"}

    by: IntProperty(name="By", description="Places down the list; negative for up", default=1)

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.sabi
        target = min(max(settings.active_layer + self.by, 0), len(settings.layers) - 1)
        settings.layers.move(settings.active_layer, target)
        settings.active_layer = target
        return {"FINISHED"}


class SABI_OT_preset_load(bpy.types.Operator):
    """Replace the recipe by a preset"""

    bl_idname = "sabi.preset_load"
    bl_label = "Load Preset"
    bl_options = {"REGISTER", "UNDO"}

    preset: EnumProperty(name="Preset", description="A recipe that ships with Sabi", items=_presets)

    def execute(self, context: bpy.types.Context) -> set[str]:
        fill(context.scene.sabi, load_preset(self.preset))
        return {"FINISHED"}


class SABI_OT_recipe_from_object(bpy.types.Operator):
    """Take over the recipe that the active object was weathered with, at the age it has now"""

    bl_idname = "sabi.recipe_from_object"
    bl_label = "Recipe from Object"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if material.weathered(context.object) is None:
            cls.poll_message_set("The active object is not weathered")
            return False
        return True

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        applied = material.weathered(context.object)
        fill(context.scene.sabi, Recipe.from_json(applied.recipe_json))
        for layer, sockets in zip(context.scene.sabi.layers, applied.layers, strict=True):
            layer.age, layer.opacity = (plain(sockets[name].default_value) for name in ("Age", "Opacity"))
            layer.relief = plain(sockets["Height"].default_value)
        return {"FINISHED"}


class SABI_OT_recipe_save(ExportHelper, bpy.types.Operator):
    """Write the recipe to a file"""

    bl_idname = "sabi.recipe_save"
    bl_label = "Save Recipe"

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        write_recipe(Path(self.filepath), recipe_of(context.scene.sabi))
        return {"FINISHED"}


class SABI_OT_recipe_load(ImportHelper, bpy.types.Operator):
    """Replace the recipe by one from a file"""

    bl_idname = "sabi.recipe_load"
    bl_label = "Load Recipe"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        fill(context.scene.sabi, read_recipe(Path(self.filepath)))
        return {"FINISHED"}


def read_recipe(path: Path) -> Recipe:
    """Raises BadFile where there is no such file, BadRecipe where it is no recipe."""
    try:
        return Recipe.from_json(path.read_bytes())
    except OSError as error:
        raise BadFile(f"The recipe {path} cannot be read: {error.strerror}.", "Choose another file.") from error


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Whole or not at all; the file browser has asked before anything is overwritten. Raises BadFile."""
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_text(recipe.to_json(), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        said = f"The recipe cannot be written to {path}: {error.strerror}."
        raise (DiskFull(said) if is_disk_full(error) else BadFile(said, "Choose another place.")) from error


_CLASSES = (
    SABI_OT_layer_add,
    SABI_OT_layer_remove,
    SABI_OT_layer_move,
    SABI_OT_preset_load,
    SABI_OT_recipe_from_object,
    SABI_OT_recipe_save,
    SABI_OT_recipe_load,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
