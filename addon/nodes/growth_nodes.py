# SPDX-License-Identifier: GPL-3.0-or-later
"""The formula of backend/protocol/growth.py as a node group: painted layers over a base, with age live in its sockets.

A group is built in one of two shapes. With `Blend.INPUTS` it has the shader's own inputs (Base Color, Roughness, ...), which
come out weathered. With `Blend.SHADER` it has no base: its outputs feed a Principled of Sabi's own that a Mix Shader lays
over the original by `Coverage`; colours are then averages over what covers, so that the mix gives the same as the formula.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import bpy

from ...backend.protocol import growth
from ...backend.protocol.mask_names import DEGREE
from ...backend.protocol.mask_stack import Combine, Mask, begins_with
from ...backend.protocol.opacity import EVEN, OPAQUE, ChannelOpacity, Curve, segments
from ...backend.protocol.painted import CHANNELS
from .instances import AGE, OFFSET, Variation
from .on_object import CHANNEL_SOCKETS, GROUP_KEY, MODULE, PAINTED, VALUE

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
class PlacedMask:
    """A layer's mask and the image that shows it; None where another layer is the mask.

    `channel` is the one of Sabi's own image, which fits the UV map of the painted images; None where the image is the artist's,
    in the UV map that renders use.
    """

    mask: Mask
    image: bpy.types.Image | None = None
    channel: int | None = None


@dataclass(frozen=True)
class PaintedImages:
    """One layer's three images in Blender, and where its sockets start."""

    thin: bpy.types.Image
    thick: bpy.types.Image
    growth: bpy.types.Image
    label: str
    age: float
    opacity: float
    relief: float  # metres to each side of flush
    masks: tuple[PlacedMask, ...] = ()  # in the order in which they are combined
    channels: ChannelOpacity = OPAQUE
    curve: Curve = EVEN
    unit: float = 1.0  # metres of one of Blender's units, which sockets have
    mean: float = 0.0  # of the layer's exposure, by its settings: what a kit's module goes by
    merged: bool = False  # its images are those of merging.MERGED_CHANNELS
    uneven: bool = False  # merged of layers whose channels do not cover alike


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


def build(name: str, plan: Plan) -> bpy.types.NodeTree:
    """A new node group.

    Where no layer covers, every output is its input, the normal too. Per layer, in a panel of its own: Age, Opacity, Height
    (to each side of flush, in Blender's units), Mask (a further one, for whatever the artist plugs in) and the opacity of each
    channel. With `Blend.SHADER` that of albedo counts for roughness and metallic too: beneath lies a shader, not channels.
    A layer of merged ones has but the Mask.
    """
    tree = bpy.data.node_groups.new(name, "ShaderNodeTree")
    tree[GROUP_KEY] = True
    try:
        _declare(tree, plan.layers, plan.blend, plan.fades)
        _Wiring(tree, plan.module, plan.variation).lay(plan.layers, plan.uv_map, plan.blend, plan.fades, plan.wrap)
    except BaseException:
        bpy.data.node_groups.remove(tree)
        raise
    return tree


def rewire(tree: bpy.types.NodeTree, layers: Sequence[PaintedImages]) -> None:
    """Builds the nodes of a group anew for as many layers as it has: sockets, their values, links and animation stay."""
    inputs, outputs = (
        [item.name for item in tree.interface.items_tree if item.item_type == "SOCKET" and item.in_out == in_out]
        for in_out in ("INPUT", "OUTPUT")
    )
    uv_map = next(node.uv_map for node in tree.nodes if node.bl_idname == "ShaderNodeUVMap" and MODULE not in node)
    wrap = any(node.extension == "REPEAT" for node in tree.nodes if node.bl_idname == "ShaderNodeTexImage")
    shown = [node.image for node in tree.nodes if MODULE in node and node.bl_idname == "ShaderNodeTexImage"]
    own = next((node.uv_map for node in tree.nodes if MODULE in node and node.bl_idname == "ShaderNodeUVMap"), "")
    noise = next((node for node in tree.nodes if node.bl_idname == "ShaderNodeTexNoise"), None)
    variation = Variation(noise.inputs["Scale"].default_value) if noise is not None else None
    tree.nodes.clear()
    blend, fades = made_for(inputs, outputs)
    _Wiring(tree, Module(tuple(shown), own) if shown else None, variation).lay(layers, uv_map, blend, fades, wrap)


