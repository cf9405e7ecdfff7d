# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist or a script can ask of Sabi. Each operator polls, reports and calls one function.

In a window `weather`, `weather_frame` and `flatten` return at once and work goes on beside the artist (Esc or Cancel ends
it); without a window, or with wait=True, they return when the result is there. A script gets a RuntimeError with message
and hint when they fail.

What does the work is imported by the operator that runs: Blender starts sooner without it and the numpy below it.
"""

import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ...backend.protocol.errors import SabiError, SceneError
from ...backend.protocol.words import LARGEST
from .. import ending, work
from ..nodes import on_object
from ..progress import unforeseen
from ..recipe import styles
from ..recipe.given_layer import WithLayer
from ..recipe.properties import plain
from ..versions import RELATIVE_PATH

if TYPE_CHECKING:
    from ...backend.protocol.recipe import Recipe

ERROR = {"ERROR"}


def reporting(execute):  # type: ignore[no-untyped-def]
    """An execute or invoke whose SabiErrors become reports, and then CANCELLED."""

    def reported(self: bpy.types.Operator, context: bpy.types.Context) -> set[str]:
        work.note(None)
        try:
            try:
                return execute(self, context)
            except SabiError:
                raise
            except Exception as error:
                traceback.print_exception(error)  # on the console, for whoever mends it
                raise unforeseen(error) from error
        except SabiError as error:
            work.note(error)
            self.report(ERROR, error.for_artist)
            return {"CANCELLED"}

    reported.__doc__, reported.__name__ = execute.__doc__, execute.__name__
    return reported


def selected_meshes(context: bpy.types.Context) -> list[bpy.types.Object]:
    return [obj for obj in context.selected_objects if obj.type == "MESH"]


def _put_overlays_away(objects: list[bpy.types.Object]) -> None:
    """What is captured and reverted is what overlays hide."""
    from ..nodes import overlay

    for obj in objects:
        overlay.hide(obj)


class _Working:
    """Operators whose work goes on in the background of a window; `ending` hears Esc and reports the end."""

    def begin(self, title: str, steps: work.Steps, wait: bool) -> set[str]:
        if bpy.app.background or wait:
            ending.say(self, work.run(title, steps, type(self).bl_idname))
        else:
            ending.tell(work.start(title, steps, operator=type(self).bl_idname))
        return {"FINISHED"}


class _WithRecipe(WithLayer):
    """What a script may give in place of the scene's recipe: `bpy.ops.sabi.weather(effect="rust", age=0.7)`."""

    effect: EnumProperty(
        name="Effect", description="One layer of this effect", items=styles.effect_items, options={"SKIP_SAVE"}
    )
    preset: StringProperty(name="Preset", description="A preset that ships with Sabi", options={"SKIP_SAVE"})
    recipe_json: StringProperty(name="Recipe", description="A recipe as JSON", options={"SKIP_SAVE"})
    age: FloatProperty(
        name="Age", description="Age of every layer", soft_min=0, soft_max=1, subtype="FACTOR", options={"SKIP_SAVE"}
    )
    seed: IntProperty(
        name="Seed", description="Seed of the first layer; the others follow", min=0, options={"SKIP_SAVE"}
    )
    feature_size: FloatProperty(
        name="Feature Size",
        description="Metres across one flake, tuft or stain",
        soft_min=0,
        options={"SKIP_SAVE"},
    )
    wait: BoolProperty(name="Wait", description="Return only when the result is there", options={"SKIP_SAVE"})
    recipe_file: StringProperty(
        name="Recipe File", description="A recipe's file", subtype="FILE_PATH", options={"SKIP_SAVE", *RELATIVE_PATH}
    )
    style: StringProperty(
        name="Style",
        description="Which look of the effect; as JSON a blend of looks by weight, or a code",
        options={"SKIP_SAVE"},
    )
    opacity: FloatProperty(
        name="Opacity",
        description="How far every layer may hide what is beneath",
        soft_min=0,
        soft_max=1,
        subtype="FACTOR",
        options={"SKIP_SAVE"},
    )

    def recipe(self, context: bpy.types.Context) -> "Recipe":
        """The scene's recipe, or the one that was given, with the age, seed and all else that was given."""
        from dataclasses import replace

        from ...backend.protocol.recipe import Layer, Recipe, effect_named, load_preset
        from ..recipe.conversion import frame_of, recipe_of
        from ..recipe.recipe_files import read_recipe

        given = self.properties.is_property_set
        if given("recipe_json"):
            recipe = Recipe.from_json(self.recipe_json)
        elif given("recipe_file"):
            recipe = read_recipe(Path(bpy.path.abspath(self.recipe_file)))
        elif given("preset"):
            recipe = load_preset(self.preset)
        elif given("effect"):
            recipe = Recipe((Layer(effect_named(self.effect)),), frame_of(context.scene.sabi))
        else:
            recipe = recipe_of(context.scene.sabi)
        if given("age"):
            recipe = recipe.at_age(plain(self.age))
        if given("seed"):
            recipe = recipe.with_seed(self.seed)
        changes: dict[str, object] = {n: plain(getattr(self, n)) for n in ("feature_size", "opacity") if given(n)}
        if given("style"):
            changes["style"] = styles.parse(self.style)
        layers = (replace(layer, **changes) for layer in recipe.layers)
        return replace(recipe, layers=tuple(self.given(layer, given) for layer in layers))


