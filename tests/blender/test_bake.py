# SPDX-License-Identifier: GPL-3.0-or-later
"""Bakes as jobs end as their handlers say, and a stage that was left behind is swept away. Windows are tested in tests/window."""

import bpy
import pytest
from bl_ext.user_default.sabi.addon import bake
from bl_ext.user_default.sabi.backend.protocol.errors import Cancelled, SceneError
from blender.scene_state import state


@pytest.fixture
def obj():
    bpy.ops.mesh.primitive_plane_add()
    return bpy.context.object


def job(obj, stage) -> bake.BakeJob:
    return bake.BakeJob(bake.Bake(stage, obj, "EMIT", 1, "UVMap"))


def handlers() -> list[int]:
    return [len(found) for found in (bpy.app.handlers.object_bake_complete, bpy.app.handlers.object_bake_cancel)]


def test_a_job_ends_with_the_bake_of_its_own_object(obj):
    before = handlers()
    bpy.ops.mesh.primitive_plane_add()
    running = job(obj, None)
    running._complete(bpy.context.object)
    assert not running.poll()
    running._complete(obj)
    assert running.poll()
    assert handlers() == before


def test_a_job_that_was_stopped_raises(obj):
    before = handlers()
    running = job(obj, None)
    running._cancel(obj)
    with pytest.raises(Cancelled):
        running.poll()
    assert handlers() == before


def test_a_job_that_vanished_is_cancelled(obj):
    """As when another file is opened: no handler is called and no job runs."""
    running = job(obj, None)
    with pytest.raises(Cancelled):
        for _ in range(100):
            running.poll()


def test_a_stage_left_behind_is_swept_away(obj):
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples = "BLENDER_WORKBENCH", 99
    before = state()
    left = bake.stage(scene)
    left.__enter__()
    bake.sweep()
    assert state() != before  # a stage in use is left alone
    bake._live.clear()
    bake.sweep()
    assert state() == before
    left.gen.close()
    assert state() == before


def test_without_cycles_the_reason_is_said(obj, monkeypatch):
    before = state()
    set_ = bake.Saved.set

    def without_cycles(self, owner, name, value):
        if value == "CYCLES":
            raise TypeError('enum "CYCLES" not found')
        set_(self, owner, name, value)

    monkeypatch.setattr(bake.Saved, "set", without_cycles)
    with pytest.raises(SceneError, match="switched off"), bake.stage(bpy.context.scene):
        pass
    assert state() == before


def test_settings_of_what_is_gone_are_not_put_back(obj):
    saved = bake.Saved()
    saved.set(obj, "hide_render", True)
    saved.set(bpy.context.scene.render, "fps", 7)
    bpy.data.objects.remove(obj)
    saved.restore()
    assert bpy.context.scene.render.fps == 24
