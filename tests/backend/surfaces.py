# SPDX-License-Identifier: GPL-3.0-or-later
"""Surfaces whose every map is known in closed form: a box and a prism of six turned islands, a sphere, a panel, a plate.

All are in metres, z up, row 0 at the top; texels outside islands hold zeros, as a bake without a margin leaves them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sabi.backend.protocol.surface import ColorSpace, Map, Space, Surface

RED_PAINT = (176, 38, 30)
EDGE_WIDTH = 0.02  # metres over which an edge's curvature falls to flat


@dataclass(frozen=True)
class Pairs:
    """Texels a[i] and b[i] (rows, columns) that lie `distance[i]` metres apart on the object."""

    a: tuple[np.ndarray, np.ndarray]
    b: tuple[np.ndarray, np.ndarray]
    distance: np.ndarray

    def difference(self, values: np.ndarray) -> np.ndarray:
        """|values[a] - values[b]|, summed over channels where there are any."""
        gap = np.abs(values[self.a].astype(np.float64) - values[self.b].astype(np.float64))
        return gap.reshape(len(gap), -1).sum(axis=1)


def box(
    size: int = 256, seed: int = 1, extent: tuple[float, float, float] = (1.0, 1.0, 1.0), margin: float = 4, **changes
) -> Surface:
    """A closed box around the origin whose six islands are turned at random; convex along all edges.

    `margin` texels are between islands at least: where it grows with the size, sizes have one layout.
    """
    faces = []
    for face in range(6):
        axis, sign = face % 3, 1 if face < 3 else -1
        n = sign * np.eye(3)[axis]
        u_axis = np.roll(np.eye(3)[axis], 1)
        v_axis = np.cross(n, u_axis)  # right-handed with v up, so that nothing is mirrored
        half_u, half_v = (np.abs(np.dot(e, extent)) / 2 for e in (u_axis, v_axis))
        faces.append(Face(n * extent[axis] / 2, u_axis, v_axis, half_u, half_v))
    return _laid_out("box", faces, size, seed, margin, **changes)


def prism(size: int = 256, seed: int = 1, tip: float = 25.0, height: float = 1.0, **changes) -> Surface:
    """The six walls of a hexagonal column, each an island turned at random, the column tipped by so many degrees around x.

    So gravity pulls another way in every island, along none of their sides.
    """
    angle = np.radians(tip)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    half = 0.5 * np.tan(np.pi / 6)  # of a wall's width, half a metre from the axis
    faces = []
    for around in np.arange(6) * np.pi / 3:
        n, u_axis = np.array([np.cos(around), np.sin(around), 0]), np.array([-np.sin(around), np.cos(around), 0])
        faces.append(Face(turn @ (0.5 * n), turn @ u_axis, turn @ np.array([0.0, 0, 1]), half, height / 2))
    return _laid_out("prism", faces, size, seed, 4, **changes)


@dataclass(frozen=True)
class Face:
    """A rectangle in space, u to the right and v up as seen from outside; metres."""

    centre: np.ndarray
    u: np.ndarray
    v: np.ndarray
    half_u: float
    half_v: float


def _laid_out(name: str, faces: list[Face], size: int, seed: int, margin: float, **changes) -> Surface:
    """Six faces of a convex body as islands of one map, each turned at random; convex along all edges."""
    rng = np.random.default_rng(seed)
    cell = np.array([size / 3, size / 2])
    texels_per_metre = (cell.min() - margin) / max(2 * np.hypot(face.half_u, face.half_v) for face in faces)
    position = np.zeros((size, size, 3), np.float32)
    normal = np.zeros_like(position)
    curvature = np.full((size, size, 1), 0.5, np.float32)
    inside = np.zeros((size, size), bool)
    for index, face in enumerate(faces):
        u, v = _turned(size, cell * (0.5 + np.array([index % 3, index // 3])), rng.uniform(0, 2 * np.pi))
        u, v = u / texels_per_metre, v / texels_per_metre
        here = (np.abs(u) <= face.half_u) & (np.abs(v) <= face.half_v)
        place = face.centre + u[..., None] * face.u + v[..., None] * face.v
        to_edge = np.minimum(face.half_u - np.abs(u), face.half_v - np.abs(v))
        position[here], normal[here], inside = place[here], np.cross(face.u, face.v), inside | here
        curvature[here, 0] = 0.5 + 0.5 * np.exp(-to_edge[here] / EDGE_WIDTH)
    curvature[~inside] = 0
    return _surface(name, position, normal, inside, curvature=curvature, texels_per_metre=texels_per_metre, **changes)


def sphere(size: int = 256, radius: float = 0.5, **changes) -> Surface:
    """A sphere by longitude and latitude; its u wraps. Its poles are one row each, stretched as such maps are."""
    v, u = (np.mgrid[:size, :size] + 0.5) / size
    longitude, latitude = (u - 0.5) * 2 * np.pi, (0.5 - v) * np.pi
    ring = np.cos(latitude)
    normal = np.stack([ring * np.cos(longitude), ring * np.sin(longitude), np.sin(latitude)], -1).astype(np.float32)
    inside = np.ones((size, size), bool)
    return _surface("sphere", normal * radius, normal, inside, wrap=(False, True), **changes)


def panel(size: int = 256, width: float = 1.0, **changes) -> Surface:
    """A sheet folded along x: floor, wall, shelf, wall above it, lip that overhangs. One island from top to bottom.

    Seen from the profile (y, z): concave where floor or shelf meets a wall, and under the lip, convex at the shelf's rim.
    """
    profile = np.array([(0, 0), (0.35, 0), (0.35, 0.4), (0.6, 0.4), (0.6, 0.85), (0.45, 1.0)]) * width
    steps = np.diff(profile, axis=0)
    ends = np.concatenate([[0], np.cumsum(np.hypot(*steps.T))])
    margin = 4
    arc = (1 - (np.arange(size) + 0.5 - margin) / (size - 2 * margin)) * ends[-1]  # row 0 is the lip
    rows = (arc >= 0) & (arc <= ends[-1])
    part = np.clip(np.searchsorted(ends, arc, side="right") - 1, 0, len(steps) - 1)
    along = ((arc - ends[part]) / np.hypot(*steps.T)[part])[:, None]
    yz = profile[part] + along * steps[part]
    directions = steps / np.hypot(*steps.T)[:, None]
    x = ((np.arange(size) + 0.5) / size - 0.5) * ends[-1] * size / (size - 2 * margin)
    position = np.zeros((size, size, 3), np.float32)
    position[..., 0], position[..., 1:] = x, yz[:, None]
    normal = np.zeros_like(position)
    normal[..., 1:] = np.stack([-directions[part, 1], directions[part, 0]], -1)[:, None]
    curvature, occlusion = np.full(size, 0.5), np.ones(size)
    for fold, sign in zip(ends[1:-1], (-1, 1, -1, -1), strict=True):
        far = np.abs(arc - fold)
        curvature += sign * 0.5 * np.exp(-far / (EDGE_WIDTH * width))
        if sign < 0:
            occlusion -= 0.5 * np.exp(-far / (0.08 * width))
    inside = np.zeros((size, size), bool)
    inside[rows] = True

    def columns(values: np.ndarray) -> np.ndarray:
        return np.where(inside, values[:, None], 0)[..., None].astype(np.float32)

    position[~inside] = normal[~inside] = 0
    maps = {"curvature": columns(np.clip(curvature, 0, 1)), "ambient_occlusion": columns(occlusion)}
    return _surface("panel", position, normal, inside, **maps, **changes)


def plate(size: int = 256, width: float = 1.0, upright: bool = True, bolts: int = 4, **changes) -> Surface:
    """A flat plate that only its normal and height map make uneven: rows of bolts, one groove across the middle.

    Upright it faces -y with row 0 up; else it lies facing up. Bolts are 6 mm high, the groove is 6 mm deep.
    """
    across, up = np.meshgrid((np.arange(size) + 0.5) / size, 1 - (np.arange(size) + 0.5) / size)
    cell_x, cell_y = across * bolts % 1 - 0.5, up * bolts % 1 - 0.5
    dome = np.clip(1 - (np.hypot(cell_x, cell_y) * width / bolts / (0.06 * width)) ** 2, 0, 1)
    groove = np.exp(-(((up - 0.5) / 0.012) ** 2))
    metres = 0.006 * width * (dome - groove)
    tpm = size / width
    slope_y, slope_x = np.gradient(metres, 1 / tpm)
    tangent = np.stack([-slope_x, slope_y, np.ones_like(metres)], -1)  # rows run down, +Y of the map is up
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    position = np.zeros((size, size, 3), np.float32)
    position[..., 0], position[..., 2 if upright else 1] = (across - 0.5) * width, (up - 0.5) * width
    normal = np.zeros_like(position)
    normal[...] = (0, -1, 0) if upright else (0, 0, 1)
    height = metres / (0.02 * width) + 0.5
    maps = {"normal": np.rint((tangent * 0.5 + 0.5) * 255).astype(np.uint8), "height": height[..., None]}
    changes = {"height_scale": 0.02 * width, **changes}
    return _surface("plate", position, normal, np.ones((size, size), bool), **maps, **changes)


def shuffled(size: int = 256, width: float = 1.0, **changes) -> Surface:
    """An upright sheet cut into four strips that fill the map in another order, without a texel between them."""
    quarter = size // 4
    column = np.arange(4 * quarter)
    across = (np.array([2, 0, 3, 1])[column // quarter] * quarter + column % quarter + 0.5) / (4 * quarter) - 0.5
    position = np.zeros((size, 4 * quarter, 3), np.float32)
    position[..., 0], position[..., 2] = across * width, (0.5 - (np.arange(size)[:, None] + 0.5) / size) * width
    normal = np.zeros_like(position)
    normal[..., 1] = -1
    return _surface("shuffled", position, normal, np.ones(position.shape[:2], bool), **changes)


def seam_pairs(surface: Surface, reach: float = 1.5) -> Pairs:
    """Border texels and the nearest texel of another island, at most `reach` texels apart on the object."""
    position = surface["position"].floats()
    inside = surface["island_mask"].array[..., 0] > 0
    core = inside.copy()
    core[1:] &= inside[:-1]
    core[:-1] &= inside[1:]
    core[:, 1:] &= inside[:, :-1]
    core[:, :-1] &= inside[:, 1:]
    rows, columns = np.nonzero(inside & ~core)
    points, texels = position[rows, columns].astype(np.float64), np.stack([rows, columns], -1)
    a, b, distances = [], [], []
    for i, point in enumerate(points):
        distance = np.linalg.norm(points - point, axis=1)
        distance[np.abs(texels - texels[i]).max(axis=1) < 4] = np.inf  # the same stretch of border
        nearest = int(distance.argmin())
        if distance[nearest] <= reach / surface.texels_per_metre:
            a.append(i)
            b.append(nearest)
            distances.append(distance[nearest])
    return Pairs((rows[a], columns[a]), (rows[b], columns[b]), np.array(distances))


def behind(surface: Surface, pairs: Pairs, deep: np.ndarray) -> Pairs:
    """For both texels of every pair the nearest that is `deep` [H, W]."""
    rows, columns = ndimage.distance_transform_edt(~deep, return_distances=False, return_indices=True)
    a, b = ((rows[end], columns[end]) for end in (pairs.a, pairs.b))
    position = surface["position"].floats()
    return Pairs(a, b, np.linalg.norm(position[a] - position[b], axis=1))


def inner_pairs(surface: Surface, step: int = 1) -> Pairs:
    """Texels and their neighbours `step` columns to the right, inside the same island."""
    position = surface["position"].floats()
    inside = surface["island_mask"].array[..., 0] > 0
    both = np.logical_and.reduce([inside[:, k : inside.shape[1] - step + k] for k in range(step + 1)])
    rows, columns = np.nonzero(both)
    distance = np.linalg.norm(position[rows, columns] - position[rows, columns + step], axis=1)
    return Pairs((rows, columns), (rows, columns + step), distance)


def run_tensors(surface: Surface, field: np.ndarray, gravity: tuple[float, float, float] = (0, 0, -1)) -> np.ndarray:
    """How `field` [H, W] changes along gravity and across it, in each island of flat walls: structure tensors [n, 2, 2].

    Gravity's way in texture space is that in the plane through the island's positions. Each has the trace 1, so that a sum
    over islands, or over fields, counts them alike.
    """
    inside = surface["island_mask"].array[..., 0] > 0
    islands, count = ndimage.label(inside)
    core = ndimage.binary_erosion(inside, iterations=4)
    slope, tensors = np.gradient(field), []
    for island in range(1, count + 1):
        y, x = np.nonzero(core & (islands == island))
        plane = np.linalg.lstsq(np.stack([x, y, np.ones(len(x))], 1), surface["position"].array[y, x], rcond=None)[0]
        way = np.linalg.pinv(plane[:2].T) @ gravity
        way /= np.linalg.norm(way)
        gy, gx = slope[0][y, x], slope[1][y, x]
        both = np.stack([gx * way[0] + gy * way[1], gy * way[0] - gx * way[1]])
        tensors.append(both @ both.T / (both**2).sum())
    return np.array(tensors)


def degrees_from_gravity(tensor: np.ndarray) -> float:
    """Between gravity and the way along which a field of this structure tensor changes least."""
    _, vectors = np.linalg.eigh(tensor)
    return float(np.degrees(np.arccos(min(abs(vectors[0, 0]), 1))))


def _turned(size: int, centre: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Texel centres in a frame at `centre` (x, y) turned by `angle`: to the right and up, in texels."""
    y, x = np.mgrid[:size, :size] + 0.5
    right, up = x - centre[0], centre[1] - y
    return np.cos(angle) * right + np.sin(angle) * up, np.cos(angle) * up - np.sin(angle) * right


