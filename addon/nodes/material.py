# SPDX-License-Identifier: GPL-3.0-or-later
"""Painted layers on an object's materials: applied, found again, and reverted. Nothing of the artist's is overwritten.

A material that something else uses too gets a copy for this object alone; what the slot had is kept in the object's custom
property SLOTS and put back by `revert`, unless the artist has changed the copy since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.protocol.errors import SceneError
from ...backend.protocol.rules import matches
from ..pixels import strokes
from ..surface import uvs
from . import freshness
from .drivers import drive
from .fingerprint import fingerprint
from .groups import Groups
from .growth_nodes import Module, Plan
from .growth_nodes import remove as remove_group
from .instances import Variation, forget
from .joins import drop_keyframes, find_site, join, part, plan
from .layer_nodes import PaintedImages
from .on_object import (
    BARE,
    LAYER_SOCKETS,
    RECIPE,
    SLOTS,
    UV_MAP,
    every_node,
    group_node,
    layer_inputs,
    materials,
    touched,
)

COPY = "sabi_copy"  # on a material that Sabi made: fingerprint when it was made
ORIGINAL = "sabi_original"  # on a copy: the material that it was made of
IMAGE = "sabi_image"  # on images that Sabi made


@dataclass(frozen=True)
class Painting:
    """Painted layers for some of an object's material slots, and the UV map that the images fit.

    With a `module` they are a tile's, which other objects show too, and the object gets copies of its materials. With a
    `variation` instances may differ.
    """

    slots: tuple[int, ...]
    layers: Sequence[PaintedImages]
    uv_map: str
    wrap: bool = False
    module: Module | None = None
    variation: Variation | None = None

    def plan(self, material: bpy.types.Material) -> Plan:
        """Of the group that a material of the object needs. Raises SceneError."""
        return plan(material, self.layers, self.uv_map, self.wrap, self.module, self.variation)


def prepare(obj: bpy.types.Object, painting: Painting, index: int, number: int, groups: Groups) -> None:
    """Builds the group of one layer (counted from 0) that `apply` will wire into a slot's material. Raises SceneError."""
    found = obj.material_slots[index].material if index < len(obj.material_slots) else None
    earlier = [obj.material_slots[slot].material for slot in painting.slots if slot < index]
    if found is not None and index in painting.slots and found not in earlier:
        groups.prepare(painting.plan(found).of_layers[number])


def used_slots(obj: bpy.types.Object) -> tuple[int, ...]:
    """The material slots that faces show, in order; all of them where there are no faces."""
    count = len(obj.material_slots)
    indices = np.empty(len(obj.data.polygons), np.int32)
    obj.data.polygons.foreach_get("material_index", indices)
    used = np.flatnonzero(np.bincount(np.clip(indices, 0, max(count - 1, 0)))) if len(indices) else range(count)
    return tuple(int(index) for index in used if index < count)


def named_slots(obj: bpy.types.Object, slots: Iterable[int], pattern: str) -> tuple[int, ...]:
    """Those of the slots whose material has a name that matches; a copy of Sabi's has its original's too. "" matches all."""
    return tuple(i for i in slots if not pattern or any(matches((pattern,), name) for name in _names(obj, i)))


def _names(obj: bpy.types.Object, index: int) -> list[str]:
    """What a slot's material is called: its own name, and that of what Sabi put it in the place of; "" for none."""
    record, now = obj.get(SLOTS, {}).get(str(index), {}), obj.material_slots[index].material
    original = now.get(ORIGINAL) if now is not None else None
    return [made.name for made in (now, original, record.get("material")) if made is not None] or [""]


def surface_materials(obj: bpy.types.Object) -> list[bpy.types.Material]:
    """The materials that an object shows, in slot order, each once. Raises SceneError where one cannot be weathered."""
    slots = [obj.material_slots[index] for index in used_slots(obj)]
    found = list(dict.fromkeys(slot.material for slot in slots if slot.material is not None))
    if not found:
        raise SceneError(f"'{obj.name}' has no material.", "Give it a material with a Principled BSDF.")
    for material in found:
        if material.library is not None:
            raise SceneError(
                f"The material '{material.name}' of '{obj.name}' is linked from another file.",
                "Make it local: Object > Relations > Make Local > Materials.",
            )
        find_site(material)
    return found


