# SPDX-License-Identifier: GPL-3.0-or-later
"""Training crops: half of rendered scenes, half of infusion mixtures, as a camera might have taken them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ..data import scenes
from ..data.infusion import Infusion
from ..data.materials import Split


@dataclass(frozen=True)
class Batch:
    """Pictures [N,3,S,S]; materials [N,S,S] int64; objects and degrees [N,S,S], negative where they are not known."""

    picture: Tensor
    materials: Tensor
    objects: Tensor
    degree: Tensor


class Crops:
    """Everything in memory as uint8. `rendered`: the folder that scenes.render wrote; without scenes there are mixtures alone."""

    def __init__(self, data: Path, rendered: Path, split: Split) -> None:
        self.infusion = Infusion(data, split)
        self.paths = scenes.pictures_in(rendered, split)
        self.scenes = [scenes.read(path) for path in self.paths]

    def draw(self, count: int, side: int, rng: np.random.Generator) -> Batch:
        """Even numbers are scenes, odd ones mixtures."""
        made = []
        for i in range(count):
            if self.scenes and i % 2 == 0:
                made.append(self._scene(side, rng))
            else:
                mixture = self.infusion.draw(side, rng)
                unknown = np.full((side, side), -1, np.float32)
                made.append((mixture.picture, mixture.materials, unknown, mixture.degree))
        pictures, materials, objects, degrees = zip(*made, strict=True)
        taken = np.stack([photographed(picture, rng) for picture in pictures])
        return Batch(
            torch.from_numpy(np.moveaxis(taken, -1, 1).copy()),
            torch.from_numpy(np.stack(materials).astype(np.int64)),
            torch.from_numpy(np.stack(objects)),
            torch.from_numpy(np.stack(degrees)),
        )

    def _scene(self, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        scene = self.scenes[rng.integers(len(self.scenes))]
        picture, materials, objects = scene.picture, scene.materials, scene.objects
        if side * 2 <= len(picture) and rng.random() < 0.3:  # the whole of it, at half the size
            picture = ndimage.uniform_filter(picture, (2, 2, 0))[::2, ::2]
            materials, objects = materials[::2, ::2], objects[::2, ::2]
        y, x = (int(v) for v in rng.integers(0, len(picture) - side + 1, 2))
        across = slice(None, None, -1 if rng.random() < 0.5 else 1)
        picture, materials, objects = (m[y : y + side, x : x + side][:, across] for m in (picture, materials, objects))
        unknown = np.full((side, side), -1, np.float32)
        return picture.astype(np.float32) / 255, materials.copy(), objects.astype(np.float32), unknown


def photographed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[S,S,3] after another exposure, white balance, curve, focus and grain."""
    taken: np.ndarray = picture * (rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3)).astype(np.float32)
    taken = taken.clip(0, 1) ** np.float32(rng.uniform(0.75, 1.3))
    if rng.random() < 0.15:
        taken = np.repeat(taken.mean(-1, keepdims=True), 3, -1)
    if rng.random() < 0.3:
        taken = ndimage.gaussian_filter(taken, (*[rng.uniform(0.3, 0.9)] * 2, 0))
    if rng.random() < 0.5:
        taken = taken + rng.uniform(0, 0.04) * rng.standard_normal(taken.shape, np.float32)
    return taken.clip(0, 1).astype(np.float32)
