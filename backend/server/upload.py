# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages on their way in: bounded, at a pace, written to the spool while more comes, checked as early as they can be."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import IO

import numpy as np

from ..protocol import wire
from ..protocol.errors import BadMessage, Busy, TooSlow
from ..protocol.surface import Map
from .spool import Spool

AHEAD = 8 << 20  # bytes of a message that may be here and not yet written


class Arrivals:
    """What is being received at present: at most so many messages that are to have at most so many bytes together."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.most = most
        self.most_bytes = most_bytes
        self.count = self.nbytes = 0

    @contextlib.contextmanager
    def one_more(self, size: int) -> Iterator[None]:
        """While a message of `size` bytes is received. Raises Busy; one alone is taken whatever its size."""
        if self.count >= self.most or (self.count and self.nbytes + size > self.most_bytes):
            raise Busy(
                "The backend is receiving as much as it can at a time.", "Try again when others have sent theirs."
            )
        self.count, self.nbytes = self.count + 1, self.nbytes + size
        try:
            yield
        finally:
            self.count, self.nbytes = self.count - 1, self.nbytes - size


async def steady(stream: AsyncGenerator[bytes], size: int, *, silence: float, slowest: float) -> AsyncIterator[bytes]:
    """The pieces of a body that must be `size` bytes in all and come at a pace: not so long without any, nor so few a second.

    Raises BadMessage, TooSlow.
    """
    received = counted = 0
    began = time.monotonic()
    while True:
        try:
            async with asyncio.timeout(silence):
                piece = await anext(stream, None)
        except TimeoutError:
            raise TooSlow("The message stopped before its end.") from None
        if piece is None:
            break
        received += len(piece)
        yield piece
        now = time.monotonic()
        if now - began > silence:
            if received - counted < slowest * (now - began) and received < size:
                raise TooSlow(f"The message came too slowly: {received} of {size} bytes are here.")
            began, counted = now, received
    if received != size:
        raise BadMessage(f"The message has {received} bytes instead of the {size} it declares.")


class Writer:
    """Writes the pieces of one message to its file, in order, in a thread: meanwhile more is received and others are answered.

    Used as a context: left without an error, all is written; left with one, no thread uses the file any more.
    """

    def __init__(self, spool: Spool, file: IO[bytes]) -> None:
        self._spool = spool
        self._file = file
        self._waiting: list[bytes] = []
        self._writing: asyncio.Future[None] | None = None

    async def add(self, piece: bytes) -> None:
        """Have `piece` written. Raises DiskFull where it or an earlier one has no room."""
        self._waiting.append(piece)
        if self._writing is None or self._writing.done() or sum(map(len, self._waiting)) > AHEAD:
            await self._begin()

    async def written(self) -> None:
        """Until all pieces are in the file. Raises DiskFull."""
        await self._begin()
        await self._begin()

    async def __aenter__(self) -> Writer:
        return self

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        try:
            if error is None:
                await self.written()
        finally:
            if self._writing is not None:
                await asyncio.wait([self._writing])
                self._writing.exception()  # is known: asyncio would complain of one that nobody asked for

    async def _begin(self) -> None:
        """Once what is being written is in the file, begin to write what waits."""
        if self._writing is not None:
            await asyncio.shield(self._writing)
            self._writing = None
        if self._waiting:
            pieces, self._waiting = self._waiting, []
            self._writing = asyncio.get_running_loop().run_in_executor(None, self._write, pieces)

    def _write(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._spool.append(self._file, piece)


async def receive(pieces: AsyncIterator[bytes], size: int, spool: Spool) -> memoryview:
    """A message of `size` bytes, mapped from the spool."""
    with spool.file(size) as file:
        async with Writer(spool, file) as writer:
            async for piece in pieces:
                await writer.add(piece)
        return spool.view(file, size)


async def receive_map(pieces: AsyncIterator[bytes], size: int, spool: Spool) -> np.ndarray:
    """The one array, `map`, of a message of `size` bytes. Refused from its header on when it cannot be a map.

    Raises BadMessage, BadSurface, DiskFull. The bytes are not looked at: see KeptMap.
    """
    with spool.file(size) as file:
        message = spool.view(file, size)
        received, described = 0, False
        async with Writer(spool, file) as writer:
            async for piece in pieces:
                await writer.add(piece)
                received += len(piece)
                if not described:
                    await writer.written()
                    described = _is_map(message, received)
    if not described:
        raise BadMessage("The message ends inside its header.")
    return Map(wire.loads(message)[0]["map"]).array


def _is_map(message: memoryview, received: int) -> bool:
    """Whether the header is there. Raises what the map that it describes would raise."""
    if received < 8 or received < 8 + wire.header_size(message[:8]):
        return False
    described, _, _ = wire.read_header(message, len(message))
    if list(described) != ["map"]:
        raise BadMessage("A map is sent as one array named 'map'.")
    dtype, shape, _, _ = described["map"]
    Map(np.broadcast_to(np.zeros((), dtype), shape))  # takes no memory
    return True
