# SPDX-License-Identifier: GPL-3.0-or-later
"""Nineteen material trees give what their shaders amount to, texel by texel, and every face its own material."""

from functools import partial

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace
from blender import trees
from blender.captures import SIZE, captured, plane

TOLERANCE = 1.5 / 255
SLOTS = {"low": (1.0, 0.0, 0.0), "unused": (0.0, 0.0, 1.0), "high": (0.0, 1.0, 0.0)}


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
        np.testing.assert_allclose(
            surface[name].floats()[..., 0], expected(getattr(tree, name)), atol=TOLERANCE, err_msg=name
        )
    assert surface["albedo"].color_space is ColorSpace.SRGB


@pytest.mark.parametrize("link", ["DATA", "OBJECT"])
def test_each_face_shows_the_material_of_its_own_slot(link):
    """Three slots, the middle one without faces; the upper half has the last."""
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=2, y_subdivisions=2)
    obj = bpy.context.object
    colours = {name: trees.Tree(name, partial(trees.principled, colour=value), value) for name, value in SLOTS.items()}
    for name in ("low", "unused", "high"):
        obj.data.materials.append(None if link == "OBJECT" else trees.material(colours[name]))
    for slot, name in zip(obj.material_slots, ("low", "unused", "high"), strict=True):
        slot.link = link
        slot.material = trees.material(colours[name])
    for polygon in obj.data.polygons:
        polygon.material_index = 2 * int(polygon.center.y > 0)
    albedo = captured(obj).surface["albedo"].array
    assert (albedo[: SIZE // 2] == (0, 255, 0)).all()
    assert (albedo[SIZE // 2 :] == (255, 0, 0)).all()
    assert [polygon.material_index for polygon in obj.data.polygons] == [0, 0, 2, 2]
