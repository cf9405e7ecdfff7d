# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a material's displacement, else its one bump, raises the surface: in metres, along the normal.

Works on copies of materials, as flows.py does. A displacement is a vector in the world, whatever nodes it comes from; the part of
it along the normal is the height. A bump has no flush of its own: half of its height is taken for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy

from .flows import Place, Socket, Value, carry_out, links_of, math, surface_output, value_of
from .upstream import group_output, upstream

FLUSH = 0.5  # of a bump's height
VECTOR = "ShaderNodeVectorDisplacement"


@dataclass(frozen=True)
class Stored:
    """A height that is one socket, and what its values mean: metres = (value - flush) * metres_of_one."""

    socket: Socket
    flush: float
    metres_of_one: float


@dataclass(frozen=True)
class Height:
    """`metres` is a value in the material's own tree; `stored` says the same of one socket, where nothing is computed."""

    metres: Value
    stored: Stored | None = None


FLAT = Height(0.0)


def read_height(
    copy: bpy.types.Material, copies: list[bpy.types.NodeTree], scale: tuple[float, float, float], unit: float
) -> Height:
    """The height of a material copy; adds nodes to its tree. Groups it had to copy are added to `copies`.

    `scale` is the object's, which displacement in object space is subject to; `unit` is the metres of one of Blender's units.
    FLAT where nothing raises the surface, and where several bumps do, because they do not add up to one height.
    """
    found = _in_units(copy.node_tree, copies, scale)
    if unit == 1 or found == FLAT:
        return found
    stored = found.stored and replace(found.stored, metres_of_one=found.stored.metres_of_one * unit)
    return Height(math(copy.node_tree, "MULTIPLY", found.metres, unit), stored)


def _in_units(tree: bpy.types.NodeTree, copies: list[bpy.types.NodeTree], scale: tuple[float, float, float]) -> Height:
    """As `read_height`, in Blender's units."""
    displacement = links_of(surface_output(tree).inputs["Displacement"])
    if displacement:
        return _displaced(tree, displacement[0].from_socket, scale)
    bumps = _bumps(Place(tree), surface_output(tree).inputs["Surface"], copies)
    return _bumped(*next(iter(bumps.values()))) if len(bumps) == 1 else FLAT


def moves_sideways(material: bpy.types.Material) -> bool:
    """Whether a material's displacement has directions of its own, of which only the way outward is read."""
    output = surface_output(material.node_tree)
    return output is not None and any(
        node.bl_idname == VECTOR
        for node, _ in upstream(Place(material.node_tree), output.inputs["Displacement"], set())
    )


def _displaced(tree: bpy.types.NodeTree, source: Socket, scale: tuple[float, float, float]) -> Height:
    along = tree.nodes.new("ShaderNodeVectorMath")
    along.operation = "DOT_PRODUCT"
    tree.links.new(source, along.inputs[0])
    tree.links.new(tree.nodes.new("ShaderNodeNewGeometry").outputs["Normal"], along.inputs[1])
    return Height(along.outputs["Value"], _stored_displacement(_through(source).node, scale))


def _stored_displacement(node: bpy.types.Node, scale: tuple[float, float, float]) -> Stored | None:
    if node.bl_idname != "ShaderNodeDisplacement" or node.mute or links_of(node.inputs["Normal"]):
        return None
    height, flush, size = (value_of(node.inputs[name]) for name in ("Height", "Midlevel", "Scale"))
    if not isinstance(height, Socket) or isinstance(flush, Socket) or isinstance(size, Socket):
        return None
    widths = [abs(axis) for axis in scale]
    if node.space == "OBJECT":
        if max(widths) - min(widths) > 1e-4 * max(widths):
            return None  # how far depends on which way the surface looks
        size *= widths[0]
    return Stored(height, flush, size)


def _bumped(place: Place, node: bpy.types.Node) -> Height:
    tree = place.tree
    height, strength, distance = (value_of(node.inputs[name]) for name in ("Height", "Strength", "Distance"))
    way = -1.0 if node.invert else 1.0
    stored = None
    if isinstance(strength, Socket) or isinstance(distance, Socket):
        gain: Value = math(tree, "MULTIPLY", math(tree, "MULTIPLY", strength, distance), way)
    else:
        gain = strength * distance * way
        stored = Stored(height, FLUSH, gain)
    metres: Value = math(tree, "MULTIPLY", math(tree, "SUBTRACT", height, FLUSH), gain)
    if place.outer is not None:
        stored = None  # a texture inside a group is baked
    while place.outer is not None:
        metres = carry_out(place, group_output(place.tree), metres, "NodeSocketFloat")
        place = place.outer
    return Height(metres, stored)


def _bumps(place: Place, entry: Socket, copies: list[bpy.types.NodeTree]) -> dict[tuple[str, ...], tuple]:
    """The bumps that feed the normals of the shaders that arrive at `entry`, by the way to each, with the place it is in."""
    found = {}
    for shader, there in list(upstream(place, entry, set(), copies)):
        normal = shader.inputs.get("Normal")
        if normal is None or all(socket.type != "SHADER" for socket in shader.outputs):
            continue
        for node, where in upstream(there, normal, set(), copies):
            if node.bl_idname == "ShaderNodeBump" and _raises(node):
                found[(*where.way, node.name)] = (where, node)
    return found


def _raises(bump: bpy.types.Node) -> bool:
    return bool(links_of(bump.inputs["Height"])) and all(
        value_of(bump.inputs[n]) != 0 for n in ("Strength", "Distance")
    )


def _through(socket: Socket) -> Socket:
    while socket.node.bl_idname == "NodeReroute" and links_of(socket.node.inputs[0]):
        socket = links_of(socket.node.inputs[0])[0].from_socket
    return socket
