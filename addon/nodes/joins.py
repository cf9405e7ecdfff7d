# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Sabi's node group sits in one material: found, joined, put aside for a bake, and taken out again.

One Principled that shades alone (mixing with Transparent is still alone) gets the group between its inputs and what fed
them. Any other surface shader keeps to itself, and a Principled of Sabi's own is laid over it by coverage. What the group
replaced is kept in the group's own inputs, so that taking it out restores links and values as the artist has them now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import bpy

from ...backend.protocol.errors import SceneError
from ..surface.transparency import alpha_of
from ..versions import has_nodes
from .drivers import follow
from .groups import Groups
from .growth_nodes import COVERED, Blend, Module, Plan, build, made_for
from .instances import Variation
from .layer_nodes import PaintedImages
from .on_object import GROUP_KEY, find, group_node

ALWAYS = ("Base Color", "Roughness", "Metallic", "Normal")


@dataclass(frozen=True)
class Site:
    """Where a surface ends: the socket of the output, what feeds it, and the Principled that shades alone, if any."""

    target: bpy.types.NodeSocket
    source: bpy.types.NodeSocket
    principled: bpy.types.Node | None


def find_site(material: bpy.types.Material) -> Site:
    """Raises SceneError, with the reason, where there is no surface to weather. Changes nothing."""
    name = material.name
    if not has_nodes(material):
        raise SceneError(
            f"The material '{name}' does not use nodes.", "Turn on Use Nodes in the material's Surface panel."
        )
    output = material.node_tree.get_output_node("CYCLES") or material.node_tree.get_output_node("EEVEE")
    if output is None:
        raise SceneError(f"The material '{name}' has no output.", "Add a Material Output node.")
    target = output.inputs["Surface"]
    source = feeding(target)
    if source is None:
        what = "only a volume" if feeding(output.inputs["Volume"]) else "no surface shader"
        raise SceneError(
            f"The material '{name}' has {what}.", "Sabi weathers surfaces: connect a shader to the output's Surface."
        )
    shaders = set(_shaders(source))
    lone = [node for node in shaders if node.bl_idname == "ShaderNodeBsdfPrincipled" and not node.mute]
    others = {node.bl_idname for node in shaders} - {
        "ShaderNodeBsdfPrincipled",
        "ShaderNodeMixShader",
        "ShaderNodeBsdfTransparent",
    }
    return Site(target, source, lone[0] if len(lone) == 1 and not others else None)


def check(material: bpy.types.Material) -> None:
    """Raises SceneError, as `join` will, where layers could not be joined. Changes nothing."""
    site = find_site(material)
    if site.principled is None:
        alpha_of(site.source, material)


def feeding(socket: bpy.types.NodeSocket) -> bpy.types.NodeSocket | None:
    """The output that feeds an input, looking through reroutes; None where nothing does."""
    while socket.is_linked and not socket.links[0].is_muted:
        source = socket.links[0].from_socket
        if source.node.bl_idname != "NodeReroute":
            return source
        socket = source.node.inputs[0]
    return None


def plan(
    material: bpy.types.Material,
    layers: Sequence[PaintedImages],
    uv_map: str,
    wrap: bool = False,
    module: Module | None = None,
    variation: Variation | None = None,
) -> Plan:
    """What the group is made of that these layers need in a material, with or without Sabi's nodes. Raises SceneError."""
    node = group_node(material)
    if node is not None:
        blend, fades = made_for(node.inputs.keys(), node.outputs.keys())
    else:
        lone = find_site(material).principled
        blend = Blend.INPUTS if lone else Blend.SHADER
        fades = tuple(name for name in COVERED if lone and _matters(lone.inputs.get(name), COVERED[name]))
    if blend is Blend.SHADER and any(layer.uneven for layer in layers):
        raise SceneError(
            f"'{material.name}' is no single Principled BSDF, and merged layers keep unlike shares by channel.",
            "Give those layers even opacities, hide layers until four are left, or use a Principled BSDF.",
        )
    return Plan(tuple(layers), uv_map, blend, fades, wrap, module, variation)


