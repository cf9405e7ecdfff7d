# SPDX-License-Identifier: GPL-3.0-or-later
"""Age as a curve over frames: what a time-lapse follows on the command line, and its keyframes in Blender."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from .errors import BadRecipe

MAX_FRAMES = 100_000
_HINT = "As in 0:0,24:0.3,48:1: frames that rise, and an age from 0 to 1 at each."


class Ease(Enum):
    """How age goes from one point to the next: evenly, or slow at both ends (a smoothstep)."""

    LINEAR = "linear"
    EASE = "ease"


@dataclass(frozen=True)
class AgeCurve:
    """Points (frame, age), frames rising; before the first and after the last the age stays as it is there."""

    points: tuple[tuple[float, float], ...]
    ease: Ease = Ease.LINEAR

    def __post_init__(self) -> None:
        if not self.points or any(not math.isfinite(value) for point in self.points for value in point):
            raise BadRecipe("The curve of the age has no points that are numbers.", _HINT)
        frames = [frame for frame, _ in self.points]
        if any(after <= before for before, after in pairwise(frames)):
            raise BadRecipe("The frames of the age's curve do not rise.", _HINT)
        if wrong := [age for _, age in self.points if not 0 <= age <= 1]:
            raise BadRecipe(f"The age {wrong[0]:g} is outside 0 to 1.", _HINT)

    @staticmethod
    def parse(text: str, ease: Ease = Ease.LINEAR) -> AgeCurve:
        """`0:0,24:0.3,48:1`. Raises BadRecipe."""
        pairs = [part.split(":") for part in text.split(",")]
        if any(len(pair) != 2 for pair in pairs):
            raise BadRecipe(f"'{text}' is no curve of frames and ages.", _HINT)
        try:
            points = tuple((float(frame), float(age)) for frame, age in pairs)
        except ValueError:
            raise BadRecipe(f"'{text}' is no curve of frames and ages.", _HINT) from None
        return AgeCurve(points, ease)

    def at(self, frame: float) -> float:
        """The age at a frame, 0..1."""
        after = bisect_right([point[0] for point in self.points], frame)
        if after == 0 or after == len(self.points):
            return self.points[max(after - 1, 0)][1]
        (start, low), (end, high) = self.points[after - 1], self.points[after]
        share = (frame - start) / (end - start)
        if self.ease is Ease.EASE:
            share *= share * (3 - 2 * share)
        return low + (high - low) * share

    def ages(self, frames: Sequence[int]) -> tuple[float, ...]:
        """The age of each frame. Raises BadRecipe for none, or more than a film has."""
        if not 1 <= len(frames) <= MAX_FRAMES:
            raise BadRecipe(f"A time-lapse of {len(frames)} frames is not made.", f"Choose 1 to {MAX_FRAMES} frames.")
        return tuple(self.at(frame) for frame in frames)
