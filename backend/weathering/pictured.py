# SPDX-License-Identifier: GPL-3.0-or-later
"""What a photograph shows of shape, as maps of a surface: borders as edges, dark lines as cavities, a plane to stand upright.

Lines are dark in their colour where dirt has settled, and in their light where none comes in: whichever is darker counts. They
are what a closing fills (Serra 1982), so that the border of a cast shadow, dark on one side alone, is none.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..photographed.picture import LONGEST, blurred
from ..protocol.surface import Map
from ..threads import parallel
from .composite import strips
from .delight import shrunk
from .gutters import Allocate
from .lit import LUMINANCE, enlarged
from .segment import Segments

SIDE = 512  # texels on the longer side of what is looked at
FINE, WIDE = (
    0.6,
    4.0,
)  # of 256: what is wider than the first is seen, and no crevice where it is wider than twice the second
DEEP = 0.7  # logarithm of how much darker counts as closed in
BORDER = 1.2  # of 256: width of an edge inside a border
PAINTED = 0.6  # how much of an edge a step of colour is, beside the border of the object


def position(size: tuple[int, int], texels_per_metre: float, allocate: Allocate) -> Map:
    """Places [H, W, 3] float32 in metres on a plane that faces the viewer: x to the right, z up from the lower border."""
    height, width = size
    places = allocate((height, width, 3), np.float32)
    places[..., 0] = (np.arange(width, dtype=np.float32) + 0.5) / np.float32(texels_per_metre)
    places[..., 1] = 0
    places[..., 2] = ((height - np.arange(height, dtype=np.float32) - 0.5) / np.float32(texels_per_metre))[:, None]
    return Map(places)


def shape(picture: Map, albedo: Map, mask: Map, segments: Segments | None, allocate: Allocate) -> dict[str, Map]:
    """`curvature` (edges: borders of the object and of its materials) and `ambient_occlusion` (cavities), uint8 [H, W, 1].

    `picture` under its light, `albedo` without. Without `segments` steps of the albedo's colour stand for borders of materials.
    """
    share = min(1.0, SIDE / max(albedo.size))
    sides = (max(1, round(albedo.size[0] * share)), max(1, round(albedo.size[1] * share)))
    small = shrunk(albedo, sides)
    inside = shrunk(Map(np.broadcast_to(mask.array, (*mask.size, 3)), mask.color_space), sides)[..., 0]
    edges = np.maximum(_inner_border(inside), np.float32(PAINTED) * inside * _borders(small, segments))
    colour, seen = (np.log(values @ LUMINANCE + np.float32(1e-2)) for values in (small, shrunk(picture, sides)))
    closed = np.maximum(_crevices(colour), _crevices(seen - colour))
    return {
        "curvature": _stored(np.float32(128) + np.float32(127) * np.clip(edges, 0, 1), albedo.size, allocate),
        "ambient_occlusion": _stored(np.float32(255) * (1 - closed), albedo.size, allocate),
    }


def _crevices(bright: np.ndarray) -> np.ndarray:
    """Lines [h, w] that are darker than what lies on both sides of them, 0..1; `bright` is a logarithm."""
    fine = blurred(bright, FINE)
    reach = max(1, round(WIDE * max(fine.shape) / LONGEST))
    filled = -_highest(-_highest(fine, reach), reach)
    return np.clip((filled - fine) / np.float32(DEEP), 0, 1)


def _highest(values: np.ndarray, reach: int) -> np.ndarray:
    """The highest of all values within `reach` rows and columns."""
    for axis in (0, 1):
        values = np.moveaxis(values, axis, 0)
        padded = np.pad(values, ((reach, reach), (0, 0)), mode="edge")
        values = np.moveaxis(sliding_window_view(padded, 2 * reach + 1, axis=0).max(-1), 0, axis)
    return values


def _inner_border(inside: np.ndarray) -> np.ndarray:
    return inside * np.clip(2 * (1 - blurred(inside, BORDER)), 0, 1)


def _borders(small: np.ndarray, segments: Segments | None) -> np.ndarray:
    """Where two materials meet, 0..1 [h, w]."""
    if segments is not None:
        soft = blurred(segments.probabilities, BORDER)
        mixed = (2 * (1 - (soft**2).sum(-1, keepdims=True))).astype(np.float32)
        height, width = small.shape[:2]
        return enlarged(mixed, (height, width), slice(0, height))[..., 0].clip(0, 1)
    colour = blurred(np.log(small + np.float32(2e-2)), BORDER / 2)
    steps = np.zeros(small.shape[:2], np.float32)
    for axis in (0, 1):
        if small.shape[axis] > 1:
            steps += np.square(np.gradient(colour, axis=axis)).sum(-1)
    steps = np.sqrt(steps)
    steepest = max(float(np.percentile(steps, 99)), 0.05)
    return np.clip(steps / np.float32(steepest), 0, 1)


def _stored(values: np.ndarray, size: tuple[int, int], allocate: Allocate) -> Map:
    array, small = allocate((*size, 1), np.uint8), values[..., None].astype(np.float32)

    def strip(rows: slice) -> None:
        array[rows] = np.rint(enlarged(small, size, rows)).clip(0, 255)

    parallel(strip, strips(*size))
    return Map(array)
