# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered scenes with exact masks: models and simple shapes of random materials on a ground, under random light.

OUT/train and OUT/held get NNNNN.png, the picture, and NNNNN_labels2.png: red the material's channel, green 255 where an object
stands, 128 on walls, which are as little known as a backdrop's material. A picture depends on the seed, the split and its number
alone, so an interrupted run goes on where it stopped. Pictures whose labels have another name are of an older Sabi: not there.
"""

from __future__ import annotations

import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...backend.protocol.materials import MATERIALS, Material
from .materials import UNKNOWN, Split

SIDE = 256
LABELS = "_labels2.png"  # in place of a picture's .png; a new number where scenes are drawn, or labelled, otherwise
LEAST_MATERIALS, LEAST_SHARE = (
    4,
    0.004,
)  # a picture with fewer materials, each on that share of its texels, is drawn again
TRIES = 6


@dataclass(frozen=True)
class Order:
    """What is to be rendered into `out`."""

    data: Path
    out: Path
    split: Split
    count: int
    seed: int = 0
    side: int = SIDE
    samples: int = 8
    passes: ClassVar[bool] = False  # whether Cycles gives those of light and of colour as well

    @property
    def folder(self) -> Path:
        return self.out / self.split.value

    def picture(self, number: int) -> Path:
        return self.folder / f"{number:05d}.png"

    def labels(self, number: int) -> Path:
        return labels_of(self.picture(number))

    def whole(self, number: int) -> Path:
        """What is written of a scene last."""
        return self.labels(number)

    def rng(self, number: int, attempt: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, list(Split).index(self.split), number, attempt))

    def write(self, stage: Any, number: int) -> None:
        """Draws scene `number` until it shows enough, and writes it. `stage` is the process' stage.Stage."""
        for attempt in range(TRIES):
            rng = self.rng(number, attempt)
            with tempfile.TemporaryDirectory() as scratch:
                linear, materials, objects = stage.shoot(rng, Path(scratch) / "frame.exr")
            solid = [share for m, share in zip(MATERIALS, shares_of(materials), strict=True) if m is not Material.SKY]
            if sum(share > LEAST_SHARE for share in solid) >= LEAST_MATERIALS and 0.05 < (objects > 0).mean() < 0.9:
                break
        labels = np.stack([materials, np.choose(objects + 1, (128, 0, 255)).astype(np.uint8), 0 * materials], -1)
        _save(developed(linear, rng), self.picture(number))
        _save(labels, self.labels(number))


def render(order: Order, workers: int | None = None) -> list[Path]:
    """Renders what is not there yet, a process a core; returns the pictures, in order."""
    order.folder.mkdir(parents=True, exist_ok=True)
    todo = [number for number in range(order.count) if not order.whole(number).exists()]
    columns = (TextColumn(f"scenes, {order.split.value}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        Progress(*columns) as progress,
        ProcessPoolExecutor(
            min(workers or os.cpu_count() or 1, max(len(todo), 1)), get_context("spawn"), _start, (order,)
        ) as pool,
    ):
        task = progress.add_task("", total=order.count, completed=order.count - len(todo))
        for done in as_completed([pool.submit(_render, number) for number in todo]):
            done.result()
            progress.advance(task)
    return [order.picture(number) for number in range(order.count)]


@dataclass(frozen=True)
class Scene:
    """One picture [S,S,3] uint8, its materials [S,S] uint8 (channels of the segmenter, or UNKNOWN), and where objects stand
    [S,S] int8: 1 there, 0 elsewhere, -1 where it is not known."""

    picture: np.ndarray
    materials: np.ndarray
    objects: np.ndarray


def read(picture: Path) -> Scene:
    labels = np.asarray(Image.open(labels_of(picture)))
    objects = np.select([labels[..., 1] > 191, labels[..., 1] > 63], [1, -1], 0).astype(np.int8)
    return Scene(np.asarray(Image.open(picture).convert("RGB")), labels[..., 0], objects)


def labels_of(picture: Path) -> Path:
    return picture.with_name(picture.stem + LABELS)


def shares_of(materials: np.ndarray) -> np.ndarray:
    """[materials], of all texels of a picture; less than 1 in all where some are not known."""
    return np.bincount(materials[materials != UNKNOWN], minlength=len(MATERIALS)) / materials.size


def pictures_in(folder: Path, split: Split) -> list[Path]:
    """Those that are whole, in order: the labels are written last."""
    found = sorted((folder / split.value).glob(f"*{LABELS}"))
    return [path.with_name(path.name.removesuffix(LABELS) + ".png") for path in found]


_order: Order  # of a process that renders, and its Blender
_stage: Any


def _start(order: Order) -> None:
    # Who has Blender loaded passes on the folder of its scripts, in which there is a `bpy` that only works inside of one.
    sys.path[:] = [folder for folder in sys.path if not (Path(folder) / "bpy" / "ops.py").exists()]
    from .stage import Stage  # bpy: one Blender a process

    global _order, _stage
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # Cycles says there what it does, line upon line
    _order, _stage = order, Stage(order.data, order.split, order.side, order.samples, order.passes)


def _render(number: int) -> None:
    _order.write(_stage, number)


def developed(linear: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A render as a camera would give it: exposed for its own light, with or without a shoulder, in sRGB, uint8."""
    level = np.exp(np.log(linear.mean(-1) + 1e-4).mean())
    exposed = linear * (rng.uniform(0.16, 0.32) / level)
    if rng.random() < 0.5:
        exposed = exposed * (1 + exposed / 16) / (1 + exposed) * 1.4
    exposed = exposed.clip(0, 1)
    encoded = np.where(exposed <= 0.0031308, 12.92 * exposed, 1.055 * np.maximum(exposed, 1e-6) ** (1 / 2.4) - 0.055)
    return (encoded * 255 + 0.5).astype(np.uint8)


def _save(pixels: np.ndarray, path: Path) -> None:
    temporary = path.with_suffix(".tmp")
    Image.fromarray(pixels).save(temporary, "PNG")
    os.replace(temporary, path)
