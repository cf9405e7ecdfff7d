# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the shading network within a budget of minutes; resumes from its checkpoint; same seed and threads, same batches."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data import textures
from ..data.materials import Split, split_of
from .batches import Crops
from .losses import losses
from .network import ShadingNetwork

CHECKPOINT = "shading.pt"
PAUSE = 10.0  # seconds of one step beyond which the machine was asleep: they are not counted
WEIGHTS = {
    "albedo": 1.0,
    "shading": 1.0,
    "albedo_linear": 1.0,
    "shading_linear": 1.0,
    "albedo_gradient": 0.5,
    "shading_gradient": 0.5,
    "agreement": 0.5,
    "residual": 1.0,
}


@dataclass(frozen=True)
class Options:
    """Everything that shapes the weights, besides the data."""

    minutes: float = 60.0
    seed: int = 0
    threads: int = 2
    size: int = 128  # texels a side of a crop
    pairs: int = 4
    rate: float = 1e-3
    clip: float = 1.0
    ema: float = 0.998
    steps: int = 0  # instead of minutes, where not 0


def train(
    options: Options, data: Path, rendered: Path, out: Path, *, log_every: int = 50, save_minutes: float = 2.0
) -> Path:
    """Goes on from OUT/shading.pt where there is one, until the minutes, those of earlier runs among them, are spent.

    Each step draws from a generator of its own, (seed, step), so that a run that was cut short goes on as if it had not been.
    """
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    crops = Crops(data, rendered, Split.TRAIN)
    made = made_of(options, data, crops)
    model = ShadingNetwork()
    average = copy.deepcopy(model)
    optimizer = torch.optim.AdamW(model.parameters(), options.rate, weight_decay=1e-4)
    step, spent, path = 0, 0.0, out / CHECKPOINT
    if path.is_file():
        kept = torch.load(path, weights_only=False)
        model.load_state_dict(kept["model"])
        average.load_state_dict(kept["average"])
        optimizer.load_state_dict(kept["optimizer"])
        step, spent = kept["step"], kept["minutes"]
    last = saved = time.monotonic()
    sums: dict[str, float] = {}
    done = progress(options, spent, step)
    while done < 1:
        batch = crops.draw(options.pairs, options.size, np.random.default_rng((options.seed, step)))
        parts = losses(*model.logits(batch.image), batch)
        loss = torch.stack([WEIGHTS[name] * value for name, value in parts.items()]).sum()
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1.0, (step + 1) / 100) * max(0.03, 1 - done)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), options.clip, error_if_nonfinite=True)
        optimizer.step()
        step += 1
        share = min(options.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(now, 1 - share)
        moment = time.monotonic()
        spent, last = spent + min(moment - last, PAUSE) / 60, moment
        done = progress(options, spent, step)
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + float(value.detach())
        if step % log_every == 0:
            line = {"step": step, "minutes": round(spent, 2)} | {n: round(v / log_every, 4) for n, v in sums.items()}
            with open(out / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
            sums.clear()
        if done >= 1 or moment - saved > 60 * save_minutes:
            state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
            told = made | {"minutes": round(spent, 1), "steps": step}
            torch.save(state | {"step": step, "minutes": spent, "made": told}, path.with_suffix(".tmp"))
            os.replace(path.with_suffix(".tmp"), path)
            saved = moment
    return path


def progress(options: Options, minutes: float, step: int) -> float:
    """From 0 to 1, where the training ends."""
    return step / options.steps if options.steps else minutes / options.minutes


def made_of(options: Options, data: Path, crops: Crops) -> dict[str, Any]:
    """What the card says of where the weights came from."""
    names = sorted(flat.name for flat in crops.flats)
    total = hashlib.sha256(textures.digest(data, names).encode())
    for path in crops.paths:
        total.update(path.read_bytes())
    folders = [path.name for path in (data / "assets").iterdir() if path.is_dir()]
    lights = split_of([path.stem for path in (data / "hdri").glob("*.hdr")], Split.TRAIN)
    return {
        "options": asdict(options),
        "data_sha256": total.hexdigest(),
        "images": textures.provenance(data, names) + textures.provenance_of_lights(data, lights),
        "scenes": len(crops.paths),
        "models": split_of(folders, Split.TRAIN),
        "device": f"cpu, {options.threads} threads",
        "torch": torch.__version__,
    }


def trained(path: Path) -> tuple[ShadingNetwork, dict[str, Any]]:
    """The averaged weights of a run, and what made them."""
    kept = torch.load(path, weights_only=False)
    model = ShadingNetwork()
    model.load_state_dict(kept["average"])
    return model.eval(), kept["made"]
