# SPDX-License-Identifier: GPL-3.0-or-later
"""Any material tree as flows of values: what its shaders amount to as base colour, roughness, metallic and alpha.

Works on copies of materials only. Every shader of the tree becomes sockets of the same tree (or constants), mixed as the shaders
are mixed: Mix Shader by its factor, Add Shader by brightness, groups by new sockets on a copy of the group. Emission of these
sockets is what capture bakes, so that metals, coats and mixtures all give their base.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import bpy

from ...backend.protocol.errors import SceneError

Socket = bpy.types.NodeSocket
Value = Socket | float | tuple[float, float, float]

COLOUR_INPUTS = ("Base Color", "Color")
# Shaders that have a colour, with what they are otherwise; None is read from the input of the same name.
KINDS: dict[str, tuple[float | None, float | None]] = {  # roughness, metallic
    "ShaderNodeBsdfPrincipled": (None, None),
    "ShaderNodeEeveeSpecular": (None, 0.0),
    "ShaderNodeBsdfDiffuse": (1.0, 0.0),
    "ShaderNodeBsdfAnisotropic": (None, 1.0),
    "ShaderNodeBsdfMetallic": (None, 1.0),
    "ShaderNodeBsdfGlass": (None, 0.0),
    "ShaderNodeBsdfRefraction": (None, 0.0),
    "ShaderNodeBsdfTranslucent": (1.0, 0.0),
    "ShaderNodeBsdfSheen": (1.0, 0.0),
    "ShaderNodeBsdfToon": (1.0, 0.0),
    "ShaderNodeBsdfHair": (1.0, 0.0),
    "ShaderNodeBsdfHairPrincipled": (None, 0.0),
    "ShaderNodeSubsurfaceScattering": (1.0, 0.0),
    "ShaderNodeEmission": (1.0, 0.0),
    "ShaderNodeBackground": (1.0, 0.0),
}
CLEAR = ("ShaderNodeBsdfTransparent", "ShaderNodeHoldout", "ShaderNodeBsdfRayPortal")
GLOWS = ("ShaderNodeEmission", "ShaderNodeBackground")
VOLUMES = (
    "ShaderNodeVolumePrincipled",
    "ShaderNodeVolumeAbsorption",
    "ShaderNodeVolumeScatter",
    "ShaderNodeVolumeCoefficients",
    "ShaderNodeVolumeInfo",
)


@dataclass(frozen=True)
class Flow:
    """What one shader amounts to. `colour` is None where there is nothing but see-through."""

    colour: Value | None
    roughness: Value = 1.0
    metallic: Value = 0.0
    alpha: Value = 1.0
    glow: bool = False  # light alone: it has no base to add to another shader


NOTHING = Flow(None, alpha=0.0)


def read_flow(material: bpy.types.Material, name: str, copies: list[bpy.types.NodeTree]) -> Flow:
    """The flow of a material copy's surface; adds nodes to its tree. Groups it had to copy are added to `copies`.

    `name` is the original's, for messages. Raises SceneError when the surface cannot be read.
    """
    tree = material.node_tree
    output = surface_output(tree)
    if output is None or not links_of(output.inputs["Surface"]):
        volume = output is not None and output.inputs["Volume"].is_linked
        raise SceneError(
            f"The material '{name}' has {'only a volume' if volume else 'no surface'}.",
            "Connect a surface shader to its Material Output, or take it off the object.",
        )
    flow = _Reader(name, copies).at(Place(tree), output.inputs["Surface"])
    if flow.colour is None:
        raise SceneError(
            f"The material '{name}' is invisible: there is nothing to weather.",
            "Connect a shader with a colour to its Material Output.",
        )
    return flow


def surface_output(tree: bpy.types.NodeTree) -> bpy.types.Node | None:
    """The Material Output that renders use: Cycles' own if there is one, else EEVEE's."""
    return tree.get_output_node("CYCLES") or tree.get_output_node("EEVEE") or tree.get_output_node("ALL")


@dataclass
class Place:
    """A tree being read, and the way out of it: the group node that shows it and the place that node is in."""

    tree: bpy.types.NodeTree
    node: bpy.types.Node | None = None
    outer: Place | None = None

    @property
    def way(self) -> tuple[str, ...]:
        """The names of the group nodes that lead here, the outermost first."""
        return (*self.outer.way, self.node.name) if self.outer is not None and self.node is not None else ()


class _Reader:
    def __init__(self, material: str, copies: list[bpy.types.NodeTree]) -> None:
        self.material = material
        self.copies = copies

    def at(self, place: Place, socket: Socket) -> Flow:
        """The flow into a shader input; NOTHING where it is empty."""
        links = links_of(socket)
        return self.shader(place, links[0].from_node, links[0].from_socket) if links else NOTHING

    def shader(self, place: Place, node: bpy.types.Node, socket: Socket) -> Flow:
        kind = node.bl_idname
        if node.mute:
            through = next((link.from_socket for link in node.internal_links if link.to_socket == socket), None)
            return self.at(place, through) if through is not None else NOTHING
        if kind == "NodeReroute":
            return self.at(place, node.inputs[0])
        if kind == "ShaderNodeMixShader":
            below, above = self.at(place, node.inputs[1]), self.at(place, node.inputs[2])
            return self.mix(place.tree, value_of(node.inputs[0]), below, above)
        if kind == "ShaderNodeAddShader":
            return self.add(place.tree, self.at(place, node.inputs[0]), self.at(place, node.inputs[1]))
        if kind == "ShaderNodeGroup":
            return self.group(place, node, socket)
        if kind == "NodeGroupInput":
            return self.entry(place, socket)
        if kind in CLEAR or kind in VOLUMES:
            return NOTHING
        if kind in KINDS:
            return self.leaf(node, *KINDS[kind])
        raise SceneError(
            f"The material '{self.material}' uses the node {node.bl_label}, whose surface Sabi cannot read.",
            "Bake it to textures, or use a Principled BSDF.",
        )

    def leaf(self, node: bpy.types.Node, roughness: float | None, metallic: float | None) -> Flow:
        colour = next(node.inputs[name] for name in COLOUR_INPUTS if name in node.inputs)
        alpha: Value = 1.0
        if "Alpha" in node.inputs:
            alpha = value_of(node.inputs["Alpha"])
        elif node.bl_idname == "ShaderNodeEeveeSpecular":
            alpha = invert(node.id_data, value_of(node.inputs["Transparency"]))
        return Flow(
            value_of(colour),
            value_of(node.inputs["Roughness"]) if roughness is None else roughness,
            value_of(node.inputs["Metallic"]) if metallic is None else metallic,
            alpha,
            glow=node.bl_idname in GLOWS,
        )

    def mix(self, tree: bpy.types.NodeTree, factor: Value, below: Flow, above: Flow) -> Flow:
        alpha = mix(tree, factor, below.alpha, above.alpha)
        if below.colour is None or above.colour is None:
            seen = above if below.colour is None else below
            return replace(seen, alpha=alpha)
        return Flow(
            mix(tree, factor, below.colour, above.colour, colour=True),
            mix(tree, factor, below.roughness, above.roughness),
            mix(tree, factor, below.metallic, above.metallic),
            alpha,
            below.glow and above.glow,
        )

    def add(self, tree: bpy.types.NodeTree, one: Flow, other: Flow) -> Flow:
        """Colours add up to at most 1; roughness and metallic are those of the brighter. Light adds nothing to a base."""
        if one.colour is None or other.colour is None:
            seen = other if one.colour is None else one
            return replace(seen, alpha=add(tree, one.alpha, other.alpha))
        if one.glow != other.glow:
            return other if one.glow else one
        share = brightness_share(tree, one.colour, other.colour)
        return Flow(
            add(tree, one.colour, other.colour, colour=True),
            mix(tree, share, one.roughness, other.roughness),
            mix(tree, share, one.metallic, other.metallic),
            add(tree, one.alpha, other.alpha),
            one.glow,
        )

    def group(self, place: Place, node: bpy.types.Node, socket: Socket) -> Flow:
        """Into a group: a copy of it, for what is added; the flow comes out through new sockets."""
        if node.node_tree is None:
            return NOTHING
        if node.node_tree not in self.copies:
            node.node_tree = node.node_tree.copy()
            self.copies.append(node.node_tree)
        inside = Place(node.node_tree, node, place)
        leave = next((n for n in inside.tree.nodes if n.bl_idname == "NodeGroupOutput" and n.is_active_output), None)
        if leave is None:
            return NOTHING
        index = list(node.outputs).index(socket)
        flow = self.at(inside, leave.inputs[index])
        return Flow(
            None if flow.colour is None else carry_out(inside, leave, flow.colour, "NodeSocketColor"),
            carry_out(inside, leave, flow.roughness, "NodeSocketFloat"),
            carry_out(inside, leave, flow.metallic, "NodeSocketFloat"),
            carry_out(inside, leave, flow.alpha, "NodeSocketFloat"),
            flow.glow,
        )

    def entry(self, place: Place, socket: Socket) -> Flow:
        """A shader that comes into a group from outside: its flow is read there and led in through new sockets."""
        if place.outer is None:
            return NOTHING
        outside = next((s for s in place.node.inputs if s.identifier == socket.identifier), None)
        if outside is None:
            return NOTHING
        flow = self.at(place.outer, outside)
        return Flow(
            None if flow.colour is None else self.carry_in(place, socket.node, flow.colour, "NodeSocketColor"),
            self.carry_in(place, socket.node, flow.roughness, "NodeSocketFloat"),
            self.carry_in(place, socket.node, flow.metallic, "NodeSocketFloat"),
            self.carry_in(place, socket.node, flow.alpha, "NodeSocketFloat"),
            flow.glow,
        )

    def carry_in(self, place: Place, entry: bpy.types.Node, value: Value, kind: str) -> Value:
        if not isinstance(value, bpy.types.NodeSocket):
            return value
        item = place.tree.interface.new_socket(".sabi", in_out="INPUT", socket_type=kind)
        place.outer.tree.links.new(value, _with_identifier(place.node.inputs, item.identifier))
        return _with_identifier(entry.outputs, item.identifier)


def carry_out(inside: Place, leave: bpy.types.Node, value: Value, kind: str) -> Value:
    """A value inside a group as one outside it, through a new socket; a constant is the same in both."""
    if not isinstance(value, Socket):
        return value
    item = inside.tree.interface.new_socket(".sabi", in_out="OUTPUT", socket_type=kind)
    inside.tree.links.new(value, _with_identifier(leave.inputs, item.identifier))
    return _with_identifier(inside.node.outputs, item.identifier)


def mix(tree: bpy.types.NodeTree, factor: Value, a: Value, b: Value, *, colour: bool = False) -> Value:
    """a at factor 0, b at 1; a constant where all are."""
    if a is b or (not isinstance(a, Socket) and a == b):
        return a
    if not isinstance(factor, Socket) and factor in (0.0, 1.0):
        return b if factor else a
    node = tree.nodes.new("ShaderNodeMix")
    node.data_type, node.clamp_factor = ("RGBA" if colour else "FLOAT"), True
    for value, target in zip((factor, a, b), [s for s in node.inputs if s.enabled], strict=True):
        plug(tree, value, target)
    return next(s for s in node.outputs if s.enabled)


def add(tree: bpy.types.NodeTree, a: Value, b: Value, *, colour: bool = False) -> Value:
    """The sum, at most 1."""
    if colour:
        node = tree.nodes.new("ShaderNodeMix")
        node.data_type, node.blend_type, node.clamp_result = "RGBA", "ADD", True
        for value, target in zip((1.0, a, b), [s for s in node.inputs if s.enabled], strict=True):
            plug(tree, value, target)
        return next(s for s in node.outputs if s.enabled)
    if not isinstance(a, Socket) and not isinstance(b, Socket):
        return min(a + b, 1.0)
    return math(tree, "ADD", a, b, clamp=True)


def invert(tree: bpy.types.NodeTree, value: Value) -> Value:
    """1 - value."""
    return math(tree, "SUBTRACT", 1.0, value) if isinstance(value, Socket) else 1.0 - value


def brightness_share(tree: bpy.types.NodeTree, one: Value, other: Value) -> Value:
    """How much of the brightness of both the second has."""
    levels = []
    for colour in (one, other):
        grey = tree.nodes.new("ShaderNodeRGBToBW")
        plug(tree, colour, grey.inputs[0])
        levels.append(grey.outputs[0])
    total = math(tree, "MAXIMUM", math(tree, "ADD", *levels), 1e-6)
    return math(tree, "DIVIDE", levels[1], total)


def math(tree: bpy.types.NodeTree, operation: str, *values: Value, clamp: bool = False) -> Socket:
    node = tree.nodes.new("ShaderNodeMath")
    node.operation, node.use_clamp = operation, clamp
    for value, target in zip(values, node.inputs, strict=False):
        plug(tree, value, target)
    return node.outputs[0]


def plug(tree: bpy.types.NodeTree, value: Value, target: Socket) -> None:
    """Links a socket or sets a constant; a constant colour gets its alpha, a number becomes grey."""
    if isinstance(value, Socket):
        tree.links.new(value, target)
    elif hasattr(target.default_value, "__len__"):
        rgb = value if isinstance(value, tuple) else (value,) * 3
        target.default_value = (*rgb, 1.0)[: len(target.default_value)]
    else:
        target.default_value = value


def value_of(socket: Socket) -> Value:
    """What an input gets: the socket that feeds it, else its own constant."""
    links = links_of(socket)
    if links:
        return links[0].from_socket
    value = socket.default_value
    return tuple(value[:3]) if hasattr(value, "__len__") else float(value)


def links_of(socket: Socket) -> list[bpy.types.NodeLink]:
    """The links that feed an input; where nothing does, it gives its own constant.

    An output of a muted node through which nothing is passed counts as not linked, as it does in renders.
    """
    return [link for link in socket.links if link.is_valid and not link.is_muted and not _passes_nothing(link)]


def _passes_nothing(link: bpy.types.NodeLink) -> bool:
    node = link.from_node
    return node.mute and all(inner.to_socket != link.from_socket for inner in node.internal_links)


def _with_identifier(sockets: bpy.types.bpy_prop_collection, identifier: str) -> Socket:
    return next(socket for socket in sockets if socket.identifier == identifier)
