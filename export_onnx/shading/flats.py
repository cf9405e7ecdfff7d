# SPDX-License-Identifier: GPL-3.0-or-later
"""Flat textures with light baked in, as a careless photograph has it: known exactly, and cheap.

The texture's own colours are the albedo. Its height map, or heights guessed from its brightness and from noise, is lit by a sky
(dimmed in cavities: ambient occlusion) and a sun (by its slopes, with soft shadows of things out of the picture), each of a
colour of its own; then light falls off across the picture, and gloss mirrors some of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ...backend.weathering.colour import to_linear
from ..data.materials import Split, textures_of
from .pictures import Pair

SIDE = 512  # texels a side in memory


@dataclass(frozen=True)
class Flat:
    """`albedo` [SIDE,SIDE,3] uint8, sRGB-encoded; `height` [SIDE,SIDE] uint8 where the set has one."""

    name: str
    albedo: np.ndarray
    height: np.ndarray | None


def read_flats(folder: Path, split: Split) -> list[Flat]:
    """The textures of one side of the split, of `folder`/textures."""
    found = []
    for texture in textures_of(folder, split):
        files = {path.stem: path for path in (folder / "textures" / texture.name).iterdir()}
        if "albedo" in files:
            height = _read(files["height"], "L") if "height" in files else None
            found.append(Flat(texture.name, _read(files["albedo"], "RGB"), height))
    return found


def _read(path: Path, mode: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert(mode).resize((SIDE, SIDE), Image.Resampling.BOX))


def draw_flat(flats: Sequence[Flat], rng: np.random.Generator, side: int) -> Pair:
    """One texture under two lights; known all over."""
    flat = flats[rng.integers(len(flats))]
    step = int(rng.integers(1, SIDE // side + 1))  # shrunk by that much
    y, x = (int(v) for v in rng.integers(0, SIDE - side * step + 1, 2))
    box = slice(y, y + side * step), slice(x, x + side * step)
    turn, mirrored = int(rng.integers(4)), rng.random() < 0.5
    albedo = _turned(_shrunk(to_linear(flat.albedo[box].astype(np.float32) / 255), step), turn, mirrored)
    albedo = np.maximum(albedo * np.float32(rng.uniform(0.7, 1.2)), 0.01)
    height = _heights(albedo, rng)
    if flat.height is not None and rng.random() < 0.7:
        own = _turned(_shrunk(flat.height[box].astype(np.float32)[..., None] / 255, step), turn, mirrored)[..., 0]
        height = (own - own.mean()) / (own.std() + 0.02)
    lights = [_light(height, rng) for _ in range(2)]
    image = np.stack([albedo * shading + residual for shading, residual in lights])
    residual = np.stack([residual for _, residual in lights])
    return Pair(image, np.stack([albedo, albedo]), residual, np.ones((side, side), bool))


def _shrunk(values: np.ndarray, step: int) -> np.ndarray:
    side = len(values) // step
    return values.reshape(side, step, side, step, -1).mean((1, 3))


def _turned(values: np.ndarray, turn: int, mirrored: bool) -> np.ndarray:
    values = np.rot90(values, turn)
    return np.ascontiguousarray(values[:, ::-1] if mirrored else values)


def _heights(albedo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[S,S] of deviation near 1: waves of noise, and some of the brightness, which cavities often lack."""
    side = len(albedo)
    found = rng.uniform(0, 1.5) * _noise(side, rng.uniform(side / 32, side / 4), rng)
    if rng.random() < 0.6:
        bright = ndimage.gaussian_filter(np.log(albedo.mean(-1)), rng.uniform(0.7, 3))
        found = found + rng.uniform(0.3, 1.5) * (bright - bright.mean()) / (bright.std() + 0.05)
    return found.astype(np.float32)


def _noise(side: int, size: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of deviation 1 whose waves are some `size` texels long."""
    coarse = rng.standard_normal((max(int(side / size) + 4, 5),) * 2)
    fine = ndimage.zoom(coarse, size, order=3)
    y, x = (int(v) for v in rng.integers(0, np.array(fine.shape) - side + 1))
    fine = fine[y : y + side, x : x + side]
    return ((fine - fine.mean()) / (fine.std() + 1e-3)).astype(np.float32)


def _light(height: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Shading and residual [S,S,3]."""
    side = len(height)
    relief = rng.uniform(0, 1.2) * (rng.random() < 0.8)
    slopes = relief * np.stack(np.gradient(ndimage.gaussian_filter(height, rng.uniform(0.5, 2))), -1)
    normal = np.concatenate([-slopes, np.ones((side, side, 1))], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    shading = _colour(rng, 0.15) * rng.uniform(0.2, 1)
    if rng.random() < 0.7:
        shading = shading * np.exp(-rng.uniform(0.2, 1.2) * _cavities(height, rng))[..., None]
    shading = np.broadcast_to(shading, (side, side, 3)).astype(np.float32)
    residual = np.zeros((side, side, 3), np.float32)
    if rng.random() < 0.75:
        angle, lift = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.4)
        sun = np.array([np.cos(lift) * np.sin(angle), np.cos(lift) * np.cos(angle), np.sin(lift)])
        lit = np.maximum(normal @ sun, 0) / np.sin(lift) * _shadow(side, rng)
        tint = _colour(rng, 0.2) * rng.uniform(0.3, 2)
        shading = shading + lit[..., None] * tint
        if rng.random() < 0.3:
            half = sun + np.array([0, 0, 1])
            shine = np.maximum(normal @ half / np.linalg.norm(half), 0) ** rng.uniform(5, 80) * np.exp(
                _noise(side, side / 3, rng) - 1
            )
            residual = (shine[..., None] * tint * rng.uniform(0.02, 0.3)).astype(np.float32)
    if rng.random() < 0.8:
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        angle, bent = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.3)
        fall = rng.uniform(0, 0.6) * (x * np.cos(angle) + y * np.sin(angle)) + bent * (x * x + y * y) / 2
        shading = shading * np.exp(fall + rng.uniform(0, 0.35) * _noise(side, side / 2, rng))[..., None]
    return shading.astype(np.float32), residual


def _cavities(height: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How far each texel lies below its surroundings, several sizes of them together."""
    sizes = rng.uniform(1, 10, 2)
    return sum(np.maximum(ndimage.gaussian_filter(height, s) - height, 0) for s in sizes) / len(sizes)


def _shadow(side: int, rng: np.random.Generator) -> np.ndarray:
    """What things out of the picture leave of the sun, [S,S] in 0..1: blobs, or a straight edge."""
    kind = rng.random()
    if kind < 0.45:
        return np.ones((side, side), np.float32)
    if kind < 0.8:
        field = _noise(side, rng.uniform(side / 6, side / 2), rng) + rng.uniform(-0.3, 1)
    else:
        y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
        angle = rng.uniform(0, 2 * np.pi)
        field = 3 * (x * np.cos(angle) + y * np.sin(angle) + rng.uniform(-0.7, 0.7))
    soft = np.exp(rng.uniform(np.log(0.03), np.log(0.8)))
    return np.clip(field / soft + 0.5, rng.uniform(0, 0.3), 1).astype(np.float32)


def _colour(rng: np.random.Generator, strength: float) -> np.ndarray:
    """Warm to cold, of luminance near 1."""
    warm = rng.normal(0, strength)
    return np.exp([warm, rng.normal(0, 0.2 * strength), -warm])
