# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps written for engines from Blender, by a real backend: what channels hold, names, versions, sidecars."""

import json

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.nodes.on_object import INPUT, RECIPE, group_node, layer_inputs
from bl_ext.user_default.sabi.addon.pixels.images import encode_srgb
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.emission import inside_blocks, plane
from blender.painted_images import synthetic_layer, weathered_values
from blender.scene_state import state
from blender.test_flatten import NO_TEXTURES, SIZE, weathered_plane

AGE = 0.7
LAYER = synthetic_layer(7, SIZE)


@pytest.fixture
def door(tmp_path):
    """A weathered plane in a saved .blend."""
    obj = weathered_plane(NO_TEXTURES, LAYER, age=AGE, relief=0.05)
    obj.name = "Door"
    tree = group_node(obj.material_slots[0].material).node_tree
    tree[RECIPE] = Recipe((Layer(Effect.RUST, age=0.1),), name="harbour").to_json()
    tree[INPUT] = "d1ce"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    return obj


def expected():
    ones = np.ones((SIZE, SIZE), np.float32)
    base = {"albedo": np.float32((0.5, 0.1, 0.05)) * ones[..., None], "roughness": 0.8 * ones, "metallic": ones}
    return weathered_values(base, [LAYER], AGE, 1.0)


def pixels(path):
    """[H, W, 4] as stored, row 0 at the top."""
    image = bpy.data.images.load(str(path))
    image.colorspace_settings.name = "Non-Color"
    image.alpha_mode = "CHANNEL_PACKED"
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    width, height = image.size
    bpy.data.images.remove(image)
    return values.reshape(height, width, 4)[::-1]


def close(values, wanted, within=3 / 255):
    return np.abs(inside_blocks(values - wanted)).max() < within


def test_unreal(tmp_path, door):
    assert bpy.ops.sabi.export_maps(engine="UNREAL", directory="//textures") == {"FINISHED"}
    folder = tmp_path / "textures"
    names = {p.name for p in folder.iterdir()}
    assert names == {"Door_BaseColor.png", "Door_ORM.png", "Door_Normal.png", "Door_maps.sabi.json"}
    wanted = expected()
    assert close(pixels(folder / "Door_BaseColor.png")[..., :3], encode_srgb(wanted["albedo"]))
    orm = pixels(folder / "Door_ORM.png")
    assert close(orm[..., 1], wanted["roughness"])
    assert close(orm[..., 2], wanted["metallic"])
    assert orm[..., 0].min() > 0.95, "nothing is near a plane"
    bpy.ops.sabi.export_maps(engine="PLAIN", directory="//plain")
    opengl, directx = pixels(tmp_path / "plain" / "Door_normal.png"), pixels(folder / "Door_Normal.png")
    assert np.abs(directx[..., 1] - (1 - opengl[..., 1])).max() < 1.5 / 255
    assert np.abs(opengl[..., 1] - 0.5).max() > 0.05, "else the turn would not show"
    assert np.array_equal(directx[..., ::2], opengl[..., ::2])


def test_unity_in_16_bits(tmp_path, door):
    bpy.ops.sabi.export_maps(engine="UNITY", file_format="PNG", depth="16", directory="//", pattern="{object}/{map}")
    mask = pixels(tmp_path / "Door" / "MaskMap.png")
    wanted = expected()
    assert close(mask[..., 0], wanted["metallic"])
    assert close(mask[..., 3], 1 - wanted["roughness"])
    assert np.abs(mask[..., 3] * 255 - np.rint(mask[..., 3] * 255)).max() > 0.1, "finer than 8 bits"
    assert (tmp_path / "Door" / "NormalMap.png").is_file()


@pytest.mark.parametrize(("form", "suffix"), [("TIFF", "tif"), ("EXR", "exr"), ("WEBP", "webp")])
def test_formats(tmp_path, door, form, suffix):
    bpy.ops.sabi.export_maps(engine="PLAIN", file_format=form, directory="//out")
    wanted = expected()
    assert close(pixels(tmp_path / "out" / f"Door_roughness.{suffix}")[..., 0], wanted["roughness"])
    albedo = pixels(tmp_path / "out" / f"Door_albedo.{suffix}")[..., :3]
    assert close(encode_srgb(albedo) if form == "EXR" else albedo, encode_srgb(wanted["albedo"]))


