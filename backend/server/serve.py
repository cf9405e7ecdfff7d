# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the server as a process: on a port of its own for the add-on, or on a named one for `sabi serve`.

`announce` says in one JSON line on stdout where it listens, {"port", "protocol", "pid", "sabi"}, and nothing else is ever
printed there. With `watch_stdin` the process ends when its parent closes the pipe, or dies.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from ..networks.device import Device
from ..networks.registry import Networks
from ..protocol.connection import PORT
from ..protocol.errors import BackendError, SabiError
from ..protocol.wire import PROTOCOL_VERSION
from ..version import VERSION
from .app import Limits, app
from .guard import is_loopback
from .http_protocol import Http


def serve(
    host: str = "127.0.0.1",
    port: int = PORT,
    *,
    device: Device | str | None = None,
    threads: int | None = None,
    folder: str | Path | None = None,
    token: str | None = None,
    tls_cert: str | Path | None = None,
    tls_key: str | Path | None = None,
    limits: Limits | None = None,
    listening: Callable[[int], None] | None = None,
    watch_stdin: bool = False,
) -> None:
    """Serve until told to stop. `token` defaults to SABI_TOKEN; port 0 takes a free one; `listening` is told the port.

    Raises BackendError: port taken, host unknown, a host that others can reach without a token, TLS files unreadable;
    DeviceError for a device that does not exist.
    """
    token = (os.environ.get("SABI_TOKEN", "") if token is None else token).strip()
    check_open(host, token)
    if bool(tls_cert) != bool(tls_key):
        raise BackendError("TLS needs both a certificate and a key file.", "Name both, or neither.")
    for path in (tls_cert, tls_key):
        if path and not Path(path).is_file():
            raise BackendError(f"The TLS file {path} is missing.", "Check the path.")
    _keep_freed_memory()
    networks = Networks.load(device=device, threads=threads, folder=folder)
    listener = listen(host, port)
    config = uvicorn.Config(
        app(networks, token=token, limits=limits or Limits()),
        loop="asyncio",
        http=Http,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise BackendError(
            f"The TLS files cannot be used: {error}.", "Both must be PEM, and the key must be the certificate's."
        ) from error
    server = uvicorn.Server(config)
    if watch_stdin:
        threading.Thread(target=_end_with_parent, args=(server,), name="sabi-parent", daemon=True).start()
    if listening is not None:
        listening(listener.getsockname()[1])
    server.run(sockets=[listener])
    if watch_stdin:  # a tile may still be running on the working thread, and nobody waits for it
        sys.stderr.flush()
        os._exit(0)


def check_open(host: str, token: str) -> None:
    """Raises BackendError for an address that others can reach and no token to keep them out."""
    if not token and not is_loopback(host):
        raise BackendError(
            f"Without a token the backend would be open to everyone who reaches {host}.",
            "Set SABI_TOKEN to a long random word, or listen on 127.0.0.1.",
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises BackendError when the port is taken or the host is not this machine's."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(found[4][:2], family=found[0], backlog=128)
    except OSError as error:
        if error.errno in (errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)):
            raise BackendError(
                f"Port {port} is taken by another program.", "Choose another port, or 0 for a free one."
            ) from None
        raise BackendError(
            f"The backend cannot listen on {host} port {port}: {error.strerror or error}.",
            "Listen on an address of this machine, as in 127.0.0.1, and on a port above 1023.",
        ) from error
    except OverflowError:
        raise BackendError(f"{port} is not a port.", "Ports go from 0 to 65535.") from None


def start_logging(level: str = "") -> None:
    """Says what is going on, at this level or that of SABI_LOG, on standard error. Raises BackendError for one that is none."""
    asked = level or os.environ.get("SABI_LOG") or "WARNING"
    levels = logging.getLevelNamesMapping()
    if asked.upper() not in levels:
        raise BackendError(f"SABI_LOG is '{asked}', which is no level.", f"Levels: {', '.join(levels)}.")
    logging.basicConfig(level=asked.upper(), format="%(asctime)s %(name)s: %(message)s")


def main(arguments: Sequence[str] | None = None) -> int:
    """The child process's entry: needs neither typer nor rich."""
    parser = argparse.ArgumentParser("sabi.backend.server.serve")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--networks")
    options = parser.parse_args(arguments)
    try:
        start_logging()
        serve(
            options.host,
            options.port,
            device=options.device,
            threads=options.threads,
            folder=options.networks,
            listening=announce,
            watch_stdin=True,
        )
    except SabiError as error:
        print(json.dumps({"error": error.to_dict()}), flush=True)
        return 3
    return 0


def announce(port: int) -> None:
    """Say the port on stdout and close it to everything else: what libraries print goes to stderr from here on."""
    sys.stdout.write(
        json.dumps({"port": port, "protocol": PROTOCOL_VERSION, "pid": os.getpid(), "sabi": VERSION}) + "\n"
    )
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


def _keep_freed_memory() -> None:
    """Once a large block was freed, glibc keeps the pages of smaller ones for the next (mallopt(3), M_MMAP_THRESHOLD).

    Any job's arrays do that to it; done before, the first maps too are received into pages that are there. Elsewhere it
    is nothing.
    """
    bytes(31 << 20)


def _end_with_parent(server: uvicorn.Server) -> None:
    while True:
        try:
            if not os.read(sys.stdin.fileno(), 1024):
                break
        except OSError:
            break
    server.should_exit = True
    timer = threading.Timer(3, os._exit, (0,))  # whatever hangs
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
