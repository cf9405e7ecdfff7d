# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a surface goes on beyond the edge of a UV island: which texel lies across each seam, and how its island is turned.

Texels at the rim of an island are paired with those of the rim (of another island or the same) that touch them on the
object. Each pair unfolds the second island into the plane of the first, so that a gutter texel, outside every island,
stands for the texel where the surface goes on. What a network should know of an island's surroundings is read through
that (`gutter`); and what it painted on either side of a seam is brought together (`blend`), since a network does not
commute with turning its input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from ..threads import meanwhile, parallel
from .gutters import Allocate, Band, band, dilate, rim
from .torn import NOWHERE, Torn

TOUCH = 1.3  # rims that lie this many texels of each side apart on the object touch
APART = 6  # rim texels nearer to each other in the map are the same stretch of rim
FOLD = -0.7  # cosine of the sharpest fold unfolded; beyond it the two sides of a thin sheet would pass for a seam
BASELINE = 3  # texels over which an island's tangents are measured
ELSEWHERE = 1.5  # times as far on the object as in the map: not across the seam any more
OPEN = 3.0  # texels of gutter that two islands need at a seam, both together, to be blended through it
MIRRORED = 6  # texels on either side over which they are blended otherwise
STRAY = 4  # texels by which a place in a gutter may miss the seam it belongs to
CHUNK = 1 << 16  # texels at a time, so that what is in between stays in cache
CROWD = 32  # rim texels in one voxel that are looked at


