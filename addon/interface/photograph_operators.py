# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator of the Image Editor that ages a photograph. photograph does the work."""

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntVectorProperty, StringProperty

from ...backend.protocol.errors import BadFile
from ...backend.protocol.materials import Material
from ...backend.protocol.words import PHOTOGRAPH_WIDTH
from .. import work
from ..recipe.properties import DOWNS, NOWHERE, PHOTOGRAPHED
from .operators import _WithRecipe, _Working, reporting


class SABI_OT_weather_photograph(_Working, _WithRecipe, bpy.types.Operator):
    """Age the photograph by the recipe, in its own light, as a new image. It is a still: for a moving camera weather objects"""

    bl_idname = "sabi.weather_photograph"
    bl_label = "Weather Photograph"
    bl_options = set()

    image: StringProperty(
        name="Image", description="The photograph; the Image Editor's image when left out", options={"SKIP_SAVE"}
    )
    mask_image: StringProperty(
        name="Mask",
        description="An image of the photograph's size, white where it weathers; all of it when left out",
        options={"SKIP_SAVE"},
    )
    width: FloatProperty(
        name="Width",
        description="How many metres the photograph spans",
        default=PHOTOGRAPH_WIDTH,
        min=0.001,
        soft_max=100,
        unit="LENGTH",
        options={"SKIP_SAVE"},
    )
    down: EnumProperty(
        name="Down", description="Which way things fall in the picture", items=DOWNS, options={"SKIP_SAVE"}
    )
    material: EnumProperty(
        name="Material",
        description="Without a mask: all of this material weathers, as a segmenter sees it",
        items=PHOTOGRAPHED,
        options={"SKIP_SAVE"},
    )
    at: IntVectorProperty(
        name="Place",
        description="Without a mask: the piece around this texel weathers, counted from the upper left",
        size=2,
        default=NOWHERE,
        min=-1,
        options={"SKIP_SAVE"},
    )
    harmonize: BoolProperty(
        name="Harmonize", description="Bring what weathered nearer to the colours of the rest", options={"SKIP_SAVE"}
    )
    stages: BoolProperty(
        name="Stages",
        description="Also make images of what is made on the way: mask, albedo, shading, residual, coverage and more",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if work.busy():
            cls.poll_message_set("Sabi is at work already")
            return False
        return True

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from dataclasses import replace

        from ...backend.protocol.still import Down, Still
        from ..photographs.photograph import weather_photograph

        found = _image(self.image) or getattr(context.space_data, "image", None)
        if found is None:
            raise BadFile("No image is shown.", "Open a photograph in the Image Editor.")
        recipe = self.recipe(context)
        recipe = replace(recipe, frame=replace(recipe.frame, gravity=Down[self.down].gravity))
        material = None if self.material == "NONE" else Material(self.material)
        at = tuple(self.at) if min(self.at) >= 0 else None
        still = Still(harmonize=self.harmonize, stages=self.stages, material=material, at=at)
        steps = weather_photograph(found, _image(self.mask_image), recipe, still, self.width)
        return self.begin("Weathering the photograph", steps, self.wait)


class SABI_OT_photograph_pick(bpy.types.Operator):
    """Click on the photograph: the piece around that place weathers, as its colours and borders tell it"""

    bl_idname = "sabi.photograph_pick"
    bl_label = "Choose by Click"
    bl_options = {"REGISTER", "UNDO"}

    at: IntVectorProperty(
        name="Place", description="Texel from the upper left; -1 for none", size=2, default=NOWHERE, min=-1
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if getattr(context.space_data, "image", None) is None:
            cls.poll_message_set("Open a photograph in the Image Editor")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.sabi.photograph_at = self.at
        return {"FINISHED"}

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        context.window.cursor_modal_set("EYEDROPPER")
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.value != "PRESS" or event.type not in ("LEFTMOUSE", "RIGHTMOUSE", "ESC"):
            return {"RUNNING_MODAL"}
        context.window.cursor_modal_restore()
        if event.type != "LEFTMOUSE":
            return {"CANCELLED"}
        region = next(region for region in context.area.regions if region.type == "WINDOW")
        place = region.view2d.region_to_view(event.mouse_x - region.x, event.mouse_y - region.y)
        self.at = texel_at(tuple(context.space_data.image.size), place)
        return self.execute(context)


def texel_at(size: tuple[int, int], place: tuple[float, float]) -> tuple[int, int]:
    """The texel, from the upper left, at a place of the Image Editor's view, where an image spans 0..1; NOWHERE beside it."""
    x, y = int(place[0] * size[0] // 1), size[1] - 1 - int(place[1] * size[1] // 1)
    return (x, y) if 0 <= x < size[0] and 0 <= y < size[1] else NOWHERE


def _image(name: str) -> bpy.types.Image | None:
    """None where no name is given. Raises BadFile."""
    found = bpy.data.images.get(name)
    if name and found is None:
        raise BadFile(f"There is no image '{name}'.", "Open it in the Image Editor.")
    return found


def _menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.operator(SABI_OT_weather_photograph.bl_idname)


def register() -> None:
    bpy.utils.register_class(SABI_OT_weather_photograph)
    bpy.utils.register_class(SABI_OT_photograph_pick)
    bpy.types.IMAGE_MT_image.append(_menu)


def unregister() -> None:
    bpy.types.IMAGE_MT_image.remove(_menu)
    bpy.utils.unregister_class(SABI_OT_photograph_pick)
    bpy.utils.unregister_class(SABI_OT_weather_photograph)
