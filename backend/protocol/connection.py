# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to a backend: one connection a request, bodies without copies, every failure a SabiError. Standard library and numpy."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from . import wire
from .errors import BackendError, BackendGone, OutOfMemory, ProtocolMismatch, SabiError, Unauthorized

PORT = 7224
CHUNK = 4 << 20
MAX_JSON = 16 << 20
MAX_LINE = 1 << 16

Body = Sequence[bytes | memoryview]


class Broken(BackendGone):
    """The connection ended while it was in use; sending again may help where that is safe."""


class Connection:
    """Where a backend is and how it is spoken to. Holds no socket: each request has one of its own, so threads may share it.

    Raises BackendError for what is no address, Unauthorized for a token that cannot be sent.
    """

    def __init__(self, address: str, token: str | None = None, *, timeout: float = 30.0) -> None:
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or not host.isprintable() or " " in host or parts.scheme not in ("http", "https"):
            raise BackendError(f"'{address}' is not the address of a backend.", "Write host:port or https://host:port.")
        self.secure = parts.scheme == "https"
        self.host = host
        self.port = port or (443 if self.secure else PORT)
        self.prefix = parts.path.rstrip("/")
        self.token = (os.environ.get("SABI_TOKEN", "") if token is None else token).strip()
        if not (self.token.isascii() and self.token.isprintable()):
            raise Unauthorized(
                "The token has characters that cannot be sent.", "Use letters, digits and ASCII's signs."
            )
        self.timeout = timeout

    @property
    def address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.prefix}"

    def json(self, method: str, path: str, body: Body | None = None, timeout: float | None = None) -> dict[str, Any]:
        """A request whose answer is a JSON object; raises the failure that the backend answers with."""
        status, answer = self.exchange(method, path, body, timeout)
        self.raise_failure(status, answer)
        return answer

    def exchange(
        self, method: str, path: str, body: Body | None = None, timeout: float | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer, whatever they are."""
        with self._answer(method, path, body, timeout) as response:
            return response.status, self._read_json(response)

    def lines(self, path: str) -> Iterator[str]:
        """The lines of an answer as they come."""
        with self._answer("GET", path) as response:
            self._check(response)
            while True:
                with self._failures():
                    line = response.readline(MAX_LINE)
                if not line:
                    return
                yield line.decode("utf-8", "replace").rstrip("\r\n")

    def message(self, path: str, body: Body | None = None) -> memoryview:
        """A large answer, read into one buffer; to a POST where there is a body."""
        with self._answer("GET" if body is None else "POST", path, body) as response:
            self._check(response)
            if response.length is None:
                raise self.not_sabi()
            try:
                buffer = memoryview(np.empty(response.length, np.uint8).data)
            except MemoryError:
                raise OutOfMemory(f"There is no memory for an answer of {response.length >> 20} MB.") from None
            at = 0
            while at < len(buffer):
                with self._failures():
                    read = response.readinto(buffer[at : at + CHUNK])
                if not read:
                    raise BackendGone("The backend's answer was cut short.")
                at += read
            return buffer

    def raise_failure(self, status: int, answer: dict[str, Any]) -> None:
        """Raises the error that an answer describes; nothing for a success."""
        if "error" in answer:
            raise SabiError.from_dict(answer["error"])
        if not 200 <= status < 300:
            raise self.not_sabi()

    def not_sabi(self) -> BackendError:
        return BackendError(f"What answers at {self.address} is not a Sabi backend.", "Check the backend's address.")

    @contextlib.contextmanager
    def _answer(
        self, method: str, path: str, body: Body | None = None, timeout: float | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request, read the head of its answer. Once more when the connection broke, but never a POST."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        tries = 1 if method == "POST" else 2
        while True:
            connection = kind(self.host, self.port, timeout=timeout or self.timeout)
            try:
                with self._failures():
                    response = self._send(connection, method, path, body)
                break
            except BaseException as error:
                connection.close()
                tries -= 1
                if not tries or not isinstance(error, Broken):
                    raise
        try:
            spoken = response.getheader(wire.PROTOCOL_HEADER)
            if spoken is None:
                raise self.not_sabi()
            check_protocol(spoken)
            yield response
        finally:
            connection.close()

    def _send(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Body | None
    ) -> http.client.HTTPResponse:
        connection.putrequest(method, self.prefix + path)
        connection.putheader("Connection", "close")
        connection.putheader(wire.PROTOCOL_HEADER, str(wire.PROTOCOL_VERSION))
        if self.token:
            connection.putheader("Authorization", f"Bearer {self.token}")
        if body is not None:
            connection.putheader("Content-Length", str(sum(len(piece) for piece in body)))
        connection.endheaders()
        with contextlib.suppress(ConnectionError):  # refused before all was sent: the answer says why
            for piece in body or ():
                connection.send(piece)
        return connection.getresponse()

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """The network's failures as SabiErrors."""
        try:
            yield
        except ConnectionRefusedError:
            raise BackendGone(f"No backend answers at {self.address}.") from None
        except TimeoutError:
            raise BackendGone(f"The backend at {self.address} did not answer for {self.timeout:g} seconds.") from None
        except socket.gaierror:
            raise BackendError(f"The host {self.host} is not known.", "Check the backend's address.") from None
        except ssl.SSLError as error:
            raise BackendError(
                f"No secure connection to {self.address}: {error.reason or error}.",
                "Check the certificate and the address.",
            ) from None
        except (ConnectionError, http.client.IncompleteRead):  # RemoteDisconnected is a ConnectionError
            raise Broken("The connection to the backend broke: it has ended.") from None
        except http.client.HTTPException:
            raise self.not_sabi() from None
        except OSError as error:
            raise BackendError(
                f"The backend at {self.address} cannot be reached: {error.strerror or error}.",
                "Check the address and the network.",
            ) from None

    def _check(self, response: http.client.HTTPResponse) -> None:
        if response.status != 200:
            self.raise_failure(response.status, self._read_json(response))

    def _read_json(self, response: http.client.HTTPResponse) -> dict[str, Any]:
        with self._failures():
            text = response.read(MAX_JSON)
        if response.length:  # http.client reads short without complaint when given a size
            raise BackendGone("The backend's answer was cut short.")
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            raise self.not_sabi() from None
        if not isinstance(answer, dict):
            raise self.not_sabi()
        return answer


def check_protocol(spoken: object) -> None:
    """Raises ProtocolMismatch, saying which end is older."""
    text = str(spoken)
    number = int(text) if text.isdecimal() else 0
    if number != wire.PROTOCOL_VERSION:
        age, older = ("older", "backend") if number < wire.PROTOCOL_VERSION else ("newer", "add-on")
        raise ProtocolMismatch(
            f"The backend is {age} than this Sabi: it speaks protocol {text[:20]}, not {wire.PROTOCOL_VERSION}.",
            f"Update the {older}: both must be of the same version.",
        )
