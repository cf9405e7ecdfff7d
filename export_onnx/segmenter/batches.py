# SPDX-License-Identifier: GPL-3.0-or-later
"""Training crops: rendered scenes, infusion mixtures and marked photographs, as a camera might have taken them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from torch import Tensor
from torch.utils.data import Dataset

from ...backend.protocol.materials import MATERIALS
from ..data import marked, scenes
from ..data.infusion import Infusion
from ..data.materials import Split
from ..data.scenes import Scene

CELL = 4  # texels a side of what one answer is taught for: the network answers at a quarter of the resolution
NEAREST = 0.6  # of a crop's side: what is cut out to fill it, at least; at most all that there is
PASTED = 0.4  # of the crops of scenes and of photographs: they get objects of another scene
EASIEST = 0.25  # of scenes that are known the easiest first: what a training begins with


class Kind(Enum):
    SCENE = "scene"
    MIXTURE = "mixture"
    PHOTOGRAPH = "photograph"


TURN = (Kind.SCENE, Kind.MIXTURE, Kind.SCENE, Kind.PHOTOGRAPH)  # a batch's crops, over and over


@dataclass(frozen=True)
class Crop:
    """A picture [S,S,3] float32 in 0..1; materials [S,S] uint8, objects and degree [S,S] float32; what is not known is
    marked.UNKNOWN, and -1."""

    picture: np.ndarray
    materials: np.ndarray
    objects: np.ndarray
    degree: np.ndarray


@dataclass(frozen=True)
class Batch:
    """Pictures [N,3,S,S], and what is there in cells of CELL texels: the materials' shares [N,materials,s,s], objects and
    degrees [N,s,s]. What is not known has no shares, and is negative."""

    picture: Tensor
    materials: Tensor
    objects: Tensor
    degree: Tensor


class Crops:
    """Everything in memory as uint8. `rendered`: what scenes.render wrote. For what there is none of, mixtures stand in.

    `taught`: scenes, the easiest first, that are all there is instead.
    """

    def __init__(self, data: Path, rendered: Path, split: Split, taught: Sequence[Scene] = ()) -> None:
        self.infusion = None if taught else Infusion(data, split)
        self.paths = scenes.pictures_in(rendered, split)
        self.scenes = list(taught) or [scenes.read(path) for path in self.paths]
        self.photographs = [] if taught else marked.read_photographs(data, split)
        self.turn = (Kind.SCENE,) if taught else TURN

    def draw(self, count: int, side: int, rng: np.random.Generator, share: float = 1.0) -> Batch:
        """Crops of each kind in turn; of the scenes the first `share`."""
        made = [self.crop(self.turn[i % len(self.turn)], side, rng, share) for i in range(count)]
        pictures = np.stack([photographed(crop.picture, rng) for crop in made])
        return Batch(
            torch.from_numpy(np.moveaxis(pictures, -1, 1).copy()),
            torch.from_numpy(np.stack([shares(crop.materials) for crop in made])),
            torch.from_numpy(np.stack([cells(crop.objects) for crop in made])),
            torch.from_numpy(np.stack([cells(crop.degree) for crop in made])),
        )

    def crop(self, kind: Kind, side: int, rng: np.random.Generator, share: float = 1.0) -> Crop:
        unknown = np.full((side, side), -1, np.float32)
        if kind is Kind.SCENE and self.scenes:
            back = self._of_scene(side, rng, share)
        elif kind is Kind.PHOTOGRAPH and self.photographs:
            back = self._of_photograph(side, rng)
        else:
            assert self.infusion is not None  # what is taught is scenes, and there are some
            mixture = self.infusion.draw(side, rng)
            return Crop(mixture.picture, mixture.materials, unknown, mixture.degree)
        if self.scenes and rng.random() < PASTED:
            return pasted(self._of_scene(side, rng, share), back)
        return back

    def _of_scene(self, side: int, rng: np.random.Generator, share: float) -> Crop:
        scene = self.scenes[rng.integers(max(1, math.ceil(share * len(self.scenes))))]
        return _cut(scene.picture, scene.materials, scene.objects.astype(np.float32), side, rng)

    def _of_photograph(self, side: int, rng: np.random.Generator) -> Crop:
        taken = self.photographs[rng.integers(len(self.photographs))]
        return _cut(taken.picture, taken.materials, taken.objects, side, rng)


@dataclass(frozen=True)
class Drawn(Dataset[Batch]):
    """The batches of a training by their steps: each is drawn from (seed, step) alone, by whichever process.

    `easy`: steps until the hardest scenes are among them.
    """

    crops: Crops
    count: int
    side: int
    seed: int
    easy: int = 0

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng((self.seed, step))
        return self.crops.draw(self.count, self.side, rng, share_at(step, self.easy))


def share_at(step: int, easy: int) -> float:
    """The share of the scenes, the easiest first, that a step draws from: EASIEST at first, all after `easy` steps."""
    return min(1.0, EASIEST + (1 - EASIEST) * step / easy) if easy else 1.0


def _cut(picture: np.ndarray, materials: np.ndarray, objects: np.ndarray, side: int, rng: np.random.Generator) -> Crop:
    """A square of any size and place, mirrored or not, brought to `side`. A third of them are as large as there is room for."""
    height, width = materials.shape
    most = min(height, width)
    least = min(NEAREST * side, most)
    across = most * (least / most) ** max(0.0, rng.uniform(-0.5, 1))
    x, y = rng.uniform(0, width - across), rng.uniform(0, height - across)
    box = (x, y, x + across, y + across)
    turn = slice(None, None, -1 if rng.random() < 0.5 else 1)

    def brought(values: np.ndarray, by: Image.Resampling) -> np.ndarray:
        return np.asarray(Image.fromarray(values).resize((side, side), by, box))[:, turn]

    return Crop(
        brought(picture, Image.Resampling.BILINEAR).astype(np.float32) / 255,
        brought(materials, Image.Resampling.NEAREST),
        brought(objects, Image.Resampling.NEAREST),
        np.full((side, side), -1, np.float32),
    )


def pasted(front: Crop, back: Crop) -> Crop:
    """The objects of one before the other: what stands there is told from what it stands before by more than its own scene."""
    inside = front.objects > 0.5
    share = ndimage.gaussian_filter(inside.astype(np.float32), 0.6)[..., None]
    return replace(
        back,
        picture=back.picture + share * (front.picture - back.picture),
        materials=np.where(inside, front.materials, back.materials),
        objects=np.where(inside, front.objects, back.objects),
    )


def shares(materials: np.ndarray) -> np.ndarray:
    """[materials,s,s] float32, how much of each cell is of each; less than 1 in all where some of it is not known."""
    height, width = materials.shape
    across = width // CELL
    kinds = len(MATERIALS) + 1  # the last of them: not known
    cell = np.arange(height)[:, None] // CELL * across + np.arange(width) // CELL
    counts = np.bincount(
        (cell * kinds + np.minimum(materials, kinds - 1)).ravel(), minlength=cell.max() * kinds + kinds
    )
    of_each = counts.reshape(-1, across, kinds)[..., :-1] / np.float32(CELL**2)
    return np.ascontiguousarray(np.moveaxis(of_each, -1, 0), np.float32)


def cells(values: np.ndarray) -> np.ndarray:
    """Means [s,s]; -1 where some of the cell is not known."""
    height, width = values.shape
    blocks = values.reshape(height // CELL, CELL, width // CELL, CELL)
    return np.where((blocks < 0).any((1, 3)), np.float32(-1), blocks.mean((1, 3), dtype=np.float32))


def photographed(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[S,S,3] after another exposure, white balance, saturation, curve, focus and grain."""
    taken: np.ndarray = picture * (rng.uniform(0.65, 1.35) * rng.uniform(0.88, 1.12, 3)).astype(np.float32)
    grey = taken.mean(-1, keepdims=True)
    taken = grey + np.float32(0 if rng.random() < 0.1 else rng.uniform(0.5, 1.4)) * (taken - grey)
    taken = taken.clip(0, 1) ** np.float32(rng.uniform(0.75, 1.3))
    if rng.random() < 0.3:
        taken = ndimage.gaussian_filter(taken, (*[rng.uniform(0.3, 0.9)] * 2, 0))
    if rng.random() < 0.5:
        taken = taken + rng.uniform(0, 0.04) * rng.standard_normal(taken.shape, np.float32)
    return taken.clip(0, 1).astype(np.float32)
