# SPDX-License-Identifier: GPL-3.0-or-later
"""What leads out of Blender: plain materials for exporters, and maps for engines. Each operator calls one function."""

import bpy
from bpy.props import BoolProperty, IntProperty

from ...backend.protocol.words import LARGEST
from ..exports.export_settings import (
    depth_property,
    engine_property,
    folder_property,
    format_property,
    pattern_property,
)
from ..nodes import on_object
from .operators import _OnWeathered, _Working, reporting, selected_meshes


class _Sized:
    size: IntProperty(
        name="Size",
        description="Texels a side; 0 for the size of the painted images",
        min=0,
        soft_max=LARGEST,
        options={"SKIP_SAVE"},
    )
    wait: BoolProperty(name="Wait", description="Return only when the result is there", options={"SKIP_SAVE"})


class SABI_OT_flatten(_Working, _OnWeathered, _Sized, bpy.types.Operator):
    """Bake the selected weathered objects, at their present age, to plain image textures for glTF, FBX and USD"""

    bl_idname = "sabi.flatten"
    bl_label = "Flatten"
    bl_options = set()

    file_format: format_property()
    depth: depth_property()
    pattern: pattern_property()

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..exports.flatten import flatten_objects
        from ..pixels.encoding import export_of

        objects = [obj for obj in selected_meshes(context) if on_object.weathered(obj)]
        export = export_of("PLAIN", self.file_format, self.depth, self.pattern)
        return self.begin("Flattening", flatten_objects(objects, self.size, export), self.wait)


class SABI_OT_export_maps(_OnWeathered, _Working, _Sized, bpy.types.Operator):
    """Write maps of the selected weathered objects, at their present age, as the chosen program wants them"""

    bl_idname = "sabi.export_maps"
    bl_label = "Export Maps"
    bl_options = set()

    engine: engine_property()
    file_format: format_property()
    depth: depth_property()
    pattern: pattern_property()
    directory: folder_property()
    overwrite: BoolProperty(
        name="Overwrite", description="Replace files of the same names; else they are refused", options={"SKIP_SAVE"}
    )

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..exports.map_export import Destination, export_objects
        from ..pixels.encoding import export_of

        given, scene = self.properties.is_property_set, context.scene.sabi.export
        engine, file_format, depth, pattern, directory = (
            getattr(self if given(name) else scene, name)
            for name in ("engine", "file_format", "depth", "pattern", "directory")
        )
        to = Destination(directory, export_of(engine, file_format, depth, pattern), self.overwrite)
        objects = [obj for obj in selected_meshes(context) if on_object.touched(obj)]
        return self.begin("Exporting the maps", export_objects(objects, to, self.size), self.wait)


register, unregister = bpy.utils.register_classes_factory((SABI_OT_flatten, SABI_OT_export_maps))
