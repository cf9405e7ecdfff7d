# SPDX-License-Identifier: GPL-3.0-or-later
"""The light on a photograph: picture = albedo * shading + residual in scene-linear light, row by row.

The shading network tells light from colour where there is one, else the contrast of brightness does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..networks.registry import Networks
from ..photographed.picture import blurred
from ..protocol.errors import BadSurface
from ..protocol.surface import Map
from . import delight
from .colour import decode
from .contrast import REACH, light_in
from .resample import Axis, weigh

SIDE = 256  # texels on the longer side of what light is looked for in
DARK = 1e-3  # luminance below which nothing is told apart
GLOSS = 1.0  # logarithm of how far light rises above the light around it: what is brighter is mirrored, and left to the residual
WHITE = 0.7  # albedo of what is brightest under the light
BRIGHTEST = 98  # percentile that stands for it
MINKOWSKI = 6.0  # shades of grey (Finlayson and Trezzi 2004): the norm that gives the light's colour
TRUST = 0.5  # of that colour which is the light's: the rest may be the surface's
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)

Rows = Callable[[slice], np.ndarray]


@dataclass(frozen=True)
class Light:
    """albedo = (1 - mirrored) * picture / shading, of some rows [h, W, 3] each.

    `told_by` says what told light from colours, for a report.
    """

    shading: Rows
    told_by: str
    mirrored: Rows = lambda rows: np.zeros(1, np.float32)


def light_on(picture: Map, networks: Networks, alpha: np.ndarray | None = None) -> Light:
    """By the shading network; by contrast where there is none or too little to see. What is brightest is WHITE in its light.

    What `alpha` [H, W, 1] hides is not looked at, unless that is all.
    """
    if alpha is not None and not alpha.any():
        alpha = None
    if delight.NETWORK not in networks:
        return by_contrast(picture, alpha)
    try:
        found = delight.look(picture, networks[delight.NETWORK].run, alpha=alpha)
    except BadSurface:  # too small, or all of one colour
        return by_contrast(picture, alpha)
    light = np.log(np.exp(found.light) @ LUMINANCE)
    bare = found.bright[..., 0] + np.log(1 - np.clip(found.share, 0, 0.98)).mean(-1) - light
    level = np.float32(np.exp(np.percentile(bare, BRIGHTEST)) / (WHITE * found.exposure))
    return Light(
        lambda rows: found.shading(rows)[0] * level, "the shading network", lambda rows: found.shading(rows)[1]
    )


def by_contrast(picture: Map, alpha: np.ndarray | None = None) -> Light:
    """By brightness alone, as `contrast` says."""
    height, width = picture.size
    share = min(1.0, SIDE / max(height, width))
    small = delight.shrunk(picture, (max(1, round(height * share)), max(1, round(width * share))), alpha=alpha)
    bright = _log(small @ LUMINANCE)
    slope, level = light_in(bright)
    evened = bright - (slope * bright + level)
    level = level + np.float32(np.percentile(evened, BRIGHTEST) - np.log(WHITE))
    most = blurred(slope * bright + level, 2 * REACH) + np.float32(GLOSS)
    tint = _tint(small)
    knobs = np.stack([slope, level, most], axis=-1).astype(np.float32)

    def shading(rows: slice) -> np.ndarray:
        slope, level, most = np.moveaxis(enlarged(knobs, picture.size, rows), -1, 0)
        bright = _log(np.maximum(decode(picture.array[rows], picture.color_space), 0) @ LUMINANCE)
        return np.exp(np.minimum(slope * bright + level, most))[..., None] * tint

    return Light(shading, "a guided filter on brightness")


def enlarged(values: np.ndarray, size: tuple[int, int], rows: slice) -> np.ndarray:
    """Some rows of float32 values [h, w, C] at another size."""
    down, across = (Axis(before, after) for before, after in zip(values.shape[:2], size, strict=True))
    begin, end, sources, weights = across.taps(0, size[1])
    first, last, tops, shares = down.taps(rows.start, min(rows.stop, size[0]))
    block = values[down.within(first, last)][:, across.within(begin, end)]
    return weigh(weigh(block, 1, sources, weights), 0, tops, shares)


def _log(luminance: np.ndarray) -> np.ndarray:
    return np.log(luminance + np.float32(DARK))


def _tint(small: np.ndarray) -> np.ndarray:
    """The light's colour [3], of luminance 1."""
    top = max(float(small.max()), 1e-6)
    seen = np.mean((small / top).reshape(-1, 3).astype(np.float64) ** MINKOWSKI, axis=0) ** (1 / MINKOWSKI)
    tint = np.maximum(seen, 1e-3 * max(float(seen.max()), 1e-6)) ** TRUST
    return (tint / (tint @ LUMINANCE)).astype(np.float32)
