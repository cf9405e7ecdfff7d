# SPDX-License-Identifier: GPL-3.0-or-later
"""Segment, change the material of a segment, segment again: after Matsuo, Shimoda and Yanai 2016, who do it by style transfer.

A change is a function of a picture and a mask, so that another one is judged in the same way. Here it is weathering: rust, under
which a surface shows metal, and moss, under which it shows foliage, as the training's textures are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...backend.networks.registry import Networks
from ...backend.protocol.belongs_on import BELONGS_ON
from ...backend.protocol.errors import NetworkError
from ...backend.protocol.mask_names import MASK
from ...backend.protocol.materials import MATERIALS, Material, Quality
from ...backend.protocol.photograph import photograph
from ...backend.protocol.recipe import Effect, Layer, Recipe
from ...backend.protocol.still import Still
from ...backend.protocol.surface import ColorSpace, Map
from ...backend.weathering.pipeline import weather
from ...backend.weathering.segment import LEVELS, segment
from ..data.scenes import Scene, read
from .evaluation import accuracy, confusion_of, ious, miou, named, rounded

BECOMES = {Effect.RUST: Material.METAL, Effect.MOSS: Material.FOLIAGE}
AGE = 0.9
LEAST = 0.01  # of a picture: a segment that is smaller is not changed
COVERED = 0.5  # coverage from which on a texel is of the new material


@dataclass(frozen=True)
class Changed:
    """The picture [H,W,3] uint8, and how far the new material hides the old one [H,W] in 0..1."""

    picture: np.ndarray
    coverage: np.ndarray


Told = Callable[[np.ndarray], np.ndarray]  # a picture [H,W,3] uint8 -> materials [H,W] uint8
Change = Callable[[np.ndarray, np.ndarray], Changed]  # a picture, and where [H,W] bool


def evaluate(pictures: Sequence[Path], networks: Networks, age: float = AGE) -> dict[str, Any]:
    """The figures by effect, as `figures` has them. `pictures`: those that scenes.read reads. Raises NetworkError, BadRecipe."""
    told = segmenter_of(networks)
    return {
        effect.value: figures(map(read, pictures), told, weathering(effect, networks, age), BELONGS_ON[effect], becomes)
        for effect, becomes in BECOMES.items()
    } | {"scenes": len(pictures)}


def networks_of(folder: Path) -> Networks:
    """The segmenter of a folder, and the networks that ship with Sabi for all else that it lacks. Raises NetworkError."""
    own, shipped = Networks.load(device="cpu", folder=folder), Networks.load(device="cpu")
    if any(name not in own for name in LEVELS):
        raise NetworkError(
            f"There is no segmenter in {folder}.",
            "Train and export one (README, The segmenter) and name its folder: --onnx FOLDER.",
        )
    lacking = tuple(network for network in shipped.found if network.card.name not in own)
    return Networks(own.found + lacking, own.problems, own.options)


def segmenter_of(networks: Networks) -> Told:
    return lambda picture: segment(picture.astype(np.float32) / 255, networks, Quality.BEST).materials


def weathering(effect: Effect, networks: Networks, age: float) -> Change:
    """Sabi's own, in the picture's own light."""
    recipe = Recipe((Layer(effect, age=age),))

    def change(picture: np.ndarray, where: np.ndarray) -> Changed:
        mask = Map(np.where(where, np.uint8(255), np.uint8(0))[..., None])
        surface = photograph(Map(picture, ColorSpace.SRGB), Still(stages=True), more={"object_mask": mask})
        done = weather(surface, recipe, networks=networks).surface
        return Changed(done["combined"].array, done[f"{MASK}coverage"].array[..., 0] * where)

    return change


def figures(
    scenes: Iterable[Scene], told: Told, change: Change, on: Iterable[Material], becomes: Material
) -> dict[str, Any]:
    """Of the scenes that have a segment to be changed: the largest that `told` gives of one of the materials `on`.

    before, after   accuracy, mIoU and IU by material of all texels; after, the truth is `becomes` where that covers
    told_new        of the texels that it came to cover, the share told as `becomes`, before and after
    """
    count = len(MATERIALS)
    before, after = np.zeros((count, count), int), np.zeros((count, count), int)
    told_new, covered, changed = np.zeros(2), 0, 0
    for scene in scenes:
        seen = told(scene.picture)
        where = _largest(seen, on)
        if where.mean() < LEAST:
            continue
        new = change(scene.picture, where)
        again = told(new.picture)
        hidden = new.coverage > COVERED
        before += confusion_of(scene.materials, seen)
        after += confusion_of(np.where(hidden, becomes.channel, scene.materials), again)
        told_new += [(answer[hidden] == becomes.channel).sum() for answer in (seen, again)]
        covered += int(hidden.sum())
        changed += 1
    shares = dict(zip(("before", "after"), map(rounded, told_new / max(covered, 1)), strict=True))
    return {
        "becomes": becomes.value,
        "changed": changed,
        "before": _summed(before),
        "after": _summed(after),
        "covered": rounded(covered / max(before.sum(), 1)),
        "told_new": shares if covered else {},
    }


def _largest(seen: np.ndarray, on: Iterable[Material]) -> np.ndarray:
    """Where the commonest of the materials is, as `seen` has it [H,W] bool."""
    counts = np.bincount(seen.ravel(), minlength=len(MATERIALS))
    return seen == max((material.channel for material in on), key=lambda channel: counts[channel])


def _summed(confusion: np.ndarray) -> Mapping[str, Any]:
    if not confusion.sum():
        return {}
    return {
        "accuracy": rounded(accuracy(confusion)),
        "miou": rounded(miou(confusion)),
        "iou": named(ious(confusion)),
    }
