# SPDX-License-Identifier: GPL-3.0-or-later
"""Bakes that run as jobs end as their handlers say. Real jobs need a window: tests/window."""

import bpy
import pytest
from bl_ext.user_default.sabi.addon.surface import bake
from bl_ext.user_default.sabi.backend.protocol.errors import Cancelled


@pytest.fixture
def obj():
    bpy.ops.mesh.primitive_plane_add()
    return bpy.context.object


def job(obj) -> bake.BakeJob:
    return bake.BakeJob(bake.Bake(None, obj, "EMIT", 1, "UVMap"))


def handlers() -> list[int]:
    return [len(found) for found in (bpy.app.handlers.object_bake_complete, bpy.app.handlers.object_bake_cancel)]


def test_a_job_ends_with_the_bake_of_its_own_object(obj):
    before = handlers()
    bpy.ops.mesh.primitive_plane_add()
    running = job(obj)
    running._complete(bpy.context.object)
    assert not running.poll()
    running._complete(obj)
    assert running.poll()
    assert handlers() == before


def test_a_job_that_was_stopped_raises(obj):
    before = handlers()
    running = job(obj)
    running._cancel(obj)
    with pytest.raises(Cancelled):
        running.poll()
    assert handlers() == before


def test_a_job_that_vanished_is_cancelled(obj):
    """As when another file is opened: no handler is called and no job runs."""
    running = job(obj)
    running._idle = 1000
    with pytest.raises(Cancelled):
        running.poll()
