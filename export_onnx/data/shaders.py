# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials made of Blender's own shaders, without a photograph: where there is none, and beside those there are."""

from __future__ import annotations

import bpy
import numpy as np

from ...backend.protocol.materials import Material

MIDDLE = 0.2  # linear: a gamma leaves this grey as it is


class Nodes:
    """A material's nodes, and how they are joined. All lengths are the scene's, on an object that is scaled by `size`."""

    def __init__(self, material: bpy.types.Material, rng: np.random.Generator, size: float) -> None:
        material.use_nodes = True
        self.tree = material.node_tree
        self.shader = self.tree.nodes["Principled BSDF"]
        self.whole = self.new("TexCoord")
        self.place = self.moved(self.whole.outputs["Object"], (size,) * 3, tuple(rng.uniform(0, 20, 3)))

    def new(self, kind: str, **inputs: float | tuple[float, ...]) -> bpy.types.Node:
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for name, value in inputs.items():
            node.inputs[name].default_value = value
        return node

    def link(self, output: bpy.types.NodeSocket, socket: bpy.types.NodeSocket) -> None:
        self.tree.links.new(output, socket)

    def set(self, name: str, value: float | tuple[float, ...] | bpy.types.NodeSocket) -> None:
        self._give(self.shader.inputs[name], value)

    def colour(self, rgb: np.ndarray) -> None:
        self.set("Base Color", (*(float(v) for v in rgb.clip(0, 1)), 1.0))

    def moved(
        self,
        vector: bpy.types.NodeSocket,
        scale: tuple[float, ...],
        to: tuple[float, ...] = (0, 0, 0),
        turn: float = 0,
    ) -> bpy.types.NodeSocket:
        mapping = self.new("Mapping", Scale=scale, Location=to, Rotation=(0, 0, turn))
        self.link(vector, mapping.inputs["Vector"])
        return mapping.outputs["Vector"]

    def laid(self, node: bpy.types.Node, vector: bpy.types.NodeSocket | None = None) -> bpy.types.Node:
        """A texture, on the object."""
        self.link(vector or self.place, node.inputs["Vector"])
        return node

    def noise(self, scale: float, detail: float = 4, stretched: float = 1) -> bpy.types.NodeSocket:
        """`scale`: how often it varies a unit. `stretched`: how much longer than wide its grains are."""
        vector = self.moved(self.place, (1, 1, 1 / stretched)) if stretched != 1 else None
        return self.laid(self.new("TexNoise", Scale=scale, Detail=detail), vector).outputs["Fac"]

    def cells(self, scale: float, feature: str = "F1") -> bpy.types.NodeSocket:
        node = self.laid(self.new("TexVoronoi", Scale=scale))
        node.feature = feature
        return node.outputs["Distance"]

    def on_faces(self) -> bpy.types.NodeSocket:
        """Two coordinates for patterns that are flat: those along the face, whichever of six ways it looks."""
        normal, place = (self.new("SeparateXYZ") for _ in range(2))
        self.link(self.whole.outputs["Normal"], normal.inputs[0])
        self.link(self.place, place.inputs[0])
        nx, ny, nz = (self.math("ABSOLUTE", out) for out in normal.outputs)
        x, y, z = place.outputs
        flat = self.new("CombineXYZ")
        self.link(self.mix(self.math("GREATER_THAN", nx, self.math("MAXIMUM", ny, nz)), x, y), flat.inputs["X"])
        self.link(self.mix(self.math("GREATER_THAN", nz, self.math("MAXIMUM", nx, ny)), z, y), flat.inputs["Y"])
        return flat.outputs[0]

    def math(self, operation: str, *values: bpy.types.NodeSocket | float) -> bpy.types.NodeSocket:
        node = self.new("Math")
        node.operation = operation
        for value, socket in zip(values, node.inputs, strict=False):
            self._give(socket, value)
        return node.outputs[0]

    def _give(self, socket: bpy.types.NodeSocket, value: bpy.types.NodeSocket | float | tuple[float, ...]) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.link(value, socket)
        else:
            socket.default_value = value

    def mix(
        self,
        share: bpy.types.NodeSocket | float,
        first: bpy.types.NodeSocket | np.ndarray | float,
        second: bpy.types.NodeSocket | np.ndarray | float,
        blend: str = "MIX",
    ) -> bpy.types.NodeSocket:
        """The second where the share is 1. What is no socket is a colour, or a number."""
        node = self.new("MixRGB")
        node.blend_type = blend
        self._give(node.inputs["Fac"], share)
        for value, name in ((first, "Color1"), (second, "Color2")):
            self._give(node.inputs[name], value if isinstance(value, bpy.types.NodeSocket) else _rgba(value))
        return node.outputs["Color"]

    def steep(self, value: bpy.types.NodeSocket, at: float, width: float) -> bpy.types.NodeSocket:
        """0 below a value and 1 above it, over so wide a step."""
        ramp = self.new("ValToRGB")
        for element, position, level in zip(
            ramp.color_ramp.elements, (at - width / 2, at + width / 2), (0, 1), strict=True
        ):
            element.position, element.color = position, _rgba(level)
        self.link(value, ramp.inputs["Fac"])
        return ramp.outputs["Color"]

    def toned(
        self, colour: bpy.types.NodeSocket, gamma: float, hue: float = 0.5, saturation: float = 1.0, value: float = 1.0
    ) -> bpy.types.NodeSocket:
        """Another contrast about MIDDLE, and another colour."""
        curve = self.new("Gamma", Gamma=gamma)
        tint = self.new("HueSaturation", Hue=hue, Saturation=saturation, Value=value * MIDDLE ** (1 - gamma))
        self.link(colour, curve.inputs["Color"])
        self.link(curve.outputs[0], tint.inputs["Color"])
        return tint.outputs["Color"]

    def bump(self, value: bpy.types.NodeSocket, strength: float, distance: float = 0.02) -> None:
        bump = self.new("Bump", Strength=strength, Distance=distance)
        self.link(value, bump.inputs["Height"])
        self.link(bump.outputs["Normal"], self.shader.inputs["Normal"])

    def bricks(
        self, row: float, colours: tuple[np.ndarray, ...], joint: float = 0.04, long: float = 2
    ) -> bpy.types.Node:
        """Courses so many units high, `long` times as long, of two colours and a third between them; Fac is 1 there."""
        node = self.new("TexBrick", Scale=1.0)
        for name, value in (("Brick Width", long * row), ("Row Height", row), ("Mortar Size", joint * row)):
            node.inputs[name].default_value = value
        for name, rgb in zip(("Color1", "Color2", "Mortar"), colours, strict=True):
            node.inputs[name].default_value = _rgba(rgb)
        return self.laid(node, self.on_faces())