def made_for(inputs: Iterable[str], outputs: Iterable[str]) -> tuple[Blend, tuple[str, ...]]:
    """How a group with these sockets blends, and which inputs of COVERED pass through it."""
    blend = Blend.INPUTS if "Base Color" in inputs else Blend.SHADER
    return blend, tuple(name for name in outputs if name in COVERED)


def _declare(tree: bpy.types.NodeTree, layers: Sequence[PaintedImages], blend: Blend, fades: Iterable[str]) -> None:
    def socket(name: str, kind: str, in_out: str, parent: object = None, **values: object) -> None:
        item = tree.interface.new_socket(name, in_out=in_out, socket_type=f"NodeSocket{kind}", parent=parent)
        for key, value in values.items():
            setattr(item, key, value)

    passing = list(fades) if blend is Blend.INPUTS else []
    for in_out in ("OUTPUT", "INPUT") if blend is Blend.INPUTS else ("OUTPUT",):
        socket("Base Color", "Color", in_out)
        socket("Roughness", "Float", in_out)
        socket("Metallic", "Float", in_out)
        socket("Normal", "Vector", in_out, **({"hide_value": True} if in_out == "INPUT" else {}))
        for name in passing:
            socket(name, "Float", in_out)
    socket("Coverage", "Float", "OUTPUT")
    fraction = {"min_value": 0.0, "max_value": 1.0, "subtype": "FACTOR"}
    for number, layer in enumerate(layers, start=1):
        panel = tree.interface.new_panel(f"{number} {layer.label}")
        if layer.merged:
            socket("Mask", "Float", "INPUT", panel, default_value=1.0, **fraction)
            continue
        socket("Age", "Float", "INPUT", panel, default_value=layer.age, **fraction)
        socket("Opacity", "Float", "INPUT", panel, default_value=layer.opacity, **fraction)
        socket(
            "Height",
            "Float",
            "INPUT",
            panel,
            default_value=layer.relief / layer.unit,
            min_value=0.0,
            max_value=10.0 / layer.unit,
            subtype="DISTANCE",
        )
        socket("Mask", "Float", "INPUT", panel, default_value=1.0, **fraction)
        for name, label in CHANNEL_SOCKETS.items():
            if blend is Blend.INPUTS or name in ("albedo", "height"):
                socket(label, "Float", "INPUT", panel, default_value=getattr(layer.channels, name), **fraction)


@dataclass(frozen=True)
class _Look:
    """What a layer shows where it covers."""

    colour: bpy.types.NodeSocket
    roughness: bpy.types.NodeSocket
    metallic: bpy.types.NodeSocket
    height: bpy.types.NodeSocket


