# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures whose degree is known: a clean and a weathered texture, both made by procedure, mixed by a smooth map.

Two ways of mixing, of equal right: `blended` changes every texel's colour by the degree; `flaked` weathers a share of the
texels wholly, as large as the degree, in sharp flakes. Plus what a camera does: uneven light, noise, JPEG.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sabi.backend.files.image import read_image, write_image

SIZE = 512


@dataclass(frozen=True)
class Mixture:
    """`photograph` [H, W, 3] float32 in 0..1, sRGB-encoded; `degree` [H, W] float32 in 0..1."""

    photograph: np.ndarray
    degree: np.ndarray

    def error(self, found: np.ndarray) -> float:
        """Mean absolute error of a degree map of this picture."""
        return float(np.abs(found - self.degree).mean())

    def marks(self, count: int = 5, seed: int = 0, between: int = 2) -> list[tuple[int, int, float]]:
        """What an artist would mark: (x, y, degree) where it is plainly clean, plainly weathered, and half of it."""
        rng = np.random.default_rng(seed)
        low, high = np.quantile(self.degree, (0.06, 0.94))
        chosen = []
        for inside, value, many in (
            (self.degree <= low, 0.0, count),
            (self.degree >= high, 1.0, count),
            (np.abs(self.degree - 0.5) < 0.03, 0.5, between),
        ):
            rows, columns = np.nonzero(inside)
            for index in rng.choice(len(rows), many, replace=False):
                chosen.append((int(columns[index]), int(rows[index]), value))
        return chosen


def noise(
    rng: np.random.Generator, width: float, size: int = SIZE, stretch: tuple[float, float] = (1, 1)
) -> np.ndarray:
    """Gaussian noise [size, size] of mean 0 and deviation 1, smooth over `width` texels, wrapping."""
    rows, columns = np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size), indexing="ij")
    squared = (rows * stretch[0]) ** 2 + (columns * stretch[1]) ** 2
    field = np.fft.ifft2(
        np.fft.fft2(rng.standard_normal((size, size))) * np.exp(-2 * (np.pi * width) ** 2 * squared)
    ).real
    return ((field - field.mean()) / field.std()).astype(np.float32)


def ranked(values: np.ndarray) -> np.ndarray:
    """The same order, spread evenly over 0..1."""
    return (values.ravel().argsort().argsort().reshape(values.shape) / (values.size - 1)).astype(np.float32)


def degree_map(seed: int, mean: float = 0.5, size: int = SIZE) -> np.ndarray:
    """A smooth degree that reaches 0 and 1; its mean is near `mean`."""
    rng = np.random.default_rng(seed)
    spread = ranked(noise(rng, size / 8, size) + 0.3 * noise(rng, size / 20, size))
    power = (1 - mean) / mean
    t = spread**power
    return (t * t * (3 - 2 * t)).astype(np.float32) if power == 1 else t.astype(np.float32)


def coloured(
    rng: np.random.Generator, colour: tuple[float, float, float], grains: dict[float, float], **how
) -> np.ndarray:
    """A texture of one colour, its brightness and a little of its hue changed by noise of several grains."""
    height = sum(amount * noise(rng, width, **how) for width, amount in grains.items())
    hue = noise(rng, max(grains), **how)[..., None] * np.array((0.015, 0, -0.015), np.float32)
    return (np.array(colour, np.float32) * (1 + height[..., None]) + hue).clip(0, 1).astype(np.float32)


def red_paint(rng: np.random.Generator) -> np.ndarray:
    return coloured(rng, (0.62, 0.16, 0.13), {0.6: 0.02, 6: 0.03})


def blue_paint(rng: np.random.Generator) -> np.ndarray:
    return coloured(rng, (0.20, 0.35, 0.52), {0.6: 0.03, 4: 0.03})


def steel(rng: np.random.Generator) -> np.ndarray:
    return coloured(rng, (0.55, 0.56, 0.58), {1.2: 0.05}, stretch=(0.3, 8))


def concrete(rng: np.random.Generator) -> np.ndarray:
    return coloured(rng, (0.60, 0.58, 0.55), {0.5: 0.04, 3: 0.04, 20: 0.03})


def bricks(rng: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:SIZE, :SIZE]
    course = rows // 32
    joint = (rows % 32 < 3) | ((columns + 32 * (course % 2)) % 64 < 3)
    return np.where(joint[..., None], np.float32(0.66), coloured(rng, (0.58, 0.30, 0.22), {0.7: 0.05, 8: 0.05}))


def rust(rng: np.random.Generator) -> np.ndarray:
    return coloured(rng, (0.42, 0.22, 0.11), {0.6: 0.12, 2.5: 0.12, 9: 0.08})


def moss(rng: np.random.Generator) -> np.ndarray:
    return coloured(rng, (0.28, 0.36, 0.12), {0.8: 0.16, 3: 0.12})


def dirt(rng: np.random.Generator) -> np.ndarray:
    return coloured(rng, (0.33, 0.28, 0.22), {1: 0.08, 5: 0.08})


PAIRS: tuple[tuple[Callable, Callable], ...] = (
    (red_paint, rust), (blue_paint, rust), (steel, rust), (concrete, moss), (concrete, dirt), (bricks, moss),
)  # fmt: skip


def blended(clean: np.ndarray, weathered: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """Every texel between the two, by the degree."""
    return clean + (weathered - clean) * degree[..., None]


def flaked(clean: np.ndarray, weathered: np.ndarray, degree: np.ndarray, seed: int = 0, width: float = 4) -> np.ndarray:
    """A share of the texels as large as the degree is weathered, in flakes `width` texels wide with borders of a texel or two."""
    rng = np.random.default_rng(1000 + seed)
    threshold = ranked(noise(rng, width) + 0.4 * noise(rng, width / 3))
    coverage = ((degree * 1.04 - 0.02 - threshold) / 0.04 + 0.5).clip(0, 1)
    return clean + (weathered - clean) * coverage[..., None]


def photographed(picture: np.ndarray, seed: int, folder: Path, light: float = 0.25, quality: int = 75) -> np.ndarray:
    """The picture under light that differs by `light` each way from side to side, with sensor noise, through 8-bit JPEG."""
    rng = np.random.default_rng(2000 + seed)
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]] / np.float32(picture.shape[0]) - np.float32(0.5)
    angle = rng.uniform(0, 2 * np.pi)
    across = (rows * np.sin(angle) + columns * np.cos(angle)) * 2 - 0.5 * (rows**2 + columns**2)
    lit = picture * (1 + light * across[..., None]) + rng.normal(0, 0.012, picture.shape)
    path = folder / f"photograph{seed}.jpg"
    write_image(path, (lit.clip(0, 1) * 255 + 0.5).astype(np.uint8))
    return read_image(path)[0].astype(np.float32) / 255


def mixture(pair: int, seed: int, mix: Callable = blended, mean: float = 0.5, folder: Path | None = None) -> Mixture:
    """A pair of `PAIRS` mixed; with a folder to work in, also photographed."""
    rng = np.random.default_rng(seed)
    clean, weathered = (make(rng) for make in PAIRS[pair])
    degree = degree_map(100 + seed, mean)
    picture = mix(clean, weathered, degree)
    if folder is not None:
        picture = photographed(picture, seed, folder)
    return Mixture(picture.astype(np.float32), degree)
