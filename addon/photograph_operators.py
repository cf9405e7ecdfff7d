# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator of the Image Editor that ages a photograph. photograph does the work."""

from __future__ import annotations

from dataclasses import replace

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, StringProperty

from ..backend.protocol.errors import BadFile
from ..backend.protocol.still import WIDTH, Down, Still
from . import work
from .operators import _WithRecipe, _Working, reporting
from .properties import DOWNS


class SABI_OT_weather_photograph(_Working, _WithRecipe, bpy.types.Operator):
    """Age the photograph by the recipe, in its own light, as a new image. It is a still: for a moving camera weather objects"""

    bl_idname = "sabi.weather_photograph"
    bl_label = "Weather Photograph"
    bl_options = {"REGISTER"}

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
        default=WIDTH,
        min=0.001,
        soft_max=100,
        unit="LENGTH",
        options={"SKIP_SAVE"},
    )
    down: EnumProperty(
        name="Down", description="Which way things fall in the picture", items=DOWNS, options={"SKIP_SAVE"}
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
        from . import masks
        from .photograph import weather_photograph

        found = _image(self.image) or getattr(context.space_data, "image", None)
        if found is None:
            raise BadFile("No image is shown.", "Open a photograph in the Image Editor.")
        recipe = masks.without(self.recipe(context))
        recipe = replace(recipe, frame=replace(recipe.frame, gravity=Down[self.down].gravity))
        still = Still(harmonize=self.harmonize, stages=self.stages)
        steps = weather_photograph(found, _image(self.mask_image), recipe, still, self.width)
        return self.begin("Weathering the photograph", steps, self.wait)


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
    bpy.types.IMAGE_MT_image.append(_menu)


def unregister() -> None:
    bpy.types.IMAGE_MT_image.remove(_menu)
    bpy.utils.unregister_class(SABI_OT_weather_photograph)
