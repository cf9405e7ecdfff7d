# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of one weathered mesh that differ: an age and an offset of their own, read by the Attribute node.

`AGE` is how much older an instance is than the layers' Age says, as a share (0.5 is half as old again, -1 is new); with another
`OFFSET` weathering begins at other places. Both may be custom properties of objects (linked duplicates, instancers of
collections) or named attributes on instances of geometry nodes; what has neither is weathered as it was painted.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

import bpy

AGE, OFFSET = "sabi_age", "sabi_offset"
VARIED = "sabi_varied"  # on an object: the age and the offset that Sabi gave it
PATCHES = 3.0  # along the longest side of an object, that an offset moves about


@dataclass(frozen=True)
class Variation:
    """How instances of an object may differ. `scale`: patches in one of its own units."""

    scale: float

    @staticmethod
    def of(obj: bpy.types.Object) -> Variation:
        corners = [tuple(corner) for corner in obj.bound_box]
        longest = max(max(axis) - min(axis) for axis in zip(*corners, strict=True))
        return Variation(PATCHES / max(longest, 1e-6))


def vary(objects: Iterable[bpy.types.Object], seed: int = 0, spread: float = 0.4, again: bool = False) -> int:
    """Gives objects that have neither ages within `spread` and offsets, by chance; returns how many.

    With `again` those that have Sabi's get others. What an artist has set stays.
    """
    count = 0
    for number, obj in enumerate(objects):
        own = AGE in obj or OFFSET in obj
        if own and not (again and _ours(obj)):
            continue
        chance = random.Random(f"{seed} {number}")
        obj[AGE], obj[OFFSET] = chance.uniform(-spread, spread), chance.uniform(1.0, 100.0)
        obj[VARIED] = [obj[AGE], obj[OFFSET]]
        obj.update_tag()
        count += 1
    return count


def forget(obj: bpy.types.Object) -> None:
    """Takes away what `vary` gave, unless it was changed since."""
    if _ours(obj):
        del obj[AGE], obj[OFFSET]
    obj.pop(VARIED, None)


def _ours(obj: bpy.types.Object) -> bool:
    return VARIED in obj and list(obj[VARIED]) == [obj.get(AGE), obj.get(OFFSET)]
