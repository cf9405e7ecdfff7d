# SPDX-License-Identifier: GPL-3.0-or-later
"""The surface as a cloud of nodes, one a voxel and side, so that what spreads or runs over it crosses UV islands.

A voxel that a thin wall passes holds two nodes, one for each side, so nothing leaks through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..threads import parallel
from .levels import SAMPLE

NODES = 40_000  # aimed at
MAX_VOXELS = 3_000_000
_SIDE = np.array([0.36, 0.48, 0.80], np.float32)  # opposite faces fall on different sides of it, whichever way they lie
_NEXT = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], np.float32)


@dataclass(frozen=True)
class Nodes:
    """`centre`, `normal` [N, 3] and `side` [N] bool of each node; `node` [M] names the node of each point they were made from.

    `size` is a voxel's edge in metres. `index` and `reach` [2 sides * voxels] hold node numbers, -1 where there is none;
    `reach` also names nodes up to two voxels away.
    """

    origin: np.ndarray
    size: float
    shape: tuple[int, int, int]
    centre: np.ndarray
    normal: np.ndarray
    side: np.ndarray
    node: np.ndarray
    index: np.ndarray
    reach: np.ndarray

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean over each node's points of `values` [M]: [N] float32."""
        count = np.bincount(self.node, minlength=len(self.centre))
        return (np.bincount(self.node, values, len(self.centre)) / count).astype(np.float32)

    def find(self, points: np.ndarray, normals: np.ndarray, side: np.ndarray) -> np.ndarray:
        """The node at or next to each point, -1 where there is none: on its `side`, else one that faces as `normals` do.

        Fastest where the columns of `points` and `normals` [M, 3] lie together in memory.
        """
        scale = np.float32(1 / self.size)
        place = self._flat([(points[:, k] - self.origin[k]) * scale for k in range(3)])
        found = self.reach.take(place + side * np.int32(self._voxels))
        lost = np.flatnonzero(found < 0)
        if len(lost):
            other = self.reach.take(place.take(lost) + ~side.take(lost) * np.int32(self._voxels))
            agree = _dot([plane.take(other) for plane in self._facing], [normals[:, k].take(lost) for k in range(3)])
            found[lost] = np.where(agree > np.float32(-0.2), other, -1)
        return found

    def spread(self, values: np.ndarray, distance: float) -> np.ndarray:
        """`values` [N] diffused over the surface, about `distance` metres (standard deviation), island or not."""
        near = self._neighbours
        rounds = int(np.clip((distance / self.size) ** 2 / 0.3, 1, 32))
        for _ in range(rounds):
            total = np.float32(0.1) * values
            for step in near:
                total += np.float32(0.15) * values[step]
            values = total
        return values

    def read(self, values: np.ndarray, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """`values` [N] at points [M, 3]: blended between the nodes of the eight voxels around that face the same way."""
        out = np.empty(len(points), np.float32)
        scale = np.float32(1 / self.size)

        def block(part: slice) -> None:
            facing = [np.ascontiguousarray(normals[part, k]) for k in range(3)]
            place = [(points[part, k] - self.origin[k]) * scale - np.float32(0.5) for k in range(3)]
            corner = [np.floor(axis) for axis in place]
            high = [axis - low for axis, low in zip(place, corner, strict=True)]
            weights = [(1 - axis, axis) for axis in high]
            total, weight = (np.zeros(len(out[part]), np.float32) for _ in range(2))
            weight += np.float32(1e-6)
            for x, y, z in np.ndindex(2, 2, 2):
                share = weights[0][x] * weights[1][y] * weights[2][z]
                voxel = self._flat([axis + np.float32(step) for axis, step in zip(corner, (x, y, z), strict=True)])
                for half in (0, self._voxels):
                    node = self.index.take(voxel + np.int32(half))
                    here = np.flatnonzero(node >= 0)
                    node = node.take(here)
                    agree = _dot([p.take(node) for p in self._facing], [p.take(here) for p in facing])
                    agree += np.float32(0.2)
                    share_here = share.take(here) * np.clip(agree, 0, 1, out=agree)
                    total[here] += share_here * values.take(node)
                    weight[here] += share_here
            alone = np.flatnonzero(weight < 1e-3)
            if len(alone):
                toward = normals[part][alone]
                node = self.find(points[part][alone], toward, side_of(toward))
                total[alone], weight[alone] = np.where(node >= 0, values[node], 0), 1
            np.divide(total, weight, out=out[part])

        parallel(block, blocks(len(points)))
        return out

    @property
    def _voxels(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    @cached_property
    def _facing(self) -> np.ndarray:
        """`normal`, plane by plane: [3, N]."""
        return np.ascontiguousarray(self.normal.T)

    def _flat(self, place: Sequence[np.ndarray]) -> np.ndarray:
        """Flat numbers of the voxels at x, y, z [M] each; what lies beyond the border counts as the voxel there, which is
        empty."""
        x, y, z = (
            np.clip(axis, 0, length - 1).astype(np.int32) for axis, length in zip(place, self.shape, strict=True)
        )
        x *= self.shape[1]
        x += y
        x *= self.shape[2]
        x += z
        return x

    @cached_property
    def _neighbours(self) -> np.ndarray:
        """The nodes in the six voxels around each, itself where there is none: [6, N]."""
        own = np.arange(len(self.centre))
        place = ((self.centre - self.origin) * np.float32(1 / self.size)).T
        near = np.empty((len(_NEXT), len(own)), np.int64)
        for k, step in enumerate(_NEXT):
            voxel = self._flat(place + step[:, None])
            same, other = self.index[voxel + self.side * self._voxels], self.index[voxel + ~self.side * self._voxels]
            agree = np.einsum("nk,nk->n", self.normal[other], self.normal) > -0.2
            near[k] = np.where(same >= 0, same, np.where((other >= 0) & agree, other, own))
        return near


def nodes(points: np.ndarray, normals: np.ndarray, spacing: float, count: int = NODES) -> Nodes:
    """Nodes of a surface given by points [M, 3] `spacing` metres apart with unit normals [M, 3], about `count` of them."""
    planes, facing = (np.ascontiguousarray(vectors.T, np.float32) for vectors in (points, normals))
    least, most = planes.min(axis=1), planes.max(axis=1)
    few = planes[:, :: max(1, len(points) // SAMPLE)]
    low, high = np.percentile(few, (0.1, 99.9), axis=1) if len(points) > 1000 else (least, most)
    margin = 0.05 * (high - low)  # far-off strays of a frame do not decide how fine the nodes are
    low, high = np.maximum(least, low - margin), np.minimum(most, high + margin)
    size = max(2.2 * spacing, spacing * float(np.sqrt(len(points) / count)), 1e-6)
    size = max(size, float((np.prod(np.maximum(high - low, 4 * size)) / MAX_VOXELS) ** (1 / 3)))
    origin = (low - 3 * size).astype(np.float32)
    shape = tuple(int(n) for n in np.ceil((high - origin) / size) + 3)
    voxels = int(np.prod(shape))
    key = np.where(side_of(facing.T), voxels, 0)
    for plane, start, length, step in zip(planes, origin, shape, (shape[1] * shape[2], shape[2], 1), strict=True):
        key += np.clip(((plane - start) / np.float32(size)).astype(np.int64), 0, length - 1) * step
    index = np.full(2 * voxels, -1, np.int32)
    index[key] = 0
    used = np.flatnonzero(index == 0)
    index[used] = np.arange(len(used), dtype=np.int32)
    node = index[key]
    share = np.bincount(node, minlength=len(used))[:, None].astype(np.float64)
    centre = np.stack([np.bincount(node, plane, len(used)) for plane in planes], axis=1) / share
    normal = np.stack([np.bincount(node, plane, len(used)) for plane in facing], axis=1)
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    return Nodes(
        origin,
        size,
        shape,  # type: ignore[arg-type]
        centre.astype(np.float32),
        normal.astype(np.float32),
        used >= voxels,
        node,
        index,
        _reach(index, shape),
    )


def side_of(normals: np.ndarray) -> np.ndarray:
    """Which of a voxel's two nodes surfaces with these normals [M, 3] belong to: bool [M]."""
    return normals[:, 0] * _SIDE[0] + normals[:, 1] * _SIDE[1] + normals[:, 2] * _SIDE[2] < 0


def _dot(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> np.ndarray:
    """Products [M] of vectors whose x, y and z are arrays [M] of their own."""
    product: np.ndarray = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def blocks(length: int, size: int = 1 << 14) -> list[slice]:
    """Slices that cut a long array into pieces whose intermediates stay in cache."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _reach(index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`index` grown twice into empty voxels next to used ones."""
    grown = index.reshape(2, *shape).copy()
    for _ in range(2):
        before = grown.copy()
        for axis in (1, 2, 3):
            for here, there in (((1, None), (None, -1)), ((None, -1), (1, None))):
                into = tuple(slice(*here) if a == axis else slice(None) for a in range(4))
                source = tuple(slice(*there) if a == axis else slice(None) for a in range(4))
                np.copyto(grown[into], before[source], where=grown[into] < 0)
    return grown.reshape(-1)
