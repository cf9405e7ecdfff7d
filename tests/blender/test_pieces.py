# SPDX-License-Identifier: GPL-3.0-or-later
"""Large bakes are done in pieces, and nobody can tell."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.surface import capture, passes, pieces, uvs
from blender.captures import captured, cube
from blender.trees import GREY, TREES, Tree, material, principled


@pytest.fixture
def turned():
    """A cube whose material is baked, patterns, bump and all, turned so that no axis is another's."""
    obj = cube()
    obj.rotation_euler = (0.3, 0.5, 0.7)
    return obj


def both(obj, monkeypatch, piece: int, size: int = 60):
    """What is captured at once and in pieces; the two maps that are baked small, by chance, are at once in both."""
    monkeypatch.setattr(passes, "OCCLUSION_SIDE", 30)
    monkeypatch.setattr(passes, "BEVEL_SIDE", 30)
    whole = captured(obj, size).surface
    capture.forget()
    monkeypatch.setattr(passes, "PIECE", piece)
    return whole, captured(obj, size).surface


def bumpy(tree):
    noise, bump = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("TexNoise", "Bump"))
    tree.links.new(noise.outputs[0], bump.inputs["Height"])
    return principled(tree, GREY, Roughness=noise.outputs[0], Normal=bump.outputs[0])


LOOKS = [tree for tree in TREES if tree.name in ("texture with a mapping", "cut out")] + [Tree("bumpy", bumpy, GREY)]


@pytest.mark.parametrize("tree", LOOKS, ids=lambda tree: tree.name)
def test_every_map_is_the_same(turned, monkeypatch, tree):
    turned.material_slots[0].material = material(tree)
    whole, made = both(turned, monkeypatch, 32)  # four pieces of 30
    assert made.maps.keys() == whole.maps.keys()
    assert ("normal" in made.maps) is (tree.name == "bumpy")
    for name, expected in whole.maps.items():
        found = made.maps[name].array.astype(np.float64)
        assert (np.abs(found - expected.array) > 1e-3 * max(float(np.ptp(expected.array)), 1)).mean() < 0.002, name


def test_the_last_pieces_may_reach_beyond(turned, monkeypatch):
    whole, made = both(turned, monkeypatch, 23, 61)  # three a side, 21 texels each: two too many
    np.testing.assert_allclose(made["position"].array, whole["position"].array, atol=1e-4)


def test_blender_bakes_no_more_than_a_piece_at_once(turned, monkeypatch):
    sizes = []
    monkeypatch.setattr(passes, "PIECE", 32)
    monkeypatch.setattr(passes.Bake, "run", lambda self, run=passes.Bake.run: (sizes.append(baked()), run(self)))
    captured(turned, 60)
    assert set(sizes[:8]) == {(30, 30)}
    assert not [obj for obj in bpy.data.meshes if pieces.UV_MAP in obj.uv_layers]


def baked() -> tuple[int, int]:
    return tuple(bpy.data.images[".sabi image"].size)


def test_a_mesh_without_room_for_another_uv_map_is_baked_at_once(turned, monkeypatch):
    for number in range(uvs.MOST_MAPS - 1):
        turned.data.uv_layers.new(name=f"Other {number}")
    whole, made = both(turned, monkeypatch, 32)
    np.testing.assert_array_equal(made["position"].array, whole["position"].array)
