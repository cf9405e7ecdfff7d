# SPDX-License-Identifier: GPL-3.0-or-later
"""Training pairs: half of rendered scenes, half of flat textures, each the same crop under two lights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...backend.weathering.delight import exposure
from ..data.materials import Split
from . import renders
from .flats import draw_flat, read_flats
from .pictures import Pair


@dataclass(frozen=True)
class Batch:
    """[2N,3,S,S] linear: the lights of a pair stand beside each other. `image` is exposed, `share` the residual's of it;
    `shading` has none of the image's grain; `known` [2N,1,S,S] is 1 where there is an albedo."""

    image: Tensor
    albedo: Tensor
    shading: Tensor
    share: Tensor
    known: Tensor


class Crops:
    """Everything in memory. `rendered`: the folder that renders.Order wrote into; without scenes there are textures alone."""

    def __init__(self, data: Path, rendered: Path, split: Split) -> None:
        self.flats = read_flats(data, split)
        self.paths = renders.pairs_in(rendered, split)
        self.scenes = [renders.read(path) for path in self.paths]

    def draw(self, count: int, side: int, rng: np.random.Generator) -> Batch:
        """`count` pairs: even numbers are scenes, odd ones flat textures."""
        made = []
        for i in range(count):
            if self.scenes and i % 2 == 0:
                scene = self.scenes[rng.integers(len(self.scenes))]
                made.append(recoloured(relit(cropped(scene, side, rng), rng), rng))
            else:
                made.append(draw_flat(self.flats, rng, side))
        taken = [as_taken(pair, rng) for pair in made]
        return batch_of(taken, [grain(pair.image.shape, rng) for pair in taken])


def cropped(pair: Pair, side: int, rng: np.random.Generator) -> Pair:
    """A square of it, mirrored or not; the whole at the size asked for where it is that large."""
    for _ in range(8):
        y, x = (int(v) for v in rng.integers(0, len(pair.known) - side + 1, 2))
        box = slice(y, y + side), slice(x, x + side)
        if pair.known[box].mean() > renders.LEAST_KNOWN:
            break
    across = slice(None, None, -1 if rng.random() < 0.5 else 1)
    cut = lambda values: values[:, *box][:, :, across].astype(np.float32)  # noqa: E731
    return Pair(cut(pair.image), cut(pair.albedo), cut(pair.residual), pair.known[box][:, across])


def relit(pair: Pair, rng: np.random.Generator) -> Pair:
    """Both lights in other colours, and in most draws some of each mixed into the other: light adds up, so it is still exact."""
    level = np.maximum(pair.image[:, pair.known].mean((1, 2)), 1e-6)[:, None, None, None]
    tint = np.exp(rng.normal(0, 0.1, (2, 1, 1, 3))) / level
    mix = np.eye(2) + (rng.random() < 0.7) * rng.uniform(0, 0.7, (2, 2))
    image, residual = (
        np.einsum("ij,jyxc->iyxc", mix, values * tint).astype(np.float32) for values in (pair.image, pair.residual)
    )
    return Pair(image, pair.albedo, residual, pair.known)


def recoloured(pair: Pair, rng: np.random.Generator) -> Pair:
    """In most draws the surfaces of other colours and contrasts under the same light; at times channels change their places."""
    if rng.random() < 0.7:
        curve, gain = np.exp(rng.normal(0, 0.2)), np.exp(rng.normal(0, 0.25, 3))
        albedo = (pair.albedo**curve * gain).clip(0.01, 1).astype(np.float32)
        image = np.where(pair.known[..., None], albedo * pair.shading() + pair.residual, pair.image)
        pair = Pair(image, albedo, pair.residual, pair.known)
    order = rng.permutation(3) if rng.random() < 0.25 else np.arange(3)
    return Pair(pair.image[..., order], pair.albedo[..., order], pair.residual[..., order], pair.known)


def as_taken(pair: Pair, rng: np.random.Generator) -> Pair:
    """After another white balance of each picture, and light that is too bright for the sensor."""
    balance = np.exp(rng.normal(0, 0.08, (2, 1, 1, 3))).astype(np.float32)
    image = pair.image * balance
    if rng.random() < 0.5:
        image = np.minimum(image, np.quantile(image, rng.uniform(0.93, 1)))
    return Pair(image, pair.albedo, np.minimum(pair.residual * balance, image * renders.MOST_RESIDUAL), pair.known)


def grain(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Factors of deviation 0.04 at most, in every other draw 1."""
    strength = rng.uniform(0, 0.04) * (rng.random() < 0.5)
    return np.maximum(1 + np.float32(strength) * rng.standard_normal(shape, np.float32), 0)


def batch_of(pairs: list[Pair], grains: Sequence[np.ndarray | float] = ()) -> Batch:
    """`grains`: a factor of every pair's images, none where it is empty. Shading is told without it: it is no light."""
    parts: dict[str, list[np.ndarray]] = {name: [] for name in ("image", "albedo", "shading", "share", "known")}
    for pair, factors in zip(pairs, grains or (1.0,) * len(pairs), strict=True):
        for image, albedo, residual, seen in zip(
            pair.image, pair.albedo, pair.residual, pair.image * factors, strict=True
        ):
            exposed, share = exposure(seen), (residual / np.maximum(image, 1e-6)).clip(0, renders.MOST_RESIDUAL)
            parts["image"].append(seen * exposed)
            parts["albedo"].append(albedo)
            parts["shading"].append(image * exposed * (1 - share) / np.maximum(albedo, 1e-3))
            parts["share"].append(share)
            parts["known"].append(pair.known[..., None])
    tensors = {
        name: torch.from_numpy(np.stack(values).transpose(0, 3, 1, 2).astype(np.float32))
        for name, values in parts.items()
    }
    return Batch(**tensors)
