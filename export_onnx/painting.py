# SPDX-License-Identifier: GPL-3.0-or-later
"""Paints held surfaces with an exported painter, as evaluation and contact sheets need it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch
from scipy import ndimage
from torch import Tensor

from ..backend.networks.card import CARD_KEY, Card
from . import composite
from .data.batches import lattice_noise


class Brush:
    """An exported painter. `paint` wraps: the maps are padded by the card's overlap, painted, cropped."""

    def __init__(self, path: Path, threads: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.card = Card.from_json(self.session.get_modelmeta().custom_metadata_map[CARD_KEY])

    def style(self, effect: str, name: str) -> Tensor:
        return torch.tensor([self.card.styles[effect][name]])

    def noise(self, size: int, seed: int, down: tuple[float, float] = (0, 1)) -> dict[str, Tensor]:
        return lattice_noise(1, size, torch.Generator().manual_seed(seed), torch.tensor([down], dtype=torch.float32))

    def paint(
        self,
        base: Tensor,
        exposure: Tensor,
        style: Tensor,
        noise: dict[str, Tensor],
        down: tuple[float, float] = (0, 1),
    ) -> Tensor:
        """base [1,6,S,S], exposure [1,1,S,S], noise as `noise` draws it -> painted [1,11,S,S]."""
        pad = self.card.overlap
        painted = self.run(self._padded(base, exposure, noise, down), style)
        return painted[:, :, pad:-pad, pad:-pad]

    def paint_tile(self, base: Tensor, exposure: Tensor, style: Tensor, noise: dict[str, Tensor], tile: int) -> Tensor:
        """The upper left `tile` texels of what `paint` gives, painted alone with the card's overlap around them."""
        side, pad = base.shape[-1], self.card.overlap
        padded = self._padded(base, exposure, noise, (0, 1))
        part = (tile + 2 * pad) / (side + 2 * pad)
        cut = {n: v[:, :, : round(part * v.shape[2]), : round(part * v.shape[3])] for n, v in padded.items()}
        painted = self.run({n: np.ascontiguousarray(v) for n, v in cut.items()}, style)
        return painted[:, :, pad:-pad, pad:-pad]

    def _padded(
        self, base: Tensor, exposure: Tensor, noise: dict[str, Tensor], down: tuple[float, float]
    ) -> dict[str, np.ndarray]:
        field = torch.tensor(down, dtype=torch.float32)[None, :, None, None].expand(1, 2, *base.shape[-2:])
        maps = {"base": base, "susceptibility": composite.susceptibility(exposure), "down": field, **noise}
        padded = {}
        for name, value in maps.items():
            edge = self.card.overlap * value.shape[-1] // base.shape[-1]
            padded[name] = np.pad(value.numpy(), ((0, 0), (0, 0), (edge, edge), (edge, edge)), mode="wrap")
        return padded

    def run(self, inputs: dict[str, np.ndarray], style: Tensor) -> Tensor:
        """As the network is fed and as it answers, without any padding."""
        return torch.from_numpy(self.session.run(None, inputs | {"style": style.numpy()})[0])


def smooth_exposure(size: int, seed: int, width: float = 60.0, mean: float = 0.5, contrast: float = 0.2) -> Tensor:
    """[1,1,size,size]: what a surface without a shape has, wrapping noise much wider than a feature."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), width, mode="wrap")
    values = (mean + contrast * (noise - noise.mean()) / noise.std()).clip(0, 1)
    return torch.tensor(values, dtype=torch.float32)[None, None]


def at_age(painted: Tensor, base: Tensor, exposure: Tensor, age: float) -> tuple[Tensor, Tensor]:
    """Maps [1,6,S,S] and coverage [1,1,S,S] at an age."""
    return composite.weathered(painted, base, composite.degree_at(exposure, torch.tensor(age).view(1, 1, 1, 1)))