def test_the_sidecar_says_recipe_input_and_files(tmp_path, door):
    layer_inputs(group_node(door.material_slots[0].material))[0]["Age"].default_value = 0.25
    bpy.ops.sabi.export_maps(engine="UNREAL", directory="//textures", pattern="T_{object}_{recipe}_{map}_{size}")
    said = json.loads((tmp_path / "textures" / "T_Door_harbour_maps_64.sabi.json").read_text())
    assert said["recipe"]["layers"][0]["age"] == 0.25, "as it is now"
    assert said["input"] == {"blend": "scene.blend", "digest": "d1ce"}
    assert said["export"]["normals"] == "directx"
    assert said["export"]["channels"]["ORM"] == ["ambient_occlusion", "roughness", "metallic"]
    assert set(said["files"]) == {f"T_Door_harbour_{name}_64.png" for name in ("BaseColor", "ORM", "Normal")}
    assert all((tmp_path / "textures" / name).is_file() for name in said["files"])
    assert said["materials"] == ["no textures"]


def test_versions_go_on_and_files_are_refused(tmp_path, door):
    how = {"engine": "GLTF", "directory": "//v", "pattern": "{object}_{map}_v{version:03}"}
    for _ in range(2):
        bpy.ops.sabi.export_maps(**how)
    bpy.ops.sabi.export_maps(**how, overwrite=True)
    names = {p.name for p in (tmp_path / "v").iterdir()}
    assert {f"Door_baseColor_v00{n}.png" for n in (1, 2, 3)} <= names
    assert {f"Door_maps_v00{n}.sabi.json" for n in (1, 2, 3)} <= names
    how["pattern"] = "{object}_{map}"
    bpy.ops.sabi.export_maps(**how)
    before = {p: p.read_bytes() for p in (tmp_path / "v").iterdir()}
    layer_inputs(group_node(door.material_slots[0].material))[0]["Age"].default_value = 0.2
    with pytest.raises(RuntimeError, match="exists already"):
        bpy.ops.sabi.export_maps(**how)
    assert work.failure().code == "file_exists"
    assert {p: p.read_bytes() for p in (tmp_path / "v").iterdir()} == before
    bpy.ops.sabi.export_maps(**how, overwrite=True)
    assert (tmp_path / "v" / "Door_baseColor.png").read_bytes() != before[tmp_path / "v" / "Door_baseColor.png"]


def test_the_scenes_settings_count_where_nothing_is_given(tmp_path, door):
    settings = bpy.context.scene.sabi.export
    settings.engine, settings.directory, settings.pattern = "UNITY", "//u", "x_{map}"
    before = state()
    bpy.ops.sabi.export_maps()
    assert state() == before, "nothing in the .blend changes"
    assert (tmp_path / "u" / "x_MaskMap.png").is_file()


def test_what_was_flattened_is_exported_too(tmp_path, door):
    bpy.ops.sabi.flatten()
    bpy.ops.sabi.export_maps(engine="PLAIN", directory="//flat")
    assert close(pixels(tmp_path / "flat" / "Door_roughness.png")[..., 0], expected()["roughness"])
    said = json.loads((tmp_path / "flat" / "Door_maps.sabi.json").read_text())
    assert said["input"]["digest"] == "d1ce"
    assert said["recipe"]["name"] == "harbour"
    assert said["materials"] == ["no textures"]


def test_what_cannot_be_exported_is_said_before_anything_is_baked(tmp_path, door, clean_scene):
    for how, said in (
        ({"pattern": "{object}"}, "lacks {map}"),
        ({"file_format": "WEBP", "depth": "16"}, "WEBP holds 8 bits"),
        ({"directory": ""}, "no folder to export to"),
    ):
        with pytest.raises(RuntimeError, match=said):
            bpy.ops.sabi.export_maps(**how)
    weathered_plane(NO_TEXTURES, LAYER).name = "Gate"
    door.select_set(True)
    with pytest.raises(RuntimeError, match=r"one name.*Put {object} into it"):
        bpy.ops.sabi.export_maps(pattern="{map}")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    weathered_plane(NO_TEXTURES, LAYER)
    with pytest.raises(RuntimeError, match="has no folder yet"):
        bpy.ops.sabi.export_maps(directory="//textures")
    bpy.ops.object.select_all(action="DESELECT")
    plane()
    assert not bpy.ops.sabi.export_maps.poll()
