# SPDX-License-Identifier: GPL-3.0-or-later
"""The model turned once before the camera while the brightest light swings from side to side: does it read as one material?

Nothing of the model moves: what stands around it goes round it the other way, which looks the same and leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi, radians, sin
from pathlib import Path

import bpy
from mathutils import Matrix, Vector

from .stage import bounds, render

SWING = radians(75)  # of the brightest light to each side of where it stands
SWINGS = 2  # in one turn
PERCENT = 60  # of the picture's width and height


@dataclass(frozen=True)
class Turntable:
    """What goes round the model, each with its place in world space when nothing is turned, and the light that swings."""

    centre: Vector
    places: dict[bpy.types.Object, Matrix]
    light: bpy.types.Object | None

    def set(self, turn: float) -> None:
        """Turns the model's surroundings to `turn`, 0..1 of a whole turn; 0 is as they were."""
        for thing, place in self.places.items():
            swing = SWING * sin(2 * pi * SWINGS * turn) if thing == self.light else 0.0
            thing.matrix_world = self._about(swing - 2 * pi * turn) @ place

    def _about(self, angle: float) -> Matrix:
        return Matrix.Translation(self.centre) @ Matrix.Rotation(angle, 4, "Z") @ Matrix.Translation(-self.centre)


def turntable(scene: bpy.types.Scene, things: list[bpy.types.Object]) -> Turntable:
    """Around `things`, all that hangs on none of them and on which none of them hangs: camera, lights, ground."""
    low, high = bounds(things)
    kept = {parent for thing in things for parent in _upward(thing)}
    places = {thing: thing.matrix_world.copy() for thing in scene.objects if thing.parent is None and thing not in kept}
    lights = [thing for thing in places if thing.type == "LIGHT"]
    light = max(lights, key=lambda thing: thing.data.energy) if lights else None
    return Turntable((low + high) / 2, places, light)


def frames(
    scene: bpy.types.Scene,
    things: list[bpy.types.Object],
    folder: Path,
    count: int,
    samples: int,
    report: Callable[[float], None] = lambda fraction: None,
) -> list[Path]:
    """`count` PNGs of one turn in `folder`, in their order; the scene is left as it was."""
    around, percent = turntable(scene, things), scene.render.resolution_percentage
    scene.render.resolution_percentage = PERCENT
    made = []
    try:
        for number in range(count):
            report(number / count)
            around.set(number / count)
            made.append(folder / f"turn-{number:03d}.png")
            render(scene, made[-1], samples)
    finally:
        around.set(0.0)
        scene.render.resolution_percentage = percent
    return made


def _upward(thing: bpy.types.Object | None) -> list[bpy.types.Object]:
    """An object, what it hangs on, and so on up."""
    return [] if thing is None else [thing, *_upward(thing.parent)]
