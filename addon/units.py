# SPDX-License-Identifier: GPL-3.0-or-later
"""How many metres one unit of Blender is: surfaces, recipes and the wire are in metres, Blender's units stay inside Blender."""

from __future__ import annotations

import bpy


def of_scene(scene: bpy.types.Scene) -> float:
    """Metres of one unit, as Blender itself shows lengths: 1 where the scene has no unit system."""
    settings = scene.unit_settings
    return 1.0 if settings.system == "NONE" else float(f"{settings.scale_length:.7g}") or 1.0


def of_object(obj: bpy.types.Object) -> float:
    """As `of_scene`, of a scene the object is in: the present one where that is one of them."""
    scenes = (scene for scene in (bpy.context.scene, *bpy.data.scenes) if scene.objects.get(obj.name) == obj)
    return of_scene(next(scenes, bpy.context.scene))