class _Wiring:
    """Adds the nodes of one group, column by column from left to right."""

    def __init__(
        self, tree: bpy.types.NodeTree, module: Module | None = None, variation: Variation | None = None
    ) -> None:
        self.tree, self.module, self.variation = tree, module, variation
        self.older: object = 1.0
        self.moved: bpy.types.NodeSocket | None = None
        self.column = self.row = 0
        self.marked: list[bpy.types.Node] = []
        self.masks: dict[tuple[object, bool], bpy.types.Node] = {}  # an image that several layers use takes one sampler

    def lay(self, layers: Sequence[PaintedImages], uv_map: str, blend: Blend, fades: Sequence[str], wrap: bool) -> None:
        entry, leave = self.node("NodeGroupInput"), self.node("NodeGroupOutput")
        uv = self.node("ShaderNodeUVMap")
        uv.uv_map = uv_map
        own_uv, exposures = uv, []
        if self.module is not None:
            own_uv = self.node("ShaderNodeUVMap")
            own_uv.uv_map, own_uv[MODULE] = self.module.uv_map, True
            exposures = self.exposures(own_uv)
        if self.variation is not None:
            self.older, self.moved = self.varied(self.variation)
        over_base = blend is Blend.INPUTS
        colour = entry.outputs["Base Color"] if over_base else (0.0, 0.0, 0.0, 1.0)
        roughness = entry.outputs["Roughness"] if over_base else 0.0
        metallic = entry.outputs["Metallic"] if over_base else 0.0
        height = covered = bent = 0.0
        sockets = _by_panel(tree_of=self.tree, entry=entry)
        below: dict[str, list[bpy.types.NodeSocket]] = {"coverage": [], "degree": []}
        for number, (layer, controls) in enumerate(zip(layers, sockets, strict=True), start=1):
            self.column += 1
            thin, thick, grown = (self.image(image, uv, wrap) for image in (layer.thin, layer.thick, layer.growth))
            for name, node in zip(CHANNELS, (thin, thick, grown), strict=True):
                node[PAINTED] = f"{number} {name}"
            if layer.merged:
                coverage, share, look = self.merged(layer, (thin, thick, grown), controls, over_base)
                below["coverage"].append(coverage)
                below["degree"].append(coverage)  # no mask is by it: those by merged layers are images
                self.number_marks(number)
            else:
                inside = self.inside(layer.masks, below, own_uv, wrap)
                shared = (exposures[number - 1], layer.mean) if exposures else None
                coverage, position, degree = self.coverage(grown, controls, inside, layer.curve, shared)
                below["coverage"].append(coverage)
                below["degree"].append(degree)
                self.mark(coverage.node, "coverage")
                self.mark(degree.node, "degree")
                self.number_marks(number)
                raised = self.math(
                    "MULTIPLY", self.math("MULTIPLY_ADD", grown.outputs["Alpha"], 2.0, -1.0), controls["Height"]
                )
                share = {
                    name: self.math("MULTIPLY", coverage, controls[label])
                    for name, label in CHANNEL_SOCKETS.items()
                    if label in controls
                }
                tint = self.mix(position, thin.outputs["Color"], thick.outputs["Color"], "RGBA")
                look = _Look(tint, thin.outputs["Alpha"], thick.outputs["Alpha"], raised)
            own = share.get("roughness", share["albedo"]), share.get("metallic", share["albedo"])
            colour = self.mix(share["albedo"], colour, look.colour, "RGBA")
            roughness = self.mix(own[0], roughness, look.roughness)
            metallic = self.mix(own[1], metallic, look.metallic)
            height, bent = self.mix(share["height"], height, look.height), self.mix(share["height"], bent, 1.0)
            covered = self.mix(coverage if over_base else share["albedo"], covered, 1.0)
        self.column += 1
        if not over_base:
            share = self.math("MAXIMUM", covered, 1e-6)
            inverse = self.math("DIVIDE", 1.0, share)
            colour = self.scale_colour(colour, inverse)
            roughness, metallic = self.math("MULTIPLY", roughness, inverse), self.math("MULTIPLY", metallic, inverse)
        own_normal = self.node("ShaderNodeNewGeometry").outputs["Normal"]
        base_normal = self.given(entry.outputs["Normal"], own_normal) if over_base else own_normal
        results = {
            "Base Color": colour,
            "Roughness": roughness,
            "Metallic": metallic,
            "Normal": self.normal(base_normal, height, bent),
            "Coverage": covered,
        }
        if over_base:
            results |= {name: self.mix(covered, entry.outputs[name], COVERED[name]) for name in fades}
        for name, source in results.items():
            self.connect(source, leave.inputs[name])
        leave.location.x = (self.column + 1) * 220

    def merged(
        self, layer: PaintedImages, images: Sequence[bpy.types.Node], controls: dict, over_base: bool
    ) -> tuple[bpy.types.NodeSocket, dict[str, bpy.types.NodeSocket], _Look]:
        """Coverage, what each channel covers, and the look of merged layers, as merging.MERGED_CHANNELS packs them."""
        thin, thick, grown = images
        (metallic, high, low), covers = (self.parts(node) for node in (thick, grown))

        def masked(value: object) -> bpy.types.NodeSocket:
            return self.math("MULTIPLY", value, controls["Mask"], clamp=True)

        coverage = masked(thick.outputs["Alpha"])
        self.mark(coverage.node, "coverage")
        found = dict(zip(CHANNEL_SOCKETS, (*covers, grown.outputs["Alpha"]), strict=True))
        share = {n: masked(value) for n, value in found.items() if over_base or n in ("albedo", "height")}
        level = self.math("MULTIPLY_ADD", high, 65280 / 65535, self.math("MULTIPLY", low, 255 / 65535))
        raised = self.math("MULTIPLY", self.math("MULTIPLY_ADD", level, 2.0, -1.0), layer.relief / layer.unit)
        return coverage, share, _Look(thin.outputs["Color"], thin.outputs["Alpha"], metallic, raised)

    def parts(self, node: bpy.types.Node) -> tuple[bpy.types.NodeSocket, ...]:
        """Red, green and blue of an image."""
        parts = self.node("ShaderNodeSeparateColor")
        self.connect(node.outputs["Color"], parts.inputs[0])
        return tuple(parts.outputs)

    def number_marks(self, number: int) -> None:
        """Ends the present layer: what was marked is this layer's."""
        for node in self.marked:
            node[VALUE] = f"{number} {node[VALUE]}"
        self.marked.clear()
        self.column += 1

    def inside(
        self,
        masks: Sequence[PlacedMask],
        below: dict[str, list[bpy.types.NodeSocket]],
        uv: bpy.types.Node,
        wrap: bool,
    ) -> object:
        """Where the layer may act besides what its socket Mask says, as mask_stack.py has it; 1 for everywhere."""
        total: object = float(begins_with([placed.mask for placed in masks]))
        for place, placed in enumerate(masks, start=1):
            value = self.levelled(placed.mask, self.shown(placed, below, uv, wrap))
            self.mark(value.node, f"mask {place}")
            if placed.mask.combine is not Combine.MULTIPLY:
                total = self.math(placed.mask.combine.name, total, value, clamp=True)
            else:
                total = value if total == 1.0 else self.math("MULTIPLY", total, value)
        return total

    def shown(
        self, placed: PlacedMask, below: dict[str, list[bpy.types.NodeSocket]], uv: bpy.types.Node, wrap: bool
    ) -> bpy.types.NodeSocket:
        """What a mask is before its levels."""
        if placed.mask.layer:
            kind = "degree" if placed.mask.mask.startswith(DEGREE) else "coverage"
            return below[kind][placed.mask.layer - 1]
        key = (placed.image, placed.channel is None)
        if key not in self.masks:
            self.masks[key] = self.image(placed.image, None if placed.channel is None else uv, wrap)
        colour = self.masks[key].outputs["Color"]
        if placed.channel is None:
            return colour
        parts = self.node("ShaderNodeSeparateColor")
        self.connect(colour, parts.inputs[0])
        return parts.outputs[placed.channel]

    def levelled(self, mask: Mask, value: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
        """A mask by its levels, clamped."""
        rise = self.node("ShaderNodeMapRange")
        rise.inputs["From Min"].default_value, rise.inputs["From Max"].default_value = mask.low, mask.high
        self.connect(value, rise.inputs["Value"])
        value = rise.outputs["Result"]
        if mask.gamma != 1:
            value = self.math("POWER", value, 1 / mask.gamma)
        return self.math("SUBTRACT", 1.0, value) if mask.invert else value

    def varied(self, variation: Variation) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
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
        return older, self.math("MULTIPLY", swing, there)

    def exposures(self, uv: bpy.types.Node) -> list[bpy.types.NodeSocket]:
        """The module's exposure, layer by layer."""
        found: list[bpy.types.NodeSocket] = []
        for image in self.module.exposures:
            node = self.image(image, uv, wrap=False)
            node[MODULE] = True
            parts = self.node("ShaderNodeSeparateColor")
            self.connect(node.outputs["Color"], parts.inputs[0])
            found += [*parts.outputs, node.outputs["Alpha"]]
        return found

    def coverage(
        self,
        grown: bpy.types.Node,
        controls: dict,
        inside: object,
        curve: Curve,
        shared: tuple[bpy.types.NodeSocket, float] | None = None,
    ) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket, bpy.types.NodeSocket]:
        """Coverage, where between the layer's keys each texel is, and its degree; growth.py line by line.

        `shared` is a module's exposure and the mean that the tile's is taken against.
        """
        parts = self.node("ShaderNodeSeparateColor")
        self.connect(grown.outputs["Color"], parts.inputs[0])
        exposure, threshold, softness = parts.outputs
        if shared is not None:
            beyond = self.math("SUBTRACT", exposure, shared[1])
            exposure = self.math("ADD", shared[0], beyond, clamp=True)
        if self.moved is not None:
            exposure = self.math("ADD", exposure, self.moved, clamp=True)
        self.mark(exposure.node, "exposure")
        rate = self.math("MULTIPLY_ADD", exposure, growth.RATE_MAX - growth.RATE_MIN, growth.RATE_MIN)
        onset = self.math("MULTIPLY_ADD", exposure, -growth.ONSET_MAX, growth.ONSET_MAX)
        age = controls["Age"] if self.older == 1.0 else self.math("MULTIPLY", controls["Age"], self.older, clamp=True)
        degree = self.math("SUBTRACT", self.math("MULTIPLY", rate, age), onset, clamp=True)
        depth = self.math("SUBTRACT", degree, threshold)
        rise = self.node("ShaderNodeMapRange")
        rise.interpolation_type = "SMOOTHSTEP"
        self.connect(depth, rise.inputs["Value"])
        self.connect(self.math("MAXIMUM", softness, growth.SOFTNESS_MIN), rise.inputs["From Max"])
        strength = self.math("MULTIPLY", controls["Opacity"], controls["Mask"], clamp=True)
        for factor in (inside, self.by_degree(degree, curve)):
            if factor != 1.0:
                strength = self.math("MULTIPLY", strength, factor, clamp=True)
        coverage = self.math("MULTIPLY", rise.outputs["Result"], strength, clamp=True)
        return coverage, self.math("MULTIPLY", depth, 1 / growth.KEY_DEPTH, clamp=True), degree

    def by_degree(self, degree: bpy.types.NodeSocket, curve: Curve) -> object:
        """A curve's opacity, one Map Range for each stretch that rises; a number where none does."""
        total: object = float(curve.points[0][1]) if curve.points else 1.0
        for (before, low), (after, high) in segments(curve.points):
            rise = self.node("ShaderNodeMapRange")
            rise.interpolation_type = "SMOOTHSTEP" if curve.smooth else "LINEAR"
            for name, value in {"From Min": before, "From Max": after, "To Max": high - low}.items():
                rise.inputs[name].default_value = value
            self.connect(degree, rise.inputs["Value"])
            total = self.math("ADD", total, rise.outputs["Result"])
        return total

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

    def mark(self, node: bpy.types.Node, what: str) -> None:
        """Notes on a node of the present layer which of its values comes out first."""
        node[VALUE] = what
        self.marked.append(node)

    def node(self, kind: str) -> bpy.types.Node:
        node = self.tree.nodes.new(kind)
        node.location = (self.column * 220, -170 * (self.row % 12))
        node.hide = kind not in ("NodeGroupInput", "NodeGroupOutput")
        self.row += 1
        return node

    def image(self, image: bpy.types.Image, uv: bpy.types.Node | None, wrap: bool) -> bpy.types.Node:
        node = self.node("ShaderNodeTexImage")
        node.image = image
        node.extension = "REPEAT" if wrap else "EXTEND"
        if uv is not None:
            self.connect(uv.outputs["UV"], node.inputs["Vector"])
        return node

    def math(self, operation: str, *values: object, clamp: bool = False) -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMath")
        node.operation, node.use_clamp = operation, clamp
        for value, socket in zip(values, node.inputs, strict=False):
            self.connect(value, socket)
        return node.outputs[0]

    def mix(self, factor: object, a: object, b: object, kind: str = "FLOAT") -> bpy.types.NodeSocket:
        node = self.node("ShaderNodeMix")
        node.data_type, node.clamp_factor = kind, True
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
        else:
            target.default_value = source


def _by_panel(tree_of: bpy.types.NodeTree, entry: bpy.types.Node) -> list[dict[str, bpy.types.NodeSocket]]:
    """As layer_inputs, for the outputs of the node Group Input inside the group."""
    outputs = {socket.identifier: socket for socket in entry.outputs}
    panels = [item for item in tree_of.interface.items_tree if item.item_type == "PANEL"]
    return [{item.name: outputs[item.identifier] for item in panel.interface_items} for panel in panels]
