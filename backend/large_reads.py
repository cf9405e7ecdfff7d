# SPDX-License-Identifier: GPL-3.0-or-later
"""uvicorn's HTTP for bodies of hundreds of megabytes: more read at a time, and h11's three copies of each piece left out."""

from __future__ import annotations

import asyncio

from h11._receivebuffer import ReceiveBuffer
from uvicorn.protocols.http.h11_impl import H11Protocol

READ = 1 << 20  # bytes taken from the socket at a time; asyncio's 256 KB cost four times as many turns of the loop


class LargeReads(H11Protocol):
    """The same protocol on a transport that reads more at a time, where it can be told to (not on Windows)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if hasattr(transport, "max_size"):
            transport.max_size = READ
        super().connection_made(transport)
        self.conn._receive_buffer = Pieces()


class Pieces(ReceiveBuffer):
    """h11's buffer of what was received; a piece that lies in a body as a whole is handed on as it came."""

    def __init__(self) -> None:
        super().__init__()
        self._piece: bytes | bytearray = b""

    def __iadd__(self, received: bytes | bytearray) -> Pieces:
        self._join()
        if self._data:
            self._data += received
        else:
            self._piece = received
        return self

    def __len__(self) -> int:
        return len(self._data) + len(self._piece)

    def __bytes__(self) -> bytes:
        return self._join().__bytes__()

    def maybe_extract_at_most(self, count: int) -> bytes | bytearray | None:  # type: ignore[override]
        if self._piece and len(self._piece) <= count:
            piece, self._piece = self._piece, b""
            return piece
        return self._join().maybe_extract_at_most(count)

    def maybe_extract_next_line(self) -> bytearray | None:
        return self._join().maybe_extract_next_line()

    def maybe_extract_lines(self) -> list[bytearray] | None:
        return self._join().maybe_extract_lines()

    def is_next_line_obviously_invalid_request_line(self) -> bool:
        return self._join().is_next_line_obviously_invalid_request_line()

    def _join(self) -> ReceiveBuffer:
        """The buffer as h11 knows it."""
        self._data += self._piece
        self._piece = b""
        return super()  # type: ignore[return-value]
