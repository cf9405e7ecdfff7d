# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever becomes of a capture, the scene is as it was; a stage that was left behind is swept away."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.surface import bake, stage
from bl_ext.user_default.sabi.backend.protocol.errors import SabiError, SceneError
from bl_ext.user_default.sabi.backend.protocol.recipe import FrameMode
from blender import trees
from blender.captures import SIZE, bytes_of, captured, plane, textured
from blender.scene_state import state


def busy_scene() -> bpy.types.Object:
    """A scene in the middle of somebody's work: another object active, in edit mode, samples and engine set."""
    scene = bpy.context.scene
    obj = plane(textured(trees.checks(32), Base_Color="Color"))
    bpy.data.collections.new("props")
    scene.collection.children.link(bpy.data.collections["props"])
    bpy.ops.mesh.primitive_cube_add()
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.cycles.samples, scene.cycles.use_denoising, scene.render.bake.margin = 77, True, 3
    bpy.data.objects["Cube"].select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    return obj


def test_a_capture_leaves_the_scene_as_it_was():
    obj = busy_scene()
    before = state()
    captured(obj)
    assert state() == before
    captured(obj, mode=FrameMode.SCENE)
    assert state() == before


def test_what_else_is_selected_is_not_baked(monkeypatch):
    """All that is selected in the scene is so on the stage, and a bake would write over the active images of all of it."""
    image = trees.checks(32)
    other, obj = plane(textured(image, Base_Color="Color")), plane()
    texture = next(node for node in other.active_material.node_tree.nodes if node.type == "TEX_IMAGE")
    other.active_material.node_tree.nodes.active = texture
    before, seen, run = bytes_of(image), [], bake.Bake.run

    def looks(self):
        seen.append(other.select_get(view_layer=self.stage.layer))
        run(self)

    monkeypatch.setattr(bake.Bake, "run", looks)
    for each in (other, obj):
        each.select_set(True)
    captured(obj, mode=FrameMode.SCENE)
    assert any(seen), "nothing else was selected: this test shows nothing"
    assert np.array_equal(bytes_of(image), before)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_capture_that_fails_leaves_the_scene_as_it_was(number, error, monkeypatch):
    obj = busy_scene()
    before = state()
    seen: list[int] = []
    run = bake.Bake.run

    def fails(self):
        seen.append(1)
        if len(seen) == number:
            raise error
        run(self)

    monkeypatch.setattr(bake.Bake, "run", fails)
    with pytest.raises(error):
        captured(obj, mode=FrameMode.SCENE)
    assert state() == before
    monkeypatch.undo()
    assert captured(obj).surface.size == (SIZE, SIZE)


def test_a_file_saved_in_mid_bake_opens_as_it_was(monkeypatch, tmp_path):
    obj = busy_scene()
    bpy.ops.object.mode_set(mode="OBJECT")
    before = state()
    run = bake.Bake.run

    def saves(self):
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "middle.blend"), copy=True)
        run(self)

    monkeypatch.setattr(bake.Bake, "run", saves)
    captured(obj)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "middle.blend"))
    assert state() == before


def test_an_object_that_is_deleted_meanwhile_is_said_to_be_gone(monkeypatch):
    obj = plane()
    run = bake.Bake.run

    def deletes(self):
        run(self)
        if obj.name in bpy.data.objects:
            bpy.data.objects.remove(obj)

    monkeypatch.setattr(bake.Bake, "run", deletes)
    before = state()
    with pytest.raises((SabiError, ReferenceError)) as caught:
        captured(obj)
    assert "deleted" in str(caught.value)
    assert state()["layers"] == before["layers"]
    assert state()["materials"] == before["materials"]


def test_a_stage_left_behind_is_swept_away():
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples = "BLENDER_WORKBENCH", 99
    before = state()
    left = stage.stage(scene)
    left.__enter__()
    stage.sweep()
    assert state() != before  # a stage in use is left alone
    stage._live.clear()
    stage.sweep()
    assert state() == before
    left.gen.close()
    assert state() == before


def test_without_cycles_the_reason_is_said(monkeypatch):
    before = state()
    set_ = stage.Saved.set

    def without_cycles(self, owner, name, value):
        if value == "CYCLES":
            raise TypeError('enum "CYCLES" not found')
        set_(self, owner, name, value)

    monkeypatch.setattr(stage.Saved, "set", without_cycles)
    with pytest.raises(SceneError, match="switched off"):
        stage.stage(bpy.context.scene).__enter__()
    assert state() == before


def test_settings_of_what_is_gone_are_not_put_back():
    obj = plane()
    saved = stage.Saved()
    saved.set(obj, "hide_render", True)
    saved.set(bpy.context.scene.render, "fps", 7)
    bpy.data.objects.remove(obj)
    saved.restore()
    assert bpy.context.scene.render.fps == 24
