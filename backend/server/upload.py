# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages on their way in: written to the spool as they come, checked as early as they can be."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import numpy as np

from ..protocol import wire
from ..protocol.errors import BadMessage
from ..protocol.surface import Map
from .spool import Spool

BEHIND = 4 << 20  # bytes hashed at a time, in another thread, behind the network


async def receive(pieces: AsyncIterator[bytes], size: int, spool: Spool) -> memoryview:
    """A message of `size` bytes, mapped from the spool."""
    with spool.file(size) as file:
        async for piece in pieces:
            spool.append(file, piece)
        return spool.view(file, size)


async def receive_map(pieces: AsyncIterator[bytes], size: int, digest: str, spool: Spool) -> np.ndarray:
    """The one array, `map`, of a message of `size` bytes. Refused from its header on when it cannot be a map.

    Raises BadMessage (not such a message, or not the bytes that `digest` promises), BadSurface, TooLarge, DiskFull.
    """
    with spool.file(size) as file:
        message = spool.view(file, size)
        received, hashed, hasher, turn = 0, 0, None, None
        async for piece in pieces:
            spool.append(file, piece)
            received += len(piece)
            if hasher is None:
                hasher, hashed = _begin(message, received, size)
            elif received - hashed >= BEHIND and (turn is None or turn.done()):
                turn = asyncio.ensure_future(asyncio.to_thread(hasher.update, message[hashed:received]))
                hashed = received
        if turn is not None:
            await turn
    if hasher is None:
        raise BadMessage("The message ends inside its header.")
    await asyncio.to_thread(hasher.update, message[hashed:])
    if hasher.hexdigest() != digest:
        raise BadMessage(
            "The map's bytes are not those its digest promises.", "It was damaged on its way: send it again."
        )
    return Map(wire.loads(message)[0]["map"]).array


def _begin(message: memoryview, received: int, size: int) -> tuple[hashlib._Hash | None, int]:
    """The hasher and where its bytes begin, once the header is there and found good."""
    if received < 8 or received < 8 + wire.header_size(message[:8]):
        return None, 0
    described, _, start = wire.read_header(message[: 8 + wire.header_size(message[:8])], size)
    if list(described) != ["map"]:
        raise BadMessage("A map is sent as one array named 'map'.")
    dtype, shape, _, _ = described["map"]
    Map(np.broadcast_to(np.zeros((), dtype), shape))  # raises what the map itself would, and takes no memory
    return wire.hasher(dtype, shape), start
