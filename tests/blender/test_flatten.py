# SPDX-License-Identifier: GPL-3.0-or-later
"""Flattening bakes what the nodes show now into plain textures that other programs read, and leads back."""

import json

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.nodes import material, on_object
from bl_ext.user_default.sabi.addon.nodes.fingerprint import fingerprint
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node, layer_inputs
from bl_ext.user_default.sabi.addon.pixels.images import encode_srgb
from bl_ext.user_default.sabi.addon.preferences import EXTENSION
from bl_ext.user_default.sabi.addon.surface import shown, upstream
from blender.emission import inside_blocks, plane
from blender.painted_images import covering_layer, images_of, synthetic_layer, weathered_values
from blender.trees import TREES
from blender.trees import material as tree_material

SIZE = 64
NO_TEXTURES = next(tree for tree in TREES if tree.name == "no textures")
CUT_OUT = next(tree for tree in TREES if tree.name == "cut out")


def weathered_plane(tree, layer, **keys):
    obj = plane(tree_material(tree))
    material.apply(obj, [material.Painting((0,), [images_of(layer, **keys)], "UVMap")], "{}")
    return obj


def texture(obj, entry):
    """The image behind an input of the object's Principled, [H, W, 4] as stored, row 0 at the top."""
    made = obj.material_slots[0].material
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    node = shader.inputs[entry].links[0].from_node
    if node.type == "NORMAL_MAP":
        node = node.inputs["Color"].links[0].from_node
    assert node.type == "TEX_IMAGE"
    values = np.empty(node.image.size[0] * node.image.size[1] * 4, np.float32)
    node.image.pixels.foreach_get(values)
    return values.reshape(node.image.size[1], node.image.size[0], 4)[::-1]


def test_textures_hold_what_the_nodes_show_at_this_age():
    layer = synthetic_layer(7, SIZE)
    obj = weathered_plane(NO_TEXTURES, layer, age=0.1)
    layer_inputs(group_node(obj.material_slots[0].material))[0]["Age"].default_value = 0.7
    assert bpy.ops.sabi.flatten() == {"FINISHED"}
    ones = np.ones((SIZE, SIZE), np.float32)
    base = {"albedo": np.float32((0.5, 0.1, 0.05)) * ones[..., None], "roughness": 0.8 * ones, "metallic": ones}
    expected = weathered_values(base, [layer], 0.7, 1.0)
    assert np.abs(inside_blocks(texture(obj, "Base Color")[..., :3] - encode_srgb(expected["albedo"]))).max() < 3 / 255
    for name in ("roughness", "metallic"):
        assert np.abs(inside_blocks(texture(obj, name.capitalize())[..., 0] - expected[name])).max() < 3 / 255
    assert on_object.weathered(obj) is None


def test_heights_become_normals():
    layer = synthetic_layer(8, SIZE, threshold=(1, 60))
    obj = weathered_plane(NO_TEXTURES, layer, age=1.0, relief=0.05)
    bpy.ops.sabi.flatten()
    normals = texture(obj, "Normal")[..., :3] * 2 - 1
    assert np.abs(np.linalg.norm(normals, axis=2) - 1).max() < 0.03
    assert normals[..., 2].min() < 0.95


def test_alpha_goes_into_the_colours_texture():
    obj = weathered_plane(CUT_OUT, covering_layer(), age=1.0)
    bpy.ops.sabi.flatten(size=32)
    alpha = texture(obj, "Alpha")[..., 3]
    assert alpha.shape == (32, 32)
    assert np.abs(alpha - (np.arange(32) + 0.5) / 32).max() < 2 / 255


def test_revert_leads_back_to_the_original():
    obj = weathered_plane(NO_TEXTURES, covering_layer())
    made = obj.material_slots[0].material
    bpy.ops.sabi.revert()
    bare = fingerprint(made)
    material.apply(obj, [material.Painting((0,), [images_of(covering_layer())], "UVMap")], "{}")
    bpy.ops.sabi.flatten(size=16)
    assert obj.material_slots[0].material != made
    bpy.ops.sabi.revert()
    assert obj.material_slots[0].material == made
    assert fingerprint(made) == bare
    assert group_node(made) is None
    assert not bpy.data.images
    assert list(bpy.data.materials) == [made]


def test_what_is_lost_is_said():
    obj = weathered_plane(next(tree for tree in TREES if tree.name == "emission"), covering_layer())
    bpy.ops.sabi.flatten(size=16)
    assert any("light of its own" in warning for warning in work.current().outcome.warnings)
    assert obj.name in work.current().outcome.message


def test_gltf_reads_them(tmp_path):
    weathered_plane(NO_TEXTURES, synthetic_layer(9, SIZE), age=0.9)
    bpy.ops.sabi.flatten()
    bpy.ops.export_scene.gltf(filepath=str(tmp_path / "plane.gltf"), export_format="GLTF_SEPARATE")
    (made,) = json.loads((tmp_path / "plane.gltf").read_text())["materials"]
    assert {"baseColorTexture", "metallicRoughnessTexture"} <= made["pbrMetallicRoughness"].keys()
    assert "normalTexture" in made


