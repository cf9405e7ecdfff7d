# SPDX-License-Identifier: GPL-3.0-or-later
"""What a surface's `position` map says of each texel: which way is down, how many texels a metre has, where pieces end.

All differences are taken inside one piece of surface: where a neighbour lies outside the islands, on another island that
touches, or behind an edge of the picture, the difference to the other side stands in.
"""

from __future__ import annotations

import numpy as np

from ..protocol.recipe import Frame, FrameMode
from ..protocol.surface import Surface

JUMP = 4.0  # a step this many times as long as the step to the other side leads to another piece
STEEP = 0.7  # sine of the slope from which `down` has unit length


def gravity_at_rest(surface: Surface, frame: Frame) -> np.ndarray:
    """The unit vector [3] of gravity in the space of `position`: turned by the pose in scene mode, as given in asset mode."""
    gravity = np.asarray(frame.gravity, np.float64)
    if frame.mode is FrameMode.SCENE:
        gravity = np.linalg.pinv(_pose(surface)[:3, :3]) @ gravity
    return (gravity / max(float(np.linalg.norm(gravity)), 1e-12)).astype(np.float32)


def heights(position: np.ndarray, surface: Surface, frame: Frame) -> np.ndarray:
    """Metres [...] along -gravity of `position` [..., 3]: in the world in scene mode, in the object's own space in asset mode."""
    up = -np.asarray(frame.gravity, np.float64) / np.linalg.norm(frame.gravity)
    if frame.mode is FrameMode.ASSET:
        return position @ up.astype(np.float32)
    pose = _pose(surface)
    return position @ (up @ pose[:3, :3]).astype(np.float32) + np.float32(up @ pose[:3, 3])


def inside(surface: Surface, index: tuple = (slice(None), slice(None))) -> np.ndarray:
    """Which texels belong to the object, bool: by island mask, else object mask, else where `position` is finite, else all.

    `index` is any numpy index of rows and columns: a window, or two arrays of texels.
    """
    for name in ("island_mask", "object_mask"):
        if name in surface:
            return surface[name].array[index][..., 0] > 0
    if "position" in surface:
        x, y, z = np.moveaxis(surface["position"].array[index], -1, 0)
        return np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    return np.broadcast_to(np.True_, surface.size)[index]


def tangents(
    position: np.ndarray, inside: np.ndarray, wrap: tuple[bool, bool] = (False, False)
) -> tuple[np.ndarray, np.ndarray]:
    """Metres moved by one texel to the right and by one down: two arrays [H, W, 3] of float32, zero where unknown.

    `position` [H, W, 3], `inside` [H, W]. Central differences within a piece of surface, one-sided at its border.
    """
    clean = np.moveaxis(np.where(inside, np.moveaxis(position, -1, 0), 0).astype(np.float32, copy=False), 0, -1)
    right, below = (joined(clean, inside, axis, wrap[axis]) for axis in (1, 0))
    return difference(clean, right, 1), difference(clean, below, 0)


def down(
    position: np.ndarray, inside: np.ndarray, gravity: np.ndarray, wrap: tuple[bool, bool] = (False, False)
) -> np.ndarray:
    """Which way gravity pulls in texture space: [H, W, 2] float32, x to the right and y down the rows; see `fall`."""
    return fall(*tangents(position, inside, wrap), gravity)


def fall(right: np.ndarray, below: np.ndarray, gravity: np.ndarray) -> np.ndarray:
    """Which way gravity pulls, [H, W, 2], given the metres moved by one texel to the right and down.

    The pseudo-inverse of the map from texels to metres, applied to gravity (a unit vector in the space of `position`): the
    way a drop takes, on stretched and mirrored islands too. Length 1 where steep, less towards flat, 0 where flat or unknown.
    """
    a, b, c = _metric(right, below)
    along, across = (_dot(way, gravity[None, None]) for way in (right, below))
    area = a * c - b * b
    known = area > 1e-6 * np.maximum(a * c, 1e-30)  # neither degenerate nor outside
    area = np.where(known, area, 1)
    x, y = (c * along - b * across) / area, (a * across - b * along) / area
    slope = np.sqrt(np.clip(along * x + across * y, 0, 1))  # length of gravity's part along the surface
    length = np.sqrt(x * x + y * y)
    scale = np.where(known & (length > 0), np.minimum(slope / STEEP, 1) / np.maximum(length, 1e-30), 0)
    return np.stack([x * scale, y * scale], axis=-1).astype(np.float32)