def _surface(name: str, position: np.ndarray, facing: np.ndarray, inside: np.ndarray, **rest) -> Surface:
    """Adds what every asset has; `rest` holds further maps by name (arrays) and fields of Surface."""
    shape = (*inside.shape, 1)
    arrays = {
        "albedo": np.broadcast_to(np.array(RED_PAINT, np.uint8), (*inside.shape, 3)).copy(),
        "roughness": np.full(shape, 102, np.uint8),
        "metallic": np.zeros(shape, np.uint8),
        "normal": np.broadcast_to(np.array((128, 128, 255), np.uint8), (*inside.shape, 3)).copy(),
        "height": np.full(shape, 0.5, np.float32),
        "position": position,
        "world_normal": facing,
        "ambient_occlusion": np.where(inside, 1, 0)[..., None],
        "curvature": np.where(inside, 0.5, 0)[..., None],
        "island_mask": inside[..., None].astype(np.uint8),
    }
    fields = {key: value for key, value in rest.items() if not isinstance(value, np.ndarray)}
    arrays |= {key: value for key, value in rest.items() if isinstance(value, np.ndarray)}
    maps = {key: Map(a if a.dtype.kind == "u" else a.astype(np.float32)) for key, a in arrays.items()}
    maps["albedo"] = Map(arrays["albedo"], ColorSpace.SRGB)
    right = np.linalg.norm(np.diff(position, axis=1), axis=-1)[inside[:, 1:] & inside[:, :-1]]
    fields = {"texels_per_metre": float(1 / np.median(right)), "space": Space.TEXTURE, "name": name, **fields}
    return Surface(maps, **fields)
