# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures give what the material and the mesh say, texel by texel, and leave the scene as it was."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import bake, bake_cache, capture
from bl_ext.user_default.sabi.addon.capture import Capture, CaptureSettings
from bl_ext.user_default.sabi.backend.protocol.recipe import FrameMode
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace
from blender import trees

SIZE = 64
TOLERANCE = 1.5 / 255


@pytest.fixture(autouse=True)
def no_cache():
    capture.forget()


def plane(material: bpy.types.Material | None = None, size: float = 2.0) -> bpy.types.Object:
    bpy.ops.mesh.primitive_plane_add(size=size)
    obj = bpy.context.object
    obj.data.materials.append(material or trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    return obj


def captured(obj: bpy.types.Object, size: int = SIZE, **settings: object) -> capture.CapturedObject:
    return Capture(bpy.context, obj, CaptureSettings(size=size, **settings)).run()


def linear(albedo: np.ndarray) -> np.ndarray:
    """8-bit sRGB to scene-linear floats."""
    encoded = albedo.astype(np.float64) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def expected(value: trees.Value) -> np.ndarray:
    """What a tree's value is at each texel's centre, [SIZE, SIZE] or [SIZE, SIZE, 3], top row first."""
    v, u = np.meshgrid(1 - (np.arange(SIZE) + 0.5) / SIZE, (np.arange(SIZE) + 0.5) / SIZE, indexing="ij")
    if callable(value):
        return np.asarray(value(u, v), np.float64)
    return np.broadcast_to(np.asarray(value, np.float64), (SIZE, SIZE, *np.shape(value)))


def encoded(values: np.ndarray) -> np.ndarray:
    """Scene-linear to sRGB, where 8 bits are evenly fine."""
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.maximum(values, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("tree", trees.TREES, ids=lambda tree: tree.name)
def test_a_tree_gives_what_its_shaders_amount_to(tree):
    surface = captured(plane(trees.material(tree))).surface
    albedo = surface["albedo"].floats()
    np.testing.assert_allclose(albedo, encoded(expected(tree.albedo)), atol=TOLERANCE)
    for name in ("roughness", "metallic", "alpha"):
        np.testing.assert_allclose(surface[name].floats()[..., 0], expected(getattr(tree, name)), atol=TOLERANCE, err_msg=name)
    assert surface["albedo"].color_space is ColorSpace.SRGB