def test_images_beside_the_file(tmp_path):
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "FILES"
    try:
        weathered_plane(NO_TEXTURES, covering_layer())
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
        bpy.ops.sabi.flatten(size=16)
    finally:
        bpy.context.preferences.addons[EXTENSION].preferences.storage = "PACK"
    assert sorted(path.name for path in (tmp_path / "sabi").iterdir()) == [f"Plane_{n}.png" for n in NAMES]
    plain = [image for image in bpy.data.images if image.name.startswith("Plane_")]
    assert sorted(image.filepath for image in plain) == [f"//sabi/Plane_{n}.png" for n in NAMES]


def test_names_formats_and_depths_by_hand(tmp_path):
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    chosen.storage = "FILES"
    layer = synthetic_layer(7, SIZE)
    how = {"file_format": "TIFF", "depth": "16", "pattern": "{object}_{map}_v{version:02}"}
    try:
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
        obj = weathered_plane(NO_TEXTURES, layer, age=0.7)
        assert bpy.ops.sabi.flatten(**how) == {"FINISHED"}
        first = {path.name: path.read_bytes() for path in (tmp_path / "sabi").iterdir()}
        assert set(first) == {f"Plane_{n}_v01.tif" for n in NAMES}
        values = texture(obj, "Roughness")[..., 0]
        assert np.abs(values * 255 - np.rint(values * 255)).max() > 0.1, "finer than 8 bits"
        bpy.ops.sabi.revert()
        material.apply(obj, [material.Painting((0,), [images_of(layer, age=0.7)], "UVMap")], "{}")
        bpy.ops.sabi.flatten(**how)
        there = {path.name: path.read_bytes() for path in (tmp_path / "sabi").iterdir()}
        assert set(there) - set(first) == {f"Plane_{n}_v02.tif" for n in NAMES}
        assert all(there[name] == content for name, content in first.items())
    finally:
        chosen.storage = "PACK"


def test_exr_holds_scene_linear_colours():
    layer = synthetic_layer(7, SIZE)
    obj = weathered_plane(NO_TEXTURES, layer, age=0.7)
    bpy.ops.sabi.flatten(file_format="EXR")
    ones = np.ones((SIZE, SIZE), np.float32)
    base = {"albedo": np.float32((0.5, 0.1, 0.05)) * ones[..., None], "roughness": 0.8 * ones, "metallic": ones}
    expected = weathered_values(base, [layer], 0.7, 1.0)
    assert np.abs(inside_blocks(texture(obj, "Base Color")[..., :3] - expected["albedo"])).max() < 3 / 255


NAMES = ("albedo", "metallic", "normal", "roughness")


def test_bleed_spreads_islands_and_keeps_them():
    values = np.zeros((9, 9, 1), np.uint8)
    inside = np.zeros((9, 9), bool)
    inside[4, 4], values[4, 4] = True, 7
    spread = shown.bleed(values, inside, 3)[..., 0]
    distance = np.abs(np.arange(9)[:, None] - 4) + np.abs(np.arange(9) - 4)
    assert np.array_equal(spread, np.where(distance <= 3, 7, 0))


def test_more_than_8192_texels_a_side_are_refused_before_anything_is_baked():
    obj = weathered_plane(NO_TEXTURES, synthetic_layer(7, SIZE))
    worn = obj.material_slots[0].material
    with pytest.raises(RuntimeError, match=f"Flattening '{obj.name}' to 16384 texels a side .* at most 8192"):
        bpy.ops.sabi.flatten(size=16384)
    assert obj.material_slots[0].material == worn
    assert on_object.weathered(obj) is not None


def test_what_is_flat_already_is_said():
    obj = weathered_plane(NO_TEXTURES, covering_layer())
    bpy.ops.sabi.flatten(size=16)
    flat = obj.material_slots[0].material
    with pytest.raises(RuntimeError, match="has layers to flatten"):
        bpy.ops.sabi.flatten(size=16)
    assert obj.material_slots[0].material == flat


def test_painted_images_or_uvs_that_were_removed_are_said():
    obj = weathered_plane(NO_TEXTURES, covering_layer())
    worn = obj.material_slots[0].material
    obj.data.uv_layers[0].name = "other"
    with pytest.raises(RuntimeError, match=r"The UV map 'UVMap', .* is gone"):
        bpy.ops.sabi.flatten(size=16)
    bpy.data.images.remove(bpy.data.images[0])
    with pytest.raises(RuntimeError, match=f"Painted images of '{obj.name}' were removed"):
        bpy.ops.sabi.flatten(size=16)
    assert obj.material_slots[0].material == worn
    upstream.check_textures(worn)  # it may be weathered again


def test_what_is_not_weathered_is_not_flattened():
    plane(tree_material(NO_TEXTURES))
    assert not bpy.ops.sabi.flatten.poll()
    with pytest.raises(RuntimeError):
        bpy.ops.sabi.flatten()
