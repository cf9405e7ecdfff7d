# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an artist has changed a material: a digest of all that shapes its look, Sabi's own nodes left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import bpy

from .joins import beneath
from .on_object import GROUP_KEY, find

# What moves or names a node without changing what it does, and what Blender sets while it is at work.
_LOOKS = {
    "location",
    "location_absolute",
    "width",
    "height",
    "select",
    "hide",
    "label",
    "color",
    "use_custom_color",
    "parent",
}
_STATE = {
    "dimensions",
    "show_options",
    "show_preview",
    "show_texture",
    "warning_propagation",
    "internal_links",
    "name",
    "rna_type",
}


def fingerprint(material: bpy.types.Material) -> str:
    """A hexadecimal digest that changes with the material's nodes, values, images and links as they are without Sabi.

    Touches nothing: where Sabi's nodes stand between others, it looks through them.
    """
    lines = sorted(_lines(material.node_tree, set()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _lines(tree: bpy.types.NodeTree, seen: set[str]) -> Iterator[str]:
    ours = find(tree, "mix") or find(tree, "group")
    for node in tree.nodes:
        if GROUP_KEY in node:
            continue
        yield f"{tree.name}/{node.name} {node.bl_idname} {sorted(_properties(node))}"
        for socket in node.inputs:
            value = _value(socket, ours)
            if value is not None:
                yield f"{tree.name}/{node.name}.{socket.identifier} {value}"
        inner = getattr(node, "node_tree", None)
        if inner is not None and inner.name not in seen:
            seen.add(inner.name)
            yield from _lines(inner, seen)
    for link in tree.links:
        if GROUP_KEY in link.to_node or (GROUP_KEY in link.from_node and link.from_node != ours):
            continue
        source, muted = link.from_socket, link.is_muted
        if link.from_node == ours:
            entry = beneath(link.from_socket)
            if entry is None or not entry.is_linked:
                continue
            source, muted = entry.links[0].from_socket, False
        ends = (source.node.name, source.identifier, link.to_node.name, link.to_socket.identifier)
        yield f"{ends} {muted}"


def _value(socket: bpy.types.NodeSocket, ours: bpy.types.Node | None) -> str | None:
    """What an input has for itself; None where something else feeds it."""
    link = socket.links[0] if socket.is_linked else None
    if not hasattr(socket, "default_value") or (link is not None and link.from_node != ours):
        return None
    entry = None if link is None else beneath(link.from_socket)
    if entry is None:
        return _plain(socket.default_value)
    if entry.is_linked:
        return None
    own = link.from_socket.name == "Normal" or entry.type != socket.type
    return _plain((socket if own else entry).default_value)


def _properties(node: bpy.types.Node) -> Iterator[tuple[str, str]]:
    for prop in node.bl_rna.properties:
        if (
            prop.type != "COLLECTION"
            and prop.identifier not in _LOOKS | _STATE
            and not prop.identifier.startswith("bl_")
        ):
            yield prop.identifier, _plain(getattr(node, prop.identifier))


def _plain(value: object) -> str:
    if isinstance(value, bpy.types.ID):
        return f"{value.bl_rna.identifier} {value.name_full}"
    if isinstance(value, bpy.types.ColorRamp):
        return str([(stop.position, tuple(stop.color)) for stop in value.elements])
    if isinstance(value, bpy.types.CurveMapping):
        return str([[tuple(point.location) for point in curve.points] for curve in value.curves])
    if isinstance(value, bpy.types.bpy_struct):
        return value.bl_rna.identifier
    return str(tuple(value)) if hasattr(value, "__len__") and not isinstance(value, str) else str(value)
