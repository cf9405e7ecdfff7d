# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages on their way in: written to the spool as they come, checked as early as they can be."""

from __future__ import annotations

from collections.abc import AsyncIterator

import numpy as np

from ..protocol import wire
from ..protocol.errors import BadMessage
from ..protocol.surface import Map
from .spool import Spool


async def receive(pieces: AsyncIterator[bytes], size: int, spool: Spool) -> memoryview:
    """A message of `size` bytes, mapped from the spool."""
    with spool.file(size) as file:
        async for piece in pieces:
            spool.append(file, piece)
        return spool.view(file, size)


async def receive_map(pieces: AsyncIterator[bytes], size: int, spool: Spool) -> np.ndarray:
    """The one array, `map`, of a message of `size` bytes. Refused from its header on when it cannot be a map.

    Raises BadMessage, BadSurface, DiskFull. The bytes are not looked at: see KeptMap.
    """
    with spool.file(size) as file:
        message = spool.view(file, size)
        received, described = 0, False
        async for piece in pieces:
            spool.append(file, piece)
            received += len(piece)
            described = described or _is_map(message, received)
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
