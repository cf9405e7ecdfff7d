# SPDX-License-Identifier: GPL-3.0-or-later
"""Eighteen material trees give what their shaders amount to, texel by texel."""

import numpy as np
import pytest
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace
from blender import trees
from blender.captures import SIZE, captured, plane

TOLERANCE = 1.5 / 255


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
