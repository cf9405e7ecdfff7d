# SPDX-License-Identifier: GPL-3.0-or-later
"""Shader nodes added to a tree one after the other, and laid out in columns."""

from __future__ import annotations

import bpy


class NodeBuilder:
    """Adds nodes, column by column from left to right; `finish` puts them in their places.

    Whatever is set on a node has Blender look over its whole tree, even where it is what it was: so nothing is set to what it is,
    places are set all at once, and trees are kept small.
    """

    def __init__(self, tree: bpy.types.NodeTree) -> None:
        self.tree = tree
        self.column = 0
        self.places: list[float] = []  # x and y of node after node

    def finish(self) -> None:
        self.tree.nodes.foreach_set("location", self.places)

    def node(self, kind: str) -> bpy.types.Node:
        node = self.tree.nodes.new(kind)
        row = len(self.places) // 2 % 12
        self.places += self.column * 220, -170 * row
        node.hide = kind not in ("NodeGroupInput", "NodeGroupOutput", "ShaderNodeGroup")
        return node

    def image(self, image: bpy.types.Image | None, uv: bpy.types.NodeSocket | None, wrap: bool) -> bpy.types.Node:
        node = self.node("ShaderNodeTexImage")
        node.image = image
        if not wrap:
            node.extension = "EXTEND"
        if uv is not None:
            self.connect(uv, node.inputs["Vector"])
        return node

    def uv(self, uv_map: str) -> bpy.types.Node:
        node = self.node("ShaderNodeUVMap")
        node.uv_map = uv_map
        return node

    def parts(self, colour: bpy.types.NodeSocket) -> tuple[bpy.types.NodeSocket, ...]:
        """Red, green and blue."""
        node = self.node("ShaderNodeSeparateColor")
        self.connect(colour, node.inputs[0])
        return tuple(node.outputs)

    def math(self, operation: str, *values: object, clamp: bool = False) -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMath")
        if operation != node.operation:
            node.operation = operation
        if clamp:
            node.use_clamp = True
        for value, socket in zip(values, node.inputs, strict=False):
            self.connect(value, socket)
        return node.outputs[0]

    def mix(self, factor: object, a: object, b: object, kind: str = "FLOAT") -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMix")  # clamps its factor
        if kind != node.data_type:
            node.data_type = kind
        inputs = [socket for socket in node.inputs if socket.enabled]
        for value, socket in zip((factor, a, b), inputs, strict=True):
            self.connect(value, socket)
        return next(socket for socket in node.outputs if socket.enabled)

    def scale_colour(self, colour: object, factor: object) -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeVectorMath")
        node.operation = "SCALE"
        self.connect(colour, node.inputs[0])
        self.connect(factor, node.inputs["Scale"])
        return node.outputs[0]

    def connect(self, source: object, target: bpy.types.NodeSocket) -> None:
        if isinstance(source, bpy.types.NodeSocket):
            self.tree.links.new(source, target)
        elif source != _value(target):
            target.default_value = source


def add_socket(
    tree: bpy.types.NodeTree, name: str, kind: str, in_out: str, parent: object = None, **values: object
) -> None:
    """Gives a group a socket of `kind` Color, Float or Vector."""
    item = tree.interface.new_socket(name, in_out=in_out, socket_type=f"NodeSocket{kind}", parent=parent)
    for key, value in values.items():
        setattr(item, key, value)


def _value(socket: bpy.types.NodeSocket) -> object:
    value = socket.default_value
    return tuple(value) if isinstance(value, bpy.types.bpy_prop_array) else value
