# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of rendered scenes: their exact masks, or what a classifier of names alone makes of where the named materials are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from ...backend.protocol.errors import BadFile
from .. import backbone
from ..data import scenes
from ..data.materials import Split
from ..data.scenes import Scene
from .classifier import Classifier, Learning, Named, learn
from .dcsm import cam, dcsm, refined


class Labels(StrEnum):
    """What a segmenter is taught. All but FULL: scenes alone, by their materials alone, so that they compare."""

    FULL = "full"  # scenes, mixtures and marked photographs, with exact masks
    SCENES = "scenes"  # exact masks
    DCSM = "dcsm"
    CAM = "cam"

    @property
    def weak(self) -> bool:
        """Whether it is names alone that they are made from."""
        return self in (Labels.DCSM, Labels.CAM)


@dataclass(frozen=True)
class Labelled:
    """A picture [H,W,3] uint8, its materials [H,W] uint8, and how little doubt there is of them, 0..1."""

    picture: np.ndarray
    materials: np.ndarray
    ease: float

    @property
    def scene(self) -> Scene:
        """Of objects nothing is known."""
        return Scene(self.picture, self.materials, np.full(self.materials.shape, -1, np.int8))


def named(scene: Scene) -> Named:
    """All that weak supervision is told of a scene: the materials that are on some of it."""
    found = np.flatnonzero(scenes.shares_of(scene.materials) > scenes.LEAST_SHARE)
    return Named(scene.picture, tuple(int(channel) for channel in found))


def saliency(model: Classifier, one: Named, labels: Labels) -> np.ndarray:
    """[names,H,W] float32 in 0..1. CAM is left plain."""
    if labels is Labels.CAM:
        return cam(model, one.picture, one.names)
    return refined(dcsm(model, one.picture, one.names), one.picture)


def labelled(maps: np.ndarray, one: Named) -> Labelled:
    """Each texel of the material whose map is highest there; the ease is the mean of what it is above the next one's."""
    highest = np.sort(maps, axis=0)[::-1]
    apart = highest[0] - highest[1] if len(maps) > 1 else np.ones_like(maps[0])
    return Labelled(one.picture, np.array(one.names, np.uint8)[maps.argmax(0)], float(apart.mean()))


def easy_first(labels: Sequence[Labelled]) -> list[Labelled]:
    return sorted(labels, key=lambda one: -one.ease)


def taught(labels: Labels, data: Path, rendered: Path, out: Path, learning: Learning) -> list[Scene]:
    """The rendered scenes of the training, the easiest first; none where they are not all that is taught (FULL).

    Pseudo-labels are kept in OUT/labels_METHOD.npz, and are those of a later call with the same scenes and learning.
    Raises BadFile where there are no scenes, FileNotFoundError where there is no backbone.
    """
    if labels is Labels.FULL:
        return []
    paths = scenes.pictures_in(rendered, Split.TRAIN)
    if not paths:
        raise BadFile(
            f"{rendered} has no scenes.", "`python -m sabi.export_onnx data segmenter` renders them (--scenes)."
        )
    every = [scenes.read(path) for path in paths]
    if not labels.weak:
        return [Labelled(scene.picture, scene.materials, 1.0).scene for scene in every]
    return [one.scene for one in easy_first(_made_once(labels, data, every, out / f"labels_{labels}.npz", learning))]


def _made_once(labels: Labels, data: Path, every: list[Scene], path: Path, learning: Learning) -> list[Labelled]:
    told = [named(scene) for scene in every]
    key = hashlib.sha256(repr((learning, [one.names for one in told])).encode())
    for one in told:
        key.update(one.picture.tobytes())
    if path.exists():
        with np.load(path) as kept:
            if str(kept["key"]) == key.hexdigest():
                return [Labelled(o.picture, kept[f"materials_{i}"], kept["ease"][i]) for i, o in enumerate(told)]
    model = learn(backbone.load(data), told, learning)
    made = [labelled(saliency(model, one, labels), one) for one in told]
    arrays = {f"materials_{i}": one.materials for i, one in enumerate(made)}
    with path.with_suffix(".tmp").open("wb") as file:
        np.savez_compressed(file, key=key.hexdigest(), ease=[one.ease for one in made], **arrays)
    os.replace(path.with_suffix(".tmp"), path)
    return made
