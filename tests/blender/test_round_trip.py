# SPDX-License-Identifier: GPL-3.0-or-later
"""What was flattened, through Blender's own exporters and importers: it looks the same within 2/255."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.preferences import EXTENSION
from blender.emission import bake_socket
from blender.painted_images import covering_layer, synthetic_layer
from blender.test_flatten import CUT_OUT, NO_TEXTURES, SIZE, weathered_plane

INPUTS = ("Base Color", "Roughness", "Metallic", "Normal")


def gltf(path):
    bpy.ops.export_scene.gltf(filepath=f"{path}.glb")
    return lambda: bpy.ops.import_scene.gltf(filepath=f"{path}.glb")


def fbx(path):
    bpy.ops.export_scene.fbx(filepath=f"{path}.fbx", path_mode="COPY", embed_textures=True)
    return lambda: bpy.ops.import_scene.fbx(filepath=f"{path}.fbx")


def usd(path):
    bpy.ops.wm.usd_export(filepath=f"{path}.usda")
    return lambda: bpy.ops.wm.usd_import(filepath=f"{path}.usda")


def source(shader, entry):
    """What feeds an input: for normals the colours of the map, since normals themselves lie in the object's space."""
    (link,) = shader.inputs[entry].links
    if entry == "Normal":
        assert link.from_node.type == "NORMAL_MAP"
        assert link.from_node.inputs["Strength"].default_value == pytest.approx(1)
        (link,) = link.from_node.inputs["Color"].links
    return link.from_socket


def shown(obj):
    """The inputs of the object's Principled in every texel, colours scene-linear."""
    made = obj.material_slots[0].material
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    return {entry: bake_socket(obj, source(shader, entry), SIZE) for entry in INPUTS}


def encoded(linear):
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.fixture(params=["PACK", "FILES"])
def storage(request):
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    chosen.storage = request.param
    yield request.param
    chosen.storage = "PACK"


@pytest.mark.parametrize("way", [gltf, fbx, usd])
def test_maps_are_carried(tmp_path, way, storage):
    if storage == "FILES":
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    weathered_plane(NO_TEXTURES, synthetic_layer(9, SIZE, threshold=(1, 60)), age=0.9, relief=0.05)
    assert bpy.ops.sabi.flatten() == {"FINISHED"}
    before = shown(bpy.context.object)
    for entry, values in before.items():
        assert values.std() > 2 / 255, f"{entry} must vary, or nothing is told"
    again = way(tmp_path / "plane")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    again()
    after = shown(next(obj for obj in bpy.data.objects if obj.type == "MESH"))
    for entry in INPUTS:
        code = encoded if entry == "Base Color" else np.asarray
        assert np.abs(code(before[entry]) - code(after[entry])).max() <= 2 / 255, entry


@pytest.mark.parametrize("way", [gltf, fbx, usd])
def test_alpha_is_carried(tmp_path, way):
    weathered_plane(CUT_OUT, covering_layer(), age=1.0)
    assert bpy.ops.sabi.flatten(size=32) == {"FINISHED"}
    again = way(tmp_path / "plane")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    again()
    obj = next(obj for obj in bpy.data.objects if obj.type == "MESH")
    made = obj.material_slots[0].material
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    bpy.ops.object.select_all(action="DESELECT")
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    alpha = bake_socket(obj, source(shader, "Alpha"), 32)[..., 0]
    assert np.abs(alpha - (np.arange(32) + 0.5) / 32).max() <= 3 / 255