def join(material: bpy.types.Material, planned: Plan, groups: Groups) -> bpy.types.Node:
    """Adds the layers to a material without Sabi's nodes; returns the group node. Raises SceneError before any change."""
    site = find_site(material)
    tree = material.node_tree
    alpha = 1.0 if site.principled else alpha_of(site.source, material)
    group = _add(tree, "ShaderNodeGroup", "group")
    group.node_tree = build(f"Sabi {material.name}", planned, groups.take)
    group.label, group.width = "Sabi", 240
    if site.principled:
        _stand_before(tree, group, site.principled, [*ALWAYS, *planned.fades])
    else:
        _lay_over(tree, group, site, alpha)
    return group


def part(material: bpy.types.Material) -> bpy.types.NodeTree | None:
    """Takes Sabi's nodes out; what fed the group feeds again what it fed. Returns the group, now perhaps unused."""
    node = group_node(material)
    if node is None:
        return None
    tree, group = material.node_tree, node.node_tree
    _bypass(tree)
    for name in [n.name for n in tree.nodes if GROUP_KEY in n]:
        _drop_drivers(tree, tree.nodes[name])
        tree.nodes.remove(tree.nodes[name])
    return group


@contextmanager
def aside(materials: Sequence[bpy.types.Material]) -> Iterator[None]:
    """Within, the materials look as they did before Sabi; for bakes of what lies beneath."""
    parted = [(material.name, _bypass(material.node_tree)) for material in materials if group_node(material)]
    try:
        yield
    finally:
        for name, ends in parted:
            if material := bpy.data.materials.get(name):
                _restore(material.node_tree, ends)


def _shaders(socket: bpy.types.NodeSocket) -> Iterator[bpy.types.Node]:
    """Every shader node whose closure arrives at this output."""
    node = socket.node
    through = (
        [link.from_socket for link in node.internal_links if link.to_socket == socket] if node.mute else node.inputs
    )
    if not node.mute:
        yield node
    for entry in through:
        if entry.type == "SHADER" and (source := feeding(entry)):
            yield from _shaders(source)


def _matters(socket: bpy.types.NodeSocket | None, covered: float) -> bool:
    return socket is not None and (socket.is_linked or socket.default_value != covered or _is_animated(socket))


def _stand_before(
    tree: bpy.types.NodeTree, group: bpy.types.Node, shader: bpy.types.Node, names: Sequence[str]
) -> None:
    group.location = (shader.location.x - 280, shader.location.y)
    for name in names:
        original, entry = shader.inputs[name], group.inputs[name]
        if original.is_linked:
            tree.links.new(original.links[0].from_socket, entry)
        if name != "Normal":
            entry.default_value = original.default_value  # what counts too while the link's node is muted
            if not original.is_linked and _is_animated(original):
                follow(entry, original)
        tree.links.new(group.outputs[name], original)


def _lay_over(tree: bpy.types.NodeTree, group: bpy.types.Node, site: Site, alpha: object) -> None:
    shader, mix = _add(tree, "ShaderNodeBsdfPrincipled", "shader"), _add(tree, "ShaderNodeMixShader", "mix")
    x, y = site.target.node.location
    group.location, shader.location, mix.location = (x - 560, y - 320), (x - 280, y - 320), (x, y)
    site.target.node.location.x += 200
    for name in ALWAYS:
        tree.links.new(group.outputs[name], shader.inputs[name])
    if isinstance(alpha, float):
        shader.inputs["Alpha"].default_value = alpha
    else:
        tree.links.new(alpha.build(lambda kind: _add(tree, kind, "alpha")), shader.inputs["Alpha"])
    tree.links.new(group.outputs["Coverage"], mix.inputs[0])
    tree.links.new(site.target.links[0].from_socket, mix.inputs[1])
    tree.links.new(shader.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], site.target)


def beneath(output: bpy.types.NodeSocket) -> bpy.types.NodeSocket | None:
    """The input of Sabi's node that holds what one of its outputs took the place of; None where it took no one's."""
    node = output.node
    return node.inputs[1] if node.get(GROUP_KEY) == "mix" else node.inputs.get(output.name)


