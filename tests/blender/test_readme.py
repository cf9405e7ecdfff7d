# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block of Python in the README does what it says."""

from __future__ import annotations

import re

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.preferences import service
from blender.emission import plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material
from tree import ROOT

import sabi

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
INSIDE, OUTSIDE = ([text for text in BLOCKS if ("import sabi" in text) is outside] for outside in (False, True))


class SmallCapture(weathering.Capture):
    """Of 64 texels a side."""

    def __init__(self, context, obj, settings):
        super().__init__(context, obj, settings._replace(size=64))


@pytest.fixture
def door(tmp_path):
    """A saved file with a door of its own UVs, a vertex group and an image to mask with."""
    obj = plane(tree_material(TREES[0]))
    obj.name = "Door"
    obj.vertex_groups.new(name="Top").add([2, 3], 1.0, "REPLACE")
    bpy.data.images.new("Dots", 16, 16).pack()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), check_existing=False)
    yield obj
    service.stop()


def test_what_runs_in_blender(door, tmp_path, monkeypatch):
    """With fewer texels than the page bakes."""
    with played(monkeypatch) as backend:
        monkeypatch.setattr(weathering, "Capture", SmallCapture)
        for text in INSIDE:
            exec(compile(text.replace("2048", "64"), "README.md", "exec"), {"bpy": bpy})
    assert [recipe.layers[0].effect.value for recipe in backend.recipes][::2] == ["rust", "moss"]
    assert len(list((tmp_path / "textures").glob("T_Door_*_v001.png"))) >= 3
    assert not on_object.touched(door)


def test_what_runs_outside():
    pixels = np.full((64, 64, 3), 120, np.uint8)
    page = {"surface": sabi.Surface({"albedo": sabi.Map(pixels, sabi.ColorSpace.SRGB)}), "pixels": pixels}
    for text in OUTSIDE:
        exec(compile(text, "README.md", "exec"), page)
    assert (page["result"].surface["albedo"].array != 120).any()
    assert len(page["painted"].layers) == 1


def test_every_block_is_run():
    assert INSIDE
    assert OUTSIDE
    assert PAGE.count("```python") == len(BLOCKS)
