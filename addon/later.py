# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the add-on that are wanted soon and must not be waited for: a thread imports them. No bpy in here."""

from __future__ import annotations

import threading
from importlib import import_module
from types import ModuleType


class Later:
    """One module below this package, by its dotted name; asking for it begins its import."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None
        self._thread: threading.Thread | None = None

    def get(self, wait: bool = False) -> ModuleType | None:
        """The module, or None while it is being imported; with `wait` it is there."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._import, name=f"sabi imports {self._name}", daemon=True)
            self._thread.start()
        if wait:
            self._import()
        return self._module

    def _import(self) -> None:
        self._module = import_module(f".{self._name}", __package__)
