# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the segmenter within a budget of minutes; resumes from its checkpoint; same seed and threads, same batches."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data import textures
from ..data.materials import Split, split_of
from ..networks.segmenter import Segmenter
from ..training import lay_channels_last
from .batches import Crops
from .losses import class_weights, distillation_loss, level_losses, shares_of

PAUSE = 10.0  # seconds of one step beyond which the machine was asleep: they are not counted


@dataclass(frozen=True)
class Options:
    """Everything that shapes the weights, besides the data."""

    minutes: float = 25.0
    seed: int = 0
    threads: int = 2
    size: int = 128  # texels a side of a crop
    crops: int = 16
    rate: float = 2e-3
    decay: float = 0.02
    clip: float = 2.0
    ema: float = 0.998
    material: float = 1.0
    object: float = 0.5
    degree: float = 1.0
    distillation: float = 0.3  # 0: every level by the truth alone
    steps: int = 0  # instead of minutes, where not 0: two trainings compare by these


def train(options: Options, data: Path, rendered: Path, out: Path, *, log_every: int = 50) -> Path:
    """Trains until the minutes (or steps) are spent, earlier runs that left a checkpoint in `out` counted in.

    Writes checkpoint.pt (whole or not at all) and log.jsonl into `out`; returns the checkpoint's path.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    path = out / "checkpoint.pt"
    crops = Crops(data, rendered, Split.TRAIN)
    model = Segmenter()
    lay_channels_last(model)
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=options.decay)
    spent, step = 0.0, 0
    if path.exists():
        state = torch.load(path, weights_only=False)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        spent, step = state["minutes"], state["step"]
    rng = np.random.default_rng((options.seed, step))
    first = np.random.default_rng((options.seed, 0))
    weights = class_weights(shares_of([crops.draw(options.crops, options.size, first) for _ in range(20)]))
    sums: dict[str, list[float]] = {}
    last = saved = time.monotonic()
    done = progress(options, spent, step)
    while done < 1:
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / 200) * max(0.01, 0.5 * (1 + math.cos(math.pi * done)))
        batch = crops.draw(options.crops, options.size, rng)
        with torch.autocast("cpu", torch.bfloat16):
            answers = model(batch.picture.contiguous(memory_format=torch.channels_last))
        answers = [answer.float() for answer in answers]
        parts = {
            f"{name}_{number}": value
            for number, answer in enumerate(answers, start=1)
            for name, value in level_losses(answer, batch, weights).items()
        }
        if options.distillation:
            for number, answer in enumerate(answers[:-1], start=1):
                parts[f"distillation_{number}"] = distillation_loss(answer, answers[-1], batch.materials)
        loss = sum(getattr(options, name.rpartition("_")[0]) * value for name, value in parts.items())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), options.clip, error_if_nonfinite=True)
        optimizer.step()
        step += 1
        follow(average, model, keep(options.ema, step))
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
        if done >= 1 or now - saved > 120:
            state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            made = made_by(options, data, crops, step, spent)
            torch.save(state | {"minutes": spent, "step": step, "made": made}, path.with_suffix(".tmp"))
            os.replace(path.with_suffix(".tmp"), path)
            saved = now
    return path


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


def made_by(options: Options, data: Path, crops: Crops, step: int, minutes: float) -> dict[str, Any]:
    """What the card says of where the weights came from."""
    names = sorted(texture.name for texture in crops.infusion.used)
    total = hashlib.sha256(textures.digest(data, names).encode())
    for path in crops.paths:
        total.update(path.read_bytes())
    folders = [path.name for path in (data / "assets").iterdir() if path.is_dir()]
    lights = [path.stem for path in (data / "hdri").glob("*.hdr")]
    return {
        "options": asdict(options),
        "data_sha256": total.hexdigest(),
        "images": textures.provenance(data, names),
        "scenes": len(crops.paths),
        "models": split_of(folders, Split.TRAIN),
        "lights": split_of(lights, Split.TRAIN),
        "steps": step,
        "minutes": round(minutes, 1),
        "device": f"cpu, {options.threads} threads, bfloat16 autocast",
        "torch": torch.__version__,
    }


def trained(path: Path) -> tuple[Segmenter, dict[str, Any]]:
    """The averaged segmenter of a checkpoint, and what made it."""
    state = torch.load(path, weights_only=False)
    model = Segmenter()
    model.load_state_dict(state["average"])
    return model.eval(), state["made"]
