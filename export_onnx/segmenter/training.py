# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the segmenter within a budget of minutes; resumes from its checkpoint; same seed, threads and steps, same weights."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from .. import backbone
from ..data import textures
from ..data.materials import Split, split_of, textures_of
from ..networks.segmenter import Segmenter
from ..training import keep_freed_memory, lay_channels_last
from .batches import Batch, Crops, Drawn
from .classifier import Learning
from .losses import class_weights, distillation_loss, level_losses, shares_of
from .pseudo_labels import Labels, taught
from .teacher import GROUPS, Teacher

PAUSE = 10.0  # seconds of one step beyond which the machine was asleep: they are not counted
AHEAD = 4  # batches that each worker has ready


@dataclass(frozen=True)
class Options:
    """Everything that shapes the weights, besides the data."""

    minutes: float = 60.0
    seed: int = 0
    threads: int = 2
    workers: int = 1  # processes that draw batches ahead; 0: drawn in between
    size: int = 128  # texels a side of a crop
    crops: int = 16
    rate: float = 2e-3
    decay: float = 0.02
    clip: float = 2.0
    ema: float = 0.998
    material: float = 1.0
    object: float = 1.0
    degree: float = 0.5
    distillation: float = 0.3  # 0: every level by the truth alone
    distilled: float = 0.5  # of the training, after which: before it the last level knows little more than the others
    wide: float = 0.7  # of the training, after which crops are as large as what is judged: twice, a quarter as many
    settled: int = 50  # batches at the end that the averaged weights' normalisation is measured over anew
    teacher: float = 1.0  # 0: without the backbone's features
    steps: int = 0  # instead of minutes, where not 0: two trainings compare by these
    labels: Labels = Labels.FULL
    names: int = 600  # steps of the classifier that pseudo-labels are made by
    easy: int = 500  # steps until the hardest pseudo-labels are learnt from, too


class Trainee(nn.Module):
    """The segmenter, and the backbone that its features are taught by, where it is."""

    def __init__(self, options: Options, data: Path) -> None:
        super().__init__()
        self.segmenter = Segmenter()
        lay_channels_last(self.segmenter)
        self.teacher = Teacher(backbone.load_or_patches(data, GROUPS)) if options.teacher else None

    @property
    def taught_by(self) -> dict[str, Any]:
        """What the card says of the backbone; nothing where there is none."""
        without = self.teacher is None or isinstance(self.teacher.backbone, backbone.RawPatches)
        return {} if without else {"backbone": textures.BACKBONE}

    def losses(self, batch: Batch, weights: Tensor, options: Options, done: float) -> dict[str, Tensor]:
        """By name and level, not yet weighed. `done`: how much of the training is, 0..1."""
        picture = batch.picture.contiguous(memory_format=torch.channels_last)
        with backbone.half():
            features, answers = self.segmenter.seen(picture)
            untold = self.teacher(picture, features[1:]) if self.teacher is not None else None
        answers = [answer.float() for answer in answers]
        parts = {
            f"{name}_{number}": value
            for number, answer in enumerate(answers, start=1)
            for name, value in level_losses(answer, batch, weights).items()
        }
        if options.distillation and done >= options.distilled:
            for number, answer in enumerate(answers[:-1], start=1):
                parts[f"distillation_{number}"] = distillation_loss(answer, answers[-1], batch.materials)
        return parts if untold is None else parts | {"teacher": untold}