def texels_per_metre(position: np.ndarray, inside: np.ndarray, wrap: tuple[bool, bool] = (False, False)) -> np.ndarray:
    """Texels per metre [H, W] float32, the root of texels per square metre; 0 where unknown."""
    return density(*tangents(position, inside, wrap))


def density(right: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Texels per metre [H, W] float32, given the metres moved by one texel to the right and down; 0 where unknown."""
    a, b, c = _metric(right, below)
    squared = a * c - b * b
    known = squared > 1e-6 * np.maximum(a * c, 1e-30)
    return np.where(known, np.where(known, squared, 1) ** np.float32(-0.25), 0).astype(np.float32)


def joined(position: np.ndarray, inside: np.ndarray, axis: int, wrap: bool = False) -> np.ndarray:
    """Whether each texel and the next along `axis` (0 down, 1 right) are neighbours on the object: bool [H, W].

    False between islands that touch, over the silhouette of a frame, and at the last row or column unless it wraps.
    """
    length = np.zeros(inside.shape, np.float32)
    with np.errstate(invalid="ignore"):
        for plane in np.moveaxis(position, -1, 0):
            plane = np.ascontiguousarray(plane, np.float32)
            length += np.square(_next(plane, axis) - plane)
        np.sqrt(length, out=length)
    both = inside & _next(inside, axis)
    if not wrap:
        both[(-1,) if axis == 0 else (slice(None), -1)] = False
    some = slice(None, None, max(1, both.size // 65536) | 1)
    known = length.ravel()[some][both.ravel()[some]]
    short = 2 * float(np.median(known)) if len(known) else 0.0  # half floats make steps uneven, some of them none
    beside = np.where(both, length, np.float32(np.inf))
    usual = np.minimum(np.roll(beside, 1, axis), _next(beside, axis))
    usual *= np.float32(JUMP)
    return both & (length <= np.maximum(usual, np.float32(short), out=usual))


def difference(values: np.ndarray, joined: np.ndarray, axis: int) -> np.ndarray:
    """Derivative of `values` [H, W, C] along `axis`, per texel: the mean of the steps that `joined` says stay on the piece."""
    last = ~joined
    share = joined.astype(np.float32)
    share += np.roll(joined, 1, axis)
    np.divide(1, np.maximum(share, 1, out=share), out=share)
    out = np.empty((values.shape[2], *joined.shape), np.float32)  # plane by plane, several times faster
    for channel, plane in enumerate(np.moveaxis(values, -1, 0)):
        plane = np.ascontiguousarray(plane, np.float32)
        step = np.subtract(_next(plane, axis), plane)
        np.copyto(step, 0, where=last)
        np.add(step, np.roll(step, 1, axis), out=out[channel])
        out[channel] *= share
    return np.moveaxis(out, 0, -1)


def _metric(right: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """right . right, right . below, below . below: [H, W] each."""
    return _dot(right, right), _dot(right, below), _dot(below, below)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products [H, W] of vectors [H, W, 3]; several times faster than a sum over so short an axis."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def _next(values: np.ndarray, axis: int) -> np.ndarray:
    """Each texel's next along `axis`, the first after the last."""
    return np.roll(values, -1, axis)


def _pose(surface: Surface) -> np.ndarray:
    return np.asarray(surface.pose, np.float64).reshape(4, 4)
