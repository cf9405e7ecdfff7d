# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks that lie on the mesh: a vertex group's weights, a colour attribute. Baked as the still copy on the stage has them."""

from __future__ import annotations

from collections.abc import Sequence

import bpy

from ...backend.protocol.errors import SceneError
from ..recipe.mask_kinds import parts

WEIGHTS = "sabi_weights"  # the attribute that a group's weights become on the temporary copy


def check(obj: bpy.types.Object, names: Sequence[str]) -> None:
    """Raises SceneError where the object lacks one of these masks."""
    for mask in names:
        kind, name = parts(mask)
        if kind == "GROUP" and name not in obj.vertex_groups:
            raise SceneError(f"'{obj.name}' has no vertex group '{name}'.", "Choose another mask for the layer.")
        if kind == "ATTRIBUTE" and name not in obj.data.attributes:
            raise SceneError(f"'{obj.name}' has no color attribute '{name}'.", "Choose another mask for the layer.")


def attribute(still: bpy.types.Object, mask: str) -> str:
    """The name under which a material finds this mask on the temporary copy."""
    kind, name = parts(mask)
    if kind != "GROUP":
        return name
    if WEIGHTS in still.modifiers:
        still.modifiers.remove(still.modifiers[WEIGHTS])
    still.modifiers.new(WEIGHTS, "NODES").node_group = _stored(name)
    return WEIGHTS


def _stored(group: str) -> bpy.types.NodeTree:
    """Geometry nodes that keep a vertex group's weights as an attribute; materials know no vertex groups."""
    tree = bpy.data.node_groups.new(".sabi weights", "GeometryNodeTree")
    for in_out in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=in_out, socket_type="NodeSocketGeometry")
    kinds = ("NodeGroupInput", "GeometryNodeInputNamedAttribute", "GeometryNodeStoreNamedAttribute", "NodeGroupOutput")
    entry, weights, store, leave = (tree.nodes.new(kind) for kind in kinds)
    weights.data_type = store.data_type = "FLOAT"
    store.domain = "POINT"
    weights.inputs["Name"].default_value, store.inputs["Name"].default_value = group, WEIGHTS
    tree.links.new(entry.outputs[0], store.inputs["Geometry"])
    value = next(socket for socket in weights.outputs if socket.enabled and socket.name == "Attribute")
    tree.links.new(value, next(socket for socket in store.inputs if socket.enabled and socket.name == "Value"))
    tree.links.new(store.outputs["Geometry"], leave.inputs[0])
    return tree
