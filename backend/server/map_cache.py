# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps by digest, kept for the jobs to come. The digest is compared behind the sender's back; nothing is used before it is."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Executor

import numpy as np

from ..protocol import wire
from ..protocol.errors import BadMessage

MOST_MAPS = 256  # each mapped file holds a file handle, of which a process has 1024 on many systems


class KeptMap:
    """A map that was received whole. A thread compares its bytes with its digest; use them only after `check`."""

    def __init__(self, array: np.ndarray, digest: str, hashing: Executor) -> None:
        self.array = array
        self._compared = hashing.submit(lambda: wire.digest(array) == digest)

    @property
    def right(self) -> bool:
        """Whether the bytes are known to be the digest's; neither right nor wrong while that is being found out."""
        return self._compared.done() and self._compared.result()

    @property
    def wrong(self) -> bool:
        return self._compared.done() and not self._compared.result()

    def check(self) -> None:
        """Waits until the bytes have been compared. Raises BadMessage when they are not those the digest promises."""
        if not self._compared.result():
            raise BadMessage(
                "A map's bytes are not those its digest promises.", "It was damaged on its way: send it again."
            )


class MapCache:
    """Maps by digest, the least recently used dropped beyond `limit` bytes or `most` maps. Jobs hold their own. Thread-safe."""

    def __init__(self, limit: int, most: int = MOST_MAPS) -> None:
        self.limit = limit
        self.most = most
        self._maps: OrderedDict[str, KeptMap] = OrderedDict()
        self._lock = threading.Lock()

    def __contains__(self, digest: str) -> bool:
        return digest in self._maps

    def __len__(self) -> int:
        return len(self._maps)

    @property
    def nbytes(self) -> int:
        with self._lock:
            return sum(kept.array.nbytes for kept in self._maps.values())

    def get(self, digest: str) -> KeptMap | None:
        """The map; None when there is none, or none but one that turned out to be wrong."""
        self.sweep()
        with self._lock:
            if digest in self._maps:
                self._maps.move_to_end(digest)
            return self._maps.get(digest)

    def put(self, digest: str, kept: KeptMap) -> None:
        """Keep a map; it stays even where it alone exceeds the limit. One that was found right gives way to none."""
        self.sweep()
        with self._lock:
            if digest not in self._maps or not self._maps[digest].right:
                self._maps[digest] = kept
            self._maps.move_to_end(digest)
            held = sum(kept.array.nbytes for kept in self._maps.values())
            while (held > self.limit or len(self._maps) > self.most) and len(self._maps) > 1:
                held -= self._maps.popitem(last=False)[1].array.nbytes

    def sweep(self) -> None:
        """Drop maps that turned out to be wrong."""
        with self._lock:
            for digest in [digest for digest, kept in self._maps.items() if kept.wrong]:
                del self._maps[digest]
