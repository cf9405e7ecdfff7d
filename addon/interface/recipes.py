# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on the scene's recipe: layers, presets, files."""

import random
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty
from bpy_extras.io_utils import ExportHelper, ImportHelper

from ...backend.protocol.words import MAX_LAYERS
from .. import units
from ..nodes import on_object
from ..recipe import presets, styles
from ..recipe.properties import plain, rearrange
from .operators import reporting


class SABI_OT_layer_add(bpy.types.Operator):
    """Add a layer on top"""

    bl_idname = "sabi.layer_add"
    bl_label = "Add Layer"
    bl_options = {"REGISTER", "UNDO"}

    effect: EnumProperty(name="Effect", description="Kind of weathering", items=styles.effect_items)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if len(context.scene.sabi.layers) >= MAX_LAYERS:
            cls.poll_message_set(said("A recipe has at most {} layers").format(MAX_LAYERS))
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        from ...backend.protocol.recipe import Layer, effect_named
        from ..recipe.conversion import fill_layer

        settings = context.scene.sabi
        fill_layer(settings.layers.add(), Layer(effect_named(self.effect), seed=len(settings.layers) - 1))
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
        gone = settings.active_layer
        settings.layers.remove(gone)
        rearrange(settings, {place: place - (place > gone) for place in range(MAX_LAYERS) if place != gone})
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
        order = list(range(len(settings.layers)))
        order.insert(target, order.pop(settings.active_layer))
        settings.layers.move(settings.active_layer, target)
        rearrange(settings, {before: now for now, before in enumerate(order)})
        settings.active_layer = target
        return {"FINISHED"}


class SABI_OT_layer_duplicate(_OnLayer, bpy.types.Operator):
    """Lay a copy of the chosen layer on it, with a pattern of its own"""

    bl_idname = "sabi.layer_duplicate"
    bl_label = "Duplicate Layer"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return SABI_OT_layer_add.poll(context) and super().poll(context)

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from dataclasses import replace

        from ..recipe.conversion import fill_layer, layer_of

        settings = context.scene.sabi
        place = settings.active_layer
        below = settings.layers[place]
        copied, custom, kept = layer_of(below), below.custom_style, (below.solo, below.lock_seed)
        top = settings.layers.add()
        fill_layer(top, replace(copied, seed=(copied.seed + 1) % 2**32))
        top.custom_style, (top.solo, top.lock_seed) = custom, kept
        last = len(settings.layers) - 1
        settings.layers.move(last, place + 1)
        rearrange(settings, {p: p + (p > place) for p in range(last)})
        settings.active_layer = place + 1
        return {"FINISHED"}


class SABI_OT_seed_roll(_OnLayer, bpy.types.Operator):
    """Throw the dice for another pattern"""

    bl_idname = "sabi.seed_roll"
    bl_label = "Another Seed"
    bl_options = {"REGISTER", "UNDO"}

    every: BoolProperty(name="All Layers", description="All layers whose seed is not locked", options={"SKIP_SAVE"})

    def execute(self, context: bpy.types.Context) -> set[str]:
        settings = context.scene.sabi
        chosen = settings.layers if self.every else [settings.layers[settings.active_layer]]
        for layer in chosen:
            if not (self.every and layer.lock_seed):
                layer.seed = random.randrange(10_000)  # short enough to be read aloud
        return {"FINISHED"}


class SABI_OT_preset_load(bpy.types.Operator):
    """Replace the recipe by a preset"""

    bl_idname = "sabi.preset_load"
    bl_label = "Load Preset"
    bl_options = {"REGISTER", "UNDO"}

    preset: EnumProperty(name="Preset", description="A recipe that ships with Sabi", items=presets.shipped)

    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..recipe.conversion import load

        load(context.scene.sabi, self.preset)
        return {"FINISHED"}


class SABI_OT_recipe_from_object(bpy.types.Operator):
    """Take over the recipe that the active object was weathered with, at the age it has now"""

    bl_idname = "sabi.recipe_from_object"
    bl_label = "Recipe from Object"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if on_object.weathered(context.object) is None:
            cls.poll_message_set("The active object is not weathered")
            return False
        return True

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ...backend.protocol.recipe import Recipe
        from ..recipe.conversion import fill, own_seed

        applied = on_object.weathered(context.object)
        recipe = Recipe.from_json(applied.recipe_json)
        own = own_seed(context.object.name) if context.scene.sabi.differ else 0
        fill(context.scene.sabi, recipe.varied(-own))
        for place, sockets in on_object.live_layers(recipe, applied):
            layer = context.scene.sabi.layers[place]
            layer.age, layer.opacity = (plain(sockets[name].default_value) for name in ("Age", "Opacity"))
            layer.relief = plain(sockets["Height"].default_value * units.of_object(context.object))
            for name, label in on_object.CHANNEL_SOCKETS.items():
                if label in sockets:
                    setattr(layer, name, plain(sockets[label].default_value))
        return {"FINISHED"}


class SABI_OT_recipe_save(ExportHelper, bpy.types.Operator):
    """Write the recipe to one file that holds all of it, to keep or to share"""

    bl_idname = "sabi.recipe_save"
    bl_label = "Save Recipe"

    filename_ext = ".json"
    filter_glob: StringProperty(default="*.json", options={"HIDDEN"})
    overwrite: BoolProperty(
        name="Replace", description="Replace the file where there is one of that name", options={"SKIP_SAVE"}
    )

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        from ..recipe.recipe_files import free

        if not self.filepath:
            name = context.scene.sabi.recipe_name or context.scene.sabi.preset_name or "recipe"
            folder = Path(bpy.data.filepath).parent if bpy.data.filepath else Path.home()
            self.filepath = str(free(folder / f"{bpy.path.clean_name(name)}.json"))
        return ExportHelper.invoke(self, context, event)

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..recipe.conversion import recipe_of
        from ..recipe.recipe_files import write_recipe

        path = Path(bpy.path.abspath(self.filepath))
        write_recipe(path, recipe_of(context.scene.sabi), self.overwrite)
        self.report({"INFO"}, said("Saved {}").format(path.name))
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
        from ..recipe.conversion import fill
        from ..recipe.recipe_files import read_recipe

        fill(context.scene.sabi, read_recipe(Path(bpy.path.abspath(self.filepath))))
        return {"FINISHED"}


_CLASSES = (
    SABI_OT_layer_add,
    SABI_OT_layer_remove,
    SABI_OT_layer_move,
    SABI_OT_layer_duplicate,
    SABI_OT_seed_roll,
    SABI_OT_preset_load,
    SABI_OT_recipe_from_object,
    SABI_OT_recipe_save,
    SABI_OT_recipe_load,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