def train(options: Options, data: Path, rendered: Path, out: Path, *, log_every: int = 50) -> Path:
    """Trains until the minutes (or steps) are spent, earlier runs that left a checkpoint in `out` counted in.

    Writes checkpoint.pt (whole or not at all) and log.jsonl into `out`, and pseudo-labels where it is taught by them; returns the
    checkpoint's path. Raises BadFile where scenes, FileNotFoundError where a backbone is lacking to make these of.
    """
    out.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    path = out / "checkpoint.pt"
    learning = Learning(options.names, options.seed)
    crops = Crops(data, rendered, Split.TRAIN, taught(options.labels, data, rendered, out, learning))
    model = Trainee(options, data)
    average = copy.deepcopy(model.segmenter)
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad], lr=options.rate, weight_decay=options.decay
    )
    spent, step = 0.0, 0
    if path.exists():
        state = torch.load(path, weights_only=False)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        spent, step = state["minutes"], state["step"]
    first = np.random.default_rng((options.seed,))
    weights = class_weights(shares_of([crops.draw(options.crops, options.size, first) for _ in range(20)]))
    wide, batches = False, drawn(options, crops, step)
    sums: dict[str, list[float]] = {}
    last = saved = time.monotonic()
    done = progress(options, spent, step)
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / 200) * max(0.01, 0.5 * (1 + math.cos(math.pi * done)))
        if done >= options.wide and not wide:
            wide, batches = True, drawn(options, crops, step, wide=True)
        parts = model.losses(next(batches), weights, options, done)
        loss = sum(getattr(options, name.partition("_")[0]) * value for name, value in parts.items())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), options.clip, error_if_nonfinite=True)
        optimizer.step()
        step += 1
        follow(average, model.segmenter, keep(options.ema, step))
        now = time.monotonic()
        spent, last = spent + min(now - last, PAUSE) / 60, now
        done = progress(options, spent, step)
        for name, value in parts.items():
            sums.setdefault(name, []).append(value.item())
        if step % log_every == 0:
            line = {"step": step, "minutes": round(spent, 2)} | {
                n: round(float(np.mean(v)), 4) for n, v in sums.items()
            }
            sums.clear()
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
        if done >= 1 and options.settled:
            settle(average, itertools.islice(drawn(options, crops, step, wide=True), options.settled))
        if done >= 1 or now - saved > 120:
            state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            backbones = {"backbone": textures.BACKBONE} if options.labels.weak else model.taught_by
            made = made_by(options, data, crops, backbones, step, spent)
            torch.save(state | {"minutes": spent, "step": step, "made": made}, path.with_suffix(".tmp"))
            os.replace(path.with_suffix(".tmp"), path)
            saved = now
    return path


def drawn(options: Options, crops: Crops, step: int, wide: bool = False) -> Iterator[Batch]:
    """The batches from a step on: those of a run that was cut short are those that it would have had."""
    count, size = (max(1, options.crops // 4), 2 * options.size) if wide else (options.crops, options.size)
    return iter(
        DataLoader(
            Drawn(crops, count, size, options.seed, options.easy if options.labels.weak else 0),
            batch_size=None,
            sampler=itertools.count(step),
            num_workers=options.workers,
            prefetch_factor=AHEAD if options.workers else None,
        )
    )


def progress(options: Options, minutes: float, step: int) -> float:
    return step / options.steps if options.steps else minutes / options.minutes


def keep(ema: float, step: int) -> float:
    """How much the averaged weights keep at a step: at first little, or a short run would ship the weights that it began with."""
    return min(ema, (1 + step) / (10 + step))


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, kept: float) -> None:
    """Weights slowly; of the normalisations' statistics too, which the averaged weights need of their own."""
    mine, theirs = average.state_dict(), model.state_dict()
    for name, slow in mine.items():
        if slow.dtype.is_floating_point:
            slow.lerp_(theirs[name], 1 - kept)
        else:
            slow.copy_(theirs[name])


@torch.no_grad()
def settle(average: Segmenter, batches: Iterable[Batch]) -> None:
    """Normalisations' statistics anew, of what the averaged weights themselves make of pictures of the size that is judged."""
    norms = [(module, module.momentum) for module in average.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm, _ in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    average.train()
    for batch in batches:
        with backbone.half():
            average.seen(batch.picture.contiguous(memory_format=torch.channels_last))
    for norm, momentum in norms:
        norm.momentum = momentum


def made_by(
    options: Options, data: Path, crops: Crops, backbones: dict[str, Any], step: int, minutes: float
) -> dict[str, Any]:
    """What the card says of where the weights came from."""
    names = sorted(texture.name for texture in textures_of(data, Split.TRAIN))
    photographs = [photograph.said for photograph in crops.photographs]
    total = hashlib.sha256(textures.digest(data, names).encode())
    for path in crops.paths:
        total.update(path.read_bytes())
    total.update("".join(said["sha256"] for said in photographs).encode())
    folders = [path.name for path in (data / "assets").iterdir() if path.is_dir()]
    lights = split_of([path.stem for path in (data / "hdri").glob("*.hdr")], Split.TRAIN)
    return {
        "options": asdict(options),
        "data_sha256": total.hexdigest(),
        "images": textures.provenance(data, names) + textures.provenance_of_lights(data, lights) + photographs,
        "scenes": len(crops.paths),
        "photographs": len(photographs),
        "models": split_of(folders, Split.TRAIN),
        "steps": step,
        "minutes": round(minutes, 1),
        "device": f"cpu, {options.threads} threads, {backbone.precision()}",
        "torch": torch.__version__,
    } | backbones


def trained(path: Path) -> tuple[Segmenter, dict[str, Any]]:
    """The averaged segmenter of a checkpoint, and what made it."""
    state = torch.load(path, weights_only=False)
    model = Segmenter()
    model.load_state_dict(state["average"])
    return model.eval(), state["made"]
