# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects to capture, and captures of them."""

import bpy
import numpy as np
from bl_ext.user_default.sabi.addon.surface import bake, capture
from bl_ext.user_default.sabi.addon.surface.capture import Capture, CaptureSettings
from blender import trees

SIZE = 64


def plane(material: bpy.types.Material | None = None, size: float = 2.0) -> bpy.types.Object:
    bpy.ops.mesh.primitive_plane_add(size=size)
    obj = bpy.context.object
    obj.data.materials.append(material or trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    return obj


def captured(obj: bpy.types.Object, size: int = SIZE, **settings: object) -> capture.CapturedObject:
    return Capture(bpy.context, obj, CaptureSettings(size=size, **settings)).run()


def cube(size: float = 2.0) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(size=size)
    obj = bpy.context.object
    obj.data.materials.append(trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    return obj


def inside(surface) -> np.ndarray:
    return surface["island_mask"].array[..., 0] > 0


def textured(image: bpy.types.Image, **links: str) -> bpy.types.Material:
    """A Principled with an image wired from its outputs: textured(image, Base_Color="Color", Alpha="Alpha")."""

    def build(tree):
        node = trees.texture(tree, image)
        return trees.principled(tree, **{name: node.outputs[output] for name, output in links.items()})

    return trees.material(trees.Tree("textured", build, trees.RED))


def bytes_of(image: bpy.types.Image) -> np.ndarray:
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values * 255).astype(np.uint8).reshape(image.size[1], image.size[0], 4)[::-1]


def baked_kinds(monkeypatch) -> list[str]:
    """What is baked from now on, one entry a bake."""
    kinds: list[str] = []
    run = bake.Bake.run
    monkeypatch.setattr(bake.Bake, "run", lambda self: (kinds.append(self.kind), run(self))[1])
    return kinds
