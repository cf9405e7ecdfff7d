# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions of scripts that hear of what became of Sabi's work, in the order it happens and whatever they do themselves."""

import bpy
import pytest
from bl_ext.user_default.sabi.addon import weathering, work
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.backend.protocol.errors import BackendGone, BadFile
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.emission import plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material
from bpy.app.handlers import persistent

RUST = Recipe((Layer(Effect.RUST, age=0.8),))


@pytest.fixture
def backend(monkeypatch):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def heard():
    """What was told, in order; the lists are empty again afterwards."""
    handlers, told = bpy.context.window_manager.sabi_handlers, []
    handlers.done.append(told.append)
    handlers.failed.append(told.append)
    yield told
    handlers.done.clear()
    handlers.failed.clear()


@pytest.fixture
def door():
    obj = plane(tree_material(TREES[0]))
    obj.name = "Door"
    return obj


def stepped(door):
    """Work as a window's timer steps it."""
    steps = weathering.weather_objects([door], RUST, weathering.capture_settings(bpy.context.scene, RUST))
    return work.start("Weathering", steps, operator="sabi.weather")


def test_done_is_told_with_objects_and_warnings(backend, heard, door):
    bpy.ops.sabi.weather(effect="rust")
    (event,) = heard
    assert (event.operator, event.objects, event.message) == ("sabi.weather", ("Door",), "Weathered Door")
    assert event.warnings == ("played",)
    assert event.seconds > 0
    bpy.ops.sabi.flatten(size=16)
    assert (heard[-1].operator, heard[-1].objects) == ("sabi.flatten", ("Door",))
    assert len(heard) == 2


def test_failed_is_told_before_the_script_hears_of_it(backend, heard, door):
    backend.fails_with = BackendGone("The backend ended.")
    with pytest.raises(RuntimeError, match="The backend ended"):
        bpy.ops.sabi.weather(effect="rust")
    (event,) = heard
    assert (event.operator, event.code, event.message) == ("sabi.weather", "backend_gone", "The backend ended.")
    assert event.hint


def test_cancelled_is_told_once_everything_is_put_back(backend, heard, door):
    backend.held = True
    seen = []
    bpy.context.window_manager.sabi_handlers.failed.append(lambda _event: seen.append(work.running()))
    now = stepped(door)
    while not backend.recipes:
        now.step()
    now.cancel()
    now.cancel()
    assert [(event.operator, event.code) for event in heard] == [("sabi.weather", "cancelled")]
    assert seen == [False]
    assert not on_object.touched(door)


def test_a_window_s_timer_tells_too(backend, heard, door):
    now = stepped(door)
    while not now.ended:
        work._tick()
    assert [event.objects for event in heard] == [("Door",)]


def test_what_gives_way_is_not_told(backend, heard, door):
    steps = weathering.weather_objects([door], RUST, weathering.capture_settings(bpy.context.scene, RUST))
    now = work.start("Preview", steps, gives_way=True)
    while not now.ended:
        now.step()
    assert now.outcome is not None
    assert heard == []


def test_a_handler_may_go_on_working(backend, heard, door):
    def flatten(event):
        if event.operator == "sabi.weather":
            assert bpy.ops.sabi.flatten(size=16, wait=True) == {"FINISHED"}

    bpy.context.window_manager.sabi_handlers.done.insert(0, flatten)
    assert bpy.ops.sabi.weather(effect="rust") == {"FINISHED"}
    assert [event.operator for event in heard] == ["sabi.flatten", "sabi.weather"]
    assert door.material_slots[0].material.name == "Door weathered"


def test_a_handler_that_raises_keeps_no_other_from_being_called(backend, heard, door, capsys):
    def breaks(_event):
        raise BadFile("A bug.", "Mend it.")

    bpy.context.window_manager.sabi_handlers.done.insert(0, breaks)
    assert bpy.ops.sabi.weather(effect="rust") == {"FINISHED"}
    assert len(heard) == 1
    assert "A bug." in capsys.readouterr().err


def test_a_handler_may_take_itself_out(backend, heard, door):
    handlers, calls = bpy.context.window_manager.sabi_handlers, []

    def once(event):
        calls.append(event)
        handlers.done.remove(once)

    handlers.done.insert(0, once)
    bpy.ops.sabi.weather(effect="rust")
    bpy.ops.sabi.weather(effect="rust")
    assert len(calls) == 1
    assert len(heard) == 2


def test_opening_a_file_keeps_persistent_ones_alone(heard):
    handlers = bpy.context.window_manager.sabi_handlers
    kept = persistent(lambda event: None)
    handlers.done.append(kept)
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert bpy.context.window_manager.sabi_handlers is handlers
    assert handlers.done == [kept]
    assert handlers.failed == []


def test_work_that_another_file_ends_is_told(backend, heard, door):
    backend.held = True
    now = stepped(door)
    while not backend.recipes:
        now.step()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert [event.code for event in heard] == ["cancelled"]
    assert now.ended
