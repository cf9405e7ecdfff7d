# SPDX-License-Identifier: GPL-3.0-or-later
"""Training batches: crops of plates at random places and angles, over their own base, a new paint, or another clean texture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..composite import to_linear, to_srgb
from ..networks.painter import NOISE
from . import effects, textures

VARIANTS = 3  # plates made of each texture whose area is grown or drawn


@dataclass
class Batch:
    """[N, C, size, size] each, N crops of one style. `down` is [N, 2, size, size]; `full`: the style's coverage at degree 1."""

    style: int
    full: float
    photograph: Tensor
    area: Tensor
    degree: Tensor
    base: Tensor
    down: Tensor


class Plates:
    """All plates in memory, float16 on torch's default device, and the drawing of batches there. Same seed, same batches.

    `styles`: (effect, photograph) of each; `plates`: those of each style; `clean`: name -> base maps to lay them on.
    """

    def __init__(
        self,
        styles: list[tuple[str, effects.Photograph]],
        plates: list[list[textures.Plate]],
        clean: Mapping[str, np.ndarray],
    ) -> None:
        self.styles, self.plates = styles, plates
        self.clean = {name: torch.as_tensor(maps, dtype=torch.float16) for name, maps in clean.items()}
        self.stacks = [[self._stack(p) for p in plates] for plates in self.plates]

    @staticmethod
    def of_textures(folder: Path, seed: int = 0) -> Plates:
        """Those of the table in effects.py, from the data folder."""
        at, plates = folder / "textures", []
        for _, photograph in effects.styles():
            count = variants(photograph)
            plates.append([textures.plate(photograph, at / photograph.folder, seed + i) for i in range(count)])
        return Plates(effects.styles(), plates, clean_surfaces(folder))

    @staticmethod
    def _stack(plate: textures.Plate) -> Tensor:
        """photograph, base, area, degrees: one tensor, so that one draw turns and crops them all."""
        maps = np.concatenate([plate.photograph, plate.base, plate.area, plate.degrees])
        return torch.as_tensor(maps, dtype=torch.float16)

    def draw(self, style: int, count: int, size: int, rng: np.random.Generator) -> Batch:
        """`count` crops of one style. One crop in three stands on its own base, the others on a new paint or a clean texture."""
        crops = [self._crop(style, size, rng) for _ in range(count)]
        photograph, area, degree, base, down = (torch.stack(part) for part in zip(*crops, strict=True))
        return Batch(style, self.styles[style][1].full, photograph, area, degree, base, down)

    def bases(self, style: int) -> list[str]:
        """The clean textures a style is laid on: those it names, else all but soils. Raises ValueError where there is none."""
        named = self.styles[style][1].bases
        found = [n for n in self.clean if (n.startswith(named) if named else not n.startswith(effects.SOIL))]
        if not found:
            raise ValueError(f"none of the clean textures {sorted(self.clean)} begins as {named} say")
        return found

    def _crop(self, style: int, size: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        which = rng.integers(len(self.stacks[style]))
        plate = self.plates[style][which]
        matrix = random_turn(rng)
        stack = turned(self.stacks[style][which], matrix, size, rng, plate.wraps)
        photograph, base, area = stack[:6], stack[6:12], stack[12:13]
        degree = stack[13 + rng.integers(len(stack) - 13)][None]
        kind = rng.random()
        if not plate.over_own_base or kind < 0.35:
            names = self.bases(style)
            clean = turned(self.clean[names[rng.integers(len(names))]], random_turn(rng), size, rng)
            base = repainted(clean, rng) if rng.random() < 0.5 else clean
            photograph = over(base, photograph, area, plate.look)
        elif kind < 0.65:
            gain, offset, keep = paint(rng)
            base, clean = (apply_paint(x, gain, offset, keep) for x in (base, photograph))
            photograph = over(clean, photograph, area)
        return photograph, area, degree, base, down_of(matrix, plate.runs, size, rng)


def variants(photograph: effects.Photograph) -> int:
    """How many plates are made of a texture."""
    return VARIANTS if photograph.area in effects.DRAWN - {effects.Area.STREAKS} else 1


def clean_surfaces(folder: Path) -> dict[str, np.ndarray]:
    """Name -> base maps of the clean textures in the data folder."""
    return {name: textures.surface_of(folder / "textures" / name) for name in effects.CLEAN}


def random_turn(rng: np.random.Generator) -> np.ndarray:
    """2x2: a crop's texel offset -> the plate's. Quarter turns keep texels sharp, so every other one is a quarter turn."""
    angle = rng.integers(4) * math.pi / 2 if rng.random() < 0.5 else rng.random() * 2 * math.pi
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return turn @ np.diag([rng.choice((-1.0, 1.0)), 1.0])


def turned(stack: Tensor, matrix: np.ndarray, size: int, rng: np.random.Generator, wraps: bool = True) -> Tensor:
    """A crop [C, size, size] of a stack [C, S, S], turned about a random place; bicubic. One that does not wrap is mirrored."""
    side = stack.shape[-1]
    place = rng.integers(0, side, 2)
    scale, shift = size / side, np.zeros((2, 1))
    if wraps:
        stack = torch.roll(stack, tuple(int(i) for i in place), (1, 2))
    else:
        shift = ((2 * place / side - 1) * (1 - scale))[:, None]
    stack = stack.float()
    theta = torch.tensor(np.concatenate([matrix * scale, shift], 1), dtype=torch.float32)[None]
    grid = F.affine_grid(theta, [1, 1, size, size], align_corners=False)
    return F.grid_sample(stack[None], grid, mode="bicubic", padding_mode="reflection", align_corners=False)[0].clamp(
        0, 1
    )


def down_of(matrix: np.ndarray, runs: bool, size: int, rng: np.random.Generator) -> Tensor:
    """Gravity as the crop sees it; for textures without a direction any, most as on a wall, or none: they must not show it."""
    if runs:
        down = matrix.T @ np.array([0.0, 1.0])
    else:
        angle, kind = rng.random() * 2 * math.pi, rng.random()
        length = 0.0 if kind < 0.2 else rng.random() ** 0.5 if kind < 0.35 else 1.0
        down = length * np.array([math.cos(angle), math.sin(angle)])
    return torch.tensor(down, dtype=torch.float32)[:, None, None].expand(2, size, size)


def paint(rng: np.random.Generator) -> tuple[Tensor, Tensor, float]:
    """A new paint: a gain and an offset a channel, and how much of the old saturation stays."""
    gain, offset = (torch.tensor(rng.random((3, 1, 1)), dtype=torch.float32) for _ in range(2))
    return gain * 1.2 + 0.1, (offset - 0.5) * 0.5, float(rng.random())


def apply_paint(maps: Tensor, gain: Tensor, offset: Tensor, keep: float) -> Tensor:
    albedo = maps[:3].mean(0, keepdim=True) * (1 - keep) + maps[:3] * keep
    return torch.cat([(albedo * gain + offset).clamp(0, 1), maps[3:]])


def repainted(maps: Tensor, rng: np.random.Generator) -> Tensor:
    return apply_paint(maps, *paint(rng))


def over(base: Tensor, photograph: Tensor, area: Tensor, look: effects.Look = effects.PLAIN) -> Tensor:
    """The weathered part of a photograph, with its look, over a base; albedo mixed in scene-linear as the formula does."""
    layer = torch.lerp(photograph[:3], base[:3], look.keep)
    layer = torch.lerp(layer, layer.mean(0, keepdim=True), look.fade)
    layer = (layer * torch.tensor(look.tint)[:, None, None] + look.lift).clamp(0, 1)
    albedo = to_srgb(torch.lerp(to_linear(base[:3]), to_linear(layer), area))
    return torch.cat([albedo, torch.lerp(base[3:], photograph[3:], area)])


def lattice_noise(count: int, size: int, generator: torch.Generator, down: Tensor | None = None) -> dict[str, Tensor]:
    """Noise as the backend reads it: Gaussian lattices, turned and scaled at random, interpolated, normalised to unit variance.

    Each [count, C, size/s, size/s]; lattice points lie as many texels apart as `NOISE` says, give or take a quarter. `down`
    [count, 2]: along it streaks are stretched, as much as gravity's part along the surface lets them be; None: not at all.
    """
    noise = {}
    down = torch.zeros(count, 2) if down is None else down
    for name, (stride, channels, spacing, stretch) in NOISE.items():
        side = size // stride
        step = stride / (spacing or stride)  # lattice points from one value to the next
        angle, zoom = torch.rand(2, count, generator=generator).mul(torch.tensor([[2 * math.pi], [0.5]])).unbind()
        reach = int(side * step * 1.3 * 1.5) + 4
        lattice = torch.randn(count, channels, reach, reach, generator=generator)
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], -1).view(count, 2, 2)
        matrix = turn @ shortened(down, stretch) * (side * step * (0.8 + zoom) / reach)[:, None, None]
        shift = (torch.rand(count, 2, 1, generator=generator) - 0.5) * 2 / reach
        grid = F.affine_grid(torch.cat([matrix, shift], 2), [count, 1, side, side], align_corners=False)
        values = F.grid_sample(lattice, grid, align_corners=False)
        fraction = ((grid + 1) * reach / 2 - 0.5) % 1
        variance = (fraction**2 + (1 - fraction) ** 2).prod(-1)
        noise[name] = values / variance.sqrt()[:, None]
    return noise


def shortened(down: Tensor, stretch: float) -> Tensor:
    """[N, 2, 2]: steps on the surface -> in a lattice stretched along gravity, whose part in the surface is `down` [N, 2]."""
    steep = down.square().sum(1).clamp(max=1)
    along = F.normalize(down, dim=1)
    factor = (1 - steep + steep / stretch**2).sqrt()
    return torch.eye(2) - (1 - factor)[:, None, None] * along[:, :, None] * along[:, None, :]
