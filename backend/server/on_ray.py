# SPDX-License-Identifier: GPL-3.0-or-later
"""The same application under Ray Serve: the cluster finds it a GPU, starts it again when its machine is gone, and is its door.

Maps and jobs are kept by the process that received them, so that there is one replica. After a restart clients send again, as
they do to a server that was started anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import cluster
from ..networks.device import Device
from ..networks.registry import Networks
from ..protocol.errors import BackendError
from .app import Limits, app
from .serve import check_open

REQUESTS = 1000  # at a time: each job that is followed keeps one open, and Ray's own 5 would shut others out


def in_bytes(application: ASGIApp) -> ASGIApp:
    """An application whose answers Ray can pickle on their way to its door: arrays as bytes."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_bytes(message: Message) -> None:
            await send({**message, "body": bytes(message["body"])} if message.get("body") else message)

        await application(scope, receive, send_bytes)

    return answer


def serve_on_ray(
    address: str,
    host: str,
    port: int,
    *,
    device: Device | str | None = None,
    threads: int | None = None,
    token: str = "",
    limits: Limits | None = None,
    listening: Callable[[], None] = lambda: None,
    until: threading.Event | None = None,
) -> None:
    """Deploy the service on the cluster at `address` and keep it until Ctrl-C, or `until`. `listening` is told when it is there.

    It takes one GPU where the cluster has any. All machines must have Sabi installed. A cluster that serves something already
    keeps its host and port. Raises BackendError: no Ray, no cluster, open to everyone without a token, or Ray cannot place it.
    """
    check_open(host, token)
    if not port:
        raise BackendError("Under Ray the service needs a port of its own.", "Name one, as in --address 0.0.0.0:7224.")
    ray = cluster.connect(address)
    try:
        from ray import serve
    except ImportError:
        raise BackendError("Ray is here without Ray Serve.", 'pip install "sabi-weathering[ray]"') from None

    def build() -> ASGIApp:
        """On the machine that Ray chose."""
        return in_bytes(app(Networks.load(device=device, threads=threads), token=token, limits=limits or Limits()))

    name = f"sabi-{port}"
    wants_gpu = cluster.has(ray, "GPU") and device not in (Device.CPU, Device.CPU.value)
    deployment = serve.deployment(serve.ingress(build)()).options(
        name="Sabi", max_ongoing_requests=REQUESTS, ray_actor_options={"num_gpus": 1 if wants_gpu else 0}
    )
    serve.start(http_options={"host": host, "port": port})
    try:
        serve.run(deployment.bind(), name=name, route_prefix="/")
    except RuntimeError as error:
        raise BackendError("Ray could not start the service.", f"Ray says: {cluster.first_line(error)}") from None
    try:
        listening()
        (until or threading.Event()).wait()
    except KeyboardInterrupt:
        pass
    finally:
        serve.delete(name)