def _rgba(value: np.ndarray | float) -> tuple[float, ...]:
    return (*(float(v) for v in np.broadcast_to(value, 3).clip(0, 1)), 1.0)


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _vivid(rng: np.random.Generator, least: float = 0) -> np.ndarray:
    """Any colour, from grey, or so strong at least, to strong."""
    colour = rng.random(3)
    return (colour.mean() + rng.uniform(least, 1.3) * (colour - colour.mean())).clip(0.01, 0.95)


def _one_of(
    rng: np.random.Generator, colours: tuple[tuple[float, float, float], ...], spread: float = 0.15
) -> np.ndarray:
    return np.array(colours[rng.integers(len(colours))]) * np.exp(rng.normal(0, spread, 3)) * rng.uniform(0.6, 1.3)


def _glass(nodes: Nodes, rng: np.random.Generator) -> None:
    nodes.colour(1 - rng.uniform(0, 0.6) * rng.random(3) * (rng.random() < 0.5))
    nodes.set("Transmission Weight", 1.0)
    nodes.set("Roughness", float(rng.choice([0, rng.uniform(0, 0.25)])))
    nodes.set("IOR", rng.uniform(1.3, 1.6))


def _plastic(nodes: Nodes, rng: np.random.Generator) -> None:
    """Of one colour, smooth and glossy, light going a little way in."""
    nodes.colour(_vivid(rng, 0.3) if rng.random() < 0.8 else np.full(3, rng.choice([0.02, 0.85])))
    nodes.set("Roughness", rng.uniform(0.05, 0.3))
    nodes.set("Subsurface Weight", rng.uniform(0.05, 0.3))
    nodes.set("Subsurface Radius", (1.0, 1.0, 1.0))
    if rng.random() < 0.15:
        nodes.bump(nodes.noise(rng.uniform(40, 120)), rng.uniform(0.02, 0.1))


