# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the harmonizer, or the network it is compared with, within a budget of minutes or of steps.

Resumes from its checkpoint; same seed, threads and steps, same weights. With one seed all networks see the same pairs.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..data import textures
from ..data.materials import Split, split_of, textures_of
from .bmvc2020 import Bmvc2020
from .composites import draw_pair, read_environments, read_photographs, read_scenes
from .network import Harmonizer, apply


@dataclass(frozen=True)
class Options:
    """Everything that shapes the weights, besides the data. Training ends with the steps; where they are 0, with the minutes."""

    learner: str = "harmonizer"  # or the baseline, of LEARNERS
    minutes: float = 20.0
    steps: int = 0
    scenes: str = ""  # folder of the shading network's rendered scenes, to learn from as well
    seed: int = 0
    threads: int = 2
    size: int = 128  # texels a side in training; it sees 256 at work
    batch: int = 8
    rate: float = 0.0  # 0: what the learner's optimizer usually takes
    clip: float = 1.0
    ema: float = 0.998


@dataclass(frozen=True)
class Learner:
    """How one network learns: `make` it, what it makes of a composite and a mask, how wrong that is, and its optimizer."""

    make: Callable[[], nn.Module]
    picture: Callable[[nn.Module, Tensor, Tensor], Tensor]
    loss: Callable[[Tensor, Tensor, Tensor], Tensor]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]


def foreground_loss(got: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean over images of the error inside the mask, over its own area: absolute, and squared with eight times the weight."""
    area = 3 * mask.sum((1, 2, 3)).clamp(min=100.0)
    apart = (got - truth) * (mask > 0)
    return (apart.abs().sum((1, 2, 3)) / area + 8 * apart.square().sum((1, 2, 3)) / area).mean()


LEARNERS = {
    "harmonizer": Learner(
        Harmonizer,
        lambda model, composite, mask: apply(composite, mask, model(composite, mask)),
        foreground_loss,
        lambda weights: torch.optim.AdamW(weights, 1e-3, weight_decay=1e-4),
    ),
    "bmvc2020": Learner(
        Bmvc2020,
        lambda model, composite, mask: model(composite, mask),
        lambda got, truth, _: F.mse_loss(got, truth),
        torch.optim.Adadelta,
    ),
}


def checkpoint(out: Path, learner: str = "harmonizer") -> Path:
    return out / f"{learner}.pt"


def train(options: Options, folder: Path, out: Path, *, log_every: int = 50, save_minutes: float = 2.0) -> Path:
    """Goes on from OUT/{learner}.pt where there is one, until minutes or steps, those of earlier runs among them, are spent.

    Each step draws from a generator of its own, (seed, step), so that a run that was cut short goes on as if it had not been.
    """
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    photographs = read_photographs(folder, held_out=False, longest=2 * options.size)
    kinds = [photographs, read_environments(folder)]
    data: dict[str, Any] = {"images": list({one.said["image"]: one.said for kind in kinds for one in kind}.values())}
    if options.scenes:
        kinds.append(read_scenes(Path(options.scenes)))
        if not kinds[-1]:
            raise FileNotFoundError(f"{options.scenes} has no scenes to train with: `data shading` renders some")
        names = [texture.name for texture in textures_of(folder, Split.TRAIN)]
        data["images"] += textures.provenance(folder, names)
        models = [path.name for path in (folder / "assets").iterdir() if path.is_dir()]
        data["models"] = split_of(models, Split.TRAIN)
    kinds = [kind for kind in kinds if kind]
    odds = np.array([2.0, *[1.0] * (len(kinds) - 1)]) / (len(kinds) + 1)  # photographs are what it is for
    learner = LEARNERS[options.learner]
    model = learner.make()
    average = copy.deepcopy(model)
    optimizer = learner.optimizer(model.parameters())
    rates = [options.rate or group["lr"] for group in optimizer.param_groups]
    step, spent, path = 0, 0.0, checkpoint(out, options.learner)
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
        done = step / options.steps if options.steps else minutes / options.minutes if options.minutes else 1.0
        if done >= 1:
            break
        rng = np.random.default_rng((options.seed, step))
        pairs = [
            draw_pair(kinds[rng.choice(len(kinds), p=odds)], rng, options.size, vary=True) for _ in range(options.batch)
        ]
        composite, truth, mask = (
            torch.from_numpy(np.stack(part).transpose(0, 3, 1, 2).copy()) for part in zip(*pairs, strict=True)
        )
        loss = learner.loss(learner.picture(model, composite, mask), truth, mask)
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * min(1.0, (step + 1) / 100) * max(0.03, 1 - done)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip)
        optimizer.step()
        step += 1
        share = min(options.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(now, 1 - share)
            for kept_buffer, buffer in zip(average.buffers(), model.buffers(), strict=True):
                kept_buffer.copy_(buffer)
        total += float(loss.detach())
        if step % log_every == 0:
            line = {"learner": options.learner, "step": step, "minutes": round(minutes, 2)}
            line |= {"loss": round(total / log_every, 5)}
            with open(out / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            total = 0.0
        if time.monotonic() - saved > 60 * save_minutes:
            save(path, model, average, optimizer, step, minutes, options, data)
            saved = time.monotonic()
    save(path, model, average, optimizer, step, minutes, options, data)
    return path


def save(
    path: Path,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    minutes: float,
    options: Options,
    data: dict[str, Any],
) -> None:
    made = {
        "options": asdict(options),
        "minutes": round(minutes, 1),
        "steps": step,
        "device": "cpu",
        **data,
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


def trained(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The averaged weights of a run, and what made them."""
    kept = torch.load(path, weights_only=False)
    model = LEARNERS[_learner(kept["made"])].make()
    model.load_state_dict(kept["average"])
    return model.eval(), kept["made"]


def harmonizer_of(path: Path) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """What the network of a run makes of a composite [H, W, 3] and its mask [H, W, 1]: sRGB-encoded floats 0..1, as they are."""
    model, made = trained(path)
    learner = LEARNERS[_learner(made)]

    def picture(composite: np.ndarray, mask: np.ndarray) -> np.ndarray:
        given = (torch.from_numpy(np.ascontiguousarray(part.transpose(2, 0, 1)[None])) for part in (composite, mask))
        with torch.inference_mode():
            return learner.picture(model, *given)[0].permute(1, 2, 0).numpy()

    return picture


def _learner(made: dict[str, Any]) -> str:
    return str(made["options"].get("learner", "harmonizer"))  # runs from before there were two do not say
