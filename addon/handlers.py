# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts are told: functions in two lists, called on the main thread when an operator's work is done or has failed.

    bpy.context.window_manager.sabi_handlers.done.append(function)      function(done: Done)
    bpy.context.window_manager.sabi_handlers.failed.append(function)    function(failed: Failed)

As with Blender's own handlers, opening a file takes out those that are not `bpy.app.handlers.persistent`, and a function that
raises is told on the console and keeps no other from being called. Sabi is free again when they are called: they may call its
operators.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import NamedTuple

import bpy
from bpy.app.handlers import persistent

_KEPT = "_bpy_persistent"  # what bpy.app.handlers.persistent puts on a function


class Done(NamedTuple):
    """Work that came to its end: the operator ("sabi.weather"), the names of objects, what an artist was told."""

    operator: str
    objects: tuple[str, ...]
    message: str
    warnings: tuple[str, ...]
    seconds: float


class Failed(NamedTuple):
    """Work that changed nothing. `code` is stable across versions; it is "cancelled" where someone did."""

    operator: str
    code: str
    message: str
    hint: str
    seconds: float


class Handlers:
    """The lists; scripts add and remove functions as in bpy.app.handlers."""

    def __init__(self) -> None:
        self.done: list[Callable[[Done], object]] = []
        self.failed: list[Callable[[Failed], object]] = []

    def tell(self, event: Done | Failed) -> None:
        """Calls the functions that are in the list when it begins."""
        for function in list(self.done if isinstance(event, Done) else self.failed):
            try:
                function(event)
            except Exception as error:
                traceback.print_exception(error)

    def forget(self) -> None:
        """Takes out what is not to outlive the file."""
        for functions in (self.done, self.failed):
            functions[:] = [function for function in functions if hasattr(function, _KEPT)]


handlers = Handlers()


@persistent
def _forget(_path: str) -> None:
    handlers.forget()


def register() -> None:
    bpy.types.WindowManager.sabi_handlers = handlers
    bpy.app.handlers.load_pre.append(_forget)


def unregister() -> None:
    bpy.app.handlers.load_pre.remove(_forget)
    del bpy.types.WindowManager.sabi_handlers
    handlers.done.clear()
    handlers.failed.clear()