def _water(nodes: Nodes, rng: np.random.Generator) -> None:
    nodes.colour(np.array([0.02, 0.06, 0.08]) * rng.uniform(0.3, 4) * (1 + 0.5 * rng.standard_normal(3)))
    nodes.set("Roughness", rng.uniform(0, 0.08))
    nodes.set("IOR", 1.33)
    nodes.set("Specular IOR Level", rng.uniform(0.5, 1))
    nodes.bump(nodes.noise(rng.uniform(1, 8), 6), rng.uniform(0.2, 1))


def _paper(nodes: Nodes, rng: np.random.Generator) -> None:
    """Printed with rows of words, or crumpled, or the edges of a stack."""
    sheet = np.array([0.85, 0.83, 0.78]) * rng.uniform(0.75, 1.1)
    if rng.random() < 0.3:  # cardboard
        sheet = np.array([0.5, 0.35, 0.2]) * rng.uniform(0.7, 1.2)
    nodes.colour(sheet)
    nodes.set("Roughness", rng.uniform(0.8, 1))
    nodes.set("Specular IOR Level", 0.1)
    kind = rng.random()
    if kind < 0.55:
        ink = sheet * rng.uniform(0.02, 0.4)
        words = nodes.bricks(
            log_uniform(rng, 0.04, 0.12), (ink, sheet, sheet), rng.uniform(0.3, 0.5), rng.uniform(1, 3)
        )
        words.offset = 0.37
        nodes.set("Base Color", words.outputs["Color"])
    elif kind < 0.8:
        nodes.bump(nodes.cells(rng.uniform(3, 9), "DISTANCE_TO_EDGE"), rng.uniform(0.5, 1), 0.08)
    else:
        leaves = nodes.new("TexWave", Scale=rng.uniform(6, 16), Distortion=rng.uniform(0.5, 3))
        leaves.bands_direction = "Z"
        lines = nodes.steep(nodes.laid(leaves).outputs["Fac"], 0.25, 0.4)
        nodes.set("Base Color", nodes.mix(lines, sheet * rng.uniform(0.2, 0.6), sheet))
        nodes.bump(lines, rng.uniform(0.3, 0.8))


def _foliage(nodes: Nodes, rng: np.random.Generator) -> None:
    green = np.array([rng.uniform(0.03, 0.2), rng.uniform(0.15, 0.35), rng.uniform(0.01, 0.08)])
    share = nodes.steep(nodes.noise(rng.uniform(4, 30)), 0.5, 0.4)
    nodes.set("Base Color", nodes.mix(share, green, green * rng.uniform(0.3, 2.2)))
    nodes.set("Roughness", rng.uniform(0.4, 0.8))
    nodes.bump(nodes.noise(rng.uniform(15, 60)), rng.uniform(0.3, 1))


def _painted(nodes: Nodes, rng: np.random.Generator) -> None:
    """A coat, and chips in it down to metal, rusted or bright, or to wood: without them it would look like plastic."""
    paint, on_metal = _vivid(rng) * rng.uniform(0.5, 1), rng.random() < 0.6
    chips = nodes.steep(nodes.noise(rng.uniform(1.5, 6), 9), rng.uniform(0.56, 0.66), 0.03)
    if on_metal:
        bare = _one_of(rng, ((0.5, 0.5, 0.5), (0.22, 0.09, 0.04), (0.12, 0.06, 0.04)))
        nodes.set("Metallic", nodes.mix(chips, 0.0, float(bare[0] > 0.35)))
    else:
        bare = _one_of(rng, ((0.35, 0.2, 0.1), (0.4, 0.35, 0.28)))
    rough = rng.uniform(0.3, 0.7)
    worn = nodes.noise(rng.uniform(2, 10), 6)
    dull = nodes.mix(worn, paint * rng.uniform(0.6, 1), paint)
    nodes.set("Base Color", nodes.mix(chips, dull, bare))
    nodes.set("Roughness", nodes.mix(chips, rough, rng.uniform(0.4, 0.9)))
    nodes.bump(nodes.mix(chips, worn, 0.0), rng.uniform(0.2, 0.6), 0.02)


