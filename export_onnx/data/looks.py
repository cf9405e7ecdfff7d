# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender materials of every kind that the segmenter tells apart: photographed textures, and Blender's own shaders."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ...backend.protocol.materials import Material
from .materials import Split, Texture, textures_of

SHADED = (Material.GLASS, Material.PLASTIC, Material.WATER, Material.PAPER)  # there are no photographs of these
SHADED_SHARE = {Material.FOLIAGE: 0.5, Material.PAINTED_SURFACE: 0.5, Material.METAL: 0.3, Material.FABRIC: 0.15}


class Looks:
    """Draws materials of one split's textures."""

    def __init__(self, data: Path, split: Split) -> None:
        self.folder = data / "textures"
        self.textures: dict[Material, list[Texture]] = {}
        for texture in textures_of(data, split):
            self.textures.setdefault(texture.material, []).append(texture)

    def draw(self, kind: Material, rng: np.random.Generator) -> bpy.types.Material:
        """A new material of this kind, its pass index the kind's channel and one."""
        made = bpy.data.materials.new(kind.value)
        made.use_nodes = True
        made.pass_index = kind.channel + 1
        shader = made.node_tree.nodes["Principled BSDF"]
        if kind in SHADED or rng.random() < SHADED_SHARE.get(kind, 0):
            _SHADERS[kind](_Nodes(made.node_tree, shader), rng)
        else:
            found = self.textures[kind]
            _textured(_Nodes(made.node_tree, shader), self.folder / found[rng.integers(len(found))].name, kind, rng)
        return made


class _Nodes:
    """A material's nodes, and how they are joined."""

    def __init__(self, tree: bpy.types.NodeTree, shader: bpy.types.Node) -> None:
        self.tree, self.shader = tree, shader

    def new(self, kind: str, **inputs: float) -> bpy.types.Node:
        node = self.tree.nodes.new(f"ShaderNode{kind}")
        for name, value in inputs.items():
            node.inputs[name].default_value = value
        return node

    def link(self, output: bpy.types.NodeSocket, socket: bpy.types.NodeSocket) -> None:
        self.tree.links.new(output, socket)

    def set(self, name: str, value: float | tuple[float, ...]) -> None:
        self.shader.inputs[name].default_value = value

    def colour(self, rgb: np.ndarray) -> None:
        self.set("Base Color", (*(float(v) for v in rgb.clip(0, 1)), 1.0))

    def noise(self, scale: float, detail: float = 4) -> bpy.types.Node:
        node = self.new("TexNoise", Scale=scale, Detail=detail)
        self.link(self.new("TexCoord").outputs["Object"], node.inputs["Vector"])
        return node

    def bump(self, value: bpy.types.NodeSocket, strength: float) -> None:
        bump = self.new("Bump", Strength=strength, Distance=0.02)
        self.link(value, bump.inputs["Height"])
        self.link(bump.outputs["Normal"], self.shader.inputs["Normal"])

    def two_colours(self, value: bpy.types.NodeSocket, first: np.ndarray, second: np.ndarray, sharp: float = 0) -> None:
        ramp = self.new("ValToRGB")
        for element, rgb, at in zip(
            ramp.color_ramp.elements, (first, second), (0.3 + 0.19 * sharp, 0.7 - 0.19 * sharp), strict=True
        ):
            element.color, element.position = (*(float(v) for v in rgb.clip(0, 1)), 1), at
        self.link(value, ramp.inputs["Fac"])
        self.link(ramp.outputs["Color"], self.shader.inputs["Base Color"])


def _textured(nodes: _Nodes, folder: Path, kind: Material, rng: np.random.Generator) -> None:
    place, mapping = nodes.new("TexCoord"), nodes.new("Mapping")
    mapping.inputs["Scale"].default_value = (rng.uniform(0.5, 2.0),) * 3
    mapping.inputs["Location"].default_value = tuple(rng.random(3))
    mapping.inputs["Rotation"].default_value = (0, 0, float(rng.choice([0, np.pi / 2, rng.uniform(0, 6)])))
    nodes.link(place.outputs["Object"], mapping.inputs["Vector"])

    def image(name: str, data: bool) -> bpy.types.NodeSocket | None:
        found = sorted(p for p in folder.iterdir() if p.stem == name)
        if not found:
            return None
        node = nodes.new("TexImage")
        node.image = bpy.data.images.load(str(found[0]), check_existing=True)
        node.image.colorspace_settings.name = "Non-Color" if data else "sRGB"
        node.projection, node.projection_blend = "BOX", 0.1
        nodes.link(mapping.outputs["Vector"], node.inputs["Vector"])
        return node.outputs["Color"]

    albedo = image("albedo", False)
    tint = nodes.new("HueSaturation", Saturation=rng.uniform(0.7, 1.2), Value=rng.uniform(0.7, 1.25))
    if kind in (Material.FABRIC, Material.LEATHER, Material.PAINTED_SURFACE):  # these come in every colour
        tint.inputs["Hue"].default_value = rng.uniform(0, 1)
    nodes.link(albedo, tint.inputs["Color"])
    nodes.link(tint.outputs["Color"], nodes.shader.inputs["Base Color"])
    nodes.bump(albedo, rng.uniform(0.1, 0.6))
    roughness, metallic = image("roughness", True), image("metallic", True)
    if roughness is not None:
        nodes.link(roughness, nodes.shader.inputs["Roughness"])
    else:
        nodes.set("Roughness", rng.uniform(0.4, 0.95) if kind is not Material.METAL else rng.uniform(0.25, 0.6))
    if metallic is not None:
        nodes.link(metallic, nodes.shader.inputs["Metallic"])
    elif kind is Material.METAL:
        nodes.set("Metallic", rng.uniform(0.6, 1))


