# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that differs between the Blenders Sabi runs in, 4.2 to 5.2. No other module asks for a version."""

from __future__ import annotations

import bpy

VERSION: tuple[int, int, int] = bpy.app.version
FROM_5_0 = VERSION >= (5, 0, 0)
# Options of a property that is a path and may begin with //: from 4.5 on Blender warns without.
RELATIVE_PATH = frozenset({"PATH_SUPPORTS_BLEND_RELATIVE"} if VERSION >= (4, 5, 0) else ())

# What a frame is weathered by. These settings are the same in all versions; the names in files differ, the backend knows both.
NEEDED_IN_ALL = ("use_pass_combined", "use_pass_position")
PASS_FLAGS = (
    *NEEDED_IN_ALL,
    "use_pass_normal",
    "use_pass_diffuse_direct",
    "use_pass_diffuse_indirect",
    "use_pass_diffuse_color",
    "use_pass_glossy_direct",
    "use_pass_glossy_indirect",
    "use_pass_glossy_color",
    "use_pass_cryptomatte_object",
)
# Settings of the output format, each before those whose choices hang on it.
FORMAT_ORDER = ("media_type", "file_format", "color_mode", "color_depth", "exr_codec")


def enable_nodes(material: bpy.types.Material) -> None:
    """Gives a material its node tree; from 5.0 every material has one and the switch is deprecated."""
    if not FROM_5_0:
        material.use_nodes = True


def has_nodes(material: bpy.types.Material) -> bool:
    """Whether the material is made of nodes."""
    if FROM_5_0:
        return material.node_tree is not None
    return bool(material.use_nodes and material.node_tree)


def eevee() -> str:
    """The engine id of EEVEE."""
    return "BLENDER_EEVEE" if FROM_5_0 else "BLENDER_EEVEE_NEXT"


def choose_multilayer_exr(settings: bpy.types.ImageFormatSettings) -> None:
    """Makes a scene's output a multilayer EXR; from 5.0 the kind of medium comes first."""
    if hasattr(settings, "media_type"):
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
