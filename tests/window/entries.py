# SPDX-License-Identifier: GPL-3.0-or-later
"""How long Sabi keeps Blender's main thread: every way in from Blender, timed from entry to return.

The ways in are operators, panels and lists (their classes' methods), timers, and handlers. Time in which the system had given
the processor to others is not counted: waiting for locks, files and other threads of Blender is. Runs inside a real Blender.
"""

from __future__ import annotations

import ctypes
import functools
import inspect
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import bpy

METHODS = ("invoke", "execute", "modal", "poll", "draw", "draw_item")


@dataclass
class Entries:
    """The longest entries by what Sabi was doing when it was entered; nested ones count once, as the outermost."""

    package: str  # whose entries
    stage: Callable[[], str]  # what is being done now
    longest: dict[str, tuple[float, float, str]] = field(
        default_factory=dict
    )  # stage: seconds, of them computing, entry
    watch: Callable[[str, float, float], None] | None = None  # is told of each entry
    drawn: dict[str, list[float]] = field(default_factory=dict)  # panel: seconds of each time it was drawn
    _inside: bool = False

    def in_ms(self) -> dict[str, list]:
        """By stage: the longest entry's milliseconds, those of them in which it computed, and which it was."""
        return {stage: [round(1000 * w, 1), round(1000 * c, 1), name] for stage, (w, c, name) in self.longest.items()}

    def drawn_in_ms(self) -> dict[str, float]:
        """By panel: how long it usually takes to draw, the median."""
        return {panel: round(1000 * median(seconds), 2) for panel, seconds in self.drawn.items()}

    def timed(self, entry: Callable, name: str) -> Callable:
        @functools.wraps(entry)
        def run(*arguments, **more):
            if self._inside:
                return entry(*arguments, **more)
            self._inside, stage = True, self.stage()
            began, (computed, queued) = time.perf_counter(), scheduled()
            try:
                return entry(*arguments, **more)
            finally:
                now = scheduled()
                took = time.perf_counter() - began - (now[1] - queued)
                worked = now[0] - computed
                self._inside = False
                if took > self.longest.get(stage, (0.0, 0.0, ""))[0]:
                    self.longest[stage] = (took, worked, f"{name}, then {self.stage()}")
                if name.endswith(".draw"):
                    self.drawn.setdefault(name.removesuffix(".draw"), []).append(took)
                if self.watch is not None:
                    self.watch(f"{name} ({stage} -> {self.stage()})", took, worked)

        return run

    def begin(self) -> None:
        """From now on every class that is registered and every timer is timed; call it before the extension is enabled."""
        register = bpy.utils.register_class

        def registering(cls: type) -> None:
            if cls.__module__.startswith(self.package):
                self._wrap_methods(cls)
            register(cls)

        bpy.utils.register_class = registering
        self._wrap_timers()

    def wrap_handlers(self) -> None:
        """And the handlers that there are; those that come and go with a bake or a render only note that it has ended."""
        for handlers in _handlers():
            handlers[:] = [self._own(handler) for handler in handlers]

    def let_go_of_handlers(self) -> None:
        """Puts the handlers themselves back, so that disabling the extension finds them."""
        for handlers in _handlers():
            handlers[:] = [getattr(handler, "__wrapped__", handler) for handler in handlers]

    def _wrap_methods(self, cls: type) -> None:
        for name in METHODS:
            method, said = getattr(cls, name, None), f"{cls.__name__}.{name}"
            if inspect.ismethod(method):  # a class method: poll
                setattr(cls, name, classmethod(like(method.__func__, self.timed(method.__func__, said))))
            elif inspect.isfunction(method):
                setattr(cls, name, like(method, self.timed(method, said)))

    def _own(self, handler: Callable) -> Callable:
        if not getattr(handler, "__module__", "").startswith(self.package):
            return handler
        timed = like(handler, self.timed(handler, handler.__qualname__))
        timed.__wrapped__ = handler
        if hasattr(handler, "_bpy_persistent"):
            timed._bpy_persistent = None
        return timed

    def _wrap_timers(self) -> None:
        """Timers that are registered from now on."""
        timers, known = bpy.app.timers, {}
        register, unregister, registered = timers.register, timers.unregister, timers.is_registered

        def registering(function, **how):
            if getattr(function, "__module__", "").startswith(self.package):
                known[function] = known.get(function) or self.timed(function, function.__qualname__)
            register(known.get(function, function), **how)

        timers.register = registering
        timers.unregister = lambda function: unregister(known.get(function, function))
        timers.is_registered = lambda function: registered(known.get(function, function))


def _handlers() -> list[list]:
    found = (getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers))
    return [handlers for handlers in found if isinstance(handlers, list)]


def scheduled() -> tuple[float, float]:
    """Seconds that this thread has computed, and has waited for a processor.

    Other threads of Python stay where they are meanwhile. Were an engine's to go on while a panel is drawn, Blender would forbid
    changes for ever: it notes whether they are allowed for all threads at once.
    """
    descriptor = _LIBC.open(b"/proc/thread-self/schedstat", os.O_RDONLY)
    count = _LIBC.read(descriptor, _TEXT, len(_TEXT))
    _LIBC.close(descriptor)
    computed, queued, _ = _TEXT.raw[:count].split()
    return int(computed) * 1e-9, int(queued) * 1e-9


_LIBC = ctypes.PyDLL(None)  # calls that keep the interpreter's lock
_TEXT = ctypes.create_string_buffer(128)


def like(method: Callable, run: Callable) -> Callable:
    """`run` with as many named arguments as the method: Blender counts them."""
    names = ", ".join(inspect.signature(method).parameters)
    return eval(f"lambda {names}: run({names})", {"run": run})
