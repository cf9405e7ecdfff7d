# SPDX-License-Identifier: GPL-3.0-or-later
"""The segmenter's figures on pictures of textures, models and lights that it has not seen, through the files that ship."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...backend.networks.registry import Networks
from ...backend.photographed.picture import LONGEST
from ...backend.protocol.errors import BadFile
from ...backend.protocol.materials import MATERIALS, Material, Quality
from ...backend.weathering.segment import LEVELS, Segments, levels, segment
from .. import ceiling
from ..data import marked, scenes
from ..data.infusion import Infusion, Mixture
from ..data.materials import Split

MIXTURES, MIXTURE_SIDE, LEAST_MATERIALS, SEED = 200, 128, 4, 1
JUDGED = [m.channel for m in MATERIALS if m not in (Material.SKY, Material.OTHER)]  # fourteen, a mean IoU is taken over
KNOWN = 40  # scenes of the training that are looked at, too


@dataclass(frozen=True)
class Seen:
    """What every level made of one picture: confusion [levels, truth, answer] of texels, confidences, seconds up to each.

    `objects` [truth, answer]: texels of background and of objects by the last level; none where they are not known.
    """

    confusion: np.ndarray
    confidence: tuple[float, ...]
    seconds: tuple[float, ...]
    objects: np.ndarray
    degree_error: float
    picture: np.ndarray
    truth: np.ndarray
    answer: np.ndarray  # the last level's

    @property
    def miou(self) -> float:
        return miou(self.confusion[-1])

    @property
    def object_accuracy(self) -> float:
        """Of the texels whose truth is known; NaN where none is."""
        return accuracy(self.objects)


def confusion_of(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Texels [truth, answer] of two images of channels, where the truth is known."""
    count = len(MATERIALS)
    known = truth < count
    truth, answer = truth[known], answer[known]
    pairs = truth.astype(np.int64).ravel() * count + answer.ravel()
    return np.bincount(pairs, minlength=count * count).reshape(count, count)


