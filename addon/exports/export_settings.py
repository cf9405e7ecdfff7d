# SPDX-License-Identifier: GPL-3.0-or-later
"""How a scene's maps are exported: for whom, in which format, where, and under which names."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, StringProperty

from ...backend.protocol.words import DEFAULT_PATTERN
from ..versions import RELATIVE_PATH

ENGINES = [
    ("PLAIN", "Blender", "A map a file, OpenGL normals"),
    ("UNREAL", "Unreal", "Occlusion, roughness and metallic in one file (ORM), DirectX normals"),
    ("UNITY", "Unity", "A mask map of metallic, occlusion, detail and smoothness, OpenGL normals"),
    ("GLTF", "glTF", "Roughness in green and metallic in blue of one file, OpenGL normals"),
]
FORMATS = [
    ("PNG", "PNG", "Without loss, 8 or 16 bits"),
    ("TIFF", "TIFF", "Without loss, 8 or 16 bits"),
    ("EXR", "OpenEXR", "Half floats, colours scene-linear"),
    ("WEBP", "WebP", "Without loss, 8 bits, small"),
]
DEPTHS = [
    ("AUTO", "Automatic", "What the format has first: 8 bits, half floats in EXR"),
    ("8", "8 Bits", "256 levels a channel"),
    ("16", "16 Bits", "65536 levels a channel, for smooth normals and heights"),
]
FOLDER = "//textures"


def engine_property() -> EnumProperty:
    return EnumProperty(name="For", description="Which program the maps are laid out for", items=ENGINES)


def format_property() -> EnumProperty:
    return EnumProperty(name="Format", description="Image format of the files", items=FORMATS)


def depth_property() -> EnumProperty:
    return EnumProperty(name="Depth", description="Bits a channel", items=DEPTHS)


def pattern_property() -> StringProperty:
    return StringProperty(
        name="File Names",
        description="Of {object} {material} {map} {recipe} {size} {version}: T_{object}_{map}_v{version:03} counts on",
        default=DEFAULT_PATTERN,
    )


def folder_property() -> StringProperty:
    return StringProperty(
        name="Folder",
        description="Where the files go; // is the folder of the .blend",
        default=FOLDER,
        subtype="DIR_PATH",
        options={"ANIMATABLE", *RELATIVE_PATH},
    )


class SABI_PG_export(bpy.types.PropertyGroup):
    """How maps are exported"""

    engine: engine_property()
    file_format: format_property()
    depth: depth_property()
    pattern: pattern_property()
    directory: folder_property()


register, unregister = bpy.utils.register_classes_factory((SABI_PG_export,))
