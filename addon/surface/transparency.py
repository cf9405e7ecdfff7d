# SPDX-License-Identifier: GPL-3.0-or-later
"""How opaque a tree of shaders is, as an expression of sockets, so that what is laid over it lets through as much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import bpy

from ...backend.protocol.errors import SceneError
from .flows import links_of

AddNode = Callable[[str], bpy.types.Node]


@dataclass(frozen=True)
class Leaf:
    """A value that some output of the material's own tree gives."""

    socket: bpy.types.NodeSocket

    def build(self, add: AddNode) -> bpy.types.NodeSocket:
        return self.socket


@dataclass(frozen=True)
class Mixed:
    """a * (1 - factor) + b * factor; for added shaders, factor None, max(a + b - 1, 0): their transparencies add up."""

    factor: Opacity | None
    a: Opacity
    b: Opacity

    def build(self, add: AddNode) -> bpy.types.NodeSocket:
        a, b = _value(self.a, add), _value(self.b, add)
        if self.factor is None:
            return _math(add, "SUBTRACT", _math(add, "ADD", a, b), 1.0, clamp=True)
        change = _math(add, "SUBTRACT", b, a)
        return _math(add, "MULTIPLY_ADD", change, _value(self.factor, add), a)


Opacity = float | Leaf | Mixed
# What a group's inputs are, by identifier, of shaders their opacity; None at the top level.
Scope = Mapping[str, Opacity] | None


def alpha_of(source: bpy.types.NodeSocket, material: bpy.types.Material) -> Opacity:
    """Opacity of the shader that this output gives. Raises SceneError where a node group computes it of its own."""
    return _alpha(source, None, material)


def _alpha(source: bpy.types.NodeSocket | None, scope: Scope, material: bpy.types.Material) -> Opacity:
    if source is None:
        return 1.0  # an empty shader socket is black, and opaque
    node = source.node
    if node.mute:
        entry = next((link.from_socket for link in node.internal_links if link.to_socket == source), None)
        return _alpha(_source(entry), scope, material) if entry is not None else 1.0
    match node.bl_idname:
        case "NodeReroute":
            return _alpha(_source(node.inputs[0]), scope, material)
        case "ShaderNodeBsdfPrincipled":
            return _number(node.inputs["Alpha"], scope, material)
        case "ShaderNodeBsdfTransparent":
            return 0.0
        case "ShaderNodeMixShader":
            factor = _number(node.inputs[0], scope, material)
            a, b = (_alpha(_source(node.inputs[i]), scope, material) for i in (1, 2))
            return a if a == b else _mixed(factor, a, b)
        case "ShaderNodeAddShader":
            a, b = (_alpha(_source(node.inputs[i]), scope, material) for i in (0, 1))
            return max(a + b - 1, 0.0) if isinstance(a, float) and isinstance(b, float) else Mixed(None, a, b)
        case "ShaderNodeGroup" if node.node_tree is not None:
            return _inside(node, source, scope, material)
        case "NodeGroupInput" if scope is not None:
            return scope.get(source.identifier, 1.0)
    return 1.0


def _inside(node: bpy.types.Node, source: bpy.types.NodeSocket, scope: Scope, material: bpy.types.Material) -> Opacity:
    """The opacity of a node group's output, its inputs replaced by what they are outside."""
    inner = {
        socket.identifier: _alpha(_source(socket), scope, material)
        if socket.type == "SHADER"
        else _number(socket, scope, material)
        for socket in node.inputs
        if socket.type in ("VALUE", "RGBA", "SHADER")
    }
    leave = next((n for n in node.node_tree.nodes if n.bl_idname == "NodeGroupOutput" and n.is_active_output), None)
    if leave is None:
        return 1.0
    entry = next(socket for socket in leave.inputs if socket.identifier == source.identifier)
    return _alpha(_source(entry), inner, material)


def _number(socket: bpy.types.NodeSocket, scope: Scope, material: bpy.types.Material) -> Opacity:
    source = _source(socket)
    while source is not None and source.node.bl_idname == "NodeReroute":
        source = _source(source.node.inputs[0])
    if source is None:
        return float(socket.default_value) if socket.type == "VALUE" else 1.0
    if scope is None:
        return Leaf(source)
    if source.node.bl_idname == "NodeGroupInput" and source.identifier in scope:
        return scope[source.identifier]
    raise SceneError(
        f"The material '{material.name}' computes its transparency inside a node group, where Sabi cannot follow it.",
        "Ungroup the node group, or bring its alpha out through an input of the group.",
    )


def _source(socket: bpy.types.NodeSocket) -> bpy.types.NodeSocket | None:
    links = links_of(socket)
    return links[0].from_socket if links else None


def _mixed(factor: Opacity, a: Opacity, b: Opacity) -> Opacity:
    if isinstance(factor, float) and isinstance(a, float) and isinstance(b, float):
        return a + (b - a) * min(max(factor, 0.0), 1.0)
    return Mixed(factor, a, b)


def _value(opacity: Opacity, add: AddNode) -> bpy.types.NodeSocket | float:
    return opacity if isinstance(opacity, float) else opacity.build(add)


def _math(
    add: AddNode, operation: str, *values: bpy.types.NodeSocket | float, clamp: bool = False
) -> bpy.types.NodeSocket:
    node = add("ShaderNodeMath")
    node.operation, node.use_clamp, node.hide = operation, clamp, True
    for value, socket in zip(values, node.inputs, strict=False):
        if isinstance(value, float):
            socket.default_value = value
        else:
            node.id_data.links.new(value, socket)
    return node.outputs[0]