def ious(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union of each material; NaN where the truth has none of it."""
    hit = np.diag(confusion).astype(float)
    union = confusion.sum(0) + confusion.sum(1) - hit
    return np.where(confusion.sum(1) > 0, hit / np.maximum(union, 1), np.nan)


def miou(confusion: np.ndarray) -> float:
    """Over the materials of JUDGED that occur in the truth; 0 where none does."""
    found = ious(confusion)[JUDGED]
    return float(np.nanmean(found)) if np.isfinite(found).any() else 0.0


def accuracy(confusion: np.ndarray) -> float:
    return float(np.trace(confusion) / confusion.sum()) if confusion.sum() else float("nan")


def commonest(confusion: np.ndarray) -> float:
    """The accuracy of answering what is most often true, everywhere: the baseline."""
    return float(confusion.sum(1).max() / confusion.sum())


def of_objects(truth: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Texels [truth, answer] of background and objects, where the truth is known: it is negative where it is not."""
    known = truth >= 0
    pairs = 2 * (truth[known] > 0.5) + (answer[known] > 0.5)
    return np.bincount(pairs.astype(int), minlength=4).reshape(2, 2)


def look_at(
    picture: np.ndarray, truth: np.ndarray, networks: Networks, objects: np.ndarray | None, degree: np.ndarray | None
) -> Seen:
    """All levels on one picture [h,w,3] in 0..1; `truth` and `objects` as in marked.Photograph."""
    confusions, confidences, seconds, found = [], [], [], None
    begun = time.perf_counter()
    taken = 0.0
    for found in levels(picture, networks):
        taken += time.perf_counter() - begun
        confusions.append(confusion_of(truth, found.materials))
        confidences.append(found.confidence)
        seconds.append(taken)
        begun = time.perf_counter()
    assert isinstance(found, Segments)
    return Seen(
        np.stack(confusions),
        tuple(confidences),
        tuple(seconds),
        of_objects(objects, found.objects) if objects is not None else np.zeros((2, 2), int),
        float(np.abs(found.degree - degree).mean()) if degree is not None else float("nan"),
        picture,
        truth,
        found.materials,
    )


def held_paths(rendered: Path) -> list[Path]:
    """Of the held scenes' pictures. Raises BadFile where none were rendered."""
    paths = scenes.pictures_in(rendered, Split.HELD)
    if not paths:
        raise BadFile(
            f"{rendered} has no held scenes.", "`python -m sabi.export_onnx data segmenter` renders them (--scenes)."
        )
    return paths


def held_scenes(rendered: Path, networks: Networks) -> list[Seen]:
    """Raises BadFile where none were rendered."""
    return seen_scenes(held_paths(rendered), networks)


def miou_train(rendered: Path, networks: Networks) -> dict[str, Any]:
    """The figure by its name, of KNOWN scenes of the training: what is lost on held ones is what this is above theirs."""
    seen = seen_scenes(scenes.pictures_in(rendered, Split.TRAIN)[:KNOWN], networks)
    return {"miou_train": [rounded(miou(confusion)) for confusion in total(seen)]} if seen else {}


def seen_scenes(paths: Iterable[Path], networks: Networks) -> list[Seen]:
    seen = []
    for path in paths:
        scene = scenes.read(path)
        objects = scene.objects.astype(np.float32)
        seen.append(look_at(scene.picture.astype(np.float32) / 255, scene.materials, networks, objects, None))
    return seen


def held_photographs(data: Path, networks: Networks) -> list[Seen]:
    """Real ones, of the size that `sabi segment` looks at, as far as they are marked."""
    return [
        look_at(taken.picture.astype(np.float32) / 255, taken.materials, networks, taken.objects, None)
        for taken in marked.read_photographs(data, Split.HELD, LONGEST)
        if (taken.objects >= 0).any()
    ]


def held_mixtures(data: Path, count: int = MIXTURES) -> list[Mixture]:
    infusion, rng = Infusion(data, Split.HELD), np.random.default_rng(SEED)
    made: list[Mixture] = []
    while len(made) < count:
        mixture = infusion.draw(MIXTURE_SIDE, rng, int(rng.integers(LEAST_MATERIALS, LEAST_MATERIALS + 3)))
        if (np.bincount(mixture.materials.ravel()) > 0.004 * mixture.materials.size).sum() >= LEAST_MATERIALS:
            made.append(mixture)
    return made


def total(seen: list[Seen]) -> np.ndarray:
    return np.sum([one.confusion for one in seen], axis=0)


def calibrated(seen: list[Seen], within: float = 0.005) -> dict[int, float]:
    """Level -> the confidence at which `auto` may stop: the least time on these pictures whose mIoU is that near the last's."""
    aimed = miou(total(seen)[-1]) - within
    confidences = np.array([one.confidence for one in seen])
    tried = [np.unique(np.append(np.quantile(confidences[:, i], np.linspace(0, 1, 21)), 2.0)) for i in (0, 1)]
    best, least = {1: 2.0, 2: 2.0}, float("inf")
    for first in tried[0]:
        for second in tried[1]:
            depth = np.where(confidences[:, 0] >= first, 0, np.where(confidences[:, 1] >= second, 1, 2))
            found = miou(np.sum([one.confusion[d] for one, d in zip(seen, depth, strict=True)], axis=0))
            seconds = sum(one.seconds[d] for one, d in zip(seen, depth, strict=True))
            if found >= aimed and seconds < least:
                best, least = {1: float(first), 2: float(second)}, seconds
    return best


def for_calibration(seen: list[Seen]) -> list[Seen]:
    return seen[1::2]


def figures(seen: list[Seen], networks: Networks, data: Path) -> dict[str, Any]:
    """The figures by the names they are printed under; after each that something trivial reaches too, what that is.

    `auto` is judged on every other scene: its confidences were set on the rest.
    """
    mixtures = held_mixtures(data)
    mixed = [look_at(m.picture, m.materials, networks, None, m.degree) for m in mixtures]
    confusion, seconds = total(seen), np.median([one.seconds for one in seen], axis=0)
    judged, taken_for_real = seen[::2], held_photographs(data, networks)
    begun = time.perf_counter()
    adaptive = [segment(one.picture, networks, Quality.AUTO) for one in judged]
    taken = time.perf_counter() - begun
    begun = time.perf_counter()
    for one in judged:
        segment(one.picture, networks, Quality.BEST)
    best = time.perf_counter() - begun
    auto = np.sum([confusion_of(s.truth, a.materials) for s, a in zip(judged, adaptive, strict=True)], axis=0)
    return {
        "miou": [rounded(miou(c)) for c in confusion],
        "object_accuracy": rounded(np.nanmean([one.object_accuracy for one in seen])),
        "object_accuracy_of_one_answer": rounded(commonest(np.sum([one.objects for one in seen], axis=0))),
        "object_iou": rounded(ious(np.sum([one.objects for one in seen], axis=0))[1]),
        "auto": {
            "miou": rounded(miou(auto)),
            "miou_of_level_3": rounded(miou(total(judged)[-1])),
            "time_share": rounded(taken / best),
            "levels": [sum(a.level == n for a in adaptive) for n in range(1, len(LEVELS) + 1)],
        },
        "degree_mae": rounded(np.mean([one.degree_error for one in mixed])),
        "degree_mae_of_the_mean": rounded(_of_the_mean(mixtures)),
        "bytes": sum(networks.newest(name).path.stat().st_size for name in LEVELS),
        "time_share": [rounded(s / seconds[-1]) for s in seconds[:-1]],
        "milliseconds": [round(1000 * float(s), 2) for s in seconds],
        "accuracy": [rounded(accuracy(c)) for c in confusion],
        "accuracy_of_one_answer": rounded(commonest(confusion[-1])),
        "miou_mixtures": [rounded(miou(c)) for c in total(mixed)],
        "iou": named(ious(confusion[-1])),
        "iou_mixtures": named(ious(total(mixed)[-1])),
        "photographs": real(taken_for_real) if taken_for_real else {},
        "scenes": len(seen),
        "materials": len(JUDGED),
        "mixtures": len(mixtures),
        "ceiling_ratio": ceiling_ratio(networks),
    }


def ceiling_ratio(networks: Networks, side: int = 512) -> float:
    """GFLOP/s of all levels, one after the other, over the convolution stack's."""
    picture = np.random.default_rng(SEED).random((side, side, 3), np.float32)
    known = {"picture": np.ascontiguousarray(np.moveaxis(picture, -1, 0)[None])}
    gflop = 0.0
    for name in LEVELS:
        inputs = {given: known[given] for given in networks[name].card.inputs}
        gflop += ceiling.network_gflop(networks.newest(name).path, inputs)
        known |= networks[name].run(inputs)
    return ceiling.over_stack(lambda: list(levels(picture, networks)), gflop)


def real(seen: list[Seen]) -> dict[str, Any]:
    """Of photographs, where they are marked."""
    objects, confusion = np.sum([one.objects for one in seen], axis=0), total(seen)[-1]
    return {
        "count": len(seen),
        "object_accuracy": rounded(accuracy(objects)),
        "object_accuracy_of_one_answer": rounded(commonest(objects)),
        "object_iou": rounded(ious(objects)[1]),
        "accuracy": rounded(accuracy(confusion)),
        "accuracy_of_one_answer": rounded(commonest(confusion)),
    }


def _of_the_mean(mixtures: list[Mixture]) -> float:
    """What answering one degree everywhere would cost: the baseline."""
    every = np.concatenate([m.degree.ravel() for m in mixtures])
    return float(np.abs(every - np.median(every)).mean())


def named(values: np.ndarray) -> dict[str, float]:
    """By material, those that are numbers."""
    return {m.value: rounded(v) for m, v in zip(MATERIALS, values, strict=True) if np.isfinite(v)}


def rounded(value: float | np.floating) -> float:
    return round(float(value), 4)
