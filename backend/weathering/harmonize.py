# SPDX-License-Identifier: GPL-3.0-or-later
"""What was put into a picture brought into the light and the colours of the rest, after Hao, Iizuka and Fukui (BMVC 2020).

The harmonizer looks at the picture small and answers with a smooth map of colour transforms; each texel of the mask is one
matrix product at full size, strip by strip. Outside the mask every texel is the input's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..networks.registry import Networks
from ..protocol.errors import BadSurface, NetworkError
from ..protocol.surface import ColorSpace, Map
from ..threads import parallel
from . import colour
from .gutters import Allocate
from .resample import Axis, weigh

NETWORK = "harmonizer"
SIDE = 256  # texels on the longer side of what the network looks at
MULTIPLE = 16
ROWS = 32  # of a strip
LEAST = 1e-3  # of the small picture that must lie in the mask, and out of it

Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def session_of(networks: Networks) -> Run:
    """Raises NetworkError where there is no harmonizer."""
    if NETWORK not in networks:
        raise NetworkError(f"There is no network '{NETWORK}' here.", "Leave harmonizing out, or unset SABI_NETWORKS.")
    return networks[NETWORK].run


def settled(aged: Map, covered: np.ndarray, run: Run, allocate: Allocate = np.empty) -> tuple[Map, list[str]]:
    """Harmonized where it is covered. Left as it is, and said so, where too little or all of the picture is covered."""
    share = float(covered.mean())
    if share <= LEAST:
        return aged, [f"Not harmonized: {'hardly anything' if share else 'nothing'} of the picture weathers."]
    if share >= 1 - LEAST or covered.min() > 0:
        return aged, ["Not harmonized: all of the picture weathers, so there is nothing to go by."]
    return harmonized(aged, covered, run, allocate), []


def harmonized(picture: Map, mask: np.ndarray, run: Run | None = None, allocate: Allocate = np.empty) -> Map:
    """The picture [H, W, 3] in its own type with its part under the mask [H, W, 1] (floats 0..1) harmonized by that much.

    The network knows colours as sRGB encodes them: scene-linear ones are encoded for it, and what is brighter than white stays
    as it is. `run` is the harmonizer's session, else that which ships. Raises BadSurface, NetworkError.
    """
    run = run or session_of(Networks.load())
    image = picture.array
    check(image, mask)
    height, width = image.shape[:2]
    sides = tuple(max(1, round(SIDE * side / max(height, width) / MULTIPLE)) * MULTIPLE for side in (height, width))
    small, where = shrunk(picture, sides), np.clip(shrunk(Map(mask), sides), 0, 1)
    if not LEAST < where.mean() < 1 - LEAST:
        raise _no_part(float(where.mean()))
    given = {"composite": small, "mask": where}
    (transforms,) = run({name: np.ascontiguousarray(v.transpose(2, 0, 1)[None]) for name, v in given.items()}).values()
    return applied(picture, mask, transforms[0].transpose(1, 2, 0), allocate)


def applied(picture: Map, mask: np.ndarray, transforms: np.ndarray, allocate: Allocate = np.empty) -> Map:
    """The picture with a map of transforms [h, w, 12] applied under the mask, in its own type and colour space.

    In strips, channel by channel: numpy is several times slower on axes as short as three.
    """
    image = picture.array
    height, width = image.shape[:2]
    result = allocate(image.shape, image.dtype)
    down, (columns, sources, weights) = Axis(transforms.shape[0], height), _tap(Axis(transforms.shape[1], width), width)
    planes = np.ascontiguousarray(transforms.transpose(0, 2, 1)[..., columns], np.float32)
    wide = weigh(planes, 2, sources, weights).reshape(-1, 3, 4, width)

    def strip(rows: slice) -> None:
        inside = mask[rows, :, 0] > 0
        there = np.flatnonzero(inside.any(0))
        across = slice(there[0], there[-1] + 1) if len(there) else slice(0)
        for beside in (slice(across.start), slice(across.stop, None)):
            result[rows, beside] = image[rows, beside]
        if not len(there):
            return
        stored = _planes(image[rows, across])
        before = encoded(stored, picture.color_space)
        begin, end, sources, weights = down.taps(rows.start, rows.stop)
        after = _transformed(before, wide[down.within(begin, end)][..., across], sources, weights)
        after -= before
        after *= mask[rows, across, 0].astype(np.float32, copy=False)[:, None]
        after += before
        changed = inside[:, across]
        if image.dtype.kind == "f":
            changed = changed & (stored.max(1) <= 1)
        if picture.color_space is ColorSpace.LINEAR:
            after = colour.to_linear(after)
        np.copyto(stored, colour.store(after, image.dtype), where=changed[:, None])
        for channel in range(3):
            result[rows, across, channel] = stored[:, channel]

    parallel(strip, [slice(top, min(top + ROWS, height)) for top in range(0, height, ROWS)])
    return Map(result, picture.color_space)


def _transformed(colours: np.ndarray, near: np.ndarray, sources: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Colours [n, 3, W] by the transforms of their rows, 0..1: of each the mean of rows of `near` [m, 3, 4, W], as `weigh`."""
    made, shares = np.empty_like(colours), weights[..., None, None]
    padded = np.ones((4, colours.shape[2]), np.float32)
    for given, out, first, share in zip(colours, made, sources[:, 0], shares, strict=True):
        padded[:3] = given
        np.einsum("kijw,kjw->iw", near[first : first + len(share)], padded * share, out=out)
    return np.clip(made, 0, 1, out=made)


