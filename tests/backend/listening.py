# SPDX-License-Identifier: GPL-3.0-or-later
"""An ASGI application on a real port, in a thread of the test."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn

from sabi.backend.server.http_protocol import Http


@contextlib.contextmanager
def listening(application, protocol: type[Http] = Http, lifespan: str = "off") -> Iterator[tuple[str, int]]:
    """Host and port, until the block ends."""
    config = uvicorn.Config(application, http=protocol, ws="none", lifespan=lifespan, log_config=None)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    running = threading.Thread(target=server.run, args=([listener],))
    running.start()
    try:
        yield listener.getsockname()
    finally:
        server.should_exit = True
        running.join()
