# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi batch --shared-tiles`: modules of a kit show one painted tile, beside them a prop is weathered as ever."""

from __future__ import annotations

import json

import bpy
import pytest
from bl_ext.user_default.sabi.addon import kit_choice
from bl_ext.user_default.sabi.addon.nodes import on_object
from blender.emission import plane
from blender.test_batch import sabi
from blender.test_kits import TEXELS, bricks, images, wall
from blender.trees import TREES
from blender.trees import material as tree_material


def scene(count: int = 3) -> list[bpy.types.Object]:
    """Walls of one brick tile, and a prop with a material of its own."""
    made = bricks()
    walls = [wall(made, f"Wall {n}", 1.5 + n, at=6.0 * n) for n in range(count)]
    prop = plane(tree_material(TREES[0]))
    prop.name = "Prop"
    return [*walls, prop]


def test_what_repeats_is_told_by_materials_and_uvs():
    *walls, prop = scene()
    assert kit_choice.modules([*walls, prop]) == walls
    panel = plane(walls[0].material_slots[0].material)  # within the square, but it wears the walls' tile
    assert kit_choice.modules([panel]) == []
    assert kit_choice.modules([*walls, panel, prop]) == [*walls, panel]
    assert kit_choice.modules(walls, "Brick*") == walls
    assert kit_choice.modules(walls, "Steel") == []
    walls[0].data.materials.append(prop.material_slots[0].material)
    walls[0].data.polygons[0].material_index = 1  # no tile
    assert kit_choice.modules(walls) == walls[1:]


@pytest.fixture
def kit(tmp_path):
    (tmp_path / "in").mkdir()
    scene()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "in" / "kit.blend"), check_existing=False)
    (tmp_path / "rules.toml").write_text('[[rule]]\nobject = ["Wall*", "Prop"]\nrecipe = "moss_crevices"\n')
    return tmp_path


def test_a_batch_shares_tiles_where_it_is_told_to(kit):
    arguments = ("batch", "in", "--out", "out", "--rules", "rules.toml", "--texels", "512")
    lines = sabi(*arguments, "--shared-tiles", cwd=kit)
    assert lines["kit.blend"]["status"] == "done", lines
    assert sabi(*arguments, "--shared-tiles", cwd=kit)["kit.blend"]["status"] == "skipped"
    said = json.loads((kit / "out" / "kit_weathered" / "sabi.json").read_text())
    assert said["settings"]["shared_tiles"] is True
    bpy.ops.wm.open_mainfile(filepath=str(kit / "out" / "kit_weathered" / "kit.blend"))
    walls = [bpy.data.objects[f"Wall {n}"] for n in range(3)]
    assert all(on_object.is_module(obj) for obj in walls)
    assert not on_object.is_module(bpy.data.objects["Prop"])
    assert on_object.weathered(bpy.data.objects["Prop"]) is not None
    assert all(images(obj) == images(walls[0]) for obj in walls), "the tile is painted once"


def test_an_fbx_of_a_kit_has_textures_for_each_module(kit):
    bpy.ops.export_scene.fbx(filepath=str(kit / "kit.fbx"), path_mode="COPY", embed_textures=True)
    sabi("weather", "kit.fbx", "--shared-tiles", "--recipe", "light_rust", "--json", cwd=kit)
    out = kit / "kit_weathered"
    bpy.ops.wm.open_mainfile(filepath=str(out / "kit.blend"))
    assert {tuple(image.size) for image in images(bpy.data.objects["Wall 0"])} == {(TEXELS, TEXELS)}
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.ops.import_scene.fbx(filepath=str(out / "kit.fbx"))
    shown = {
        obj.name: next(n for n in obj.material_slots[0].material.node_tree.nodes if n.type == "TEX_IMAGE").image.name
        for obj in bpy.data.objects
        if obj.type == "MESH" and obj.name.startswith("Wall")
    }
    assert len(set(shown.values())) == 3, shown
