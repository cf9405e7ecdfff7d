# SPDX-License-Identifier: GPL-3.0-or-later
"""Painted layers over a base as a node group, with age live in its sockets; each layer is a group inside it (layer_nodes.py).

A group is built in one of two shapes. With `Blend.INPUTS` it has the shader's own inputs (Base Color, Roughness, ...), which
come out weathered. With `Blend.SHADER` it has no base: its outputs feed a Principled of Sabi's own that a Mix Shader lays
over the original by `Coverage`; colours are then averages over what covers, so that the mix gives the same as the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import bpy

from . import layer_nodes
from .instances import AGE, OFFSET, Variation
from .layer_nodes import BELOW, EXPOSED, MOVED, OLDER, LayerPlan, PaintedImages
from .node_builder import NodeBuilder, add_socket
from .on_object import GROUP_KEY, LAYER, MODULE, every_node, layer_nodes_of

# What a shader's inputs come to under full cover: no coat, no glass, no glow, an ordinary dielectric.
COVERED = {
    "Coat Weight": 0.0,
    "Sheen Weight": 0.0,
    "Transmission Weight": 0.0,
    "Subsurface Weight": 0.0,
    "Emission Strength": 0.0,
    "Thin Film Thickness": 0.0,
    "Anisotropic": 0.0,
    "Specular IOR Level": 0.5,
    "IOR": 1.5,
}


SWING = 3.0  # of exposure, from the lowest to the highest that an instance's offset could add


class Blend(Enum):
    INPUTS = "inputs"
    SHADER = "shader"


@dataclass(frozen=True)
class Module:
    """How readily one module of a kit weathers, layer by layer, in a UV map of its own; the painted images are the tile's."""

    exposures: tuple[bpy.types.Image, ...]  # of PACKED_EXPOSURES layers each
    uv_map: str


@dataclass(frozen=True)
class Plan:
    """What a group is made of. `fades` names the inputs of COVERED that shall pass through it."""

    layers: tuple[PaintedImages, ...]
    uv_map: str
    blend: Blend
    fades: tuple[str, ...] = ()
    wrap: bool = False
    module: Module | None = None
    variation: Variation | None = None

    @property
    def of_layers(self) -> tuple[LayerPlan, ...]:
        own = None if self.module is None else self.module.uv_map
        over_base, varied = self.blend is Blend.INPUTS, self.variation is not None
        return tuple(
            LayerPlan(number, layer, self.uv_map, over_base, self.wrap, own, varied)
            for number, layer in enumerate(self.layers, start=1)
        )


def build(
    name: str, plan: Plan, build_layer: Callable[[LayerPlan], bpy.types.NodeTree] = layer_nodes.build
) -> bpy.types.NodeTree:
    """A new node group.

    Where no layer covers, every output is its input, the normal too. Per layer, in a panel of its own: Age, Opacity, Height
    (to each side of flush, in Blender's units), Mask (a further one, for whatever the artist plugs in) and the opacity of each
    channel. With `Blend.SHADER` that of albedo counts for roughness and metallic too: beneath lies a shader, not channels.
    A layer of merged ones has but the Mask.
    """
    tree = bpy.data.node_groups.new(name, "ShaderNodeTree")
    tree[GROUP_KEY] = True
    try:
        _declare(tree, plan)
        _Wiring(tree, plan).lay(build_layer)
    except BaseException:
        remove(tree)
        raise
    return tree


def rewire(tree: bpy.types.NodeTree, layers: Sequence[PaintedImages]) -> None:
    """Builds the nodes of a group anew for as many layers as it has: sockets, their values, links and animation stay."""
    inputs, outputs = (
        [item.name for item in tree.interface.items_tree if item.item_type == "SOCKET" and item.in_out == in_out]
        for in_out in ("INPUT", "OUTPUT")
    )
    nodes = list(every_node(tree))
    uv_map = next(node.uv_map for node in nodes if node.bl_idname == "ShaderNodeUVMap" and MODULE not in node)
    wrap = any(node.extension == "REPEAT" for node in nodes if node.bl_idname == "ShaderNodeTexImage")
    exposures = tuple(n.image for n in tree.nodes if MODULE in n and n.bl_idname == "ShaderNodeTexImage")
    own = next((node.uv_map for node in tree.nodes if MODULE in node and node.bl_idname == "ShaderNodeUVMap"), "")
    noise = next((node for node in tree.nodes if node.bl_idname == "ShaderNodeTexNoise"), None)
    blend, fades = made_for(inputs, outputs)
    module = Module(exposures, own) if exposures else None
    variation = Variation(noise.inputs["Scale"].default_value) if noise is not None else None
    before = [node.node_tree for node in layer_nodes_of(tree)]
    tree.nodes.clear()
    _Wiring(tree, Plan(tuple(layers), uv_map, blend, fades, wrap, module, variation)).lay(layer_nodes.build)
    _remove_unused(before)


