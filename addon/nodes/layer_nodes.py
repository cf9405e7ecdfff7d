# SPDX-License-Identifier: GPL-3.0-or-later
"""One painted layer as a node group of its own: the formula of backend/protocol/growth.py over what lies beneath it.

What lies beneath comes in by the sockets of BELOW and goes out by the same, weathered. Further outputs tell what the layer
works with: Coverage, Degree, Exposure, and its masks one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ...backend.protocol import growth
from ...backend.protocol.mask_names import DEGREE
from ...backend.protocol.mask_stack import Combine, Mask, begins_with
from ...backend.protocol.opacity import EVEN, OPAQUE, ChannelOpacity, Curve, segments
from ...backend.protocol.painted import CHANNELS
from .node_builder import NodeBuilder, add_socket
from .on_object import CHANNEL_SOCKETS, GROUP_KEY, MODULE, PAINTED

# What layers hand on. Relief: height in Blender's units; Bumped: how far that bends the normal; Covered: by any layer so far.
BELOW = {"Base Color": "Color", "Roughness": "Float", "Metallic": "Float"} | dict.fromkeys(
    ("Relief", "Bumped", "Covered"), "Float"
)
OLDER, MOVED = "Older", "Moved"  # of an instance: what its age is multiplied by, and what is added to exposure
EXPOSED = "Module Exposure"  # of a kit's module


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

    @property
    def live_values(self) -> dict[str, float]:
        """Where the live sockets start, by their names."""
        if self.merged:
            return {"Mask": 1.0}
        own = {"Age": self.age, "Opacity": self.opacity, "Height": self.relief / self.unit, "Mask": 1.0}
        return own | {label: getattr(self.channels, name) for name, label in CHANNEL_SOCKETS.items()}


@dataclass(frozen=True)
class LayerPlan:
    """What a layer's group is made of. `over_base`: over channels that have values; else over another shader.

    `own_uv_map` is that of a kit's module, which masks fit; the painted images are the tile's.
    """

    number: int
    layer: PaintedImages
    uv_map: str
    over_base: bool
    wrap: bool = False
    own_uv_map: str | None = None
    varied: bool = False

    @property
    def sockets(self) -> tuple[str, ...]:
        """The live ones. Beneath a shader lies no roughness and no metallic: there albedo's opacity counts for them too."""
        unasked = () if self.over_base else (CHANNEL_SOCKETS["roughness"], CHANNEL_SOCKETS["metallic"])
        return tuple(name for name in self.layer.live_values if name not in unasked)

    @property
    def lower(self) -> tuple[tuple[str, int, str], ...]:
        """The masks that are values of layers below: the input, that layer's number, and its output."""
        found = {}
        for placed in self.layer.masks:
            if placed.mask.layer:
                output = "Degree" if placed.mask.mask.startswith(DEGREE) else "Coverage"
                found[f"{output} {placed.mask.layer}"] = (placed.mask.layer, output)
        return tuple((name, *where) for name, where in found.items())


def build(plan: LayerPlan) -> bpy.types.NodeTree:
    """A new group, with the images in it."""
    tree = bpy.data.node_groups.new(f"Sabi {plan.number} {plan.layer.label}", "ShaderNodeTree")
    tree[GROUP_KEY] = True
    try:
        _declare(tree, plan)
        _LayerWiring(tree, plan).lay()
    except BaseException:
        bpy.data.node_groups.remove(tree)
        raise
    return tree


def _declare(tree: bpy.types.NodeTree, plan: LayerPlan) -> None:
    told = ["Coverage"] if plan.layer.merged else ["Coverage", "Degree", "Exposure"]
    told += [f"Mask {place}" for place, _ in enumerate(plan.layer.masks, start=1)]
    for name, kind in (BELOW | dict.fromkeys(told, "Float")).items():
        add_socket(tree, name, kind, "OUTPUT")
    for name, kind in BELOW.items():
        add_socket(tree, name, kind, "INPUT", **({"default_value": (0.0, 0.0, 0.0, 1.0)} if kind == "Color" else {}))
    given = [name for name, _, _ in plan.lower]
    given += [OLDER, MOVED] if plan.varied else []
    given += [EXPOSED] if plan.own_uv_map is not None else []
    for name in [*plan.sockets, *given]:
        add_socket(tree, name, "Float", "INPUT")


