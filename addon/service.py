# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend that this Blender talks to: a process of its own, started at need, or a server. No bpy in here.

What talks to it (http, numpy) is imported by the first who connects: Blender starts sooner without.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..backend.protocol.errors import SabiError

if TYPE_CHECKING:
    from ..backend.protocol.client import Client
    from ..backend.protocol.spawn import Backend


class ServiceSettings(NamedTuple):
    """Which backend to use: a `server` by address, else a process of our own run by `python` (empty: the embedded one)."""

    server: str = ""
    token: str = ""
    python: str = ""
    device: str = "auto"
    threads: int = 0  # 0 leaves it to the backend


class Service:
    """At most one backend process, and a client to it. Methods are for any thread; `connect` and `stop` may block."""

    def __init__(self, start: Callable[..., Backend] | None = None) -> None:
        """`start` begins a process; spawn.start when left out."""
        self._start = start
        self._lock = threading.Lock()
        self._backend: Backend | None = None
        self._settings: ServiceSettings | None = None
        self._doubted = False
        self.health: Mapping[str, Any] = {}  # what the backend last said of itself

    def connect(self, settings: ServiceSettings) -> Client:
        """A client to a backend that answers, started anew where the last has ended. Raises BackendError's children."""
        from ..backend.protocol import client as clients
        from ..backend.protocol import spawn

        if settings.server:
            client = clients.Client(settings.server, settings.token or None)
            self.health = client.health()
            return client
        with self._lock:
            if self._backend is not None and not self._usable(settings):
                self._end()
            if self._backend is None:
                start = spawn.start if self._start is None else self._start
                self._backend = start(settings.python or None, device=settings.device, threads=settings.threads or None)
                self._settings, self._doubted = settings, False
                self.health = self._backend.client.health()
            return self._backend.client

    def doubt(self) -> None:
        """A job lost the backend: the next `connect` makes sure that it answers, or starts another."""
        self._doubted = True

    def stop(self) -> None:
        """Ends the process, if there is one, and waits until it is gone: it holds the extension's files."""
        with self._lock:
            self._end()

    @property
    def process_id(self) -> int | None:
        """Of the process that runs now, where it is our own."""
        backend = self._backend
        return backend.process.pid if backend is not None and backend.process is not None and backend.alive else None

    @property
    def log(self) -> str:
        """The last lines that our own process wrote."""
        backend = self._backend
        return backend.log if backend is not None else ""

    def _usable(self, settings: ServiceSettings) -> bool:
        assert self._backend is not None
        if self._settings != settings or not self._backend.alive:
            return False
        if self._doubted:
            try:
                self.health = self._backend.client.health(timeout=5)
            except SabiError:
                return False
            self._doubted = False
        return True

    def _end(self) -> None:
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.stop()
