# SPDX-License-Identifier: GPL-3.0-or-later
"""What Sabi's nodes work with, looked at on the object itself: exposure, degree, coverage or a mask of a layer, as light.

While it is shown the object wears materials of Sabi's making in place of its weathered ones, whose live sockets they follow.
What the slots had is kept in the object's custom property OVERLAY and put back exactly, also before the file is saved. What an
artist has plugged into a socket Mask is not followed.
"""

from __future__ import annotations

import bpy

from ...backend.protocol.errors import SceneError
from ..versions import enable_nodes
from . import growth_nodes, on_object
from .drivers import drive
from .layer_nodes import BELOW
from .on_object import LAYER, OVERLAY

NAME = ".sabi overlay"
_shading: dict[int, str] = {}  # of the 3D Views that were turned to show materials


def show(obj: bpy.types.Object, what: str) -> None:
    """Shows a value by its mark, such as `1 coverage` or `2 mask 1`. Raises SceneError where the object does not have it."""
    hide(obj)
    found = {made: on_object.group_node(made) for made in on_object.materials(obj)}
    made = {m: _material(node, what) for m, node in found.items() if node is not None and _socket(node.node_tree, what)}
    if not made:
        raise SceneError(
            f"The layers of '{obj.name}' have no {what.partition(' ')[2]} to show.",
            "Weather it again, or choose another.",
        )
    obj[OVERLAY] = {"what": what, "slots": {}}
    for index, slot in enumerate(obj.material_slots):
        if slot.material in made:
            shown, record = made[slot.material], {"link": slot.link, "shown": slot.material}
            slot.link = "OBJECT"
            if slot.material is not None:
                record["own"] = slot.material
            obj[OVERLAY]["slots"][str(index)] = record
            slot.material = shown
    _look()


def hide(obj: bpy.types.Object) -> bool:
    """Puts back what the object wore; returns whether anything was shown."""
    kept = obj.get(OVERLAY)
    if kept is None:
        return False
    worn = []
    for index, record in kept["slots"].items():
        if int(index) >= len(obj.material_slots):
            continue
        slot = obj.material_slots[int(index)]
        slot.link = "OBJECT"
        worn.append(slot.material)
        slot.material = record.get("own")
        slot.link = record["link"]
    del obj[OVERLAY]
    for made in dict.fromkeys(worn):
        if made is not None and made.name.startswith(NAME) and made.users == 0:
            trees = [node.node_tree for node in made.node_tree.nodes if node.bl_idname == "ShaderNodeGroup"]
            bpy.data.materials.remove(made)
            for tree in trees:
                if tree is not None and tree.users == 0:
                    growth_nodes.remove(tree)
    if not any(OVERLAY in other for other in bpy.data.objects):
        _look_back()
    return True


def values(obj: bpy.types.Object) -> list[tuple[str, str, str]]:
    """What there is to show of an object: its mark, the layer's name, and what it is in words, mask by mask."""
    applied = on_object.weathered(obj)
    if applied is None:
        return []
    tree = on_object.group_node(applied.materials[0]).node_tree
    return [
        (f"{layer[LAYER]} {name.lower()}", label, name)
        for layer, label in zip(on_object.layer_nodes_of(tree), applied.labels, strict=False)
        for name in sorted(layer.outputs.keys() - BELOW.keys())
    ]


def _material(node: bpy.types.Node, what: str) -> bpy.types.Material:
    """A material that shines with one value of a group, as its live sockets have it."""
    made = bpy.data.materials.new(NAME)
    enable_nodes(made)
    tree = made.node_tree
    tree.nodes.clear()
    inner = node.node_tree.copy()
    inner.name = NAME
    for key in [key for key in inner.keys() if key.startswith("sabi_")]:  # noqa: SIM118  (a bpy_struct, not a dict)
        del inner[key]
    inner.interface.new_socket("Value", in_out="OUTPUT", socket_type="NodeSocketFloat")
    leave = next(one for one in inner.nodes if one.bl_idname == "NodeGroupOutput")
    inner.links.new(_socket(inner, what), leave.inputs["Value"])
    group, light, end = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("Group", "Emission", "OutputMaterial"))
    group.node_tree = inner
    for own, copied in zip(on_object.layer_inputs(node), on_object.layer_inputs(group), strict=True):
        for name, socket in own.items():
            copied[name].default_value = socket.default_value
            drive(copied[name], socket)
    tree.links.new(group.outputs["Value"], light.inputs["Color"])
    tree.links.new(light.outputs[0], end.inputs["Surface"])
    return made


def _socket(tree: bpy.types.NodeTree, what: str) -> bpy.types.NodeSocket | None:
    number, _, name = what.partition(" ")
    layers = [node for node in on_object.layer_nodes_of(tree) if str(node[LAYER]) == number]
    return layers[0].outputs.get(name.capitalize()) if layers and name.capitalize() not in BELOW else None


def _look() -> None:
    """3D Views that show no materials are turned to Material Preview."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D" and area.spaces.active.shading.type in ("SOLID", "WIREFRAME"):
                _shading[area.as_pointer()] = area.spaces.active.shading.type
                area.spaces.active.shading.type = "MATERIAL"


def _look_back() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            before = _shading.get(area.as_pointer())
            if before is not None and area.type == "VIEW_3D" and area.spaces.active.shading.type == "MATERIAL":
                area.spaces.active.shading.type = before
    _shading.clear()
