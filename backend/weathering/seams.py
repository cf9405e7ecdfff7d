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
from functools import cached_property

import numpy as np

from ..threads import parallel
from .gutters import Allocate, Band, band, dilate, rim
from .rims import outward, partners, rim_tangents, unfold
from .torn import NOWHERE, Torn

ELSEWHERE = 1.5  # times as far on the object as in the map: not across the seam any more
OPEN = 3.0  # texels of gutter that two islands need at a seam, both together, to be blended through it
MIRRORED = 6  # texels on either side over which they are blended otherwise
STRAY = 4  # texels by which a place in a gutter may miss the seam it belongs to
WIDEST = 48  # texels on either side of a seam over which they are blended at most
CHUNK = 1 << 16  # texels at a time, so that what is in between stays in cache


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
        half at the seam, where both gutters have room, and none at the end of the band. Then the two texels that touch
        at a seam, being one place of the object but for half a texel, become the mean of both.
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
        ends = [np.divmod(self.rim[end], self.size[1]) for end in (self.partner >= 0, self.partner[self.partner >= 0])]
        for image, channels in images:
            here, beyond = (image[rows, columns][:, channels] for rows, columns in ends)
            image[ends[0][0][:, None], ends[0][1][:, None], channels] = (here.astype(np.uint16) + beyond + 1) >> 1

    def dilate(self, array: np.ndarray, margin: int) -> None:
        """Give every texel outside, within `margin`, the value of the nearest rim texel; in place, [H, W, C]."""
        dilate(array, self.rim, self.outside, margin)


@dataclass(frozen=True)
class Rims:
    """The rim of the islands of `mask`: its `texels` flat and as `xy`, metres across one `texel`; the others as in `Seams`."""

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
    rims = pair_rims(mask, position, world_normal, torn=torn)
    outside = band(mask, rims.texels, reach, inside=False, allocate=allocate)
    seam = np.flatnonzero(rims.partner >= 0)
    inside = band(mask, rims.texels[seam], share, inside=True, allocate=allocate)
    source, room = _sources(rims, outside), _room(rims, outside, share)
    inside = replace(inside, nearest=seam.astype(np.int32).take(inside.nearest))
    return Seams(
        (mask.shape[0], mask.shape[1]),
        rims.texels,
        rims.partner,
        rims.place,
        rims.turn,
        outside,
        source,
        inside,
        *_shared(rims, outside, room, inside, share),
    )


def pair_rims(
    mask: np.ndarray, position: np.ndarray | None, world_normal: np.ndarray | None, *, torn: Torn = NOWHERE
) -> Rims:
    """Which rim texels of the islands in `mask` touch on the object; arguments as `find_seams`' ones."""
    texels = np.union1d(rim(mask), torn.both(mask.shape[1]))
    xy = np.stack(np.divmod(texels, mask.shape[1])[::-1], axis=-1)
    partner = np.full(len(texels), -1, np.int32)
    place = xy.astype(np.float32)
    turn = np.broadcast_to(np.eye(2, dtype=np.float32), (len(texels), 2, 2)).copy()
    texel = np.zeros(len(texels))
    if position is not None and len(texels):
        tangents = rim_tangents(mask, position, xy, torn)
        texel = np.sqrt((tangents**2).sum(axis=1).max(axis=1))  # the longer way
        points = position[xy[:, 1], xy[:, 0]].astype(np.float64)
        normals = outward(tangents, None if world_normal is None else world_normal[xy[:, 1], xy[:, 0]])
        partner = partners(points, xy, texel, normals)
        partner = unfold(points, xy, tangents, normals, partner, place, turn)
    return Rims(mask, position, texels, xy, partner, place, turn, texel)


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


def _sources(rims: Rims, outside: Band) -> np.ndarray:
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
    rims: Rims, outside: Band, room: np.ndarray, inside: Band, share: int
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


def _room(rims: Rims, outside: Band, share: int) -> np.ndarray:
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
