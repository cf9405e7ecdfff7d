# SPDX-License-Identifier: GPL-3.0-or-later
"""How far work has come, and what ended it, in words for an artist. Standard library alone: panels draw with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from ..backend.protocol.errors import DiskFull, OutOfMemory, SabiError, is_disk_full


class Progress(NamedTuple):
    """What to tell the artist: a stage in words, the fraction that is done, seconds left where they can be told."""

    stage: str
    fraction: float = 0.0
    seconds_left: float | None = None

    @property
    def text(self) -> str:
        return self.stage if self.seconds_left is None else f"{self.stage}, {in_words(self.seconds_left)} left"


class Estimate:
    """Seconds left, from how fast the fraction has grown of late; none until enough is done to tell."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: list[tuple[float, float]] = []

    def seconds_left(self, fraction: float) -> float | None:
        now = self._clock()
        if self._seen and fraction < self._seen[-1][1]:
            self._seen.clear()  # something began anew
        if not self._seen or fraction > self._seen[-1][1]:
            self._seen = [*self._seen[-31:], (now, fraction)]
        (start, first), (_, last) = self._seen[0], self._seen[-1]
        if last - first < 0.05 or now - start < 0.5:
            return None
        return max((now - start) * (1 - last) / (last - first), 0.0)


def in_words(seconds: float) -> str:
    """`8 s`, `3 min`, `1 h 20 min`; rounded as people say it."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


_STAGES = {
    "waiting": "Waiting for the backend",
    "survey": "Surveying the surface",
    "paint": "Painting",
    "composite": "Laying the layers",
    "harmonize": "Harmonizing",
    "encoding": "Encoding the images",
    "done": "Painted",
}


def stage_in_words(stage: str) -> str:
    """A stage of the backend as an artist reads it; `paint moss` becomes `Painting moss`."""
    verb, _, what = stage.partition(" ")
    return " ".join(filter(None, (_STAGES.get(verb, verb.capitalize()), what.replace("_", " "))))


def unforeseen(error: Exception) -> SabiError:
    """What nobody caught in one sentence: a full disk, no memory, else Sabi's own bug; kept as the cause for whoever mends it."""
    told: SabiError
    if is_disk_full(error):
        told = DiskFull(f"The disk is full: {getattr(error, 'filename', None) or 'a file'} could not be written.")
    elif isinstance(error, MemoryError):
        told = OutOfMemory("Blender has not enough memory for this.")
    else:
        told = SabiError(
            f"Sabi met a fault of its own ({type(error).__name__}: {error}).", "Please report it with Copy Diagnostics."
        )
    told.__cause__ = error
    return told
