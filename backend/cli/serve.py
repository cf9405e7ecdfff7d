# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi serve`: the backend as a service, for Blenders and command lines elsewhere."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from ..networks.registry import Networks
from ..protocol.errors import BackendError
from ..server import on_ray, serve
from ..server.app import Limits
from . import options as o
from .report import err


def command(
    address: Annotated[
        str,
        typer.Option(
            "--address",
            metavar="HOST:PORT",
            help="Where to listen: 127.0.0.1 only for this machine, 0.0.0.0 for all who reach it (needs a token); "
            "port 0 takes a free one.",
        ),
    ] = f"127.0.0.1:{serve.PORT}",
    token: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="SABI_TOKEN",
            help="A secret that clients must give. Better set in SABI_TOKEN, which others cannot read.",
        ),
    ] = "",
    tls_cert: Annotated[Path | None, typer.Option("--tls-cert", help="Certificate file (PEM), for https.")] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its private key (PEM).")] = None,
    queue: Annotated[
        int, typer.Option("--queue", min=1, help="Jobs that may wait; further ones are told to come back later.")
    ] = Limits.waiting,
    cache: Annotated[
        float, typer.Option("--cache", min=0.1, metavar="GB", help="Disk for maps that clients need not send again.")
    ] = Limits.cache_bytes / 2**30,
    largest: Annotated[
        float, typer.Option("--largest", min=0.01, metavar="GB", help="The largest surface that is taken in one piece.")
    ] = Limits.surface_bytes / 2**30,
    keep: Annotated[
        float, typer.Option("--keep", min=1, metavar="SECONDS", help="How long a result waits to be fetched.")
    ] = Limits.keep_result,
    idle: Annotated[
        float, typer.Option("--idle", min=1, metavar="SECONDS", help="After how long without work memory is released.")
    ] = Limits.idle,
    ray: Annotated[
        str,
        typer.Option(
            "--ray",
            metavar="ADDRESS",
            help="Run it on the Ray cluster at this address (auto finds one), as one replica on a GPU where it has any.",
        ),
    ] = "",
    device: o.DeviceOption = None,
    threads: o.ThreadsOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is going on.")] = False,
) -> None:
    """Run the backend as a service. Clients name its address in the add-on's preferences, with --server or in SABI_SERVER."""
    host, port = parse_address(address)
    serve.start_logging("INFO" if verbose else "")
    limits = Limits(
        waiting=queue,
        cache_bytes=int(cache * 2**30),
        surface_bytes=int(largest * 2**30),
        keep_result=keep,
        idle=idle,
    )
    if ray:
        if tls_cert or tls_key:
            raise BackendError("Under Ray the service has no TLS of its own.", "Let the cluster's ingress do it.")

        def deployed() -> None:
            err.print(f"Sabi listens on the Ray cluster, port {port}; Ctrl-C ends it.")
            signal.signal(
                signal.SIGTERM, signal.default_int_handler
            )  # in place of Ray's, which leaves no time to clear up

        on_ray.serve_on_ray(
            ray,
            host,
            port,
            device=device,
            threads=threads,
            token=token,
            limits=limits,
            listening=deployed,
        )
        return
    Networks.load(device=device, threads=threads).newest("painter")  # say now what would fail every job
    scheme = "https" if tls_cert else "http"

    def listening(taken: int) -> None:
        err.print(f"Sabi listens on {scheme}://{host}:{taken}; Ctrl-C ends it.")
        if not port:
            serve.announce(taken)

    serve.serve(
        host,
        port,
        device=device,
        threads=threads,
        token=token,
        tls_cert=tls_cert,
        tls_key=tls_key,
        limits=limits,
        listening=listening,
    )


def parse_address(text: str) -> tuple[str, int]:
    """`host:port`, `host`, `:port` or `[::1]:port`. Raises BackendError."""
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, ""
    if port and not port.isdecimal():
        raise BackendError(f"'{text}' is not an address.", f"Write HOST:PORT, as in 127.0.0.1:{serve.PORT}.")
    return host.strip("[]") or "127.0.0.1", int(port) if port else serve.PORT
