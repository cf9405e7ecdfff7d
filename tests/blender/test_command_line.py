# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi weather` on a model: the command line starts Blender in a process of its own, and the add-on does the rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import bpy


def test_a_model_is_weathered_from_the_command_line(tmp_path):
    bpy.ops.mesh.primitive_cube_add(size=0.2)  # at 512 texels about as dense as the painter paints
    material = bpy.data.materials.new("paint")
    if material.node_tree is None:
        material.use_nodes = True
    bpy.context.object.data.materials.append(material)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "box.blend"), check_existing=False)
    before = (tmp_path / "box.blend").read_bytes()
    command = [
        sys.executable,
        "-m",
        "sabi.backend",
        "weather",
        "box.blend",
        "--texels",
        "512",
        "--age",
        "0.8",
        "--json",
    ]
    environment = {k: v for k, v in os.environ.items() if k not in ("SABI_SERVER", "BLENDER_USER_RESOURCES")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["status"] == "done"
    folder = tmp_path / "box_weathered"
    assert (folder / "box.blend").is_file()
    assert {p.suffix for p in folder.rglob("*") if p.is_file()} == {".blend", ".png", ".json"}
    sidecar = json.loads((folder / "sabi.json").read_text())
    assert set(sidecar["recipe"]["networks"]) == {"painter"}
    assert (tmp_path / "box.blend").read_bytes() == before, "the original stays"

    bpy.ops.wm.open_mainfile(filepath=str(folder / "box.blend"))
    growth = [image for image in bpy.data.images if "growth" in image.name]
    assert growth
    assert tuple(growth[0].size) == (512, 512)

    again = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert again.returncode == 1
    assert json.loads(again.stdout)["error"]["code"] == "file_exists"