class SABI_OT_weather(_Working, _WithRecipe, bpy.types.Operator):
    """Weather the selected objects with the recipe; the original material is kept"""

    bl_idname = "sabi.weather"
    bl_label = "Weather"
    bl_options = set()  # the undo step belongs to the moment results are applied; there is nothing to adjust afterwards

    materials: StringProperty(
        name="Materials",
        description="Only materials whose names match this, such as *steel*; all where it is empty",
        options={"SKIP_SAVE"},
    )
    size: IntProperty(
        name="Size",
        description="Texels a side of the images; 0 for the scene's choice",
        min=0,
        soft_max=LARGEST,
        options={"SKIP_SAVE"},
    )
    shared_tiles: BoolProperty(
        name="Shared Tiles",
        description="Paint each material once, as a tile that repeats, for all selected objects that wear it; where it "
        "weathers is small and each object's own. The scene's choice when left out",
        options={"SKIP_SAVE"},
    )
    instances: BoolProperty(
        name="Instances Differ",
        description="Objects over the same mesh are painted once and differ by attributes, sabi_age and sabi_offset; so do "
        "instances of collections and of geometry nodes. The scene's choice when left out",
        options={"SKIP_SAVE"},
    )

    differ: BoolProperty(
        name="Objects Differ",
        description="Each object gets a pattern of its own, by its name; without, objects of one shape weather alike. "
        "The scene's choice when left out",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if work.busy():
            cls.poll_message_set("Sabi is at work already")
            return False
        if not selected_meshes(context):
            cls.poll_message_set("Select a mesh object")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave the present mode for Object Mode first")
            return False
        return True

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..kits import weather_kit
        from ..weathering import capture_settings, weather_objects

        recipe = self.recipe(context)
        given, chosen = self.properties.is_property_set, context.scene.sabi
        shared, instances, differ = (
            getattr(self if given(name) else chosen, name) for name in ("shared_tiles", "instances", "differ")
        )
        if shared and given("instances") and instances:
            raise SceneError(
                "Shared Tiles and Instances Differ cannot be used together: the modules of a kit differ by themselves.",
                "Give shared_tiles=False or instances=False.",
            )
        more = {} if shared else {"instances": instances, "differ": differ}
        _put_overlays_away(selected_meshes(context))
        settings = capture_settings(context.scene, recipe, self.size)
        steps = (weather_kit if shared else weather_objects)(
            selected_meshes(context), recipe, settings, self.materials, **more
        )
        return self.begin("Weathering", steps, self.wait)


class SABI_OT_weather_frame(_Working, _WithRecipe, bpy.types.Operator):
    """Render the camera's view with its passes, weather it under its own light, and show it in the image editor"""

    bl_idname = "sabi.weather_frame"
    bl_label = "Weather Frame"
    bl_options = set()

    filepath: StringProperty(
        name="File",
        description="Also keep the weathered frame there, as EXR",
        subtype="FILE_PATH",
        options={"SKIP_SAVE", *RELATIVE_PATH},
    )
    harmonize: BoolProperty(
        name="Harmonize", description="Bring what weathered nearer to the colours of the rest", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if work.busy():
            cls.poll_message_set("Sabi is at work already")
            return False
        if context.scene.camera is None:
            cls.poll_message_set("The scene has no camera")
            return False
        return True

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..frames.frame_weathering import weather_frame

        steps = weather_frame(context, self.recipe(context), self.filepath, self.harmonize)
        return self.begin("Weathering the frame", steps, self.wait)


class SABI_OT_cancel(bpy.types.Operator):
    """End what Sabi is doing; nothing in the file changes"""

    bl_idname = "sabi.cancel"
    bl_label = "Cancel"
    bl_options = set()

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if not work.running():
            cls.poll_message_set("Sabi is not at work")
            return False
        return True

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Esc is for work that was asked for; a preview gives way by itself."""
        return {"PASS_THROUGH"} if event.type == "ESC" and not work.busy() else self.execute(context)

    def execute(self, _context: bpy.types.Context) -> set[str]:
        work.cancel()
        return {"FINISHED"}


class _OnWeathered:
    """Operators on selected objects that carry Sabi's work."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if work.busy():
            cls.poll_message_set("Sabi is at work already")
            return False
        if not any(on_object.touched(obj) for obj in selected_meshes(context)):
            cls.poll_message_set("Select an object that Sabi has weathered")
            return False
        return True


class SABI_OT_revert(_OnWeathered, bpy.types.Operator):
    """Take Sabi's work off the selected objects; what you changed since stays"""

    bl_idname = "sabi.revert"
    bl_label = "Revert"
    bl_options = {"REGISTER", "UNDO"}

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..nodes import material

        _put_overlays_away(selected_meshes(context))
        count = sum(material.revert(obj) for obj in selected_meshes(context))
        self.report({"INFO"}, said("Reverted {} object(s)").format(count))
        return {"FINISHED"}


_CLASSES = (
    SABI_OT_weather,
    SABI_OT_weather_frame,
    SABI_OT_cancel,
    SABI_OT_revert,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