def made_for(inputs: Iterable[str], outputs: Iterable[str]) -> tuple[Blend, tuple[str, ...]]:
    """How a group with these sockets blends, and which inputs of COVERED pass through it."""
    blend = Blend.INPUTS if "Base Color" in inputs else Blend.SHADER
    return blend, tuple(name for name in outputs if name in COVERED)


def remove(tree: bpy.types.NodeTree) -> None:
    """Removes a group, and those of its layers that no other group has."""
    layers = [node.node_tree for node in layer_nodes_of(tree)]
    bpy.data.node_groups.remove(tree)
    _remove_unused(layers)


def _remove_unused(trees: Iterable[bpy.types.NodeTree | None]) -> None:
    found = [tree for tree in trees if tree is not None]
    users = bpy.data.user_map(subset=found) if found else {}
    for tree in found:
        if not users[tree]:
            bpy.data.node_groups.remove(tree)


def _declare(tree: bpy.types.NodeTree, plan: Plan) -> None:
    over_base = plan.blend is Blend.INPUTS
    for in_out in ("OUTPUT", "INPUT") if over_base else ("OUTPUT",):
        add_socket(tree, "Base Color", "Color", in_out)
        add_socket(tree, "Roughness", "Float", in_out)
        add_socket(tree, "Metallic", "Float", in_out)
        add_socket(tree, "Normal", "Vector", in_out, **({"hide_value": True} if in_out == "INPUT" else {}))
        for name in plan.fades if over_base else ():
            add_socket(tree, name, "Float", in_out)
    add_socket(tree, "Coverage", "Float", "OUTPUT")
    fraction = {"min_value": 0.0, "max_value": 1.0, "subtype": "FACTOR"}
    for own in plan.of_layers:
        panel = tree.interface.new_panel(f"{own.number} {own.layer.label}")
        values = own.layer.live_values
        for name in own.sockets:
            kept = {"min_value": 0.0, "max_value": 10.0 / own.layer.unit, "subtype": "DISTANCE"}
            limits = kept if name == "Height" else fraction
            add_socket(tree, name, "Float", "INPUT", panel, default_value=values[name], **limits)


