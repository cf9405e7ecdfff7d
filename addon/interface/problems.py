# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of weathering, each in a sentence with what mends it. Cheap enough to be asked at every redraw."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import bpy

from ...backend.protocol.errors import BackendError, DeviceError, SabiError, Unauthorized, UnknownNetwork
from ..nodes import on_object
from ..preferences import EXTENSION, preferences, service_settings
from ..surface.directx import unturned

FEW = 8  # of them whose nodes are looked at
CORNERS = 24  # of a mesh whose UVs are looked at
SLACK = 1e-3  # of the square: rounding
MOST = 64  # selected objects that are looked at: panels must not be slow


class Remedy(NamedTuple):
    """An operator that mends it, the button's text, and the operator's settings."""

    operator: str
    label: str
    settings: tuple[tuple[str, str], ...] = ()


class Problem(NamedTuple):
    """`said` may hold {}, for `name`."""

    said: str
    remedy: Remedy
    name: str = ""


SAVE = Remedy("wm.save_mainfile", "Save")
NEWEST = Remedy("sabi.newest_networks", "Use Newest Networks")
SHOW = Remedy(
    "wm.context_set_enum", "Material Preview", (("data_path", "space_data.shading.type"), ("value", "MATERIAL"))
)
PREFERENCES = Remedy("preferences.addon_show", "Open Preferences", (("module", EXTENSION),))


def problems(context: bpy.types.Context) -> Iterator[Problem]:
    """What would keep the selected objects from being weathered, or their images from being kept where they should."""
    objects = [obj for obj in context.selected_objects[:MOST] if obj.type == "MESH"]
    if objects and context.mode != "OBJECT":
        yield Problem("Leave the present mode first", Remedy("object.mode_set", "Object Mode", (("mode", "OBJECT"),)))
    if bare := next((obj for obj in objects if not any(slot.material for slot in obj.material_slots)), None):
        yield Problem("'{}' has no material", Remedy("sabi.material_add", "Add Material"), bare.name)
    if flat := next((obj for obj in objects if not obj.data.uv_layers), None):
        yield Problem("'{}' has no UV map", Remedy("sabi.unwrap", "Unwrap"), flat.name)
    if hidden := next((obj for obj in objects if obj.hide_render), None):
        yield Problem("'{}' is hidden from renders", Remedy("sabi.show_in_renders", "Show"), hidden.name)
    if (image := _directx(objects[:FEW])) is not None:
        yield Problem(
            "'{}' is a DirectX normal map, and nothing turns it",
            Remedy("sabi.turn_normals", "Turn Normals"),
            image.name,
        )
    if preferences().storage == "FILES" and not bpy.data.filepath:
        yield Problem("Images go beside the .blend, which was never saved", SAVE)
    chosen = service_settings()
    if not (chosen.server or chosen.python or _embedded()):
        yield Problem("The extension carries no backend: name an environment or a server", PREFERENCES)


def repeats(context: bpy.types.Context) -> bool:
    """Whether UVs of selected objects leave their square, as those of kits do, by a few of their corners."""
    meshes = [obj.data for obj in context.selected_objects[:FEW] if obj.type == "MESH" and obj.data.uv_layers]
    return any(map(_leaves, meshes))


def shared(context: bpy.types.Context) -> bool:
    """Whether selected objects of unlike meshes wear one material: it may stay one, or become each object's own."""
    meshes: dict[bpy.types.Material, bpy.types.Mesh] = {}
    for obj in context.selected_objects[:FEW]:
        if obj.type == "MESH":
            for slot in obj.material_slots:
                if slot.material is not None and meshes.setdefault(slot.material, obj.data) != obj.data:
                    return True
    return False


def several(context: bpy.types.Context) -> bool:
    """Whether more than one mesh object is selected."""
    return sum(obj.type == "MESH" for obj in context.selected_objects[:FEW]) > 1


def unseen(context: bpy.types.Context) -> bool:
    """Whether the active object is weathered, and the view shows no materials."""
    shading = getattr(context.space_data, "shading", None)  # the 3D View's alone
    if shading is None or shading.type not in ("SOLID", "WIREFRAME"):
        return False
    return context.object is not None and on_object.touched(context.object)


def unwrapped(context: bpy.types.Context) -> bool:
    """Whether Sabi gave a selected object a UV map of its own, since the artist's lie on each other."""
    return any(on_object.UV_MAP in obj for obj in context.selected_objects[:MOST])


def instanced(context: bpy.types.Context) -> bool:
    """Whether a selected object shares its mesh, shows a collection, or lies in one that is shown elsewhere."""
    return any(map(_instanced, context.selected_objects[:FEW]))


def _instanced(obj: bpy.types.Object) -> bool:
    if obj.type == "MESH":
        return obj.data.users > 1 or any(collection.users > 1 for collection in obj.users_collection)
    return obj.instance_type == "COLLECTION" and obj.instance_collection is not None


def _leaves(mesh: bpy.types.Mesh) -> bool:
    layer = next((layer for layer in mesh.uv_layers if layer.active_render), mesh.uv_layers[0])
    corners = layer.uv
    some = range(0, len(corners), max(len(corners) // CORNERS, 1))  # none in Edit Mode
    return any(not -SLACK <= value <= 1 + SLACK for place in some for value in corners[place].vector)


def remedy(error: SabiError) -> Remedy | None:
    """What may mend an error that was met."""
    if isinstance(error, UnknownNetwork):
        return NEWEST
    return PREFERENCES if isinstance(error, BackendError | DeviceError | Unauthorized) else None


def _directx(objects: list[bpy.types.Object]) -> bpy.types.Image | None:
    materials = dict.fromkeys(slot.material for obj in objects for slot in obj.material_slots)
    return next((image for made in materials if (image := unturned(made)) is not None), None)


@cache
def _embedded() -> bool:
    """Whether Blender's own Python has what the backend needs."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnxruntime", "uvicorn", "starlette"))