def apply(
    obj: bpy.types.Object,
    paintings: Sequence[Painting],
    recipe_json: str,
    second_uv: np.ndarray | None = None,
    duplicates: Sequence[bpy.types.Object] = (),
    groups: Groups | None = None,
) -> None:
    """Wires painted layers into the object's materials, in place of what Sabi had put there.

    `second_uv` are the corners' UVs for uvs.SECOND_UV, where the images need a UV map of their own. `duplicates`
    are objects over the same mesh, which get the same materials. `groups` are those that `prepare` has built. Raises SceneError
    before any change where a material cannot be weathered or the object is no longer what was captured.
    """
    surface_materials(obj)
    for made in {
        obj.material_slots[slot].material for p in paintings for slot in p.slots if slot < len(obj.material_slots)
    }:
        if made is not None:
            find_site(made)
    if any(
        slot >= len(obj.material_slots) or obj.material_slots[slot].material is None
        for p in paintings
        for slot in p.slots
    ):
        raise SceneError(f"The materials of '{obj.name}' were changed while it was weathered.", "Weather it again.")
    if second_uv is not None:
        uvs.attach(obj, second_uv)
        obj[UV_MAP] = uvs.SECOND_UV
    done: list[bpy.types.Material] = []
    stale: list[bpy.types.NodeTree | None] = []
    for painting in paintings:
        for material in dict.fromkeys(obj.material_slots[slot].material for slot in painting.slots):
            taken = material in done or is_shared(material, obj, duplicates)
            if taken or (painting.module is not None and COPY not in material):
                own = _copy_for(obj, material, painting.slots)
            else:
                own = material
            stale.append(part(own))
            node = join(own, painting.plan(own), groups or Groups())
            node.node_tree[RECIPE] = recipe_json
            if done:
                _drive(node, group_node(done[0]))
            done.append(own)
    for other in duplicates:
        _dress_like(other, obj)
    _discard(stale)


def revert(obj: bpy.types.Object) -> bool:
    """Takes Sabi's work off an object; what the artist changed since stays. Returns whether there was any."""
    had = touched(obj)
    freshness.forget(obj)
    forget(obj)
    _put_back(obj)
    for material in [m for m in materials(obj) if group_node(m) and is_shared(m, obj)]:
        copy = material.copy()  # others keep the weathered one
        for slot in [slot for slot in obj.material_slots if slot.material == material]:
            give(obj, slot, copy)
    for group in filter(None, map(group_node, materials(obj))):
        drop_keyframes(group)
    _discard([part(material) for material in materials(obj)])
    if obj.pop(UV_MAP, None) and not any(UV_MAP in other for other in _users_of_mesh(obj)):
        uvs.remove_second(obj)
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


def original_of(material: bpy.types.Material) -> bpy.types.Material:
    """What a copy of Sabi's was made of; the material itself where it is none, or the artist has worked on it since."""
    original = material.get(ORIGINAL)
    return original if original is not None and material.get(COPY) == fingerprint(material) else material


def _dress_like(other: bpy.types.Object, obj: bpy.types.Object) -> None:
    """Has a duplicate over the same mesh wear what an object wears; what it had is noted."""
    replaced = []
    keep_slots(other)
    for slot, theirs in zip(other.material_slots, obj.material_slots, strict=True):
        if slot.material != theirs.material:
            replaced.append(slot.material)
            give(other, slot, theirs.material)
    for gone in [made for made in replaced if made is not None and COPY in made and made.users == 0]:
        group = part(gone)
        bpy.data.materials.remove(gone)
        _discard([group])
    if UV_MAP in obj:
        other[UV_MAP] = obj[UV_MAP]


