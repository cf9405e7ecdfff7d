# SPDX-License-Identifier: GPL-3.0-or-later
"""Painted layers on an object's materials: applied, found again, and reverted. Nothing of the artist's is overwritten.

A material that something else uses too gets a copy of its own for this object; the slot's own material is kept in the object's
custom property SLOTS and put back by `revert`, unless the artist has changed the copy since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bpy

from ..backend.protocol.errors import SceneError
from .fingerprint import fingerprint
from .growth_nodes import LAYER_SOCKETS, PaintedImages, layer_inputs, layer_labels
from .joins import find_site, group_node, join, part

SLOTS = "sabi_slots"  # on an object: slot number -> {"material": the slot's own, "link": "DATA" or "OBJECT"}
COPY = "sabi_copy"  # on a material that Sabi made: fingerprint when it was made
IMAGE = "sabi_image"  # on images that Sabi made
RECIPE = "sabi_recipe"  # on node groups: the recipe they were painted with, as JSON
UV_MAP = "sabi_uv_map"  # on an object: the UV map that Sabi added


@dataclass(frozen=True)
class Applied:
    """What is on an object: its materials with layers, and the names and live sockets of the first's, bottom layer first."""

    materials: tuple[bpy.types.Material, ...]
    labels: tuple[str, ...]
    layers: tuple[dict[str, bpy.types.NodeSocket], ...]
    recipe_json: str


def surface_materials(obj: bpy.types.Object) -> list[bpy.types.Material]:
    """The materials that an object shows, in slot order, each once. Raises SceneError where it has none or one cannot be weathered."""
    used = {polygon.material_index for polygon in obj.data.polygons}
    slots = [slot for index, slot in enumerate(obj.material_slots) if min(index, len(obj.material_slots) - 1) in used or len(used) == 0]
    found = list(dict.fromkeys(slot.material for slot in slots if slot.material is not None))
    if not found:
        raise SceneError(f"'{obj.name}' has no material.", "Give it a material with a Principled BSDF.")
    for material in found:
        if material.library is not None:
            raise SceneError(f"The material '{material.name}' of '{obj.name}' is linked from another file.", "Make it local first.")
        find_site(material)
    return found


def weathered(obj: bpy.types.Object | None) -> Applied | None:
    """What `apply` has put on an object, or None."""
    materials = tuple(m for m in _materials(obj) if group_node(m)) if obj is not None else ()
    if not materials:
        return None
    node = group_node(materials[0])
    return Applied(materials, tuple(layer_labels(node)), tuple(layer_inputs(node)), node.node_tree.get(RECIPE, ""))


def touched(obj: bpy.types.Object) -> bool:
    """Whether `revert` would find anything of Sabi's."""
    return SLOTS in obj or UV_MAP in obj or weathered(obj) is not None


def apply(
    obj: bpy.types.Object, layers: Sequence[PaintedImages], uv_map: str, recipe_json: str, wrap: bool = False, new_uv_map: bool = False
) -> None:
    """Wires painted layers into every material of the object, in place of what Sabi had put there.

    `uv_map` is the map that the images fit; `new_uv_map` says that Sabi added it. Raises SceneError before any change.
    """
    surface_materials(obj)
    stale = [part(material) for material in _own_materials(obj)]
    first: bpy.types.Node | None = None
    for material in surface_materials(obj):
        node = join(material, layers, uv_map, wrap)
        node.node_tree[RECIPE] = recipe_json
        for source, target in zip(layer_inputs(first), layer_inputs(node), strict=True) if first else ():
            for name in LAYER_SOCKETS:
                _drive(target[name], source[name])
        first = first or node
    if new_uv_map:
        obj[UV_MAP] = uv_map
    _discard(stale)


