# SPDX-License-Identifier: GPL-3.0-or-later
"""uvicorn's HTTP for bodies of hundreds of megabytes, and without patience for callers who open a connection and ask nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

READ = 2 << 20  # bytes taken from the socket at a time; asyncio's 256 KB cost twice the time
HEAD_SECONDS = 30.0  # within which a request's first line and headers must be there
PROVEN = ("0.14", "0.16")  # versions of h11 that Pieces is tested with; under others bodies arrive as well, but slower


class Http(H11Protocol):
    """The same protocol on a transport that reads more at a time, where it can be told to (not on Windows)."""

    head_seconds = HEAD_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if hasattr(transport, "max_size"):
            transport.max_size = READ
        super().connection_made(transport)
        hand_on_pieces(self.conn)
        self.loop.call_later(self.head_seconds, self._expect_request)

    def data_received(self, data: bytes) -> None:
        """Sees to it that what uvicorn collects for the application is handed on as it came, not through a bytearray."""
        if self.cycle is not None and type(self.cycle.body) is bytearray and not self.cycle.body:
            self.cycle.body = Body()
        super().data_received(data)

    def _expect_request(self) -> None:
        """Every `head_seconds`: end the connection when no request has come, or only a part of its head."""
        if self.transport.is_closing():
            return
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
        else:
            self.loop.call_later(self.head_seconds, self._expect_request)


class Body(bytearray):
    """uvicorn's collection of a body's pieces: one piece alone is not copied. What is not added by += lies in front."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes | bytearray] = []

    def __iadd__(self, piece: bytes | bytearray) -> Body:  # type: ignore[override, misc]
        self._pieces.append(piece)
        return self

    def __len__(self) -> int:
        return super().__len__() + sum(map(len, self._pieces))

    def __bytes__(self) -> bytes:
        if len(self._pieces) == 1 and not super().__len__() and type(self._pieces[0]) is bytes:
            return self._pieces[0]
        return b"".join((memoryview(self), *self._pieces))


def hand_on_pieces(connection: h11.Connection) -> None:
    """Spare bodies h11's three copies. h11 has no public way to that, so that it is done in versions known to allow it only."""
    if h11.__version__.rpartition(".")[0] in PROVEN:
        connection._receive_buffer = Pieces(connection._receive_buffer)  # type: ignore[assignment]


class Pieces:
    """h11's buffer of what was received, with the latest piece kept beside it: in a body it is handed on as it came.

    Whatever else h11 asks goes to its own buffer, once that has the piece, too.
    """

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer
        self._piece: bytes | bytearray = b""

    def __iadd__(self, received: bytes | bytearray) -> Pieces:
        if len(self):
            buffer = self._joined()
            buffer += received
        else:
            self._piece = received
        return self

    def __len__(self) -> int:
        return len(self._buffer) + len(self._piece)

    def __bytes__(self) -> bytes:
        return bytes(self._joined())

    def maybe_extract_at_most(self, count: int) -> bytes | bytearray | None:
        if self._piece and len(self._piece) <= count:
            piece, self._piece = self._piece, b""
            return piece
        extracted: bytearray | None = self._joined().maybe_extract_at_most(count)
        return extracted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._joined(), name)

    def _joined(self) -> Any:
        """h11's buffer with all that was received."""
        if self._piece:
            self._buffer += self._piece
            self._piece = b""
        return self._buffer
