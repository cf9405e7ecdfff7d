# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the harmonizer within a budget of minutes; resumes from its checkpoint; same seed, threads and steps, same weights."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .composites import Photograph, draw_pair, read_photographs
from .network import Harmonizer, apply

CHECKPOINT = "harmonizer.pt"


@dataclass(frozen=True)
class Options:
    """Everything that shapes the weights, besides the data."""

    minutes: float = 20.0
    seed: int = 0
    threads: int = 2
    size: int = 128  # texels a side in training; it sees 256 at work
    batch: int = 8
    rate: float = 1e-3
    clip: float = 1.0
    ema: float = 0.998


def train(options: Options, folder: Path, out: Path, *, log_every: int = 50, save_minutes: float = 2.0) -> Path:
    """Goes on from OUT/harmonizer.pt where there is one, until the minutes, those of earlier runs among them, are spent.

    Each step draws from a generator of its own, (seed, step), so that a run that was cut short goes on as if it had not been.
    """
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    photographs = read_photographs(folder, held_out=False, longest=2 * options.size)
    model = Harmonizer()
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), options.rate, weight_decay=1e-4)
    step, spent, path = 0, 0.0, out / CHECKPOINT
    if path.is_file():
        kept = torch.load(path, weights_only=False)
        model.load_state_dict(kept["model"])
        average.load_state_dict(kept["average"])
        optimizer.load_state_dict(kept["optimizer"])
        step, spent = kept["step"], kept["minutes"]
    began = saved = time.monotonic()
    total = 0.0
    while True:
        minutes = spent + (time.monotonic() - began) / 60
        if minutes >= options.minutes:
            break
        rng = np.random.default_rng((options.seed, step))
        pairs = [draw_pair(photographs, rng, options.size) for _ in range(options.batch)]
        composite, truth, mask = (
            torch.from_numpy(np.stack(part).transpose(0, 3, 1, 2).copy()) for part in zip(*pairs, strict=True)
        )
        loss = foreground_loss(apply(composite, mask, model(composite, mask)), truth, mask)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1.0, (step + 1) / 100) * max(0.03, 1 - minutes / options.minutes)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip)
        optimizer.step()
        step += 1
        share = min(options.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(now, 1 - share)
        total += float(loss.detach())
        if step % log_every == 0:
            line = {"step": step, "minutes": round(minutes, 2), "loss": round(total / log_every, 5)}
            with open(out / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            total = 0.0
        if time.monotonic() - saved > 60 * save_minutes:
            save(path, model, average, optimizer, step, minutes, options, photographs)
            saved = time.monotonic()
    save(path, model, average, optimizer, step, minutes, options, photographs)
    return path


def foreground_loss(got: torch.Tensor, truth: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over images of the error inside the mask, over its own area: absolute, and squared with as much weight."""
    area = 3 * mask.sum((1, 2, 3)).clamp(min=100.0)
    apart = (got - truth) * (mask > 0)
    return (apart.abs().sum((1, 2, 3)) / area + 4 * apart.square().sum((1, 2, 3)) / area).mean()


def save(
    path: Path,
    model: Harmonizer,
    average: Harmonizer,
    optimizer: torch.optim.Optimizer,
    step: int,
    minutes: float,
    options: Options,
    photographs: Sequence[Photograph],
) -> None:
    made = {
        "options": asdict(options),
        "minutes": round(minutes, 1),
        "steps": step,
        "device": "cpu",
        "images": [photograph.said for photograph in photographs],
    }
    kept = {
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "minutes": minutes,
        "made": made,
    }
    temporary = path.with_suffix(".tmp")
    torch.save(kept, temporary)
    os.replace(temporary, path)


def trained(path: Path) -> tuple[Harmonizer, dict[str, Any]]:
    """The averaged weights of a run, and what made them."""
    kept = torch.load(path, weights_only=False)
    model = Harmonizer()
    model.load_state_dict(kept["average"])
    return model.eval(), kept["made"]