def _bypass(tree: bpy.types.NodeTree) -> list[tuple[str, str, str, str]]:
    """Links around Sabi's nodes; returns the ends (node, socket, node, socket) of the links that led out, by name."""
    mix, group = find(tree, "mix"), find(tree, "group")
    outgoing = []
    if mix is None and group.node_tree is None:  # deleted, and with it the sockets that led around it
        return outgoing
    for link in [link for link in tree.links if link.from_node == (mix or group) and GROUP_KEY not in link.to_node]:
        source, target = link.from_socket, link.to_socket
        outgoing.append((source.node.name, source.identifier, target.node.name, target.identifier))
        entry = beneath(source)
        tree.links.remove(link)
        if entry is not None and entry.is_linked:
            tree.links.new(entry.links[0].from_socket, target)
        elif entry is not None and mix is None and source.name != "Normal" and target.type == entry.type:
            target.default_value = entry.default_value
    return outgoing


def _restore(tree: bpy.types.NodeTree, ends: Sequence[tuple[str, str, str, str]]) -> None:
    for source_node, source, target_node, target in ends:
        a, b = tree.nodes.get(source_node), tree.nodes.get(target_node)
        if a is not None and b is not None:
            outputs, inputs = ({socket.identifier: socket for socket in side} for side in (a.outputs, b.inputs))
            if source in outputs and target in inputs:
                tree.links.new(outputs[source], inputs[target])


def _add(tree: bpy.types.NodeTree, kind: str, role: str) -> bpy.types.Node:
    node = tree.nodes.new(kind)
    node[GROUP_KEY] = role
    node.select = False
    return node


def curves(owner: bpy.types.ID) -> list[bpy.types.FCurve]:
    """The F-curves and drivers of a data-block, in layered actions (4.4 and later) too."""
    data = owner.animation_data
    if data is None:
        return []
    found = list(data.drivers)
    if action := data.action:
        layers = getattr(action, "layers", ())
        bags = [bag for layer in layers for strip in layer.strips for bag in getattr(strip, "channelbags", ())]
        found += [curve for bag in bags for curve in bag.fcurves] or list(getattr(action, "fcurves", ()))
    return found


def _is_animated(socket: bpy.types.NodeSocket) -> bool:
    path = socket.path_from_id("default_value")
    return any(curve.data_path == path for curve in curves(socket.id_data))


def _drop_drivers(tree: bpy.types.NodeTree, node: bpy.types.Node) -> None:
    """Removing a node leaves its curves behind, and a later node of the same name would take them."""
    prefix = node.path_from_id() + "."
    for curve in [curve for curve in curves(tree) if curve.data_path.startswith(prefix)]:
        if curve.driver is not None:
            tree.animation_data.drivers.remove(curve)


def keyed(owner: bpy.types.ID):  # type: ignore[no-untyped-def]
    """The curves of a data-block's action, in the slot that it uses (from Blender 5.0 on there is no other way to them)."""
    data = owner.animation_data
    if data is None or data.action is None:
        return ()
    if hasattr(data.action, "fcurves"):
        return data.action.fcurves
    bags = (strip.channelbag(data.action_slot) for layer in data.action.layers for strip in layer.strips)
    return next((bag.fcurves for bag in bags if bag is not None), ())


def drop_keyframes(node: bpy.types.Node) -> None:
    """Removes a node's keyframes, which stay where a node goes; and the action, where nothing else was in it."""
    tree, prefix = node.id_data, node.path_from_id() + "."
    data = tree.animation_data

    def own() -> list[bpy.types.FCurve]:
        return [curve for curve in keyed(tree) if curve.data_path.startswith(prefix)]

    if not own():
        return
    if data.action.users > 1:  # a copy of the material moves by it too
        data.action = data.action.copy()
    for curve in own():
        keyed(tree).remove(curve)
    if not len(keyed(tree)) and not data.drivers and not data.nla_tracks:
        tree.animation_data_clear()
