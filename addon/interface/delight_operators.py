# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator of the Image Editor that takes light off a texture. delight does the work."""

import bpy
from bpy.props import BoolProperty, FloatProperty, StringProperty

from ...backend.protocol.errors import BadFile
from .. import work
from .operators import _Working, reporting


class SABI_OT_delight(_Working, bpy.types.Operator):
    """Make a new image without the shadows, gradients and highlights that were on the texture when it was photographed"""

    bl_idname = "sabi.delight"
    bl_label = "Take Light Off"
    bl_options = set()

    image: StringProperty(
        name="Image", description="The texture; the Image Editor's image when left out", options={"SKIP_SAVE"}
    )
    amount: FloatProperty(
        name="Amount",
        description="How much of the light is taken off",
        default=1.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        options={"SKIP_SAVE"},
    )
    wait: BoolProperty(name="Wait", description="Return only when the result is there", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if work.busy():
            cls.poll_message_set("Sabi is at work already")
            return False
        return True

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..photographs.delight import delight

        found = bpy.data.images.get(self.image) if self.image else getattr(context.space_data, "image", None)
        if found is None:
            raise BadFile(
                f"There is no image '{self.image}'." if self.image else "No image is shown.",
                "Open a texture in the Image Editor.",
            )
        return self.begin("Taking the light off", delight(found, self.amount), self.wait)


def _menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.operator(SABI_OT_delight.bl_idname)


def register() -> None:
    bpy.utils.register_class(SABI_OT_delight)
    bpy.types.IMAGE_MT_image.append(_menu)


def unregister() -> None:
    bpy.types.IMAGE_MT_image.remove(_menu)
    bpy.utils.unregister_class(SABI_OT_delight)