@dataclass(frozen=True)
class _Look:
    """What a layer shows where it covers."""

    colour: bpy.types.NodeSocket
    roughness: bpy.types.NodeSocket
    metallic: bpy.types.NodeSocket
    height: bpy.types.NodeSocket


class _LayerWiring(NodeBuilder):
    """Adds the nodes of one layer's group."""

    def __init__(self, tree: bpy.types.NodeTree, plan: LayerPlan) -> None:
        super().__init__(tree)
        self.plan, self.layer = plan, plan.layer
        self.given, self.leave = self.node("NodeGroupInput").outputs, self.node("NodeGroupOutput")
        self.shown: dict[
            tuple[object, bool], bpy.types.NodeSocket
        ] = {}  # an image that is several masks takes one node

    def lay(self) -> None:
        uv = self.uv(self.plan.uv_map).outputs["UV"]
        images = [
            self.image(image, uv, self.plan.wrap) for image in (self.layer.thin, self.layer.thick, self.layer.growth)
        ]
        for name, node in zip(CHANNELS, images, strict=True):
            node[PAINTED] = f"{self.plan.number} {name}"
        self.column += 1
        coverage, share, look = self.merged(*images) if self.layer.merged else self.grown(*images, uv)
        self.tell("Coverage", coverage)
        self.column += 1
        given, own = self.given, [share.get(name, share["albedo"]) for name in ("roughness", "metallic")]
        self.tell("Base Color", self.mix(share["albedo"], given["Base Color"], look.colour, "RGBA"))
        self.tell("Roughness", self.mix(own[0], given["Roughness"], look.roughness))
        self.tell("Metallic", self.mix(own[1], given["Metallic"], look.metallic))
        self.tell("Relief", self.mix(share["height"], given["Relief"], look.height))
        self.tell("Bumped", self.mix(share["height"], given["Bumped"], 1.0))
        self.tell("Covered", self.mix(coverage if self.plan.over_base else share["albedo"], given["Covered"], 1.0))
        self.places[2] = (self.column + 1) * 220
        self.finish()

    def tell(self, name: str, value: object) -> None:
        self.connect(value, self.leave.inputs[name])

    def merged(
        self, thin: bpy.types.Node, thick: bpy.types.Node, grown: bpy.types.Node
    ) -> tuple[bpy.types.NodeSocket, dict[str, bpy.types.NodeSocket], _Look]:
        """Coverage, what each channel covers, and the look of merged layers, as merging.MERGED_CHANNELS packs them."""
        (metallic, high, low), covers = (self.parts(node.outputs["Color"]) for node in (thick, grown))

        def masked(value: object) -> bpy.types.NodeSocket:
            return self.math("MULTIPLY", value, self.given["Mask"], clamp=True)

        coverage = masked(thick.outputs["Alpha"])
        found = dict(zip(CHANNEL_SOCKETS, (*covers, grown.outputs["Alpha"]), strict=True))
        share = {n: masked(value) for n, value in found.items() if self.plan.over_base or n in ("albedo", "height")}
        level = self.math("MULTIPLY_ADD", high, 65280 / 65535, self.math("MULTIPLY", low, 255 / 65535))
        raised = self.math("MULTIPLY", self.math("MULTIPLY_ADD", level, 2.0, -1.0), self.layer.relief / self.layer.unit)
        return coverage, share, _Look(thin.outputs["Color"], thin.outputs["Alpha"], metallic, raised)

    def grown(
        self, thin: bpy.types.Node, thick: bpy.types.Node, grown: bpy.types.Node, uv: bpy.types.NodeSocket
    ) -> tuple[bpy.types.NodeSocket, dict[str, bpy.types.NodeSocket], _Look]:
        """Coverage, what each channel covers, and the look at the layer's age."""
        given = self.given
        coverage, position = self.coverage(grown, self.inside(uv))
        raised = self.math("MULTIPLY", self.math("MULTIPLY_ADD", grown.outputs["Alpha"], 2.0, -1.0), given["Height"])
        share = {
            name: self.math("MULTIPLY", coverage, given[label])
            for name, label in CHANNEL_SOCKETS.items()
            if label in self.plan.sockets
        }
        tint = self.mix(position, thin.outputs["Color"], thick.outputs["Color"], "RGBA")
        return coverage, share, _Look(tint, thin.outputs["Alpha"], thick.outputs["Alpha"], raised)

    def inside(self, uv: bpy.types.NodeSocket) -> object:
        """Where the layer may act besides what its socket Mask says, as mask_stack.py has it; 1 for everywhere."""
        if self.plan.own_uv_map is not None and any(placed.channel is not None for placed in self.layer.masks):
            node = self.uv(self.plan.own_uv_map)
            node[MODULE], uv = True, node.outputs["UV"]
        total: object = float(begins_with([placed.mask for placed in self.layer.masks]))
        for place, placed in enumerate(self.layer.masks, start=1):
            value = self.levelled(placed.mask, self.mask_value(placed, uv))
            self.tell(f"Mask {place}", value)
            if placed.mask.combine is not Combine.MULTIPLY:
                total = self.math(placed.mask.combine.name, total, value, clamp=True)
            else:
                total = value if total == 1.0 else self.math("MULTIPLY", total, value)
        return total

    def mask_value(self, placed: PlacedMask, uv: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
        """What a mask is before its levels."""
        if placed.mask.layer:
            kind = "Degree" if placed.mask.mask.startswith(DEGREE) else "Coverage"
            return self.given[f"{kind} {placed.mask.layer}"]
        key = (placed.image, placed.channel is None)
        if key not in self.shown:
            node = self.image(placed.image, None if placed.channel is None else uv, self.plan.wrap)
            self.shown[key] = node.outputs["Color"]
        colour = self.shown[key]
        return colour if placed.channel is None else self.parts(colour)[placed.channel]

    def levelled(self, mask: Mask, value: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
        """A mask by its levels, clamped."""
        rise = self.node("ShaderNodeMapRange")
        rise.inputs["From Min"].default_value, rise.inputs["From Max"].default_value = mask.low, mask.high
        self.connect(value, rise.inputs["Value"])
        value = rise.outputs["Result"]
        if mask.gamma != 1:
            value = self.math("POWER", value, 1 / mask.gamma)
        return self.math("SUBTRACT", 1.0, value) if mask.invert else value

    def coverage(self, grown: bpy.types.Node, inside: object) -> tuple[bpy.types.NodeSocket, bpy.types.NodeSocket]:
        """Coverage, and where between the layer's keys each texel is; growth.py line by line."""
        given = self.given
        exposure, threshold, softness = self.parts(grown.outputs["Color"])
        if self.plan.own_uv_map is not None:
            beyond = self.math("SUBTRACT", exposure, self.layer.mean)
            exposure = self.math("ADD", given[EXPOSED], beyond, clamp=True)
        age: object = given["Age"]
        if self.plan.varied:
            exposure = self.math("ADD", exposure, given[MOVED], clamp=True)
            age = self.math("MULTIPLY", age, given[OLDER], clamp=True)
        rate = self.math("MULTIPLY_ADD", exposure, growth.RATE_MAX - growth.RATE_MIN, growth.RATE_MIN)
        onset = self.math("MULTIPLY_ADD", exposure, -growth.ONSET_MAX, growth.ONSET_MAX)
        degree = self.math("SUBTRACT", self.math("MULTIPLY", rate, age), onset, clamp=True)
        self.tell("Exposure", exposure)
        self.tell("Degree", degree)
        depth = self.math("SUBTRACT", degree, threshold)
        rise = self.node("ShaderNodeMapRange")
        rise.interpolation_type = "SMOOTHSTEP"
        self.connect(depth, rise.inputs["Value"])
        self.connect(self.math("MAXIMUM", softness, growth.SOFTNESS_MIN), rise.inputs["From Max"])
        strength = self.math("MULTIPLY", given["Opacity"], given["Mask"], clamp=True)
        for factor in (inside, self.by_degree(degree, self.layer.curve)):
            if factor != 1.0:
                strength = self.math("MULTIPLY", strength, factor, clamp=True)
        coverage = self.math("MULTIPLY", rise.outputs["Result"], strength, clamp=True)
        return coverage, self.math("MULTIPLY", depth, 1 / growth.KEY_DEPTH, clamp=True)

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
