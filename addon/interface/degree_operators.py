# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of the Image Editor: marks on a photograph, and how weathered it is by them. degree_marks does the work."""

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ...backend.protocol.errors import BadFile
from .. import work
from ..recipe.properties import DEGREE_METHODS
from .operators import _Working, reporting


class _OnPhotograph:
    """Operators on the Image Editor's image, or on the one that a script names. Of marks, it is the photograph under them."""

    image: StringProperty(
        name="Image", description="The photograph; the Image Editor's image when left out", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if work.busy():
            cls.poll_message_set("Sabi is at work already")
            return False
        return True

    def photograph(self, context: bpy.types.Context) -> bpy.types.Image:
        from ..photographs.degree_marks import OF

        found = bpy.data.images.get(self.image) if self.image else getattr(context.space_data, "image", None)
        if found is None:
            raise BadFile(
                f"There is no image '{self.image}'." if self.image else "No image is shown.",
                "Open a photograph of a weathered texture in the Image Editor.",
            )
        return found.get(OF) or found


class SABI_OT_degree_marks_new(_OnPhotograph, bpy.types.Operator):
    """Make a copy of the photograph to mark on: paint red where it is weathered, green where it is clean"""

    bl_idname = "sabi.degree_marks_new"
    bl_label = "New Degree Marks"
    bl_options = {"REGISTER", "UNDO"}

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..photographs.degree_marks import new_marks

        marks = new_marks(self.photograph(context))
        self.report({"INFO"}, said("Paint on '{}': red weathered, green clean, yellow half of it").format(marks.name))
        return {"FINISHED"}


class SABI_OT_degree_from_marks(_Working, _OnPhotograph, bpy.types.Operator):
    """Make an image of how weathered the photograph is around each texel, from the marks painted on its copy"""

    bl_idname = "sabi.degree_from_marks"
    bl_label = "Degree from Marks"
    bl_options = set()

    method: EnumProperty(
        name="Method", description="What degree is told by", items=DEGREE_METHODS, options={"SKIP_SAVE"}
    )
    invert: BoolProperty(name="Invert", description="The other way round", options={"SKIP_SAVE"})
    wait: BoolProperty(name="Wait", description="Return only when the result is there", options={"SKIP_SAVE"})

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..photographs.degree_marks import degree_from_marks

        steps = degree_from_marks(self.photograph(context), self.method, self.invert)
        return self.begin("Finding the degree", steps, self.wait)


def _menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.separator()
    self.layout.operator(SABI_OT_degree_marks_new.bl_idname)
    self.layout.operator(SABI_OT_degree_from_marks.bl_idname)


_CLASSES = (SABI_OT_degree_marks_new, SABI_OT_degree_from_marks)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.IMAGE_MT_image.append(_menu)


def unregister() -> None:
    bpy.types.IMAGE_MT_image.remove(_menu)
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
