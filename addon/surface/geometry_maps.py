# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw bakes of geometry to the maps of a surface. numpy alone: every function may run in any thread.

Rows are Blender's own here, the bottom one first, and turned only when a map is made.
"""

from __future__ import annotations

import numpy as np

from ...backend.protocol.surface import ColorSpace, Map
from ..pixels.images import encode_srgb

FULL_BEND = np.float32(4 / np.pi)  # so that an edge of 90 degrees comes to 1
OUTWARD = np.float32(0.2)  # a bend from which on an edge is an edge, however closed in
LEAST_HEIGHT = 1e-6  # metres between lowest and highest: less is none
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # what a colour comes to where nodes ask for a number
BAND = 512  # rows at a time, to keep temporary arrays small


def covered(normals: np.ndarray) -> np.ndarray:
    """[H, W] bool: where a bake of normals wrote anything; what it leaves out is zero."""
    return np.abs(normals[..., :3]).max(axis=2) > 0.1


def integers(values: np.ndarray, dtype: type[np.uint8] | type[np.uint16]) -> np.ndarray:
    """0..1 to the whole range of an integer type, rounded, a band of rows at a time; NaN becomes 0."""
    top = np.float32(np.iinfo(dtype).max)
    result = np.empty(values.shape, dtype)
    for row in range(0, len(values), BAND):
        band = np.nan_to_num(values[row : row + BAND], nan=0.0, posinf=1.0, neginf=0.0)
        result[row : row + BAND] = np.rint(np.clip(band, 0, 1) * top)
    return result


def colour_map(baked: np.ndarray, to_rec709: np.ndarray, dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> Map:
    """Scene-linear RGB to sRGB of integers."""
    result = np.empty((*baked.shape[:2], 3), dtype)
    top = np.float32(np.iinfo(dtype).max)
    same = np.array_equal(to_rec709, np.eye(3))
    for row in range(0, len(baked), BAND):
        band = np.nan_to_num(baked[row : row + BAND, :, :3], nan=0.0, posinf=1.0, neginf=0.0)
        band = band if same else band @ to_rec709.T.astype(np.float32)
        result[row : row + BAND] = np.rint(encode_srgb(band) * top)
    return Map(turned(result), ColorSpace.SRGB)


def data_map(values: np.ndarray, dtype: type[np.uint8] | type[np.uint16] = np.uint8) -> Map:
    """0..1 values [H, W] or [H, W, C] to an integer map of data."""
    values = values if values.ndim == 3 else values[..., None]
    return Map(turned(integers(values, dtype)))


def mask_map(baked: np.ndarray) -> Map:
    """A bake of an attribute as a mask, colours by their luminance; continued beyond the islands, where filtering looks."""
    grey = baked[..., :3] @ LUMINANCE
    return data_map(grow(grey, baked[..., 3] > 0, 4, 0.0))


def height_map(metres: np.ndarray) -> tuple[Map, float] | None:
    """Metres out of the surface [H, W] to a map of 16 bits, 0.5 flush, and the metres from its 0 to its 1; None where flat."""
    metres = np.nan_to_num(metres, nan=0.0, posinf=0.0, neginf=0.0)
    scale = 2 * float(np.abs(metres).max(initial=0))
    if scale < LEAST_HEIGHT:
        return None
    return data_map(metres * np.float32(1 / scale) + np.float32(0.5), np.uint16), scale


def stored_height(stored: Map, flush: float, metres_of_one: float) -> tuple[Map, float] | None:
    """As `height_map`, of a texture's own values; bit for bit theirs where they are flush at 0.5 and rise."""
    if flush == 0.5 and metres_of_one >= LEAST_HEIGHT and stored.array.dtype.kind == "u":
        array = stored.array if stored.array.dtype == np.uint16 else stored.array.astype(np.uint16) * np.uint16(257)
        return Map(array), metres_of_one
    return height_map((stored.floats()[::-1, :, 0] - np.float32(flush)) * np.float32(metres_of_one))


def turned(rows: np.ndarray) -> np.ndarray:
    """Top row first, in memory too."""
    return np.ascontiguousarray(rows[::-1])


