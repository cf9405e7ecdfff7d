# SPDX-License-Identifier: GPL-3.0-or-later
"""How the end of work is told, and what Esc does; with real keys in tests/window."""

from types import SimpleNamespace

import bpy
import pytest
from bl_ext.user_default.sabi.addon import ending, work
from bl_ext.user_default.sabi.addon.interface import operators
from bl_ext.user_default.sabi.addon.progress import Progress
from bl_ext.user_default.sabi.backend.protocol.errors import BackendGone

ESC, CLICK = SimpleNamespace(type="ESC"), SimpleNamespace(type="LEFTMOUSE")
TIMER = SimpleNamespace(type="TIMER")


def begun(end=None, gives_way=False):
    """Work that a step ends: with an outcome, or with an error."""

    def steps():
        yield Progress("Painting")
        if isinstance(end, Exception):
            raise end
        return end

    now = work._begin("Weathering", steps())
    now.gives_way = gives_way
    now.step()
    return now


@pytest.fixture
def told(monkeypatch):
    """Tells how work ended, as a window's event does; what was reported."""
    said = []
    manager = SimpleNamespace(event_timer_remove=lambda timer: said.append("timer removed"))
    operator = SimpleNamespace(_timer=object(), report=lambda kind, text: said.append((*kind, text)))

    def end(now):
        ending._ended.append(now)
        return ending.SABI_OT_tell.modal(operator, SimpleNamespace(window_manager=manager), TIMER), said

    return end


@pytest.fixture(autouse=True)
def free():
    yield
    work.cancel()
    ending._ended.clear()


def pressed(event):
    operator = SimpleNamespace(execute=lambda context: operators.SABI_OT_cancel.execute(None, context))
    return operators.SABI_OT_cancel.invoke(operator, bpy.context, event)


def test_no_operator_stays_while_work_goes_on():
    """Blender does not save by itself while one is modal; and adjusting is undoing, but the work's undo step comes later."""
    working = [kind for kind in operators._Working.__subclasses__() if kind.__name__ in dir(bpy.types)]
    assert len(working) >= 7
    assert [kind.__name__ for kind in working if "modal" in dir(kind) or "REGISTER" in kind.bl_options] == []


def test_esc_ends_work_that_was_asked_for():
    now = begun()
    assert pressed(ESC) == {"FINISHED"}
    assert now.error.code == "cancelled"


def test_esc_leaves_a_preview_alone_and_the_button_ends_it():
    now = begun(gives_way=True)
    assert pressed(ESC) == {"PASS_THROUGH"}
    assert not now.ended
    assert pressed(CLICK) == {"FINISHED"}
    assert now.ended


def test_the_end_is_told_once(told):
    now = begun(work.Outcome("Weathered Door", ("A warning",)))
    now.step()
    assert told(now) == (
        {"FINISHED", "PASS_THROUGH"},
        ["timer removed", ("WARNING", "A warning"), ("INFO", "Weathered Door")],
    )
    assert ending._ended == []


def test_a_failure_is_told_as_one_and_cancelling_is_not(told):
    now = begun(BackendGone("The backend ended."))
    now.step()
    assert told(now)[1][1][0] == "ERROR"
    now = begun()
    now.cancel()
    assert told(now)[1][-1][0] == "INFO"


def test_a_file_that_is_opened_says_why_work_ended():
    now = begun()
    work._drop("")
    assert now.error.code == "cancelled"
    assert "Another file was opened" in now.error.for_artist
