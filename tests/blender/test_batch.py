# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi batch` over models of every format: each in a Blender of its own, its objects and materials parted by rules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.versions import enable_nodes

RULES = """
[[rule]]
object = "Pane*"
skip = true

[[rule]]
object = "Door*"
material = "*steel*"
recipe = "light_rust"
age = 0.9

[[rule]]
material = ["Plank", "*wood*"]
recipe = "silvered_wood"
"""
SUFFIXES = (".blend", ".glb", ".fbx", ".usda")


def sabi(*arguments, cwd, status=0):
    names = ("SABI_SERVER", "BLENDER_USER_RESOURCES", "SABI_BLENDER_PYTHON", "SABI_NETWORKS")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    done = subprocess.run(
        [sys.executable, "-m", "sabi.backend", *map(str, arguments)],
        cwd=cwd,
        env={**environment, "SABI_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == status, done.stderr + done.stdout
    return {Path(line["item"]).name: line for line in map(json.loads, done.stdout.splitlines())}


def material(name: str, colour: tuple[float, float, float]) -> bpy.types.Material:
    made = bpy.data.materials.new(name)
    enable_nodes(made)
    shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (*colour, 1)
    return made


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A door of two materials, a pane and a crate, in a file of every format, and a table of rules."""
    folder = tmp_path_factory.mktemp("set")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    steel, wood, glass = (
        material("Painted Steel", (0.1, 0.3, 0.5)),
        material("Wood", (0.3, 0.2, 0.1)),
        material("Glass", (0.9, 0.9, 0.9)),
    )
    for name, x, made in (("Door", 0, (steel, wood)), ("Pane", 0.3, (glass,)), ("Crate", 0.6, (steel,))):
        bpy.ops.mesh.primitive_cube_add(size=0.2, location=(x, 0, 1))  # as dense as is painted
        obj = bpy.context.object
        obj.name = obj.data.name = name  # USD names objects after their meshes
        for each in made:
            obj.data.materials.append(each)
        if len(made) > 1:
            for polygon in list(obj.data.polygons)[:3]:
                polygon.material_index = 1
    (folder / "in").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "in" / "set.blend"), check_existing=False)
    bpy.ops.export_scene.gltf(filepath=str(folder / "in" / "set.glb"))
    bpy.ops.export_scene.fbx(filepath=str(folder / "in" / "set.fbx"))
    bpy.ops.wm.usd_export(filepath=str(folder / "in" / "set.usda"))
    for suffix in SUFFIXES:  # results are named after the item without its suffix
        (folder / "in" / suffix[1:]).mkdir()
        (folder / "in" / f"set{suffix}").rename(folder / "in" / suffix[1:] / f"set{suffix}")
    (folder / "rules.toml").write_text(RULES)
    return folder


def expected(suffix):
    """What the rules give; USD has underscores for spaces."""
    steel = "Painted_Steel" if suffix == ".usda" else "Painted Steel"
    return {
        ("Door", steel, "light_rust"),
        ("Door", "Wood", "silvered_wood"),
        ("Pane", "Glass", None),
        ("Crate", steel, None),
    }


def test_a_dry_run_says_what_each_object_would_get(models):
    before = sorted(models.rglob("*"))
    sheet = models / "sheet.png"
    lines = sabi("batch", "in", "--rules", "rules.toml", "--preview", sheet, cwd=models)
    assert {path for path in models.rglob("*") if path not in before} == {sheet}
    assert set(lines) == {f"set{suffix}" for suffix in SUFFIXES}
    for suffix in SUFFIXES:
        line = lines[f"set{suffix}"]
        assert {(p["object"], p["material"], p["recipe"]) for p in line["objects"]} == expected(suffix)
        assert {p["rule"] for p in line["objects"]} == {1, 2, 3, None}
        assert line["destination"].endswith(f"{suffix[1:]}/set_weathered")
    image = bpy.data.images.load(str(sheet))
    pixels = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], 4)[::-1, :, :3]
    pictures = [pixels[12 : 12 + 192, 12 + 204 * n : 204 + 204 * n] for n in range(len(SUFFIXES))]
    assert all(picture.std() > 0.05 for picture in pictures), "a model has no picture"


def test_every_format_is_weathered_by_rules(models):
    arguments = ("batch", "in", "--out", "out", "--rules", "rules.toml", "--texels", "512")
    lines = sabi(*arguments, cwd=models)
    assert {line["status"] for line in lines.values()} == {"done"}
    for suffix in SUFFIXES:
        folder = models / "out" / suffix[1:] / "set_weathered"
        assert f"set{suffix}" in {path.name for path in folder.iterdir()}
        said = json.loads((folder / "sabi.json").read_text())
        assert {(p["object"], p["material"], p["recipe"]) for p in said["objects"]} == expected(suffix)
        bpy.ops.wm.open_mainfile(filepath=str(folder / "set.blend"))
        found = {obj.name: on_object.weathered(obj) for obj in bpy.data.objects if obj.type == "MESH"}
        assert {name for name, applied in found.items() if applied} == {"Door"}, suffix
    bpy.ops.wm.open_mainfile(filepath=str(models / "out" / "blend" / "set_weathered" / "set.blend"))
    door = bpy.data.objects["Door"]
    recipes = {
        made.name.partition(".")[0]: json.loads(on_object.group_node(made).node_tree[on_object.RECIPE])
        for made in on_object.materials(door)
    }
    assert [layer["effect"] for layer in recipes["Painted Steel"]["layers"]] == ["rust"]
    assert recipes["Painted Steel"]["layers"][0]["age"] == 0.9
    assert recipes["Wood"]["layers"][0]["effect"] == "greyed_wood"
    assert not on_object.touched(bpy.data.objects["Crate"])
    again = sabi(*arguments, cwd=models)
    assert {line["status"] for line in again.values()} == {"skipped"}


def test_a_weathered_model_carries_its_textures(models):
    """Runs on what the batch wrote: the door of each format, read again, is made of images."""
    for suffix, read in (
        (".glb", bpy.ops.import_scene.gltf),
        (".fbx", bpy.ops.import_scene.fbx),
        (".usda", bpy.ops.wm.usd_import),
    ):
        bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
        read(filepath=str(models / "out" / suffix[1:] / "set_weathered" / f"set{suffix}"))
        door = next(obj for obj in bpy.data.objects if obj.name.startswith("Door") and obj.type == "MESH")
        made = door.material_slots[0].material
        shader = next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
        assert shader.inputs["Base Color"].is_linked, suffix
        pane = next(obj for obj in bpy.data.objects if obj.name.startswith("Pane") and obj.type == "MESH")
        shader = next(n for n in pane.material_slots[0].material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
        assert not shader.inputs["Base Color"].is_linked, suffix


def test_a_model_that_no_rule_takes_is_left(models, tmp_path):
    (tmp_path / "rules.toml").write_text("[[rule]]\nobject = 'Spaceship'\nrecipe = 'light_rust'\n")
    lines = sabi(
        "batch",
        models / "in" / "glb",
        "--out",
        tmp_path / "out",
        "--rules",
        "rules.toml",
        cwd=tmp_path,
    )
    assert lines["set.glb"]["status"] == "left"
    assert not list((tmp_path / "out").rglob("*"))
