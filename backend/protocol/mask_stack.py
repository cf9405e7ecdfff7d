# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's masks, one laid on the other: what both hosts evaluate, in the same order.

    value = 0 where the first mask is added, else 1
    mask  = clip((texel - low) / (high - low), 0, 1) ** (1 / gamma), turned round by invert
    value = clip(value + mask, 0, 1)  or  clip(value - mask, 0, 1)  or  value * mask         for each mask, in order

So a first mask that is added or multiplied is the value itself, and one that is subtracted is cut out of everything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from .checks import check_number
from .errors import BadRecipe
from .mask_names import LAYERS, MATERIAL
from .materials import of_mask
from .words import GAMMA_MAX, GAMMA_MIN, NARROWEST


class Combine(Enum):
    """How a mask is laid on those before it."""

    MULTIPLY = "multiply"
    ADD = "add"
    SUBTRACT = "subtract"


@dataclass(frozen=True)
class Mask:
    """One mask of a layer: the map that it is, how it is combined, and its levels.

    `mask` names a map of the surface; `layer:N` is the coverage and `degree:N` the degree of the recipe's Nth layer, counted
    from 1, which must lie below. `material:metal+wood` is where the surface is of these materials.
    """

    mask: str
    combine: Combine = Combine.MULTIPLY
    invert: bool = False  # after the levels
    low: float = 0.0  # what counts as black
    high: float = 1.0  # what counts as white
    gamma: float = 1.0  # above 1 brightens what lies between

    def __post_init__(self) -> None:
        if not isinstance(self.mask, str) or not self.mask:
            raise BadRecipe("A mask has no name.", "Name a map, a vertex group, an attribute or a layer below.")
        prefix = next((prefix for prefix in LAYERS if self.mask.startswith(prefix)), "")
        if prefix and not self.mask.removeprefix(prefix).isdecimal():
            raise BadRecipe(f"'{self.mask}' is not the number of a layer.", f"Write {prefix}1 for the first.")
        if self.mask.startswith(MATERIAL):
            of_mask(self.mask)
        if not isinstance(self.invert, bool):
            raise BadRecipe(f"Whether a mask is inverted must be true or false, not {self.invert!r}.", "Leave it out.")
        check_number("mask's low level", self.low, 0, 1)
        check_number("mask's high level", self.high, 0, 1)
        check_number("mask's gamma", self.gamma, GAMMA_MIN, GAMMA_MAX)
        if self.high - self.low < NARROWEST - 1e-6:
            raise BadRecipe(
                f"A mask's levels go from {self.low:g} to {self.high:g}, which is no range.",
                f"Let high lie at least {NARROWEST:g} above low; invert turns a mask round.",
            )

    @property
    def layer(self) -> int:
        """The number, from 1, of the layer whose coverage or degree this is; 0 where it is none's."""
        prefix = next((prefix for prefix in LAYERS if self.mask.startswith(prefix)), "")
        return int(self.mask.removeprefix(prefix)) if prefix else 0

    @property
    def levelled(self) -> bool:
        return (self.low, self.high, self.gamma) != (0, 1, 1)

    @property
    def plain(self) -> bool:
        """Whether, as a layer's only mask, it is no more than a name that may be inverted."""
        return self.combine is not Combine.SUBTRACT and not self.levelled


def begins_with(stack: Sequence[Mask]) -> int:
    """The value before the first mask."""
    return 0 if stack and stack[0].combine is Combine.ADD else 1


def without(stack: Sequence[Mask], empty: Callable[[Mask], bool]) -> tuple[Mask, ...] | None:
    """A stack that gives the same where `empty` masks are 0 everywhere, without them; None where it comes to 0 everywhere."""
    kept: list[Mask] = []
    begin = begins_with(stack)
    for mask in stack:
        if not empty(mask):
            kept.append(mask)
        elif mask.invert and mask.combine is not Combine.MULTIPLY:  # all is added, or taken away
            kept, begin = [], int(mask.combine is Combine.ADD)
        elif not mask.invert and mask.combine is Combine.MULTIPLY:
            kept, begin = [], 0
    while kept and begins_with(kept) != begin:  # it changes nothing: what is 0 is not lowered, what is 1 not raised
        del kept[0]
    return tuple(kept) if kept or begin else None