def _glass(nodes: _Nodes, rng: np.random.Generator) -> None:
    nodes.colour(1 - rng.uniform(0, 0.6) * rng.random(3) * (rng.random() < 0.5))
    nodes.set("Transmission Weight", 1.0)
    nodes.set("Roughness", float(rng.choice([0, rng.uniform(0, 0.25)])))
    nodes.set("IOR", rng.uniform(1.3, 1.6))


def _plastic(nodes: _Nodes, rng: np.random.Generator) -> None:
    nodes.colour(_vivid(rng))
    nodes.set("Roughness", rng.uniform(0.12, 0.5))
    nodes.set("Subsurface Weight", float(rng.choice([0, rng.uniform(0, 0.3)])))
    if rng.random() < 0.3:
        nodes.bump(nodes.noise(rng.uniform(60, 200)).outputs["Fac"], rng.uniform(0.02, 0.1))


def _water(nodes: _Nodes, rng: np.random.Generator) -> None:
    nodes.colour(np.array([0.02, 0.06, 0.08]) * rng.uniform(0.3, 4) * (1 + 0.5 * rng.standard_normal(3)))
    nodes.set("Roughness", rng.uniform(0, 0.08))
    nodes.set("IOR", 1.33)
    nodes.set("Specular IOR Level", rng.uniform(0.5, 1))
    nodes.bump(nodes.noise(rng.uniform(1, 8), 6).outputs["Fac"], rng.uniform(0.2, 1))


def _paper(nodes: _Nodes, rng: np.random.Generator) -> None:
    sheet = np.array([0.85, 0.83, 0.78]) * rng.uniform(0.75, 1.1)
    if rng.random() < 0.3:  # cardboard
        sheet = np.array([0.5, 0.35, 0.2]) * rng.uniform(0.7, 1.2)
    nodes.set("Roughness", rng.uniform(0.8, 1))
    nodes.set("Specular IOR Level", 0.1)
    if rng.random() < 0.6:  # printed: rows of words
        print_ = nodes.new("TexBrick", Scale=rng.uniform(6, 16))
        print_.offset = 0.37
        ink = sheet * rng.uniform(0.05, 0.5)
        for name, rgb in (("Color1", ink), ("Color2", sheet), ("Mortar", sheet)):
            print_.inputs[name].default_value = (*rgb, 1)
        print_.inputs["Mortar Size"].default_value = 0.06
        nodes.link(nodes.new("TexCoord").outputs["Object"], print_.inputs["Vector"])
        nodes.link(print_.outputs["Color"], nodes.shader.inputs["Base Color"])
    else:
        nodes.colour(sheet)
    nodes.bump(nodes.noise(rng.uniform(2, 12)).outputs["Fac"], rng.uniform(0.02, 0.4))


def _foliage(nodes: _Nodes, rng: np.random.Generator) -> None:
    green = np.array([rng.uniform(0.03, 0.2), rng.uniform(0.15, 0.35), rng.uniform(0.01, 0.08)])
    nodes.two_colours(nodes.noise(rng.uniform(4, 30)).outputs["Fac"], green, green * rng.uniform(0.3, 2.2))
    nodes.set("Roughness", rng.uniform(0.4, 0.8))
    nodes.bump(nodes.noise(rng.uniform(15, 60)).outputs["Fac"], rng.uniform(0.3, 1))


def _painted(nodes: _Nodes, rng: np.random.Generator) -> None:
    nodes.colour(_vivid(rng) * rng.uniform(0.5, 1))
    nodes.set("Roughness", rng.uniform(0.3, 0.7))
    nodes.set("Coat Weight", float(rng.choice([0, rng.uniform(0.2, 1)])))
    nodes.bump(nodes.noise(rng.uniform(20, 90)).outputs["Fac"], rng.uniform(0.05, 0.3))


def _metal(nodes: _Nodes, rng: np.random.Generator) -> None:
    bare = np.array([[0.9, 0.9, 0.9], [0.55, 0.55, 0.56], [0.95, 0.65, 0.5], [0.9, 0.75, 0.4]])[rng.integers(4)]
    nodes.colour(bare * rng.uniform(0.7, 1))
    nodes.set("Metallic", 1.0)
    nodes.set("Roughness", rng.uniform(0.08, 0.5))
    nodes.bump(nodes.noise(rng.uniform(20, 150)).outputs["Fac"], rng.uniform(0, 0.15))


def _fabric(nodes: _Nodes, rng: np.random.Generator) -> None:
    first = _vivid(rng)
    weave = nodes.new("TexChecker", Scale=rng.uniform(30, 90))
    nodes.link(nodes.new("TexCoord").outputs["Object"], weave.inputs["Vector"])
    nodes.two_colours(weave.outputs["Fac"], first, first * rng.uniform(0.4, 0.8), 1)
    nodes.set("Roughness", 0.95)
    nodes.set("Sheen Weight", rng.uniform(0.1, 0.8))
    nodes.bump(weave.outputs["Fac"], rng.uniform(0.1, 0.4))


def _vivid(rng: np.random.Generator) -> np.ndarray:
    """Any colour, from grey to strong."""
    colour = rng.random(3)
    return (colour.mean() + rng.uniform(0, 1.3) * (colour - colour.mean())).clip(0.01, 0.95)


_SHADERS = {
    Material.GLASS: _glass,
    Material.PLASTIC: _plastic,
    Material.WATER: _water,
    Material.PAPER: _paper,
    Material.FOLIAGE: _foliage,
    Material.PAINTED_SURFACE: _painted,
    Material.METAL: _metal,
    Material.FABRIC: _fabric,
}
