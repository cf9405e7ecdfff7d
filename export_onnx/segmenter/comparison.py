# SPDX-License-Identifier: GPL-3.0-or-later
"""What one training comes to beside another, and pseudo-labels beside the masks that they stand in for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...backend.networks.registry import Networks
from ...backend.weathering.segment import LEVELS
from .. import backbone
from ..data import scenes
from ..data.materials import Split
from .classifier import Learning, learn
from .dcsm import cam, dcsm, refined
from .evaluation import accuracy, confusion_of, held_scenes, miou, rounded, total
from .pseudo_labels import Labels, labelled, named

WEAK_SCENES = 60  # that pseudo-labels are made of
FIGURES = ("distillation_gain", "dcsm_gain", "seeds", "labels")


@dataclass(frozen=True)
class Others:
    """Folders of exported levels: trained without self-distillation, by other seeds, from other labels."""

    undistilled: Path | None = None
    seeds: Sequence[Path] = ()
    labels: Sequence[Path] = ()


def compared(own: list[float], rendered: Path, others: Others) -> dict[str, Any]:
    """Figures by their names, of the held scenes. `own`: the mIoU of the three levels that the others are compared with.

    distillation_gain    mIoU more at levels 1 and 2 than without self-distillation
    seeds                how many trainings, the mean and the spread (sample deviation) of their levels' mIoU
    labels               the mIoU of levels by what they were taught, as their cards have it
    """
    found: dict[str, Any] = {}
    if others.undistilled:
        without = _mious(others.undistilled, rendered)
        found["distillation_gain"] = [rounded(a - b) for a, b in zip(own[:-1], without, strict=False)]
    if others.seeds:
        every = np.array([own, *(_mious(folder, rendered) for folder in others.seeds)])
        mean, spread = every.mean(0), every.std(0, ddof=1)
        found["seeds"] = {"count": len(every), "miou": list(map(rounded, mean)), "spread": list(map(rounded, spread))}
    if others.labels:
        found["labels"] = {_labels_of(folder): _mious(folder, rendered) for folder in others.labels}
    return found


def weak(data: Path, rendered: Path, learning: Learning, count: int = WEAK_SCENES) -> dict[str, Any]:
    """Pseudo-labels of held scenes, told the materials' names, by a classifier of the training's: mIoU and accuracy over texels.

    dcsm_gain    mIoU of DCSM's labels above plain CAM's; DCSM without its guided filter and CAM with it stand beside them
    Empty where there is no backbone, or where scenes of either side are not rendered.
    """
    told, held = ([named(scenes.read(p)) for p in scenes.pictures_in(rendered, split)] for split in Split)
    features = backbone.load_or_patches(data)
    if not told or not held or isinstance(features, backbone.RawPatches):  # of which none is made from another
        return {}
    model = learn(features, told, learning)
    confusions: dict[str, np.ndarray] = {}
    for path in scenes.pictures_in(rendered, Split.HELD)[:count]:
        scene = scenes.read(path)
        one = named(scene)
        apart, activated = dcsm(model, one.picture, one.names), cam(model, one.picture, one.names)
        maps = {
            str(Labels.DCSM): refined(apart, one.picture),
            str(Labels.CAM): activated,
            "dcsm_unfiltered": apart,
            "cam_filtered": refined(activated, one.picture),
        }
        for name, values in maps.items():
            found = confusion_of(scene.materials, labelled(values, one).materials)
            confusions[name] = confusions.get(name, 0) + found
    figures = {
        name: {"miou": rounded(miou(found)), "accuracy": rounded(accuracy(found))} for name, found in confusions.items()
    }
    gain = miou(confusions[Labels.DCSM]) - miou(confusions[Labels.CAM])
    return {"dcsm_gain": rounded(gain), "pseudo_labels": figures | {"scenes": len(held[:count])}}


def _mious(folder: Path, rendered: Path) -> list[float]:
    seen = held_scenes(rendered, Networks.load(device="cpu", folder=folder))
    return [rounded(miou(confusion)) for confusion in total(seen)]


def _labels_of(folder: Path) -> str:
    card = Networks.load(device="cpu", folder=folder).newest(LEVELS[0]).card
    return str(card.training.get("options", {}).get("labels", Labels.FULL))
