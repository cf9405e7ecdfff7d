# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texels at the rims of UV islands touch on the object, and how the island beyond lies when it is unfolded."""

from __future__ import annotations

import numpy as np

from .torn import Torn

TOUCH = 1.3  # rims that lie this many texels of each side apart on the object touch
APART = 6  # rim texels nearer to each other in the map are the same stretch of rim
FOLD = -0.7  # cosine of the sharpest fold unfolded; beyond it the two sides of a thin sheet would pass for a seam
BASELINE = 3  # texels over which an island's tangents are measured
CROWD = 32  # rim texels in one voxel that are looked at


def rim_tangents(mask: np.ndarray, position: np.ndarray, xy: np.ndarray, torn: Torn) -> np.ndarray:
    """Metres per texel to the right and down [N, 3, 2] at rim texels, measured inside the island; NaN where it is too thin."""
    limit = np.array([mask.shape[1] - 1, mask.shape[0] - 1])
    points = position[xy[:, 1], xy[:, 0]].astype(np.float64)
    tangents = np.full((len(xy), 3, 2), np.nan)
    for axis in (0, 1):
        longest = np.zeros(len(xy), np.int64)
        for sign in (1, -1):
            inside = np.ones(len(xy), bool)
            for length in range(1, BASELINE + 1):
                to = xy.copy()
                to[:, axis] += sign * length
                inside &= (to[:, axis] >= 0) & (to[:, axis] <= limit[axis])
                to = np.clip(to, 0, limit)
                inside &= mask[to[:, 1], to[:, 0]] > 0
                first = to[:, 1] * mask.shape[1] + to[:, 0]  # of the two texels that the last step joins
                if sign > 0:
                    first -= mask.shape[1] if axis else 1
                inside &= ~torn.between(first, axis)
                better = inside & (length > longest)
                there = to[better]
                step = position[there[:, 1], there[:, 0]] - points[better]
                tangents[better, :, axis] = step / (sign * length)
                longest[better] = length
    return tangents


def outward(tangents: np.ndarray, world_normal: np.ndarray | None) -> np.ndarray:
    """Unit normals [N, 3] of the plane the tangents span, pointing out of the object; v goes up, rows go down."""
    normal = np.cross(tangents[:, :, 1], tangents[:, :, 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    if world_normal is not None:
        normal[(normal * world_normal).sum(axis=1) < 0] *= -1
    return normal


def partners(points: np.ndarray, xy: np.ndarray, texel: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """For each rim texel the nearest on the object that is not of the same stretch of rim and touches it; -1 for none."""
    partner = np.full(len(points), -1, np.int32)
    known = np.flatnonzero(np.isfinite(texel) & (texel > 0) & np.isfinite(normals).all(axis=1))
    if not len(known):
        return partner
    touch = TOUCH * texel
    side = 2 * float(np.quantile(touch[known], 0.99))
    hashed = _hash(np.floor(points[known] / side).astype(np.int64))
    order = known[np.argsort(hashed, kind="stable")]
    keys, voxel, count = np.unique(hashed, return_inverse=True, return_counts=True)
    first = np.cumsum(count) - count
    pairs = []
    for offset in np.ndindex(3, 3, 3):
        key = keys + _hash(np.array([offset]) - 1)
        slot = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
        held = np.where(keys[slot] == key, np.minimum(count[slot], CROWD), 0)[voxel]
        a = np.repeat(known, held)
        b = order[np.arange(len(a)) + np.repeat(first[slot][voxel] - (np.cumsum(held) - held), held)]
        way = points.take(a, axis=0)
        way -= points.take(b, axis=0)
        way *= way
        distance = np.sqrt(way[:, 0] + way[:, 1] + way[:, 2])
        near = np.flatnonzero(distance < touch.take(a) + touch.take(b))
        a, b, distance = a.take(near), b.take(near), distance.take(near)
        apart = np.flatnonzero(np.abs(xy.take(a, axis=0) - xy.take(b, axis=0)).max(axis=1, initial=0) > APART)
        a, b, distance = a.take(apart), b.take(apart), distance.take(apart)
        fits = (normals[a] * normals[b]).sum(axis=1) > FOLD
        pairs.append((a[fits], b[fits], distance[fits]))
    a, b, distance = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    ranked = np.lexsort((distance, a))
    a, nearest = np.unique(a[ranked], return_index=True)
    partner[a] = b[ranked[nearest]]
    return partner


def unfold(
    points: np.ndarray,
    xy: np.ndarray,
    tangents: np.ndarray,
    normals: np.ndarray,
    partner: np.ndarray,
    place: np.ndarray,
    turn: np.ndarray,
) -> np.ndarray:
    """Fill in `place` and `turn` where a rim texel has a partner; returns the partners that could be unfolded.

    The fold is the least rotation R that brings one normal to the other: its axis is the edge. With D the way from texel
    to partner, made of a way to the edge in the first plane and on from it in the second, the same way unfolded into the
    second plane is (R D1 + D2) / (1 + cos fold) across the edge, D1 and D2 being D's parts in the planes, and D along it.
    """
    a = np.flatnonzero(partner >= 0)
    b = partner[a]
    n1, n2, way = normals[a], normals[b], points[b] - points[a]
    cosine = (n1 * n2).sum(axis=1)
    axis = np.cross(n1, n2)

    def fold(v: np.ndarray) -> np.ndarray:
        return v * cosine[:, None] + np.cross(axis, v) + axis * ((axis * v).sum(axis=1) / (1 + cosine))[:, None]

    def flat(v: np.ndarray, n: np.ndarray) -> np.ndarray:
        return v - n * (v * n).sum(axis=1, keepdims=True)

    unfolded = (fold(flat(way, n1)) + flat(way, n2)) / (1 + cosine)[:, None]
    sine = np.linalg.norm(axis, axis=1, keepdims=True)
    edge = axis / np.maximum(sine, 1e-12)
    along = ((way - unfolded) * edge).sum(axis=1, keepdims=True)
    unfolded += np.where(sine > 1e-3, along * edge, 0)
    inverse = inverses(tangents[b])
    forward = np.stack([fold(tangents[a][:, :, i]) for i in (0, 1)], axis=-1)
    turned = inverse @ forward
    start = xy[b] - np.einsum("nij,nj->ni", inverse, unfolded)
    sound = (
        np.isfinite(turned).all(axis=(1, 2))
        & (np.abs(np.linalg.det(turned)) > 1e-3)
        & (np.abs(turned).max(axis=(1, 2)) < 32)
    )
    place[a[sound]], turn[a[sound]] = start[sound], turned[sound]
    return np.where(np.isin(np.arange(len(partner)), a[sound]), partner, -1).astype(np.int32)


def inverses(tangents: np.ndarray) -> np.ndarray:
    """Moore-Penrose inverses [N, 2, 3] of `tangents` [N, 3, 2], in closed form; not finite where the two are parallel."""
    right, down = tangents[:, :, 0], tangents[:, :, 1]
    rr, rd, dd = ((a * b).sum(axis=1, keepdims=True) for a, b in ((right, right), (right, down), (down, down)))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([dd * right - rd * down, rr * down - rd * right], axis=1) / (rr * dd - rd * rd)[:, None]


def _hash(cells: np.ndarray) -> np.ndarray:
    return (cells * np.array([73856093, 19349663, 83492791])).sum(axis=1)