def _metal(nodes: Nodes, rng: np.random.Generator) -> None:
    bare = np.array([[0.9, 0.9, 0.9], [0.55, 0.55, 0.56], [0.95, 0.65, 0.5], [0.9, 0.75, 0.4]])[rng.integers(4)]
    nodes.colour(bare * rng.uniform(0.7, 1))
    nodes.set("Metallic", 1.0)
    nodes.set("Roughness", rng.uniform(0.08, 0.5))
    brushed = rng.uniform(5, 40) if rng.random() < 0.4 else 1
    nodes.bump(nodes.noise(rng.uniform(20, 100), stretched=brushed), rng.uniform(0, 0.15))


def _fabric(nodes: Nodes, rng: np.random.Generator) -> None:
    first = _vivid(rng)
    weave = nodes.laid(nodes.new("TexChecker", Scale=log_uniform(rng, 12, 60)), nodes.on_faces()).outputs["Fac"]
    nodes.set("Base Color", nodes.mix(weave, first, first * rng.uniform(0.4, 0.8)))
    nodes.set("Roughness", 0.95)
    nodes.set("Sheen Weight", rng.uniform(0.1, 0.8))
    nodes.bump(weave, rng.uniform(0.1, 0.4))


def _leather(nodes: Nodes, rng: np.random.Generator) -> None:
    """Pebbles with dark creases between them, and wrinkles across."""
    hide = _one_of(
        rng, ((0.2, 0.08, 0.03), (0.06, 0.03, 0.02), (0.02, 0.02, 0.02), (0.35, 0.2, 0.1), (0.25, 0.03, 0.03))
    )
    pebbles = nodes.cells(log_uniform(rng, 15, 50), "DISTANCE_TO_EDGE")
    flat = nodes.steep(pebbles, 0.12, 0.2)
    wrinkled = nodes.mix(nodes.noise(rng.uniform(2, 8), 8), flat, 0.0, "MULTIPLY")
    nodes.set("Base Color", nodes.mix(flat, hide * rng.uniform(0.3, 0.7), hide))
    nodes.set("Roughness", rng.uniform(0.3, 0.6))
    nodes.bump(wrinkled, rng.uniform(0.2, 0.6))


def _wood(nodes: Nodes, rng: np.random.Generator) -> None:
    """Rings cut along the trunk, fibres, and half the time boards."""
    light = _one_of(
        rng, ((0.5, 0.3, 0.14), (0.3, 0.14, 0.06), (0.12, 0.05, 0.025), (0.55, 0.42, 0.25), (0.3, 0.27, 0.23))
    )
    along = nodes.moved(nodes.place, (1, rng.uniform(0.06, 0.2), 0.5), turn=rng.uniform(0, np.pi))
    rings = nodes.new("TexWave", Scale=log_uniform(rng, 1.5, 8), Distortion=rng.uniform(3, 10), Detail=3)
    fibres = nodes.laid(nodes.new("TexNoise", Scale=rng.uniform(40, 90), Detail=3), along).outputs["Fac"]
    grain = nodes.mix(fibres, nodes.laid(rings, along).outputs["Fac"], fibres)
    colour = nodes.mix(grain, light * rng.uniform(0.3, 0.7), light)
    if rng.random() < 0.5:
        boards = nodes.bricks(log_uniform(rng, 0.08, 0.4), (np.ones(3), np.full(3, 0.7), np.full(3, 0.05)), 0.03, 8)
        colour = nodes.mix(1.0, colour, boards.outputs["Color"], "MULTIPLY")
    nodes.set("Base Color", colour)
    nodes.set("Roughness", rng.uniform(0.35, 0.85))
    nodes.bump(grain, rng.uniform(0.05, 0.3))


