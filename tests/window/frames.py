# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the window takes from frame to frame."""

import time

from visit import label


class Frames:
    """The longest gaps between ticks that ask to come every 10 ms, by what Sabi was doing: frames, and whatever holds them up."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}
        self.last = time.perf_counter()

    def __call__(self) -> float:
        now = time.perf_counter()
        gap, self.last = now - self.last, now
        what = label()
        self.longest[what] = max(self.longest.get(what, 0.0), gap)
        return 0.01

    def in_ms(self) -> dict[str, float]:
        return {key: round(1000 * value, 1) for key, value in self.longest.items()}
