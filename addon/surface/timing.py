# SPDX-License-Identifier: GPL-3.0-or-later
"""How long bakes take on this machine: guessed at first, measured from then on."""

from __future__ import annotations

from dataclasses import dataclass

TELLING = 0.25  # megatexels from which on a measurement counts
OVERHEAD = 0.05  # seconds of one bake beside its texels and faces


@dataclass
class Rate:
    """Seconds for a million of something; follows what is measured."""

    seconds: float
    measured: bool = False

    def learn(self, seconds: float) -> None:
        self.seconds = 0.5 * (self.seconds + seconds) if self.measured else seconds
        self.measured = True


captures = Rate(5.0)  # of a whole capture, for a million texels; 1024 x 1024 on two cores


def seconds(size: tuple[int, int]) -> float:
    """What a capture of this size is likely to take when nothing of it is cached."""
    return 8 * OVERHEAD + captures.seconds * megatexels(size)


def learn(size: tuple[int, int], took: float) -> None:
    """Tells how long a capture of this size took. Small ones are all overhead and say nothing of large ones."""
    if megatexels(size) < TELLING:
        return
    captures.learn(max(took - 8 * OVERHEAD, 0.01) / megatexels(size))


def megatexels(size: tuple[int, int]) -> float:
    return size[0] * size[1] / (1 << 20)