@dataclass(frozen=True)
class Seams:
    """The rim of all islands [N] and what lies beyond it, for maps of `size` (height, width).

    `rim`      flat indices of the rim texels; `partner` [N] the one across the seam, -1 where none is known
    `place`    [N, 2] and `turn` [N, 2, 2]: d texels (x right, y down) from rim texel i the surface goes on, over the seam,
               at place[i] + turn[i] @ d in its partner's island
    `outside`  the texels of no island within reach; `source` the texel (flat) that each stands for: the one across the
               seam, or the nearest of the rim where none is known
    `inside`   the texels near seams, `nearest` being the number of a rim texel that has a partner
    `shared`   those of them that are blended (flat), `mirror` [M, 2] where (x, y) in the gutter beyond the seam the other island
               paints the same place of the object, `weight` how much of that is taken
    """

    size: tuple[int, int]
    rim: np.ndarray
    partner: np.ndarray
    place: np.ndarray
    turn: np.ndarray
    outside: Band
    source: np.ndarray
    inside: Band
    shared: np.ndarray
    mirror: np.ndarray
    weight: np.ndarray

    def gutter(
        self, rows: slice, columns: slice
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """The gutter texels in a window: their rows and columns in it, and rows and columns of the texels they stand for."""
        here, at = self.outside.window(rows, columns, self.size[1])
        return np.divmod(at, columns.stop - columns.start), np.divmod(self.source[here], self.size[1])

    def directions(self, texels: np.ndarray, read: Callable) -> tuple[np.ndarray, np.ndarray]:
        """Directions in texture space beyond seams: which of `texels` (flat) are gutters, and their directions [M, 2] (x, y).

        They are those of the texels the gutters stand for, read(rows, columns), turned as the seam turns them.
        """
        slot = np.minimum(np.searchsorted(self.outside.texels, texels), max(len(self.outside.texels) - 1, 0))
        at = np.flatnonzero(self.outside.texels[slot] == texels) if len(self.outside.texels) else slot[:0]
        here = slot[at]
        beyond = read(*np.divmod(self.source[here], self.size[1])).astype(np.float32)
        nearest = self.outside.nearest[here]
        seam = self.source[here] != self.rim[nearest]
        x, y = beyond[seam].T
        xx, xy, yx, yy = self.turn[nearest[seam]].reshape(-1, 4).T
        sign = np.sign(xx * yy - xy * yx)  # the way back, but for its length
        turned = np.stack([yy * x - xy * y, xx * y - yx * x], axis=-1) * sign[:, None]
        length = np.hypot(x, y) / np.maximum(np.linalg.norm(turned, axis=1), 1e-9)
        beyond[seam] = turned * length[:, None]
        return at, beyond

    def blend(self, images: Sequence[tuple[np.ndarray, Sequence[int]]]) -> None:
        """Bring both sides of every seam together: 8-bit images [H, W, C] and the channels to be blended, in place.

        A texel near a seam takes part of what the other island painted in its gutter for the same place of the object:
        half at the seam, where both gutters have room, and none at the end of the band.
        """
        mixed = [np.empty((len(self.shared), len(channels)), np.uint8) for _, channels in images]
        flat = [image.reshape(-1, image.shape[2]) for image, _ in images]

        def read(part: slice) -> None:
            corners = _corners(self.mirror[part], self.size)
            for image, out, (_, channels) in zip(flat, mixed, images, strict=True):
                own = image.take(self.shared[part], axis=0)
                for index, channel in enumerate(channels):
                    values = own[:, channel].astype(np.float32)
                    other = sum(image.take(texels, axis=0)[:, channel] * weight for texels, weight in corners)
                    other -= values
                    other *= self.weight[part]
                    other += values
                    out[part, index] = np.rint(other, out=other)

        parallel(read, _chunks(len(self.shared)))  # all is read before anything is written
        for (image, channels), out in zip(images, mixed, strict=True):
            rows, columns = np.divmod(self.shared, self.size[1])
            for index, channel in enumerate(channels):
                image[rows, columns, channel] = out[:, index]

    def dilate(self, array: np.ndarray, margin: int) -> None:
        """Give every texel outside, within `margin`, the value of the nearest rim texel; in place, [H, W, C]."""
        dilate(array, self.rim, self.outside, margin)


def find_seams(
    mask: np.ndarray,
    position: np.ndarray | None,
    world_normal: np.ndarray | None,
    *,
    reach: int,
    share: int,
    torn: Torn = NOWHERE,
    allocate: Allocate = np.empty,
) -> Seams:
    """The seams of the islands in `mask` [H, W], from `position` [H, W, 3] in metres; without it no rim has a partner.

    Gutters are known up to `reach` texels from the rim; blending goes `share` texels deep. `world_normal` [H, W, 3] only
    tells the outside of mirrored islands. `torn`: where islands touch in the map, which `mask` does not tell.
    """
    size = mask.shape[0], mask.shape[1]
    texels = np.union1d(rim(mask), torn.both(size[1]))
    xy = np.stack(np.divmod(texels, size[1])[::-1], axis=-1)
    partner = np.full(len(texels), -1, np.int32)
    place = xy.astype(np.float32)
    turn = np.broadcast_to(np.eye(2, dtype=np.float32), (len(texels), 2, 2)).copy()
    texel = np.zeros(len(texels))
    beyond = meanwhile(partial(band, mask, texels, reach, inside=False, allocate=allocate))
    if position is not None and len(texels):
        tangents = _tangents(mask, position, xy, torn)
        texel = np.sqrt((tangents**2).sum(axis=1).max(axis=1))  # the longer way
        points = position[xy[:, 1], xy[:, 0]].astype(np.float64)
        normals = _outward(tangents, None if world_normal is None else world_normal[xy[:, 1], xy[:, 0]])
        partner = _partners(points, xy, texel, normals)
        partner = _unfold(points, xy, tangents, normals, partner, place, turn)
    seam = np.flatnonzero(partner >= 0)
    beside = meanwhile(partial(band, mask, texels[seam], share, inside=True, allocate=allocate))
    rims = _Rim(mask, position, texels, xy, partner, place, turn, texel)
    outside = beyond.result()
    source, room = _sources(rims, outside), _room(rims, outside, share)
    inside = beside.result()
    inside = replace(inside, nearest=seam.astype(np.int32).take(inside.nearest))
    return Seams(
        size, texels, partner, place, turn, outside, source, inside, *_shared(rims, outside, room, inside, share)
    )


def bilinear(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """`image` [H, W, C] at `at` [M, 2] (x, y; texel centres are whole numbers), as float32 [M, C]."""
    flat = image.reshape(-1, image.shape[2])
    parts = (flat.take(texels, axis=0) * weight[:, None] for texels, weight in _corners(at, image.shape[:2]))
    total: np.ndarray = next(parts)
    for part in parts:
        total += part
    return total


def _corners(at: np.ndarray, size: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The four texels (flat) around each of `at` [M, 2] (x, y) and their bilinear weights."""
    corner = np.floor(at)
    across, down = (np.ascontiguousarray(part, np.float32) for part in (at - corner).T)
    column, row = corner.astype(np.int64).T
    corners = []
    for right, below in np.ndindex(2, 2):
        x, y = np.clip(column + right, 0, size[1] - 1), np.clip(row + below, 0, size[0] - 1)
        y *= size[1]
        y += x
        corners.append((y, np.abs(1 - right - across) * np.abs(1 - below - down)))
    return corners


def _tangents(mask: np.ndarray, position: np.ndarray, xy: np.ndarray, torn: Torn) -> np.ndarray:
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


def _outward(tangents: np.ndarray, world_normal: np.ndarray | None) -> np.ndarray:
    """Unit normals [N, 3] of the plane the tangents span, pointing out of the object; v goes up, rows go down."""
    normal = np.cross(tangents[:, :, 1], tangents[:, :, 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    if world_normal is not None:
        normal[(normal * world_normal).sum(axis=1) < 0] *= -1
    return normal


def _partners(points: np.ndarray, xy: np.ndarray, texel: np.ndarray, normals: np.ndarray) -> np.ndarray:
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


def _unfold(
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
    inverse = np.linalg.pinv(tangents[b])
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


@dataclass(frozen=True)
class _Rim:
    """The rim of the islands of `mask` while seams are found: its `texels` flat and as `xy`, metres across one `texel`."""

    mask: np.ndarray
    position: np.ndarray | None
    texels: np.ndarray
    xy: np.ndarray
    partner: np.ndarray
    place: np.ndarray
    turn: np.ndarray
    texel: np.ndarray

    @cached_property
    def steps(self) -> list[np.ndarray]:
        """`xy`, `place` and `turn`, each number of them [N] by itself: x, y, place x, y, turn xx, xy, yx, yy."""
        parts = (self.xy.astype(np.float32), self.place, self.turn.reshape(-1, 4))
        return [np.ascontiguousarray(column) for part in parts for column in part.T]

    def across(self, texels: np.ndarray, nearest: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the surface goes on for texels (flat), by the rim texels nearest to them: x, y [M], and rounded, flat."""
        height, width = self.mask.shape
        rows, columns = np.divmod(texels, width)
        x, y, place_x, place_y, xx, xy, yx, yy = (part.take(nearest) for part in self.steps)
        right, down = columns.astype(np.float32) - x, rows.astype(np.float32) - y
        place_x += xx * right + xy * down
        place_y += yx * right + yy * down
        flat = np.clip(np.rint(place_y), 0, height - 1).astype(np.int64) * width
        flat += np.clip(np.rint(place_x), 0, width - 1).astype(np.int64)
        return place_x, place_y, flat


def _sources(rims: _Rim, outside: Band) -> np.ndarray:
    """The texel (flat) that each gutter texel stands for: across the seam where that is inside an island, else the rim."""
    source = rims.texels.take(outside.nearest)
    mask = rims.mask.reshape(-1)
    position = None if rims.position is None else rims.position.reshape(-1, 3)

    def part(part: slice) -> None:
        nearest = outside.nearest[part]
        _, _, flat = rims.across(outside.texels[part], nearest)
        known = (rims.partner.take(nearest) >= 0) & (mask.take(flat) > 0)
        if position is not None:  # past the end of the partner's island lies another, which is elsewhere on the object
            way = position.take(flat, axis=0).astype(np.float32) - position.take(source[part], axis=0)
            away = np.sqrt(way[:, 0] ** 2 + way[:, 1] ** 2 + way[:, 2] ** 2)
            known &= away < ELSEWHERE * (outside.distance[part] + 2) * rims.texel.take(nearest)
        np.copyto(source[part], flat, where=known)

    parallel(part, _chunks(len(source)))
    return source


def _shared(
    rims: _Rim, outside: Band, room: np.ndarray, inside: Band, share: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The texels near seams, where the other island's gutter shows the same place, and how much of it they take.

    `inside` are the texels beside seams, `room` [N] is how deep the gutter is at each rim texel.
    """

    def part(part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        texels, distance, nearest = inside.texels[part], inside.distance[part], inside.nearest[part]
        partner = rims.partner.take(nearest)
        deep = room.take(partner)
        weight = deep / np.maximum(room.take(nearest) + deep, 1e-3)
        weight *= np.clip(1 - distance / np.maximum(deep, 1e-3), 0, 1)
        x, y, flat = rims.across(texels, nearest)
        # where islands leave no gutter, the other's own texels are taken, as deep beyond the seam as these are before it
        closed = room.take(nearest) + deep < OPEN
        weight = np.where(closed, 0.5 * np.clip(1 - distance / min(share, MIRRORED), 0, 1), weight)
        x = np.where(closed, 2 * rims.xy[:, 0].take(partner) - x, x)
        y = np.where(closed, 2 * rims.xy[:, 1].take(partner) - y, y)
        # the place must lie in the gutter of the partner's island, near the partner, or on its rim
        home = partner
        if len(outside.texels):
            slot = np.minimum(np.searchsorted(outside.texels, flat), len(outside.texels) - 1)
            home = np.where(outside.texels.take(slot) == flat, outside.nearest.take(slot), partner)
        far = np.abs(rims.xy.take(home, axis=0) - rims.xy.take(partner, axis=0)).max(axis=1, initial=0)
        taken = (weight > 0) & ((far <= distance + STRAY) | closed)
        return texels[taken], np.stack([x[taken], y[taken]], axis=-1, dtype=np.float32), weight[taken]

    found = parallel(part, _chunks(max(len(inside.texels), 1)))
    shared, mirror, weight = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    return shared, mirror, weight


def _chunks(length: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, length, CHUNK)]


def _room(rims: _Rim, outside: Band, share: int) -> np.ndarray:
    """How deep the gutter is at each rim texel, up to `share`: the most among the rim texels around it."""
    texels = rims.texels
    own = np.zeros(len(texels), np.float32)
    np.maximum.at(own, outside.nearest, np.minimum(outside.distance, share))
    room = own.copy()
    for down, right in np.ndindex(5, 5):
        beside = texels + (down - 2) * rims.mask.shape[1] + right - 2
        slot = np.minimum(np.searchsorted(texels, beside), max(len(texels) - 1, 0))
        np.maximum(room, np.where(texels[slot] == beside, own[slot], 0), out=room)
    return room


def _hash(cells: np.ndarray) -> np.ndarray:
    return (cells * np.array([73856093, 19349663, 83492791])).sum(axis=1)
