# SPDX-License-Identifier: GPL-3.0-or-later
"""What Sabi is doing in this Blender: one piece of work at a time, stepped by a timer, or run to its end without a window.

A piece of work is a generator on the main thread that yields Progress often, raises SabiError to fail, and returns what to
tell the artist. Closing it cancels it: its `finally` clauses put back what it had touched. Work that nobody has asked for, such
as a preview, gives way: it is cancelled where other work begins.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import bpy
from bpy.app.handlers import persistent

from ..backend.protocol.errors import Busy, Cancelled, SabiError, SceneError
from .handlers import Done, Failed, handlers
from .progress import Estimate, Progress, unforeseen


class Outcome(NamedTuple):
    """What became of a piece of work, in a sentence for the artist, what should be said besides, and the objects it changed."""

    message: str
    warnings: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()


Steps = Generator[Progress, None, Outcome]
INTERVAL = 0.05  # seconds between steps
SOONER = 0.02  # between those of work that gives way: an eye waits for it


class Work:
    """One piece of work and how it stands; `error` or `outcome` is set when it has ended.

    Handlers are told of that where an operator asked for it.
    """

    def __init__(self, title: str, steps: Steps) -> None:
        self.title, self.steps = title, steps
        self.progress = Progress("Starting")
        self.outcome: Outcome | None = None
        self.error: SabiError | None = None
        self.ended = False
        self.gives_way = False
        self.operator = ""
        self._estimate, self._began = Estimate(), time.monotonic()

    def step(self) -> None:
        """Goes on until the next yield; errors that are not Sabi's own are told, not raised."""
        if self.ended:
            return
        try:
            progress = next(self.steps)
        except StopIteration as stop:
            self.outcome, self.ended = stop.value, True
        except SabiError as error:
            self._fail(error)
        except ReferenceError:
            self._fail(SceneError("What Sabi was working on was undone or removed meanwhile.", "Start it again."))
        except Exception as error:
            traceback.print_exception(error)  # on the console, for whoever mends it
            self._fail(unforeseen(error))
        else:
            estimated = self._estimate.seconds_left(progress.fraction)
            self.progress = progress if progress.seconds_left is not None else progress._replace(seconds_left=estimated)
        if self.ended:
            self._tell()

    def cancel(self, why: Cancelled | None = None) -> None:
        if not self.ended:
            self._fail(why or Cancelled())
            with suppress(Exception):  # what fails while putting things back must not keep a file from loading
                self.steps.close()
            self._tell()

    def _tell(self) -> None:
        seconds = time.monotonic() - self._began
        if self.operator and self.error is not None:
            said = self.error.code, self.error.message, self.error.hint
            handlers.tell(Failed(self.operator, *said, seconds))
        elif self.operator and self.outcome is not None:
            done = self.outcome
            handlers.tell(Done(self.operator, done.objects, done.message, done.warnings, seconds))

    def _fail(self, error: SabiError) -> None:
        self.error, self.ended = error, True
        note(error)


_current: Work | None = None
_failure: SabiError | None = None
_drawn: tuple[Progress | None, float] = (None, 0.0)  # what panels were last told to draw, and when
_blocking = False
_listener: Callable[[Progress], None] | None = None


def current() -> Work | None:
    """The work in flight, or what became of the last; None before the first."""
    return _current


def running() -> bool:
    return _current is not None and not _current.ended


def busy() -> bool:
    """Whether other work has to wait."""
    return running() and not _current.gives_way


@contextmanager
def holding() -> Iterator[None]:
    """Within, the work in flight does not give way: Blender is baking for it."""
    now, gave = _current, _current is not None and _current.gives_way
    if gave:
        now.gives_way = False
    try:
        yield
    finally:
        if gave:
            now.gives_way = True


def in_window() -> bool:
    """Whether the present step may leave things to jobs of Blender's own: there is a window, and its loop goes on."""
    return not bpy.app.background and not _blocking and bool(bpy.context.window_manager.windows)


def listen(listener: Callable[[Progress], None] | None) -> None:
    """Who hears of the progress of blocking work, such as the command line's bar."""
    global _listener
    _listener = listener


def note(error: SabiError | None) -> None:
    """Remembers what failed last, for diagnostics and for scripts, to which an operator gives only a RuntimeError."""
    global _failure
    _failure = error


def failure() -> SabiError | None:
    return _failure


def start(title: str, steps: Steps, gives_way: bool = False, operator: str = "") -> Work:
    """Begins work that a timer steps. Raises Busy while another is in flight that does not give way."""
    work = _begin(title, steps)
    work.operator = operator
    work.gives_way = gives_way
    if not bpy.app.timers.is_registered(_tick):
        bpy.app.timers.register(_tick, first_interval=0.0 if gives_way else INTERVAL, persistent=True)
    return work


def run(title: str, steps: Steps, operator: str = "") -> Outcome:
    """Does the work to its end, for where timers never fire, and returns what became of it; raises its error."""
    global _blocking
    work = _begin(title, steps)
    work.operator = operator
    _blocking = True
    try:
        while not work.ended:
            told = work.progress
            work.step()
            if _listener is not None and work.progress != told:
                _listener(work.progress)
            if not work.ended:
                time.sleep(INTERVAL / 5)
    except KeyboardInterrupt:
        work.cancel()
    finally:
        _blocking = False
    if work.error is not None:
        raise work.error
    assert work.outcome is not None
    return work.outcome


def cancel(why: Cancelled | None = None) -> bool:
    """Ends the work in flight, with nothing changed; False where there is none."""
    if not running():
        return False
    _current.cancel(why)
    _redraw()
    return True


def undo_step(message: str) -> None:
    """Marks one undo step, where there is undo."""
    if bpy.app.background or not bpy.context.window_manager.windows:
        return
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
        bpy.ops.ed.undo_push(message=message)


def _begin(title: str, steps: Steps) -> Work:
    global _current
    if busy():
        steps.close()
        raise Busy("Sabi is at work already.", "Wait for it to end, or cancel it.")
    if running():
        _current.cancel()
        note(None)
    _current = Work(title, steps)
    return _current


def _tick() -> float | None:
    global _drawn
    if not running():
        return None
    _current.step()
    if _current.ended:
        _redraw()
    elif _current.progress != _drawn[0] and time.monotonic() - _drawn[1] >= INTERVAL:
        _drawn = _current.progress, time.monotonic()
        _redraw("UI")
    if not running():
        return None
    return SOONER if _current.gives_way else INTERVAL


def _redraw(kind: str = "") -> None:
    """The editors that have the panels, or only their regions of this kind: a scene is not drawn anew for a number in a panel."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "IMAGE_EDITOR", "NODE_EDITOR"):
                for region in area.regions:
                    if kind in ("", region.type):
                        region.tag_redraw()


@persistent
def _drop(_path: str) -> None:
    """Another file is about to take the place of this one: what is in flight belongs to the old file."""
    cancel(
        Cancelled(
            "Another file was opened while Sabi was at work.", "The work ended and changed nothing; start it again."
        )
    )


def register() -> None:
    bpy.app.handlers.load_pre.append(_drop)


def unregister() -> None:
    cancel()
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.handlers.load_pre.remove(_drop)
