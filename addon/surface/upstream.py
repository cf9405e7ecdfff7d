# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes that take part in what a material shows: upstream of its output, into groups and out of them, past what is muted."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from ...backend.protocol.errors import SceneError
from ..nodes.on_object import GROUP_KEY
from .flows import Place, Socket, links_of, surface_output

TEXTURES = ("ShaderNodeTexImage", "ShaderNodeTexEnvironment")


def shown(material: bpy.types.Material) -> Iterator[bpy.types.Node]:
    """The nodes that a material's surface and displacement are made of, each once for each way through groups."""
    output = surface_output(material.node_tree)
    seen: set[tuple] = set()
    for name in ("Surface", "Displacement") if output is not None else ():
        for node, _ in upstream(Place(material.node_tree), output.inputs[name], seen):
            yield node


def check_textures(material: bpy.types.Material) -> None:
    """Raises SceneError where a texture that is shown has no image: Blender would show magenta, and so would the result.

    Sabi's own groups are passed over: what they showed is painted again.
    """
    for node in shown(material):
        if node.bl_idname in TEXTURES and node.image is None and GROUP_KEY not in node.id_data:
            raise SceneError(
                f"The node '{node.label or node.name}' of the material '{material.name}' has no image.",
                "Choose one in the Shader Editor, or remove or mute the node; until then it is magenta.",
            )


def upstream(
    place: Place, entry: Socket, seen: set[tuple], copies: list[bpy.types.NodeTree] | None = None
) -> Iterator[tuple[bpy.types.Node, Place]]:
    """Every node that takes part in what arrives at an input, and where it is; with `copies` every group becomes a copy."""
    for link in links_of(entry):
        source, node = link.from_socket, link.from_node
        key = (*place.way, node.name, source.identifier)
        if key in seen:
            continue
        seen.add(key)
        if node.mute:
            through = [inner.from_socket for inner in node.internal_links if inner.to_socket == source]
            for socket in through:
                yield from upstream(place, socket, seen, copies)
        elif node.bl_idname == "ShaderNodeGroup":
            if node.node_tree is None:
                continue
            if copies is not None and node.node_tree not in copies:
                node.node_tree = node.node_tree.copy()
                copies.append(node.node_tree)
            inside, leave = Place(node.node_tree, node, place), group_output(node.node_tree)
            for socket in leave.inputs if leave is not None else ():
                if socket.identifier == source.identifier:
                    yield from upstream(inside, socket, seen, copies)
        elif node.bl_idname == "NodeGroupInput":
            outside = place.node.inputs if place.node is not None else ()
            for socket in outside:
                if socket.identifier == source.identifier:
                    yield from upstream(place.outer, socket, seen, copies)
        else:
            known = (*place.way, node.name)
            if known not in seen:
                seen.add(known)
                yield node, place
                for socket in node.inputs:
                    yield from upstream(place, socket, seen, copies)


def group_output(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    return next((n for n in tree.nodes if n.bl_idname == "NodeGroupOutput" and n.is_active_output), None)
