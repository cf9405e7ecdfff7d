# SPDX-License-Identifier: GPL-3.0-or-later
"""Models from the command line: `python -m sabi.addon.headless` in a process of its own, with a real backend."""

import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import pytest
from bl_ext.user_default.sabi.addon.nodes import material, on_object

ROOT = Path(__file__).resolve().parents[2]
RECIPE = {"sabi_recipe": 1, "layers": [{"effect": "rust", "age": 0.8, "feature_size": 0.1}]}
RUN = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("sabi", sys.argv[1], submodule_search_locations=[sys.argv[2]])
sys.modules["sabi"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["sabi"])
from sabi.addon.headless import leave, main
leave(main(sys.argv[3:]))
"""


def headless(tmp_path, model, *words, recipe=RECIPE):
    """Exit status, progress messages, and the last one."""
    (tmp_path / "recipe.json").write_text(json.dumps(recipe))
    command = [sys.executable, "-c", RUN, str(ROOT / "__init__.py"), str(ROOT), str(model)]
    command += ["--recipe", str(tmp_path / "recipe.json"), "--out", str(tmp_path / "out"), *words]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=without_user_folder())
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert lines, run.stderr
    return run.returncode, lines[:-1], lines[-1]


def without_user_folder():
    return {name: value for name, value in os.environ.items() if name != "BLENDER_USER_RESOURCES"}


@pytest.fixture
def crates(tmp_path):
    """Two crates of one material in a .blend."""
    for x in (0, 2):
        bpy.ops.mesh.primitive_plane_add(location=(x, 0, 0))
        bpy.context.object.name = f"Crate {x}"
    made = bpy.data.materials.new("Wood")
    made.use_nodes = True
    for obj in bpy.data.objects:
        obj.data.materials.append(made)
    path = tmp_path / "crates.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    return path


def test_one_object_of_a_blend(tmp_path, crates):
    before = crates.read_bytes()
    status, progress, answer = headless(tmp_path, crates, "--object", "Crate 2", "--texels", "128")
    assert status == 0, answer
    assert crates.read_bytes() == before
    fractions = [line["fraction"] for line in progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] <= 1
    assert answer["networks"].keys() == {"painter"}
    assert sorted(answer["files"]) == [
        "crates.blend",
        *(f"sabi/Crate_2_1_Rust_{n}.png" for n in ("growth", "thick", "thin")),
    ]
    assert sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")) == sorted(
        answer["files"]
    )
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "out" / "crates.blend"))
    applied = on_object.weathered(bpy.data.objects["Crate 2"])
    assert applied.layers[0]["Age"].default_value == pytest.approx(0.8)
    assert on_object.weathered(bpy.data.objects["Crate 0"]) is None
    assert all(image.size[0] == 128 for image in bpy.data.images if material.IMAGE in image)


def test_a_gltf_comes_back_as_gltf(tmp_path, crates):
    bpy.ops.object.select_all(action="DESELECT")
    bpy.data.objects["Crate 0"].select_set(True)
    model = tmp_path / "crate.glb"
    bpy.ops.export_scene.gltf(filepath=str(model), use_selection=True)
    status, _, answer = headless(tmp_path, model, "--texels", "64")
    assert status == 0, answer
    assert {"crate.blend", "crate.glb"} <= set(answer["files"])
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.import_scene.gltf(filepath=str(tmp_path / "out" / "crate.glb"))
    shader = next(n for m in bpy.data.materials for n in m.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    assert all(shader.inputs[name].is_linked for name in ("Base Color", "Roughness", "Metallic"))


def test_maps_of_a_model_whose_normals_are_directx(tmp_path, crates):
    (made,) = bpy.data.materials
    image = bpy.data.images.new("wood_nor_dx", 8, 8, is_data=True)
    image.pixels.foreach_set([0.5, 0.25, 0.9, 1.0] * 64)
    image.pack()
    tree = made.node_tree
    texture, bent = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeNormalMap")
    texture.image = image
    tree.links.new(texture.outputs[0], bent.inputs["Color"])
    tree.links.new(bent.outputs[0], tree.nodes["Principled BSDF"].inputs["Normal"])
    bpy.ops.wm.save_as_mainfile(filepath=str(crates))
    words = ("--object", "Crate 0", "--texels", "64", "--maps", "plain", "--bits", "16", "--name", "T_{map}")
    status, _, answer = headless(tmp_path, crates, *words)
    assert status == 0, answer
    assert any("read as a DirectX normal map" in warning for warning in answer["warnings"])
    assert {"maps/T_normal.png", "maps/T_albedo.png", "maps/T_maps.sabi.json"} <= set(answer["files"])
    said = json.loads((tmp_path / "out" / "maps" / "T_maps.sabi.json").read_text())
    assert said["export"]["bits"] == 16
    assert said["input"]["digest"]
    assert said["recipe"]["layers"][0]["effect"] == "rust"
    normal = bpy.data.images.load(str(tmp_path / "out" / "maps" / "T_normal.png"))
    normal.colorspace_settings.name = "Non-Color"
    green = list(normal.pixels)[1::4]
    assert sum(green) / len(green) > 0.6, "turned: it was 0.25"


@pytest.mark.parametrize(
    ("model", "words", "code"),
    [
        ("missing.blend", (), "bad_file"),
        ("garbage.blend", (), "bad_file"),
        ("garbage.glb", (), "bad_file"),
        ("notes.txt", (), "bad_file"),
        ("crates.blend", ("--object", "Barrel"), "scene"),
    ],
)
def test_what_cannot_be_weathered_is_told_in_a_line(tmp_path, crates, model, words, code):
    (tmp_path / "garbage.blend").write_bytes(b"not a blend at all")
    (tmp_path / "garbage.glb").write_bytes(b"glTF but not really")
    (tmp_path / "notes.txt").write_text("notes")
    status, _, answer = headless(tmp_path, tmp_path / model, *words)
    assert status == 1
    assert answer["error"]["code"] == code, answer
    assert answer["error"]["hint"]


def test_a_model_without_uvs_says_so(tmp_path, crates):
    for mesh in bpy.data.meshes:
        mesh.uv_layers.remove(mesh.uv_layers[0])
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "bare.blend"))
    status, _, answer = headless(tmp_path, tmp_path / "bare.blend")
    assert status == 1
    assert answer["error"]["code"] == "scene"
    assert "has no UV map" in answer["error"]["message"]
    assert "Unwrap" in answer["error"]["hint"]