class _Wiring(NodeBuilder):
    """Adds the nodes of one group around its layers."""

    def __init__(self, tree: bpy.types.NodeTree, plan: Plan) -> None:
        super().__init__(tree)
        self.plan = plan

    def lay(self, build_layer: Callable[[LayerPlan], bpy.types.NodeTree]) -> None:
        plan, over_base = self.plan, self.plan.blend is Blend.INPUTS
        entry, leave = self.node("NodeGroupInput").outputs, self.node("NodeGroupOutput").inputs
        exposures = self.exposures(plan.module) if plan.module is not None else []
        varied = self.varied(plan.variation) if plan.variation is not None else {}
        panels = _by_panel(self.tree, entry)
        beneath: dict[str, bpy.types.NodeSocket] = {name: entry[name] for name in BELOW if over_base and name in entry}
        laid: list[bpy.types.Node] = []
        for own, controls in zip(plan.of_layers, panels, strict=True):
            self.column += 1
            layer = self.node("ShaderNodeGroup")
            layer.node_tree, layer[LAYER] = build_layer(own), own.number
            laid.append(layer)
            given = beneath | varied | {name: controls[name] for name in own.sockets}
            given |= {name: laid[number - 1].outputs[output] for name, number, output in own.lower}
            given |= {EXPOSED: exposures[own.number - 1]} if exposures else {}
            for name, source in given.items():
                if name in layer.inputs:  # a merged layer has fewer
                    self.connect(source, layer.inputs[name])
            beneath = {name: layer.outputs[name] for name in BELOW}
        self.column += 1
        colour, roughness, metallic = (beneath[name] for name in ("Base Color", "Roughness", "Metallic"))
        covered = beneath["Covered"]
        if not over_base:
            inverse = self.math("DIVIDE", 1.0, self.math("MAXIMUM", covered, 1e-6))
            colour = self.scale_colour(colour, inverse)
            roughness, metallic = self.math("MULTIPLY", roughness, inverse), self.math("MULTIPLY", metallic, inverse)
        own_normal = self.node("ShaderNodeNewGeometry").outputs["Normal"]
        base_normal = self.given(entry["Normal"], own_normal) if over_base else own_normal
        results = {
            "Base Color": colour,
            "Roughness": roughness,
            "Metallic": metallic,
            "Normal": self.normal(base_normal, beneath["Relief"], beneath["Bumped"]),
            "Coverage": covered,
        }
        if over_base:
            results |= {name: self.mix(covered, entry[name], COVERED[name]) for name in plan.fades}
        for name, source in results.items():
            self.connect(source, leave[name])
        self.places[2] = (self.column + 1) * 220
        self.finish()

    def varied(self, variation: Variation) -> dict[str, bpy.types.NodeSocket]:
        """What an instance multiplies its age by, and what it adds to exposure: 1 and 0 where it has no attributes."""
        own = []
        for name in (AGE, OFFSET):
            node = self.node("ShaderNodeAttribute")
            node.attribute_type, node.attribute_name = "INSTANCER", name  # an object's where it is no instance
            own.append(node.outputs["Fac"])
        older = self.math("MAXIMUM", self.math("ADD", own[0], 1.0), 0.0)
        place, noise = self.node("ShaderNodeTexCoord"), self.node("ShaderNodeTexNoise")
        noise.noise_dimensions = "4D"
        self.connect(place.outputs["Object"], noise.inputs["Vector"])
        self.connect(own[1], noise.inputs["W"])
        noise.inputs["Scale"].default_value, noise.inputs["Detail"].default_value = variation.scale, 1.0
        swing = self.math("MULTIPLY_ADD", noise.outputs[0], SWING, -SWING / 2)
        there = self.math("GREATER_THAN", self.math("ABSOLUTE", own[1]), 1e-6)
        return {OLDER: older, MOVED: self.math("MULTIPLY", swing, there)}

    def exposures(self, module: Module) -> list[bpy.types.NodeSocket]:
        """The module's exposure, layer by layer."""
        uv = self.uv(module.uv_map)
        uv[MODULE] = True
        found: list[bpy.types.NodeSocket] = []
        for image in module.exposures:
            node = self.image(image, uv.outputs["UV"], wrap=False)
            node[MODULE] = True
            found += [*self.parts(node.outputs["Color"]), node.outputs["Alpha"]]
        return found

    def normal(self, base: bpy.types.NodeSocket, height: object, covered: object) -> bpy.types.NodeSocket:
        """The base normal bumped by `height` in Blender's units where anything covers, else the base normal itself."""
        bump = self.node("ShaderNodeBump")
        bump.inputs["Strength"].default_value = bump.inputs["Distance"].default_value = 1.0
        self.connect(height, bump.inputs["Height"])
        self.connect(base, bump.inputs["Normal"])
        return self.mix(self.math("GREATER_THAN", covered, 0.0), base, bump.outputs["Normal"], "VECTOR")

    def given(self, vector: bpy.types.NodeSocket, otherwise: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
        """`vector`, or `otherwise` while nothing is plugged in: in a group an empty normal is zero, not the surface's."""
        length = self.node("ShaderNodeVectorMath")
        length.operation = "LENGTH"
        self.connect(vector, length.inputs[0])
        return self.mix(self.math("GREATER_THAN", length.outputs["Value"], 0.0), otherwise, vector, "VECTOR")


def _by_panel(tree: bpy.types.NodeTree, entry: bpy.types.NodeOutputs) -> list[dict[str, bpy.types.NodeSocket]]:
    """As layer_inputs, for the outputs of the node Group Input inside the group."""
    outputs = {socket.identifier: socket for socket in entry}
    panels = [item for item in tree.interface.items_tree if item.item_type == "PANEL"]
    return [{item.name: outputs[item.identifier] for item in panel.interface_items} for panel in panels]