def revert(obj: bpy.types.Object) -> bool:
    """Takes Sabi's work off an object; what the artist changed since stays. Returns whether there was any."""
    had = touched(obj)
    _put_back(obj)
    for material in [m for m in _shared_with(obj) if group_node(m)]:
        copy = material.copy()  # others keep the weathered one
        for slot in [slot for slot in obj.material_slots if slot.material == material]:
            give(obj, slot, copy)
    _discard([part(material) for material in _materials(obj)])
    name = obj.pop(UV_MAP, None)
    layer = obj.data.uv_layers.get(name) if name else None
    if layer is not None and not any(other.get(UV_MAP) == name for other in _users_of_mesh(obj)):
        obj.data.uv_layers.remove(layer)
    return had


def keep_slots(obj: bpy.types.Object) -> None:
    """Notes which material each slot has, unless that is noted already."""
    if SLOTS not in obj:
        obj[SLOTS] = {}
        for index, slot in enumerate(obj.material_slots):
            obj[SLOTS][str(index)] = {"link": slot.link} | ({"material": slot.material} if slot.material else {})


def give(obj: bpy.types.Object, slot: bpy.types.MaterialSlot, material: bpy.types.Material) -> None:
    """Puts a material of Sabi's making into a slot for this object alone, even where its mesh is shared."""
    if obj.data.users > 1:
        slot.link = "OBJECT"
    slot.material = material


def _own_materials(obj: bpy.types.Object) -> list[bpy.types.Material]:
    """The object's materials, after those that others use too have been replaced by copies for this object."""
    shared = _shared_with(obj)
    if shared:
        keep_slots(obj)
    for material in shared:
        copy = material.copy()
        _discard([part(copy)])
        copy[COPY] = fingerprint(copy)
        for slot in [slot for slot in obj.material_slots if slot.material == material]:
            give(obj, slot, copy)
    return surface_materials(obj)


def _shared_with(obj: bpy.types.Object) -> list[bpy.types.Material]:
    """Materials of the object that anything but this object (and a mesh that is its alone) uses."""
    materials = _materials(obj)
    users = bpy.data.user_map(subset=materials)
    own = {obj} | ({obj.data} if obj.data.users == 1 else set())
    return [material for material in materials if users[material] - own]


def _put_back(obj: bpy.types.Object) -> None:
    kept = obj.get(SLOTS)
    if kept is None:
        return
    changed = False
    for index, slot in enumerate(obj.material_slots):
        record, now = kept.get(str(index)), slot.material
        if record is None or now is None or COPY not in now:
            continue
        if now[COPY] != fingerprint(now):
            changed = True  # the artist has worked on the copy: it is theirs now
            continue
        original = record.get("material")
        slot.material = None  # the object's own entry would keep the copy in use behind the mesh's
        slot.link = record["link"]
        slot.material = original
        if now.users == 0:
            group = part(now)
            bpy.data.materials.remove(now)
            _discard([group])
    del obj[SLOTS]
    if changed:
        for material in _materials(obj):
            material.pop(COPY, None)


def _discard(groups: Sequence[bpy.types.NodeTree | None]) -> None:
    """Removes groups that nothing uses any more, and their images."""
    images: dict[bpy.types.Image, None] = {}
    for group in dict.fromkeys(group for group in groups if group is not None):
        if group.users == 0:
            images |= {node.image: None for node in group.nodes if node.bl_idname == "ShaderNodeTexImage" and node.image}
            bpy.data.node_groups.remove(group)
    for image in images:
        if IMAGE in image and image.users == 0:
            bpy.data.images.remove(image)


def _drive(target: bpy.types.NodeSocket, source: bpy.types.NodeSocket) -> None:
    """A further material of the object follows the sliders of the first."""
    driver = target.driver_add("default_value").driver
    driver.type = "SUM"
    variable = driver.variables.new().targets[0]
    variable.id_type, variable.id = "NODETREE", source.id_data
    variable.data_path = source.path_from_id("default_value")


def _materials(obj: bpy.types.Object) -> list[bpy.types.Material]:
    return list(dict.fromkeys(slot.material for slot in obj.material_slots if slot.material is not None))


def _users_of_mesh(obj: bpy.types.Object) -> Iterator[bpy.types.Object]:
    return (other for other in bpy.data.objects if other.data == obj.data and other != obj)
