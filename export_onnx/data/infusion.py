# SPDX-License-Identifier: GPL-3.0-or-later
"""Infusion (Eppel, MatSeg): photographed textures mixed where a channel of another photograph, thresholded softly, says.

Masks are exact and degrees soft, without annotation. A material that has clean and weathered textures is itself mixed of both,
and the mixture's weight is its degree; where it has one kind alone, the degree is 0 or 1 throughout.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from ...backend.protocol.materials import Material
from .materials import Split, Texture, textures_of

LEVELS = (512, 256, 128)  # texels a side of a texture, from near to far
MIDDLE = 0.48  # sRGB-encoded: another contrast leaves this grey as it is
TWO_SHARE = 0.4  # of the textures: two of the kind, where there are two
FLAT_SHARE = 0.3  # of the pictures: an atlas, rectangles of materials on a plain ground


@dataclass(frozen=True)
class Mixture:
    """A picture [S,S,3] float32 in 0..1, sRGB-encoded; the material of most weight [S,S] uint8; its degree [S,S] float32."""

    picture: np.ndarray
    materials: np.ndarray
    degree: np.ndarray


class Infusion:
    """One split's textures, in memory as uint8."""

    def __init__(self, data: Path, split: Split) -> None:
        self.textures: dict[Material, dict[bool, list[list[np.ndarray]]]] = {}
        self.used = textures_of(data, split)
        for texture in self.used:
            pictures = self.textures.setdefault(texture.material, {})
            pictures.setdefault(texture.weathered, []).append(_levels(data, texture))
        self.every = [levels for kinds in self.textures.values() for found in kinds.values() for levels in found]

    def draw(self, side: int, rng: np.random.Generator, materials: int = 0) -> Mixture:
        """`side` at most LEVELS' first; larger than the last, what is far is left out. `materials`: how many (0: two to five)."""
        count = materials or int(rng.integers(2, 6))
        order = rng.permutation(np.array(list(self.textures), object))
        chosen = [order[i % len(order)] for i in range(count)]
        layers = [self._material(material, side, rng) for material in chosen]
        weights = (_islands if rng.random() < FLAT_SHARE else self._blended)(count, side, rng)
        if weights.shape[0] > count:  # the ground between islands
            layers.append((np.full((side, side, 3), rng.random(3), np.float32), np.zeros((side, side), np.float32)))
            chosen.append(Material.OTHER)
        picture = sum(w[..., None] * layer for w, (layer, _) in zip(weights, layers, strict=True))
        strongest = weights.argmax(0)
        channels = np.array([material.channel for material in chosen], np.uint8)
        degree = np.take_along_axis(np.stack([degree for _, degree in layers]), strongest[None], 0)[0]
        return Mixture(np.asarray(picture, np.float32), channels[strongest], degree)

    def _material(self, material: Material, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A picture of one material [S,S,3] and its degree [S,S]."""
        kinds, level = self.textures[material], _level(side, rng)
        pictures = {weathered: self._of_kind(found, level, side, rng) for weathered, found in kinds.items()}
        if len(pictures) == 1 or rng.random() < 0.4:
            weathered = bool(rng.choice(sorted(pictures)))
            return pictures[weathered], np.full((side, side), float(weathered), np.float32)
        share = self._mask(side, rng)
        return pictures[False] + share[..., None] * (pictures[True] - pictures[False]), share

    def _of_kind(self, found: list[list[np.ndarray]], level: int, side: int, rng: np.random.Generator) -> np.ndarray:
        """A picture [S,S,3] of one texture, or of two where a mask says."""
        count = min(len(found), 2 if rng.random() < TWO_SHARE else 1)
        first, *second = (_crop(found[i][level], side, rng) for i in rng.permutation(len(found))[:count])
        return first + self._mask(side, rng)[..., None] * (second[0] - first) if second else first

    def _mask(self, side: int, rng: np.random.Generator) -> np.ndarray:
        """[S,S] in 0..1: a channel of some texture, thresholded softly at one of its own quantiles."""
        source = _crop(self.every[rng.integers(len(self.every))][_level(side, rng)], side, rng)
        values = ndimage.gaussian_filter(source[..., rng.integers(3)], rng.choice([1.0, 3.0, 8.0]))
        spread = values.std() + 1e-4
        return _ramp((values - np.quantile(values, rng.uniform(0.2, 0.8))) / (spread * rng.uniform(0.1, 1.5)))

    def _blended(self, count: int, side: int, rng: np.random.Generator) -> np.ndarray:
        weights = np.ones((1, side, side), np.float32)
        for _ in range(count - 1):
            mask = _cut(side, rng) if rng.random() < 0.5 else self._mask(side, rng)
            weights = np.concatenate([weights * (1 - mask), mask[None]])
        return weights


def _levels(data: Path, texture: Texture) -> list[np.ndarray]:
    folder = data / "textures" / texture.name
    path = next(p for p in sorted(folder.iterdir()) if p.stem == "albedo")
    image = Image.open(path).convert("RGB")
    image = ImageOps.fit(image, (min(image.size),) * 2)  # the middle: what is not square would be squashed
    return [np.asarray(image.resize((size, size), Image.Resampling.LANCZOS)) for size in LEVELS]


def _level(side: int, rng: np.random.Generator) -> int:
    return int(rng.integers(sum(size >= side for size in LEVELS)))


def _crop(texture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """[S,S,3] float32 in 0..1, turned, lit and of another contrast at random."""
    y, x = (int(v) for v in rng.integers(0, len(texture) - side + 1, 2))
    part = np.rot90(texture[y : y + side, x : x + side], int(rng.integers(4)))
    part = part[:, ::-1] if rng.random() < 0.5 else part
    gain = rng.uniform(0.75, 1.2) * rng.uniform(0.94, 1.06, 3)
    curved = MIDDLE * (part / np.float32(255 * MIDDLE)) ** np.float32(rng.uniform(0.7, 1.4))
    return (curved * gain.astype(np.float32)).clip(0, 1)


def _ramp(x: np.ndarray) -> np.ndarray:
    t = np.clip(0.5 + 0.5 * x, 0, 1).astype(np.float32)
    return t * t * (3 - 2 * t)


def _places(side: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:side, :side].astype(np.float32) / side
    return y, x


def _cut(side: int, rng: np.random.Generator) -> np.ndarray:
    """[S,S]: one side of a line or the inside of an ellipse, sharp."""
    y, x = _places(side)
    angle, middle = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.8, 2)
    u = (x - middle[0]) * np.cos(angle) + (y - middle[1]) * np.sin(angle)
    v = (y - middle[1]) * np.cos(angle) - (x - middle[0]) * np.sin(angle)
    away = u if rng.random() < 0.5 else 1 - np.hypot(u / rng.uniform(0.15, 0.5), v / rng.uniform(0.15, 0.5))
    return _ramp(away * side / rng.uniform(1, 3))


def _islands(count: int, side: int, rng: np.random.Generator) -> np.ndarray:
    """[count + 1,S,S], rectangles one over the other; the last is what they leave."""
    owner = np.full((side, side), count)
    for i in range(int(rng.integers(count, 2 * count + 3))):
        y, x = (int(v) for v in rng.integers(-side // 8, side, 2))
        h, w = (int(v) for v in rng.integers(side // 6, side * 2 // 3, 2))
        owner[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = i % count
    return (owner == np.arange(count + 1)[:, None, None]).astype(np.float32)