def _brick(nodes: Nodes, rng: np.random.Generator) -> None:
    clay = _one_of(rng, ((0.35, 0.1, 0.05), (0.45, 0.2, 0.1), (0.25, 0.12, 0.08), (0.5, 0.38, 0.22), (0.3, 0.28, 0.26)))
    mortar = np.full(3, rng.uniform(0.15, 0.6)) * (1 + 0.05 * rng.standard_normal(3))
    wall = nodes.bricks(
        log_uniform(rng, 0.05, 0.25),
        (clay, clay * rng.uniform(0.5, 1.4), mortar),
        rng.uniform(0.06, 0.16),
        rng.uniform(2, 3.5),
    )
    wall.inputs["Mortar Smooth"].default_value = rng.uniform(0, 0.6)
    stained = nodes.noise(rng.uniform(3, 30), 9)
    nodes.set(
        "Base Color", nodes.mix(stained, nodes.toned(wall.outputs["Color"], 1.0, value=0.5), wall.outputs["Color"])
    )
    nodes.set("Roughness", rng.uniform(0.75, 1))
    nodes.bump(nodes.mix(wall.outputs["Fac"], stained, 0.0), rng.uniform(0.3, 0.9))


def _stone(nodes: Nodes, rng: np.random.Generator) -> None:
    """Speckled as granite, veined as marble, or rough rock in beds."""
    rock = _one_of(rng, ((0.4, 0.38, 0.35), (0.45, 0.36, 0.25), (0.2, 0.2, 0.22), (0.6, 0.58, 0.54), (0.3, 0.2, 0.16)))
    kind = rng.integers(3)
    if kind == 0:
        share, strength = nodes.steep(nodes.noise(log_uniform(rng, 20, 70), 2), 0.5, 0.15), rng.uniform(0, 0.15)
    elif kind == 1:
        veins = nodes.new("TexWave", Scale=rng.uniform(0.5, 2), Distortion=rng.uniform(8, 20), Detail=5)
        share, strength = nodes.steep(nodes.laid(veins).outputs["Fac"], 0.15, 0.3), 0.02
    else:
        share, strength = nodes.noise(rng.uniform(2, 7), 12, rng.choice([1.0, 0.15])), rng.uniform(0.5, 1)
    nodes.set("Base Color", nodes.mix(share, rock * rng.uniform(0.2, 0.7), rock))
    nodes.set("Roughness", rng.uniform(0.7, 1) if kind == 2 else rng.uniform(0.15, 0.6))
    nodes.bump(share, strength, 0.02 if kind < 2 else 0.12)


def _concrete(nodes: Nodes, rng: np.random.Generator) -> None:
    """Grey clouds, pores, and often the joints of its formwork."""
    grey = np.full(3, rng.uniform(0.2, 0.55)) * np.array([1.03, 1, 0.95])
    clouds = nodes.mix(nodes.noise(rng.uniform(0.7, 3), 10), grey * rng.uniform(0.5, 0.75), grey * 1.2)
    pores = nodes.steep(nodes.cells(rng.uniform(12, 40)), rng.uniform(0.08, 0.2), 0.06)
    relief = pores
    colour = nodes.mix(pores, grey * 0.3, clouds)
    if rng.random() < 0.4:
        joints = nodes.bricks(rng.uniform(0.4, 1), (np.ones(3), np.ones(3), np.full(3, 0.3)), 0.02).outputs["Color"]
        colour, relief = (nodes.mix(1.0, v, joints, "MULTIPLY") for v in (colour, relief))
    nodes.set("Base Color", colour)
    nodes.set("Roughness", rng.uniform(0.75, 1))
    nodes.bump(relief, rng.uniform(0.2, 0.5))


SHADERS = {
    Material.GLASS: _glass,
    Material.PLASTIC: _plastic,
    Material.WATER: _water,
    Material.PAPER: _paper,
    Material.FOLIAGE: _foliage,
    Material.PAINTED_SURFACE: _painted,
    Material.METAL: _metal,
    Material.FABRIC: _fabric,
    Material.LEATHER: _leather,
    Material.WOOD: _wood,
    Material.BRICK: _brick,
    Material.STONE: _stone,
    Material.CONCRETE: _concrete,
}