def _copy_for(obj: bpy.types.Object, material: bpy.types.Material, slots: Sequence[int]) -> bpy.types.Material:
    """A copy without Sabi's nodes in those of the slots that have the material; what they had is noted."""
    keep_slots(obj)
    copy = material.copy()
    _discard([part(copy)])
    copy[COPY], copy[ORIGINAL] = fingerprint(copy), original_of(material)
    for slot in [obj.material_slots[index] for index in slots]:
        if slot.material == material:
            give(obj, slot, copy)
    return copy


def is_shared(material: bpy.types.Material, obj: bpy.types.Object, duplicates: Sequence[bpy.types.Object] = ()) -> bool:
    """Whether anything but this object, these (and a mesh that is its alone) uses the material, besides drivers of materials."""
    own = {obj, *duplicates} | ({obj.data} if obj.data.users == 1 else set())
    others = bpy.data.user_map(subset=[material])[material] - own
    return any(not isinstance(user, bpy.types.Material) or user.get(ORIGINAL) == material for user in others)


def _put_back(obj: bpy.types.Object) -> None:
    kept = obj.get(SLOTS)
    if kept is None:
        return
    changed = False
    for index, slot in enumerate(obj.material_slots):
        now = slot.material
        record = _record(kept, index, now) if now is not None and COPY in now else None
        if record is None:
            continue
        gone = now.get(ORIGINAL, ...) is None or record.get("material", ...) is None  # what is deleted stays as None
        if gone or now[COPY] != fingerprint(now):
            changed = True  # its original was deleted, or the artist has worked on the copy: it is theirs now
            continue
        slot.material = None  # the object's own entry would keep the copy in use behind the mesh's
        slot.link = record["link"]
        slot.material = record.get("material")
        if now.users == 0:
            group = part(now)
            ours = [node.image for node in now.node_tree.nodes if IMAGE in (getattr(node, "image", None) or ())]
            bpy.data.materials.remove(now)
            _discard([group])
            bpy.data.batch_remove([image for image in ours if image.users == 0])
    del obj[SLOTS]
    if changed:
        for material in materials(obj):
            for key in (COPY, ORIGINAL):
                material.pop(key, None)


def _record(
    kept: Mapping[str, Mapping[str, object]], index: int, now: bpy.types.Material
) -> Mapping[str, object] | None:
    """What is noted of the slot that a copy of Sabi's is in; the artist may have moved or removed slots since."""
    here = kept.get(str(index))
    if ORIGINAL not in now or (here is not None and here.get("material") == now[ORIGINAL]):
        return here
    others = [record for record in kept.values() if record.get("material") == now[ORIGINAL]]
    return others[0] if others else None


def _discard(groups: Sequence[bpy.types.NodeTree | None]) -> None:
    """Removes groups that nothing uses any more, and their images."""
    images: dict[bpy.types.Image, None] = {}
    found = list(dict.fromkeys(group for group in groups if group is not None))
    users = bpy.data.user_map(subset=found) if found else {}  # 4.2 miscounts users of groups in copied materials
    for group in found:
        if not users[group]:
            images |= {node.image: None for node in every_node(group) if getattr(node, "image", None)}
            remove_group(group)
    for image in images:
        if IMAGE in image and image.users == 0 and not strokes.release(image):
            bare = image.get(BARE)
            bpy.data.images.remove(image)
            if bare is not None and bare.users == 0:
                bpy.data.images.remove(bare)


def _drive(node: bpy.types.Node, first: bpy.types.Node) -> None:
    """A further material of the object follows the sliders of the first."""
    for source, target in zip(layer_inputs(first), layer_inputs(node), strict=True):
        for name in [name for name in LAYER_SOCKETS if name in source and name in target]:
            drive(target[name], source[name])


def _users_of_mesh(obj: bpy.types.Object) -> Iterator[bpy.types.Object]:
    return (other for other in bpy.data.objects if other.data == obj.data and other != obj)
