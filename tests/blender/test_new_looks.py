# SPDX-License-Identifier: GPL-3.0-or-later
"""glTF and USD that went through the command line: other looks, and nothing else; the sources stay."""

import importlib
import json

import bpy
import numpy as np
import pytest
from blender.test_headless import headless

NEW = ("images", "textures", "materials")


@pytest.fixture
def yard(tmp_path):
    """Two crates of one material and a post, animated, with a light and a camera."""
    wood, iron = (bpy.data.materials.new(name) for name in ("Wood", "Iron"))
    for place, (name, made) in enumerate((("Crate", wood), ("Lid", wood), ("Post", iron))):
        bpy.ops.mesh.primitive_plane_add(size=2 - place / 2, location=(3 * place, 0, 0))
        obj = bpy.context.object
        obj.name = obj.data.name = name
        if made.node_tree is None:
            made.use_nodes = True
        obj.data.materials.append(made)
        obj["mine"] = place
    obj.keyframe_insert("location", frame=1)
    obj.location.z = 1
    obj.keyframe_insert("location", frame=20)
    bpy.ops.object.light_add(type="SUN")
    bpy.ops.object.camera_add()
    folder = tmp_path / "yard"
    folder.mkdir()
    return folder


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def colours(material):
    """The image behind a material's Base Color, [H, W, 4]."""
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    node = shader.inputs["Base Color"].links[0].from_node
    values = np.empty(node.image.size[0] * node.image.size[1] * 4, np.float32)
    node.image.pixels.foreach_get(values)
    return values


def test_a_gltf_differs_only_in_images_textures_and_materials(tmp_path, yard):
    model = yard / "yard.gltf"
    bpy.ops.export_scene.gltf(
        filepath=str(model), export_format="GLTF_SEPARATE", export_extras=True, export_lights=True, export_cameras=True
    )
    before = contents(yard)
    status, _, answer = headless(tmp_path, model, "--texels", "64", "--object", "Crate", "--object", "Post")
    assert status == 0, answer
    assert contents(yard) == before
    old, new = (json.loads(path.read_text()) for path in (model, tmp_path / "out" / "yard.gltf"))
    assert {"nodes", "animations", "cameras", "extensions", "accessors", "bufferViews"} <= old.keys()
    other = [key for key in old if key not in (*NEW, "meshes")]
    assert {key: new[key] for key in other} == {key: old[key] for key in other}
    assert set(new) - set(old) <= set(NEW)
    for was, now in zip(old["meshes"], new["meshes"], strict=True):
        assert {**now, "primitives": [{**p, "material": 0} for p in now["primitives"]]} == {
            **was,
            "primitives": [{**p, "material": 0} for p in was["primitives"]],
        }
    assert (tmp_path / "out" / "yard.bin").read_bytes() == (yard / "yard.bin").read_bytes()
    names = {mesh["name"]: new["materials"][mesh["primitives"][0]["material"]] for mesh in new["meshes"]}
    assert names["Lid"] == next(m for m in old["materials"] if m["name"] == "Wood")
    assert "baseColorTexture" in names["Crate"]["pbrMetallicRoughness"]
    assert {"yard.blend", "yard.gltf", "yard.bin"} <= set(answer["files"])
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "out" / "yard.gltf"))
    crate, lid, post = (bpy.data.objects[name].material_slots[0].material for name in ("Crate", "Lid", "Post"))
    assert colours(crate).std() > 0.02, "it has weathered"
    assert not np.array_equal(colours(crate), colours(post))
    assert not any(node.type == "TEX_IMAGE" for node in lid.node_tree.nodes)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out" / "yard.blend"))
    assert not [key for obj in bpy.data.objects for key in ("sabi_node", "sabi_mesh") if key in obj]


def test_a_glb_grows_at_the_end_of_its_buffer(tmp_path, yard):
    gltf = importlib.import_module("bl_ext.user_default.sabi.addon.exports.gltf")
    model = yard / "yard.glb"
    bpy.ops.export_scene.gltf(filepath=str(model))
    status, _, answer = headless(tmp_path, model, "--texels", "64", "--object", "Post")
    assert status == 0, answer
    old, new = gltf.read(model), gltf.read(tmp_path / "out" / "yard.glb")
    size = old.data["buffers"][0]["byteLength"]
    assert new.binary[:size] == old.binary[:size]
    assert new.data["bufferViews"][: len(old.data["bufferViews"])] == old.data["bufferViews"]
    same = [key for key in old.data if key not in (*NEW, "buffers", "bufferViews")]
    assert {key: new.data[key] for key in same} == {key: old.data[key] for key in same}


def test_usd_gets_a_layer_over_it(tmp_path, yard):
    if not hasattr(
        bpy.utils, "expose_bundled_modules"
    ):  # Blender 4.2 lends nobody its pxr: its own exporter writes the file
        bpy.ops.wm.usd_export(filepath=str(yard / "yard.usda"))
        status, _, answer = headless(tmp_path, yard / "yard.usda", "--texels", "64", "--object", "Crate")
        assert status == 0, answer
        assert (tmp_path / "out" / "yard.usda").is_file()
        return
    bpy.utils.expose_bundled_modules()
    usd, shade, geom = (importlib.import_module(f"pxr.{name}") for name in ("Usd", "UsdShade", "UsdGeom"))
    model = yard / "yard.usda"
    bpy.ops.wm.usd_export(filepath=str(model), export_animation=True)
    before = contents(yard)
    status, _, answer = headless(tmp_path, model, "--texels", "64", "--object", "Crate", "--object", "Post")
    assert status == 0, answer
    assert contents(yard) == before, "the source is untouched"
    layer = tmp_path / "out" / "yard.usda"
    assert "points" not in layer.read_text(), "overrides alone, no geometry"
    stage, source = usd.Stage.Open(str(layer)), usd.Stage.Open(str(model))
    assert stage.GetRootLayer().subLayerPaths == ["../yard/yard.usda"], "relative"
    assert geom.GetStageUpAxis(stage) == geom.GetStageUpAxis(source)
    assert geom.GetStageMetersPerUnit(stage) == geom.GetStageMetersPerUnit(source)
    assert stage.GetDefaultPrim().GetPath() == source.GetDefaultPrim().GetPath()
    assert stage.GetEndTimeCode() == source.GetEndTimeCode()
    for prim in source.Traverse():
        there = stage.GetPrimAtPath(prim.GetPath())
        assert there
        for attribute in prim.GetAttributes():
            assert there.GetAttribute(attribute.GetName()).Get(1) == attribute.Get(1), attribute.GetPath()
    bound = {}
    for prim in stage.Traverse():
        if prim.IsA(geom.Mesh):
            material, _ = shade.MaterialBindingAPI(prim).ComputeBoundMaterial()
            bound[prim.GetName()] = material
    assert bound["Lid"].GetPath().name == "Wood"
    surface, _, _ = bound["Crate"].ComputeSurfaceSource()
    assert surface.GetIdAttr().Get() == "UsdPreviewSurface"
    for entry in ("diffuseColor", "roughness", "metallic"):
        (connected,), _ = surface.GetInput(entry).GetConnectedSources()
        path = shade.Shader(connected.source.GetPrim()).GetInput("file").Get().path
        assert (layer.parent / path).is_file()
    assert "yard.usda" in answer["files"]
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.wm.usd_import(filepath=str(layer))
    worn = {obj.data.name: obj.material_slots[0].material for obj in bpy.data.objects if obj.type == "MESH"}
    assert colours(worn["Crate"]).std() > 0.02
    assert not np.array_equal(colours(worn["Crate"]), colours(worn["Post"]))
