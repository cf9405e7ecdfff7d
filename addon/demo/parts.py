# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms that a machine is built of: plates, turned parts, pipes, bolts and rivets. Lengths in metres."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import cos, pi, sin, tan

import bmesh
from mathutils import Matrix, Quaternion, Vector

Paint = tuple[float, float, float]


class Assembly:
    """One mesh that grows part by part; every part has one paint, kept in the colour attribute `paint`."""

    def __init__(self) -> None:
        self.bm = bmesh.new()
        self.paint = self.bm.loops.layers.float_color.new("paint")

    def add(self, part: bmesh.types.BMesh, place: Matrix, paint: Paint) -> None:
        """Joins a part at its place and frees it."""
        vertices = {vertex: self.bm.verts.new(place @ vertex.co) for vertex in part.verts}
        for face in part.faces:
            new = self.bm.faces.new([vertices[vertex] for vertex in face.verts])
            new.smooth = True
            for loop in new.loops:
                loop[self.paint] = (*paint, 1.0)
        part.free()

    def plate(
        self, center: Sequence[float], size: Sequence[float], paint: Paint, edge: float = 0.006, tilt: float = 0.0
    ) -> None:
        """A box with rounded edges, tilted about x."""
        part = bmesh.new()
        bmesh.ops.create_cube(part, size=1.0, matrix=Matrix.Diagonal((*size, 1.0)))
        bmesh.ops.bevel(
            part, geom=part.edges[:], offset=edge, segments=2, profile=0.6, affect="EDGES", clamp_overlap=True
        )
        self.add(part, Matrix.Translation(center) @ Matrix.Rotation(tilt, 4, "X"), paint)

    def turned(self, profile: Iterable[tuple[float, float]], place: Matrix, paint: Paint, segments: int = 48) -> None:
        """A solid of revolution about z; the profile gives (radius, height) from the bottom up, radius 0 closes it."""
        part = bmesh.new()
        rings = []
        for radius, height in profile:
            if radius == 0.0:
                rings.append([part.verts.new((0.0, 0.0, height))])
            else:
                angles = (2 * pi * k / segments for k in range(segments))
                rings.append([part.verts.new((radius * cos(a), radius * sin(a), height)) for a in angles])
        skin(part, rings, closed=True)
        self.add(part, place, paint)

    def pipe(self, path: Sequence[Vector], radius: float, bend: float, paint: Paint, segments: int = 24) -> None:
        """A round pipe along a path whose corners are bent to the radius `bend`."""
        part = bmesh.new()
        rings = []
        line = rounded(path, bend)
        tangents = [(after - before).normalized() for before, after in neighbours(line)]
        frame = tangents[0].to_track_quat("Z", "Y")
        for point, previous, tangent in zip(line, [tangents[0], *tangents], tangents, strict=False):
            frame = previous.rotation_difference(tangent) @ frame
            rings.append([part.verts.new(point + frame @ around(radius, k / segments)) for k in range(segments)])
        skin(part, rings, closed=True)
        self.add(part, Matrix(), paint)

    def bolt(self, point: Sequence[float], outward: Vector, size: float, paint: Paint) -> None:
        """A hexagonal head on a washer, `size` across its flats."""
        place = Matrix.Translation(point) @ outward.to_track_quat("Z", "Y").to_matrix().to_4x4()
        washer = [
            (0.62 * size, -0.02 * size),
            (0.62 * size, 0.08 * size),
            (0.56 * size, 0.14 * size),
            (0.0, 0.14 * size),
        ]
        head = [(0.5 * size, 0.1 * size), (0.5 * size, 0.55 * size), (0.42 * size, 0.64 * size), (0.0, 0.64 * size)]
        self.turned(washer, place, paint, 16)
        self.turned(head, place @ Matrix.Rotation(point[0] * 40.0 + point[1] * 23.0, 4, "Z"), paint, 6)

    def rivet(self, point: Sequence[float], outward: Vector, size: float, paint: Paint) -> None:
        """A domed head, `size` across."""
        place = Matrix.Translation(point) @ outward.to_track_quat("Z", "Y").to_matrix().to_4x4()
        dome = [(0.5 * size * cos(a), 0.32 * size * sin(a)) for a in (0.0, 0.4, 0.8, 1.2)]
        self.turned([(0.5 * size, -0.05 * size), *dome, (0.0, 0.32 * size)], place, paint, 12)


def skin(part: bmesh.types.BMesh, rings: list[list[bmesh.types.BMVert]], closed: bool) -> None:
    """Faces between rings that follow each other; a ring of one vertex makes a fan."""
    for lower, upper in pairwise(rings):
        count = max(len(lower), len(upper))
        for k in range(count if closed else count - 1):
            n = (k + 1) % count
            if len(lower) == 1:
                part.faces.new((lower[0], upper[n], upper[k]))
            elif len(upper) == 1:
                part.faces.new((lower[k], lower[n], upper[0]))
            else:
                part.faces.new((lower[k], lower[n], upper[n], upper[k]))


def around(radius: float, turn: float) -> Vector:
    """A point of the circle about z."""
    return Vector((radius * cos(2 * pi * turn), radius * sin(2 * pi * turn), 0.0))


def neighbours(line: Sequence[Vector]) -> Iterable[tuple[Vector, Vector]]:
    """For each point the points before and after it, itself at the ends."""
    return ((line[max(k - 1, 0)], line[min(k + 1, len(line) - 1)]) for k in range(len(line)))


def rounded(path: Sequence[Vector], bend: float, steps: int = 8) -> list[Vector]:
    """The path with an arc of radius `bend` in place of each corner."""
    line = [path[0]]
    for before, corner, after in zip(path, path[1:], path[2:], strict=False):
        back, forth = (before - corner).normalized(), (after - corner).normalized()
        half = back.angle(forth) / 2
        start = corner + back * (bend / tan(half))
        center = corner + (back + forth).normalized() * (bend / sin(half))
        axis = (start - center).cross(corner + forth * (bend / tan(half)) - center).normalized()
        line += [center + Quaternion(axis, (pi - 2 * half) * k / steps) @ (start - center) for k in range(steps + 1)]
    return [*line, path[-1]]


def dome(radius: float, rise: float, steps: int = 8) -> list[tuple[float, float]]:
    """The profile of an elliptical end from its rim, (radius, 0), to its pole, (0, rise)."""
    angles = [pi / 2 * k / steps for k in range(steps)]
    return [*((radius * cos(a), rise * sin(a)) for a in angles), (0.0, rise)]
