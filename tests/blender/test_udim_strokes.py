# SPDX-License-Identifier: GPL-3.0-or-later
"""Strokes over tiled results are saved with the file and never thrown away: the painted image goes on showing, and it is said."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering, work
from bl_ext.user_default.sabi.addon.pixels import strokes
from bl_ext.user_default.sabi.addon.preferences import preferences
from bl_ext.user_default.sabi.addon.surface import capture
from blender.played import played
from blender.test_udim import SIDES, painted, spread, tiled, weather

STROKE = (1.0, 0.0, 1.0)


@pytest.fixture(params=["PACK", "FILES"])
def panel(request, tmp_path, monkeypatch):
    """A weathered object over three tiles, in a saved file."""
    (tmp_path / "textures").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "panel.blend"))
    obj = spread(tiled(tmp_path / "textures"))
    preferences().storage = request.param
    with played(monkeypatch):
        monkeypatch.setattr(weathering, "Capture", capture.Capture)
        weather(obj, size=128)
        yield obj
    preferences().storage = "PACK"


def first_tile(image: bpy.types.Image) -> np.ndarray:
    values = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)


def paint(image: bpy.types.Image) -> None:
    values = first_tile(image)
    values[10:20, 10:20, :3] = STROKE
    image.pixels.foreach_set(values.reshape(-1))
    image.update()


def saved_and_opened() -> bpy.types.Object:
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=bpy.data.filepath)
    return bpy.data.objects["panel"]


def test_they_are_saved_and_the_next_run_leaves_them(panel):
    paint(painted(panel)["1 thin"].image)
    panel = saved_and_opened()
    image = painted(panel)["1 thin"].image
    assert {tile.number: tile.size[0] for tile in image.tiles} == SIDES
    assert np.allclose(first_tile(image)[10:20, 10:20, :3], STROKE, atol=1e-6), "not saved"
    assert strokes.painted_on(image)
    assert not any(strokes.painted_on(painted(panel)[mark].image) for mark in ("1 thick", "1 growth"))
    weather(panel, size=128, seed=5)
    assert painted(panel)["1 thin"].image == image
    assert np.allclose(first_tile(image)[10:20, 10:20, :3], STROKE, atol=1e-6)
    assert any(f"'{image.name}' was painted on" in said for said in work.current().outcome.warnings)
    bpy.ops.sabi.revert()
    assert [one.name for one in bpy.data.images if "Rust thin" in one.name] == [image.name], "it is the artist's own"


def test_what_nobody_painted_on_goes(panel):
    names = {mark: node.image.name for mark, node in painted(panel).items()}
    panel = saved_and_opened()
    before = [node.image.session_uid for node in painted(panel).values()]
    assert not any(strokes.painted_on(node.image) for node in painted(panel).values())
    weather(panel, size=128, seed=5)
    assert {mark: node.image.name for mark, node in painted(panel).items()} == names
    assert not set(before) & {image.session_uid for image in bpy.data.images}


def test_tiles_of_an_older_sabi_count_as_its_own(panel):
    image = painted(panel)["1 thin"].image
    image[strokes.WRITTEN] = "0 786a02f742015903c6c6fd852552d272"
    assert not strokes.painted_on(image)
