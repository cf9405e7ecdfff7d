# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that give a layer a photograph's look, and take it away. exemplars does the work."""

from pathlib import Path
from typing import TYPE_CHECKING

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import BoolProperty, FloatProperty, IntVectorProperty, StringProperty
from bpy_extras.io_utils import ImportHelper

from ...backend.protocol.errors import BadFile
from ...backend.protocol.words import EXEMPLAR_WIDTH
from .operators import reporting

if TYPE_CHECKING:
    from ...backend.protocol.exemplar import Exemplar


class _ForLayer:
    """Operators that give the chosen layer an exemplar."""

    part: IntVectorProperty(
        name="Part",
        description="Only this part: x, y, width and height in texels from the upper left; all of it where they are 0",
        size=4,
        min=0,
        options={"SKIP_SAVE"},
    )
    width: FloatProperty(
        name="Photograph Width",
        description="How many metres the photograph, or its part, spans",
        default=EXEMPLAR_WIDTH,
        min=1e-3,
        max=1000,
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        settings = context.scene.sabi
        if settings.active_layer >= len(settings.layers):
            cls.poll_message_set("Add a layer first")
            return False
        return True

    def given_part(self) -> tuple[int, ...] | None:
        return tuple(self.part) if any(self.part) else None

    def give(self, context: bpy.types.Context, exemplar: "Exemplar") -> None:
        from ..recipe.conversion import fill_exemplar

        settings = context.scene.sabi
        fill_exemplar(settings.layers[settings.active_layer], exemplar)
        self.report({"INFO"}, said("The layer looks like {} now").format(exemplar.name))


class SABI_OT_exemplar_open(_ForLayer, ImportHelper, bpy.types.Operator):
    """Give the chosen layer the look of a photograph from a file, or of a texture's maps; the layer keeps a copy"""

    bl_idname = "sabi.exemplar_open"
    bl_label = "Look of a Photograph"
    bl_options = {"REGISTER", "UNDO"}

    filter_glob: StringProperty(
        default="*.png;*.jpg;*.jpeg;*.tif;*.tiff;*.exr;*.webp;*.bmp;*.tga;*.hdr", options={"HIDDEN"}
    )

    maps: BoolProperty(
        name="Maps Beside It",
        description="Take the other maps of an albedo's or a folder's texture too, told by their names: roughness, metal, height",
        default=True,
    )

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..recipe.exemplars import exemplar_in

        path = Path(bpy.path.abspath(self.filepath))
        self.give(context, exemplar_in(path, self.given_part(), self.width, self.maps))
        return {"FINISHED"}


class SABI_OT_exemplar_from_image(_ForLayer, bpy.types.Operator):
    """Give the chosen layer the look of the photograph, or of what is painted red on its degree marks"""

    bl_idname = "sabi.exemplar_from_image"
    bl_label = "Use as Look of the Layer"
    bl_options = {"REGISTER", "UNDO"}

    image: StringProperty(
        name="Image", description="The photograph; the Image Editor's image when left out", options={"SKIP_SAVE"}
    )

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..photographs.degree_marks import OF
        from ..recipe.exemplars import exemplar_of, marked_part

        found = bpy.data.images.get(self.image) if self.image else getattr(context.space_data, "image", None)
        if found is None:
            raise BadFile(
                f"There is no image '{self.image}'." if self.image else "No image is shown.",
                "Open a photograph in the Image Editor.",
            )
        photograph = found.get(OF) or found
        part = self.given_part() or marked_part(photograph)
        self.give(context, exemplar_of(photograph, part, self.width))
        return {"FINISHED"}


class SABI_OT_exemplar_remove(_ForLayer, bpy.types.Operator):
    """Let the chosen layer look as the painter paints it again"""

    bl_idname = "sabi.exemplar_remove"
    bl_label = "Remove the Photograph"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..recipe.conversion import fill_exemplar

        settings = context.scene.sabi
        fill_exemplar(settings.layers[settings.active_layer], None)
        return {"FINISHED"}


def _menu(self: bpy.types.Menu, _context: bpy.types.Context) -> None:
    self.layout.operator(SABI_OT_exemplar_from_image.bl_idname)


_CLASSES = (SABI_OT_exemplar_open, SABI_OT_exemplar_from_image, SABI_OT_exemplar_remove)


def register() -> None:
    for cls in _CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.IMAGE_MT_image.append(_menu)


def unregister() -> None:
    bpy.types.IMAGE_MT_image.remove(_menu)
    for cls in reversed(_CLASSES):
        bpy.utils.unregister_class(cls)
