# SPDX-License-Identifier: GPL-3.0-or-later
"""What took light off pictures before networks did, each tuned on training pictures. Their light is white.

retinex   brightness changes slowly by light, quickly (or with colour) by albedo: gradients are told apart by two thresholds and
          integrated again (colour Retinex; Grosse et al. 2009)
guided    light is brightness after an edge-preserving filter by itself (He, Sun and Tang 2013)
ratio     light is brightness over the mean of what looks alike (Iizuka et al. 2016, whose likeness is the degree of
          weathering; here it is chromaticity, in clusters)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product

import numpy as np
from scipy import ndimage
from scipy.cluster.vq import kmeans2
from scipy.fft import dctn, idctn

from ...backend.weathering.delight import brightness

Light = Callable[[np.ndarray], np.ndarray]  # exposed linear picture [H,W,3] -> the logarithm of its shading [H,W,1]


def retinex(image: np.ndarray, change: float, colour: float) -> np.ndarray:
    """`change` of log brightness, or of log chromaticity by `colour`, from one texel to the next is albedo's."""
    logs = np.log(np.maximum(image, 0) + 1e-3)
    bright = logs.mean(-1)
    chroma = logs - bright[..., None]
    kept = []
    for axis in (0, 1):
        gradient = np.diff(bright, axis=axis)
        apart = np.linalg.norm(np.diff(chroma, axis=axis), axis=-1)
        kept.append(np.where((np.abs(gradient) > change) | (apart > colour), 0, gradient))
    return integrated(*kept)[..., None]


def integrated(down: np.ndarray, across: np.ndarray) -> np.ndarray:
    """[H,W] whose differences are as near as can be to `down` [H-1,W] and `across` [H,W-1]; its mean is 0."""
    height, width = down.shape[0] + 1, across.shape[1] + 1
    wanted = np.zeros((height, width))
    wanted[:-1] += down
    wanted[1:] -= down
    wanted[:, :-1] += across
    wanted[:, 1:] -= across
    waves = [2 * np.cos(np.pi * np.arange(n) / n) - 2 for n in (height, width)]
    divisor = waves[0][:, None] + waves[1]
    divisor[0, 0] = 1
    spectrum = dctn(wanted, norm="ortho") / divisor
    spectrum[0, 0] = 0
    return idctn(spectrum, norm="ortho")


def guided(image: np.ndarray, radius: int, flat: float, strength: float) -> np.ndarray:
    bright = brightness(image)[..., 0]
    mean = partial(ndimage.uniform_filter, size=2 * radius + 1, mode="nearest")
    middle = mean(bright)
    variance = np.maximum(mean(bright * bright) - middle * middle, 0)
    slope = variance / (variance + flat)
    return strength * (mean(slope) * bright + mean(middle - slope * middle))[..., None]


def ratio(image: np.ndarray, clusters: int, blur: float, strength: float) -> np.ndarray:
    logs = np.log(np.maximum(image, 0) + 1e-3)
    bright = logs.mean(-1)
    chroma = (logs - bright[..., None])[..., :2].reshape(-1, 2)
    _, label = kmeans2(chroma, clusters, minit="++", rng=np.random.default_rng(0))
    count = np.maximum(np.bincount(label, minlength=clusters), 1)
    alike = (np.bincount(label, bright.ravel(), clusters) / count)[label].reshape(bright.shape)
    return strength * ndimage.gaussian_filter(bright - alike, blur)[..., None]


STRENGTHS = (0.4, 0.7, 1.0)
GRIDS: Mapping[str, tuple[Callable[..., np.ndarray], Mapping[str, Sequence[float]]]] = {
    "retinex": (retinex, {"change": (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 9.0), "colour": (0.01, 0.03, 0.08, 0.2, 9.0)}),
    "guided": (guided, {"radius": (2, 4, 8, 16, 32), "flat": (0.01, 0.05, 0.2, 1.0), "strength": STRENGTHS}),
    "ratio": (ratio, {"clusters": (2, 4, 8, 16), "blur": (0.0, 1.5, 4.0), "strength": STRENGTHS}),
}


def tuned(name: str, error: Callable[[Light], float]) -> Light:
    """The baseline with those of its settings for which `error` is least."""
    function, grid = GRIDS[name]
    tried = [partial(function, **dict(zip(grid, values, strict=True))) for values in product(*grid.values())]
    return min(tried, key=error)