def tangent_normals(baked: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Normals 0..1 with flat ones outside islands and where the bake has none."""
    bare = ~inside | (np.abs(baked[..., :3]).max(axis=2) == 0)
    normals = baked[..., :3].copy()
    normals[bare] = (0.5, 0.5, 1.0)
    return normals


def shrink(values: np.ndarray, inside: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of the texels inside islands over blocks of factor x factor; and which blocks have any."""
    if factor == 1:
        return values, inside
    h, w = inside.shape[0] // factor, inside.shape[1] // factor
    blocks = inside[: h * factor, : w * factor].reshape(h, factor, w, factor)
    count = blocks.sum(axis=(1, 3), dtype=np.float32)
    masked = np.where(inside[..., None], values, 0)[: h * factor, : w * factor]
    sums = masked.reshape(h, factor, w, factor, -1).sum(axis=(1, 3), dtype=np.float32)
    return sums / np.maximum(count, 1)[..., None], count > 0


def smooth(values: np.ndarray, inside: np.ndarray, rounds: int = 1) -> np.ndarray:
    """A 3x3 binomial mean of [H, W] or [H, W, C] over the texels inside islands; others keep their values."""
    weight = inside.astype(np.float32)
    for _ in range(rounds):
        spread = weight if values.ndim == 2 else weight[..., None]
        total = np.maximum(_binomial(weight), 1e-6)
        mean = _binomial(values * spread) / (total if values.ndim == 2 else total[..., None])
        values = np.where(inside if values.ndim == 2 else inside[..., None], mean, values)
    return values


def _binomial(values: np.ndarray) -> np.ndarray:
    for axis in (0, 1):
        padded = np.concatenate([values.take([0], axis), values, values.take([-1], axis)], axis)
        n = values.shape[axis]
        before, middle, after = (padded.take(range(k, k + n), axis) for k in range(3))
        values = before * 0.25 + middle * 0.5 + after * 0.25
    return values


def grow(values: np.ndarray, inside: np.ndarray, rounds: int, empty: float) -> np.ndarray:
    """[H, W] with what lies within `rounds` texels of an island filled from it, and `empty` beyond."""
    values, known = np.where(inside, values, 0).astype(np.float32), inside.astype(np.float32)
    for _ in range(rounds):
        total = _binomial(known)
        spread = _binomial(values * known) / np.maximum(total, 1e-6)
        fresh = (known == 0) & (total > 0)
        values[fresh] = spread[fresh]
        known[fresh] = 1
    values[known == 0] = empty
    return values


def enlarge(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """[h, w] to [height, width], linear between texel centres."""
    if values.shape == (height, width):
        return values
    columns = _linear(values, width, axis=1)
    return _linear(columns, height, axis=0)


def _linear(values: np.ndarray, size: int, axis: int) -> np.ndarray:
    n = values.shape[axis]
    at = np.clip((np.arange(size, dtype=np.float32) + 0.5) * np.float32(n / size) - 0.5, 0, n - 1)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, n - 1)
    share = (at - low).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None, :]
    return values.take(low, axis) * (1 - share) + values.take(high, axis) * share


def texel_spacing(position: np.ndarray, inside: np.ndarray) -> float:
    """The median distance of neighbouring texels in metres; 0 when no two are neighbours."""
    pair = inside[:, 1:] & inside[:, :-1]
    rows = np.flatnonzero(pair.any(axis=1))
    if not len(rows):
        return 0.0
    rows = rows[:: max(len(rows) // 256, 1)]
    steps = np.linalg.norm(position[rows, 1:, :3] - position[rows, :-1, :3], axis=2)[pair[rows]]
    return float(np.median(steps))


def bend(position: np.ndarray, rounded: np.ndarray, inside: np.ndarray, radius: float) -> np.ndarray:
    """How the surface bends at the scale of `radius` metres, [H, W] in -1..1: above 0 outward, 1 an edge of 90 degrees.

    Twice the mean curvature, the trace of the shape operator from differences of position and of the `rounded` normals within
    islands; rounding carries an edge's bend to both sides of a UV seam. 0 outside islands and where a texel has no neighbours.
    """
    rounded = smooth(rounded[..., :3], inside)
    length = np.maximum(np.linalg.norm(rounded, axis=2, keepdims=True), 1e-6)
    rounded = rounded / length
    p_u, n_u = _differences(position[..., :3], rounded, inside, axis=1)
    p_v, n_v = _differences(position[..., :3], rounded, inside, axis=0)
    e, f, g = ((a * b).sum(axis=2) for a, b in ((p_u, p_u), (p_u, p_v), (p_v, p_v)))
    l, m1, m2, n = ((a * b).sum(axis=2) for a, b in ((n_u, p_u), (n_u, p_v), (n_v, p_u), (n_v, p_v)))  # noqa: E741
    area = e * g - f * f
    known = inside & (area > 1e-4 * np.maximum(e, g) ** 2) & (area > 0)
    trace = (g * l - f * (m1 + m2) + e * n) / np.where(known, area, 1)
    return np.where(known, np.clip(trace * np.float32(radius) * FULL_BEND, -1, 1), 0).astype(np.float32)


def closed_in(bend: np.ndarray, open_: np.ndarray) -> np.ndarray:
    """Bends [H, W] -1..1 with inner corners at least as sharp as they are closed; what bends outward stays.

    `open_` 0..1 is the share of the half space that is free nearby: half of it in a corner of 90 degrees, which comes to -1.
    """
    closed = np.clip(2 * (1 - open_), 0, 1)
    missing = np.maximum(closed + np.minimum(bend, 0), 0)
    return (bend - np.clip(1 - bend / OUTWARD, 0, 1) * missing).astype(np.float32)


def _differences(
    position: np.ndarray, normal: np.ndarray, inside: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of position and normal to the neighbours along an axis, per texel; both sides' mean, or the nearer's alone.

    Where two islands touch, the neighbour across lies far away in space: a side three times as far as the other does not count.
    """
    ahead = [np.roll(a, -1, axis) for a in (position, normal, inside)]
    steps = [ahead[0] - position, ahead[1] - normal]
    here = inside & ahead[2]
    edge = [slice(None), slice(None)]
    edge[axis] = -1
    here[tuple(edge)] = False
    back = [np.roll(a, 1, axis) for a in (*steps, here)]
    far = np.where(here, (steps[0] ** 2).sum(axis=2), np.inf)
    far_back = np.where(back[2], (back[0] ** 2).sum(axis=2), np.inf)
    weight = (here & (far <= 9 * far_back)).astype(np.float32)
    weight_back = (back[2] & (far_back <= 9 * far)).astype(np.float32)
    total = np.maximum(weight + weight_back, 1)[..., None]
    return tuple(
        (forward * weight[..., None] + backward * weight_back[..., None]) / total
        for forward, backward in zip(steps, back[:2], strict=True)
    )