def _planes(pixels: np.ndarray) -> np.ndarray:
    """[n, W, 3] as [n, 3, W]."""
    planes = np.empty((len(pixels), 3, pixels.shape[1]), pixels.dtype)
    for channel in range(3):
        planes[:, channel] = pixels[..., channel]
    return planes


def check(image: np.ndarray, mask: np.ndarray) -> None:
    """Raises BadSurface for a mask of another size, an empty or a full one, or values that are no numbers."""
    if image.shape[:2] != mask.shape[:2]:
        sizes = (f"{a.shape[1]} x {a.shape[0]}" for a in (mask, image))
        raise BadSurface("The mask is {} texels, the image {}.".format(*sizes), "Give a mask of the image's size.")
    if not all(np.isfinite(row).all() for values in (mask, image) if values.dtype.kind == "f" for row in values):
        raise BadSurface("The image or the mask holds values that are no numbers.", "Render or export it again.")
    if mask.max() <= 0 or mask.min() > 0:
        raise _no_part(float((mask > 0).mean()))


def encoded(values: np.ndarray, color_space: ColorSpace) -> np.ndarray:
    """Stored values as float32, integers over 0..1, scene-linear colours as sRGB encodes them, clipped at white."""
    if values.dtype.kind == "u":
        return colour.decode(values, ColorSpace.DATA)
    known = values.astype(np.float32, copy=False)
    return colour.to_srgb(known) if color_space is ColorSpace.LINEAR else known


def shrunk(picture: Map, sides: tuple[int, ...]) -> np.ndarray:
    """[H, W, C], `encoded`, of another size: means where it shrinks. In strips of few rows of the result."""
    (height, width), array = sides, picture.array
    across = _tap(Axis(array.shape[1], width), width)
    down, rows = Axis(array.shape[0], height), []
    for top in range(0, height, MULTIPLE // 4):
        begin, end, sources, weights = down.taps(top, top + MULTIPLE // 4)
        block = encoded(array[down.within(begin, end)], picture.color_space)
        rows.append(weigh(weigh(block[:, across[0]], 1, *across[1:]), 0, sources, weights))
    return np.concatenate(rows)


def _tap(axis: Axis, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    begin, end, sources, weights = axis.taps(0, length)
    return axis.within(begin, end), sources, weights


def _no_part(share: float) -> BadSurface:
    if share < 0.5:
        return BadSurface("The mask is empty.", "Paint white where something was put into the picture.")
    return BadSurface("The mask is full: nothing is left to go by.", "Leave what was there before black.")
