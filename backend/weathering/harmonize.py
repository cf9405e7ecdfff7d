# SPDX-License-Identifier: GPL-3.0-or-later
"""What was put into a picture brought into the light and the colours of the rest, after Hao, Iizuka and Fukui (BMVC 2020).

The harmonizer looks at the picture small and answers with a smooth map of colour transforms; each texel of the mask is one
matrix product at full size, strip by strip. Outside the mask every texel is the input's, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from ..protocol.errors import BadSurface
from . import colour
from .resample import Axis, weigh

NETWORK = "harmonizer"
SIDE = 256  # texels on the longer side of what the network looks at
MULTIPLE = 16
ROWS = 256  # of a strip
LEAST = 1e-3  # of the small picture that must lie in the mask, and out of it

Run = Callable[[Mapping[str, np.ndarray]], Mapping[str, np.ndarray]]


def harmonized(image: np.ndarray, mask: np.ndarray, run: Run) -> np.ndarray:
    """The image [H, W, 3] in its own type with its part under the mask [H, W, 1] (floats 0..1) harmonized by that much.

    Integers and floats are colours as sRGB encodes them. `run` is the harmonizer's session. Raises BadSurface.
    """
    check(image, mask)
    height, width = image.shape[:2]
    sides = tuple(max(1, round(SIDE * side / max(height, width) / MULTIPLE)) * MULTIPLE for side in (height, width))
    small, where = shrunk(image, sides), shrunk(mask, sides)
    where = np.clip(where, 0, 1)
    if not LEAST < where.mean() < 1 - LEAST:
        raise _no_part(float(where.mean()))
    given = {"composite": small, "mask": where}
    (transforms,) = run({name: np.ascontiguousarray(v.transpose(2, 0, 1)[None]) for name, v in given.items()}).values()
    return applied(image, mask, transforms[0].transpose(1, 2, 0))


def applied(image: np.ndarray, mask: np.ndarray, transforms: np.ndarray) -> np.ndarray:
    """The image with a map of transforms [h, w, 12] applied under the mask, in its own type."""
    height, width = image.shape[:2]
    result = image.copy()
    across = _tap(Axis(transforms.shape[1], width), width)
    wide = weigh(transforms[:, across[0]].astype(np.float32), 1, *across[1:])
    down = Axis(transforms.shape[0], height)
    for top in range(0, height, ROWS):
        rows = slice(top, min(top + ROWS, height))
        part = mask[rows]
        inside = part[..., 0] > 0
        if not inside.any():
            continue
        begin, end, sources, weights = down.taps(rows.start, rows.stop)
        matrix = weigh(wide[down.within(begin, end)], 0, sources, weights)[inside].reshape(-1, 3, 4)
        before = colour_of(result[rows][inside])
        after = np.clip(np.einsum("nij,nj->ni", matrix[..., :3], before) + matrix[..., 3], 0, 1)
        result[rows][inside] = colour.store(before + part[inside] * (after - before), image.dtype)
    return result


def check(image: np.ndarray, mask: np.ndarray) -> None:
    """Raises BadSurface for a mask of another size, an empty or a full one, or values that are no numbers."""
    if image.shape[:2] != mask.shape[:2]:
        sizes = (f"{a.shape[1]} x {a.shape[0]}" for a in (mask, image))
        raise BadSurface("The mask is {} texels, the image {}.".format(*sizes), "Give a mask of the image's size.")
    if not (np.isfinite(mask).all() and (image.dtype.kind == "u" or np.isfinite(image).all())):
        raise BadSurface("The image or the mask holds values that are no numbers.", "Render or export it again.")
    if (mask <= 0).all() or (mask > 0).all():
        raise _no_part(float((mask > 0).mean()))


def colour_of(values: np.ndarray) -> np.ndarray:
    """Stored values as float32, integers over 0..1."""
    scale = np.float32(1 / np.iinfo(values.dtype).max) if values.dtype.kind == "u" else np.float32(1)
    return values.astype(np.float32) * scale


def shrunk(values: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """[H, W, C] as float32 of another size: means where it shrinks. In strips of the rows of the result."""
    height, width = sides
    across = _tap(Axis(values.shape[1], width), width)
    down, rows = Axis(values.shape[0], height), []
    for top in range(0, height, MULTIPLE):
        begin, end, sources, weights = down.taps(top, top + MULTIPLE)
        block = colour_of(values[down.within(begin, end)])
        rows.append(weigh(weigh(block[:, across[0]], 1, *across[1:]), 0, sources, weights))
    return np.concatenate(rows)


def _tap(axis: Axis, length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    begin, end, sources, weights = axis.taps(0, length)
    return axis.within(begin, end), sources, weights


def _no_part(share: float) -> BadSurface:
    if share < 0.5:
        return BadSurface("The mask is empty.", "Paint white where something was put into the picture.")
    return BadSurface("The mask is full: nothing is left to go by.", "Leave what was there before black.")
