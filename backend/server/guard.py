# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's edge: who may come in, which protocol they speak, and every failure as one JSON object, never a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..protocol.errors import ProtocolMismatch, SabiError, Unauthorized
from ..protocol.wire import PROTOCOL_HEADER, PROTOCOL_VERSION
from .jobs import unexpected

DRAIN_BYTES = 64 << 20  # of a refused body, read so that the answer reaches a client that is still sending
DRAIN_SECONDS = 5

log = logging.getLogger(__name__)


def failure(error: SabiError) -> Response:
    """An error as every answer of the server says it, with its status."""
    return JSONResponse({"error": error.to_dict()}, error.status)


class Guard:
    """Checks bearer token and protocol, names the own protocol in every answer, answers failures.

    Without a token, pages in a browser are refused all the same: they announce themselves by Origin, or, where their own name
    was made to lead here (DNS rebinding), by asking a host that is not this machine's.
    """

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self.app = app
        self.token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body_ended = started = False

        async def counted_receive() -> Message:
            nonlocal body_ended
            message = await receive()
            body_ended = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def marked_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message)[PROTOCOL_HEADER] = str(PROTOCOL_VERSION)
            await send(message)

        try:
            self._check(Headers(scope=scope))
            await self.app(scope, counted_receive, marked_send)
        except ClientDisconnect:
            return
        except Exception as error:
            if not isinstance(error, SabiError):
                log.exception("%s %s failed", scope["method"], scope["path"])
            if started:
                raise  # the answer is under way: it can only be cut off
            drained = 0
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    while not body_ended and drained < DRAIN_BYTES:
                        drained += len((await counted_receive()).get("body", b""))
            answer = failure(error if isinstance(error, SabiError) else unexpected(error))
            await answer(scope, receive, marked_send)

    def _check(self, headers: Headers) -> None:
        if self.token:
            kind, _, given = headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self.token):
                raise Unauthorized("The backend refuses the token." if given else "The backend asks for a token.")
        elif "origin" in headers:
            raise Unauthorized("Web pages may use this backend only with a token.", "Start it with SABI_TOKEN set.")
        elif not is_loopback(asked := _host(headers.get("host", "localhost"))):
            raise Unauthorized(
                f"As {asked[:100]} this backend may be used only with a token.", "Start it with SABI_TOKEN set."
            )
        spoken = headers.get(PROTOCOL_HEADER, str(PROTOCOL_VERSION))
        if spoken != str(PROTOCOL_VERSION):
            raise ProtocolMismatch(
                f"The caller speaks protocol {spoken[:20]}, this backend protocol {PROTOCOL_VERSION}.",
            )


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _host(header: str) -> str:
    """The Host header without its port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return header
