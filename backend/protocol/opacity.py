# SPDX-License-Identifier: GPL-3.0-or-later
"""How opaque a layer is: in each channel by itself, and by degree along a curve that never falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from .checks import check_number
from .errors import BadRecipe
from .words import CLOSEST, MAX_POINTS


@dataclass(frozen=True)
class ChannelOpacity:
    """What each channel keeps of the layer's coverage, 0..1. Where one is 0 its map stays the input's, bit for bit."""

    albedo: float = 1.0
    roughness: float = 1.0
    metallic: float = 1.0
    height: float = 1.0  # and the normals that lean by it

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            check_number(f"opacity of {name}", getattr(self, name), 0, 1)


@dataclass(frozen=True)
class Curve:
    """Opacity by degree: points (degree, opacity), the first and the last holding on to 0 and 1; none for 1 everywhere.

    Between points it is straight, or with `smooth` a smoothstep. It never falls, so that coverage does not shrink with age:
    raises BadRecipe for a curve that would.
    """

    points: tuple[tuple[float, float], ...] = ()
    smooth: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", tuple((x, y) for x, y in self.points))
        if len(self.points) > MAX_POINTS:
            raise BadRecipe(f"A curve has at most {MAX_POINTS} points, not {len(self.points)}.", "Take some away.")
        for degree, opacity in self.points:
            check_number("degree of a curve's point", degree, 0, 1)
            check_number("opacity of a curve's point", opacity, 0, 1)
        for (before, low), (after, high) in pairwise(self.points):
            if after - before < CLOSEST - 1e-6:
                raise BadRecipe(
                    f"A curve's points lie at degrees {before:g} and {after:g}, too close or out of order.",
                    f"Order them by degree, at least {CLOSEST:g} apart.",
                )
            if high < low:
                raise BadRecipe(
                    f"The curve falls from {low:g} to {high:g}: the layer would shrink as it ages.",
                    "Let no point lie lower than the one before it.",
                )
        if not isinstance(self.smooth, bool):
            raise BadRecipe(f"Whether a curve is smooth must be true or false, not {self.smooth!r}.", "Leave it out.")


OPAQUE, EVEN = ChannelOpacity(), Curve()  # what a layer begins with


def segments(points: Sequence[tuple[float, float]]) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """What rises between neighbouring points; level ones are left out."""
    return [(one, other) for one, other in pairwise(points) if other[1] > one[1]]
