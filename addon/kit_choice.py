# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects can be modules of kits: those that wear tiles alone, told by their materials and their UVs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import bpy

from ..backend.protocol.errors import SabiError, SceneError
from .nodes import material
from .surface import capture, tile, uvs


def worn_tiles(obj: bpy.types.Object, pattern: str = "") -> set[bpy.types.Material]:
    """The materials of matching names that an object shows. Raises SceneError or BadFile, with the reason: one is no tile."""
    capture.check(obj)
    slots = material.named_slots(obj, material.used_slots(obj), pattern)
    if not slots:
        raise SceneError(f"No material of '{obj.name}' is called '{pattern}'.", "Choose another pattern.")
    found = {material.original_of(obj.material_slots[slot].material) for slot in slots}
    for made in found:
        tile.check(made, uvs.render_uv(obj.data))
    return found


def modules(objects: Sequence[bpy.types.Object], pattern: str = "") -> list[bpy.types.Object]:
    """Those of the objects that wear nothing but tiles, each of which repeats on one of them: UVs leave the square there."""
    worn: dict[bpy.types.Object, set[bpy.types.Material]] = {}
    for obj in objects:
        with suppress(SabiError):
            worn[obj] = worn_tiles(obj, pattern)
    repeating = {made for obj, found in worn.items() if _leaves(obj.data) for made in found}
    return [obj for obj, found in worn.items() if found <= repeating]


def _leaves(mesh: bpy.types.Mesh) -> bool:
    corners = uvs.coordinates(mesh, uvs.render_uv(mesh))
    return bool((abs(corners - 0.5) > 0.5 + uvs.RANGE_SLACK).any())
