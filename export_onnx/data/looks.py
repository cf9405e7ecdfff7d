# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender materials of every kind that the segmenter tells apart: photographed textures, and Blender's own shaders."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ...backend.protocol.materials import Material
from .materials import Split, Texture, textures_of
from .shaders import SHADERS, Nodes, log_uniform

SHADED = (Material.GLASS, Material.PLASTIC, Material.WATER, Material.PAPER)  # there are no photographs of these
SHADED_SHARE = {Material.FOLIAGE: 0.5, Material.METAL: 0.3, Material.PAINTED_SURFACE: 0.25, Material.FABRIC: 0.15}
TAUGHT_SHARE = dict.fromkeys(  # in training alone: what is held out shall say how photographs are told
    (Material.LEATHER, Material.WOOD, Material.BRICK, Material.STONE, Material.CONCRETE), 0.3
)
REPEATS = (0.12, 1.5)  # of a texture a unit, of which a picture is some two or three wide
TWO_SHARE = 0.4  # of the textured materials: two of the kind, where there are two
COLOURED = (Material.FABRIC, Material.LEATHER, Material.PAINTED_SURFACE)  # these come in every colour


class Looks:
    """Draws materials of one split's textures."""

    def __init__(self, data: Path, split: Split) -> None:
        self.folder = data / "textures"
        self.shaded_share = SHADED_SHARE | (TAUGHT_SHARE if split is Split.TRAIN else {})
        self.textures: dict[Material, list[Texture]] = {}
        for texture in textures_of(data, split):
            self.textures.setdefault(texture.material, []).append(texture)

    def draw(self, kind: Material, rng: np.random.Generator, size: float = 1.0) -> bpy.types.Material:
        """A new material of this kind, its pass index the kind's channel and one, for an object that is scaled by `size`."""
        made = bpy.data.materials.new(kind.value)
        made.pass_index = kind.channel + 1
        nodes = Nodes(made, rng, size)
        if kind in SHADED or rng.random() < self.shaded_share.get(kind, 0):
            SHADERS[kind](nodes, rng)
        else:
            found = self.textures[kind]
            count = min(len(found), 2 if rng.random() < TWO_SHARE else 1)
            folders = [self.folder / found[i].name for i in rng.permutation(len(found))[:count]]
            _textured(nodes, folders, kind, rng)
        return made


def _textured(nodes: Nodes, folders: list[Path], kind: Material, rng: np.random.Generator) -> None:
    """One texture, or two where a noise says, each of a scale and a contrast of its own, in one tint."""
    whole, *second = (_maps(nodes, folder, kind, rng) for folder in folders)
    if second:
        share = nodes.steep(nodes.noise(log_uniform(rng, 0.7, 5), 6), rng.uniform(0.4, 0.6), rng.uniform(0.03, 0.3))
        whole = {name: nodes.mix(share, value, second[0][name]) for name, value in whole.items()}
    hue = rng.uniform(0, 1) if kind in COLOURED else 0.5
    tinted = nodes.toned(whole["albedo"], 1.0, hue, rng.uniform(0.7, 1.2), rng.uniform(0.7, 1.25))
    nodes.set("Base Color", tinted)
    nodes.set("Roughness", whole["roughness"])
    nodes.set("Metallic", whole["metallic"])
    nodes.bump(whole["height"], rng.uniform(0.3, 1.0), 1.0)


def _maps(
    nodes: Nodes, folder: Path, kind: Material, rng: np.random.Generator
) -> dict[str, bpy.types.NodeSocket | float]:
    """albedo, height in units, roughness and metallic of a texture laid on all sides; what its set lacks is assumed."""
    repeats, turn = log_uniform(rng, *REPEATS), float(rng.choice([0, np.pi / 2, rng.uniform(0, 6)]))
    vector = nodes.moved(nodes.place, (repeats,) * 3, turn=turn)

    def image(name: str) -> bpy.types.NodeSocket | None:
        found = sorted(p for p in folder.iterdir() if p.stem == name)
        if not found:
            return None
        node = nodes.laid(nodes.new("TexImage"), vector)
        node.image, node.extension = square(found[0], "sRGB" if name == "albedo" else "Non-Color"), "MIRROR"
        node.projection, node.projection_blend = "BOX", 0.1
        return node.outputs["Color"]

    albedo, height, roughness, metallic = map(image, ("albedo", "height", "roughness", "metallic"))
    assert albedo is not None
    rough, metal = ((0.25, 0.6), rng.uniform(0.6, 1)) if kind is Material.METAL else ((0.4, 0.95), 0.0)
    deep = (
        0.01 if height is None else 0.03
    )  # of what one repeat is wide; a photograph's light and dark are hardly heights
    return {
        "albedo": nodes.toned(albedo, rng.uniform(0.7, 1.4)),
        "height": nodes.math("MULTIPLY", albedo if height is None else height, deep / repeats),
        "roughness": rng.uniform(*rough) if roughness is None else roughness,
        "metallic": metal if metallic is None else metallic,
    }


def square(path: Path, colours: str) -> bpy.types.Image:
    """A picture's middle, as high as wide: it would be squashed where it is laid on the sides of a box."""
    image = bpy.data.images.load(str(path), check_existing=True)
    image.colorspace_settings.name = colours
    wide, high = image.size
    side = min(wide, high)
    if side == max(wide, high):
        return image
    pixels = np.empty(4 * wide * high, np.float32)
    image.pixels.foreach_get(pixels)
    left, low = (wide - side) // 2, (high - side) // 2
    cut = bpy.data.images.new(path.stem, side, side, float_buffer=image.is_float)
    cut.colorspace_settings.name = colours
    cut.pixels.foreach_set(pixels.reshape(high, wide, 4)[low : low + side, left : left + side].ravel())
    return cut
