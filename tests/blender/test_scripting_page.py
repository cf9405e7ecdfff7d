# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of docs/scripting.md does what it says, run in the order of the page; what it says of operators is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from blender.emission import plane
from blender.played import played, png
from blender.trees import TREES
from blender.trees import material as tree_material
from tree import ROOT

PAGE = (ROOT / "docs" / "scripting.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+(?: \w+)?)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def photograph(path: Path) -> None:
    """Darkens to the right, in grains: 64 x 48 texels."""
    grain = np.random.default_rng(0).integers(0, 40, (48, 64, 4))
    pixels = (np.linspace(200, 60, 64)[:, None] + grain).astype(np.uint8)
    pixels[..., 3] = 255
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png(pixels))


def blocks(kind: str) -> list[str]:
    return [text for name, text in BLOCKS if name == kind]


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A door of steel, in a file of its own."""
    door = plane(tree_material(TREES[0]))
    door.name, door.material_slots[0].material.name = "Door", "Painted Steel"
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), check_existing=False)
    photograph(tmp_path / "photo.png")
    with played(monkeypatch) as backend:
        yield backend


def test_what_runs_in_blender(scene, tmp_path):
    page: dict[str, object] = {}
    assert len(blocks("python")) >= 7
    for text in blocks("python"):
        exec(compile(text, "docs/scripting.md", "exec"), page)
    preset, mine, leaks, steel, moss = scene.recipes
    assert {layer.age for layer in preset.layers} == {0.6}
    assert [layer.seed for layer in preset.layers] == [3, 4, 5]
    assert mine.name == "dock"
    assert mine.layers[1].mask == "layer:1"
    assert leaks.layers[0].age == pytest.approx(0.35)
    assert (tmp_path / "leaks.json").is_file()
    assert steel.layers[0].effect.value == "rust"
    assert moss.layers[0].effect.value == "moss"
    assert (tmp_path / "door.glb").is_file()
    (marks,) = scene.marked
    assert marks[-1, 0].tolist() == [0, 255, 0, 255]
    assert marks[0, -1].tolist() == [255, 0, 0, 255]
    assert (marks[..., 3] > 0).sum() == 128
    assert bpy.data.images["photo.png degree"].size[:] == (64, 48)
    assert not bpy.context.scene.sabi.layers[0].exemplar
    handlers = bpy.context.window_manager.sabi_handlers
    assert not handlers.done
    assert not handlers.failed


def test_what_runs_outside(tmp_path):
    """The table, the shell and the scripts beside them, over a few pictures; `sabi` is this environment's."""
    textures = tmp_path / "assets" / "textures"
    textures.mkdir(parents=True)
    for name in ("red_brick", "Concrete", "glass"):
        (textures / f"{name}.png").write_bytes(png(np.full((32, 32, 4), 120, np.uint8)))
    photograph(tmp_path / "photo.png")
    for name in ("albedo", "roughness"):
        photograph(tmp_path / "rusty_steel" / f"steel_{name}.png")
    (tmp_path / "rules.toml").write_text(*blocks("toml"))
    command = tmp_path / "bin" / "sabi"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sabi.backend "$@"\n')
    command.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k not in ("SABI_SERVER", "BLENDER_USER_RESOURCES")}
    environment["PATH"] = f"{command.parent}{os.pathsep}{environment['PATH']}"
    run = {"cwd": tmp_path, "env": environment, "check": True, "capture_output": True, "text": True}
    (shell,) = blocks("sh")
    dry, preview, *shards = (subprocess.run(line, shell=True, **run).stdout for line in shell.splitlines())
    assert dry == preview
    assert dry.count("moss_crevices") == 2
    assert "".join(shards).count('"done"') == 2
    assert (tmp_path / "sheet.png").is_file()
    for text in blocks("python outside"):
        subprocess.run([sys.executable, "-c", text], **run)
    assert (tmp_path / "red_brick_aged.png").is_file()


@pytest.mark.parametrize("row", re.findall(r"^\| (`sabi\..*) \|$", PAGE, re.MULTILINE))
def test_arguments_that_the_page_names_are_there(row):
    operators, arguments = row.split(" | ")[:2]
    known = (
        {"materials", "size", "shared_tiles", "instances", "differ"} if "without `materials`" in arguments else set()
    )
    for operator in re.findall(r"`sabi\.(\w+)`", operators):
        known |= set(getattr(bpy.ops.sabi, operator).get_rna_type().properties.keys()) - {"rna_type"}
    named = set(re.findall(r"`(\w+)`", arguments))
    assert named <= known, "the page names an argument that there is not"
    if operators == "`sabi.weather`":
        assert named == known, "an argument that the page does not name"


def test_every_block_is_of_a_kind_that_is_run():
    assert {kind for kind, _ in BLOCKS} == {"python", "python outside", "toml", "sh"}
    assert PAGE.count("```") == 2 * len(BLOCKS)
    assert Path(__file__).name in PAGE
