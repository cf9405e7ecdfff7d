# SPDX-License-Identifier: GPL-3.0-or-later
"""Normal maps as DirectX has them, green down, which Blender takes for OpenGL's: found by their names, and turned by nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import bpy

from ...backend.protocol.errors import SceneError


def straight(tree: bpy.types.NodeTree | None, seen: set[int] | None = None) -> Iterator[bpy.types.Node]:
    """The Normal Map nodes, those inside groups too, that an image feeds as it is, with nothing between that could turn it."""
    seen = set() if seen is None else seen
    if tree is None or tree.session_uid in seen:
        return
    seen.add(tree.session_uid)
    for node in tree.nodes:
        if node.bl_idname == "ShaderNodeGroup" and "sabi_group" not in node:
            yield from straight(node.node_tree, seen)
        elif node.bl_idname == "ShaderNodeNormalMap" and not node.mute and node.space == "TANGENT" and _image(node):
            yield node


def recognised(node: bpy.types.Node) -> bool:
    """Whether the image behind a Normal Map node is DirectX's by the name of its file, or by its own."""
    from ...backend.protocol.texture_names import read_name

    image = _image(node)
    stems = (Path(image.filepath.replace("\\", "/")).stem.replace("<UDIM>", "1001"), Path(image.name).stem)
    return any(read_name(stem).maps == ("normal_dx",) for stem in stems if stem)


def unturned(material: bpy.types.Material | None) -> bpy.types.Image | None:
    """An image of the material that is DirectX's by its name, and that nothing turns."""
    if material is None:
        return None
    return next((_image(node) for node in straight(material.node_tree) if recognised(node)), None)


def turn(material: bpy.types.Material, every: bool) -> list[str]:
    """Turns the green of normal maps by nodes: those recognised, or every one that an image feeds as it is; the images' names.

    Raises SceneError where the material is linked from another file.
    """
    found = [node for node in straight(material.node_tree) if every or recognised(node)]
    if found and any(not node.id_data.is_editable for node in found):
        raise SceneError(
            f"The material '{material.name}' is linked from another file.",
            "Make it local: Object > Relations > Make Local > Materials.",
        )
    names = [_image(node).name for node in found]
    for node in found:
        _turn(node)
    return names


def _turn(node: bpy.types.Node) -> None:
    """Separate, 1 - green, Combine, between the image and the Normal Map node."""
    tree, entry = node.id_data, node.inputs["Color"]
    source = entry.links[0].from_socket
    parts, rest, whole = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("SeparateColor", "Math", "CombineColor"))
    rest.operation, rest.inputs[0].default_value = "SUBTRACT", 1.0
    for number, made in enumerate((parts, rest, whole)):
        made.label, made.location = "DirectX", (node.location.x - 600 + 200 * number, node.location.y - 200)
    tree.links.new(source, parts.inputs[0])
    tree.links.new(parts.outputs[1], rest.inputs[1])
    for index, output in ((0, parts.outputs[0]), (1, rest.outputs[0]), (2, parts.outputs[2])):
        tree.links.new(output, whole.inputs[index])
    tree.links.new(whole.outputs[0], entry)


def _image(node: bpy.types.Node) -> bpy.types.Image | None:
    """The image that feeds a Normal Map node's colour, through reroutes alone."""
    links = node.inputs["Color"].links
    while links and links[0].from_node.bl_idname == "NodeReroute":
        links = links[0].from_node.inputs[0].links
    source = links[0].from_node if links else None
    if source is None or source.bl_idname != "ShaderNodeTexImage" or source.mute:
        return None
    return source.image
