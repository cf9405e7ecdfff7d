# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds an effect to an exported painter from a folder of photographs, and forgets nothing.

The painter's convolutions stay as they are. The style code gets one number more, which is 1 for the new effect and 0 for all
others; what it adds to the modulation of every level, and the new styles' sixteen numbers, are all that is trained (a style as a
scale and a shift of features that are learnt already: Dumoulin et al. 2017). So the old styles paint what they painted before,
and neither their photographs nor a rehearsal are needed. In training the share of the one number is the modulations' bias.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..backend.networks.card import Card
from ..backend.protocol.errors import BadFile, NetworkError
from ..backend.protocol.recipe import EFFECT_NAME
from . import backbone, export, feature_size, training
from .data import batches, photographs, textures
from .data.effects import CLEAN
from .networks.painter import STYLE, Painter, inputs_of
from .painting import Brush

RATE = 1e-2
EMA = 0.98
FINEST = 4.0  # texels that a feature has at least: what has been learnt for a moment alone may cover nothing yet
KEPT = 1e-4  # how far an old style's picture may move


def add_effect(
    effect: str,
    folder: Path,
    options: training.Options,
    out: Path,
    data: Path | None = None,
    *,
    runs: bool = False,
    licence: str = "not said",
    log_every: int = 20,
) -> Path:
    """Trains the effect until `options.minutes` are spent; writes out/painter.onnx (whole or not at all) and out/log.jsonl.

    `options.start` is the painter that it is added to. `data`, where there is one, gives clean textures to lay photographs
    on and the backbone; without, bases are made up and pictures are compared as raw patches. Raises BadFile, NetworkError.
    """
    begun = time.monotonic()
    torch.set_num_threads(options.threads)
    training.keep_freed_memory()
    if options.device != "cpu":
        raise NetworkError("Effects are added on the CPU.", "Leave --device out: it takes minutes.")
    start = Path(options.start)
    card = startable(start, effect)
    torch.manual_seed(options.seed)
    clean = batches.clean_surfaces(data) if data else photographs.made_up_bases(options.seed)
    plates = photographs.plates_of(effect, folder, clean, runs, options.seed)
    network = backbone.load_or_patches(data)
    compared = "raw patches, no backbone" if isinstance(network, backbone.RawPatches) else ""
    model = training.Trainee(len(plates.styles))
    wide = take_weights(model.painter, start)
    training.lay_channels_last(model, network)
    learner = Learner(model, network, plates, options)
    learner.choose_nearest(card)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "log.jsonl").open("a") as log:
        for line in learner.learn(begun, log_every):
            log.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
    codes = {
        photograph.style: [round(v, 5) for v in code]
        for (_, photograph), code in zip(plates.styles, model.codes.weight.tolist(), strict=True)
    }
    made = {
        "added": effect,
        "options": asdict(options),
        "start": training.started_from(start),
        "photographs": {effect: {s: [one.name for one in sets] for s, sets in photographs.styles_in(folder).items()}},
        "images": photographs.provenance(folder, licence) + (textures.provenance(data, CLEAN) if data else []),
        **({} if compared else {"backbone": textures.BACKBONE}),
        "notes": [
            *photographs.assumptions(folder),
            *([] if data else ["clean surfaces beneath: made up"]),
            *([f"losses: {compared}"] if compared else []),
        ],
        "steps": learner.step,
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "device": f"cpu, {options.threads} threads, {backbone.precision()}",
        "torch": torch.__version__,
    }
    return write(grown(model.painter, wide, learner.before), card, effect, codes, made, start, out / "painter.onnx")


def startable(start: Path, effect: str) -> Card:
    """The card of the painter to start from. Raises NetworkError where it cannot be, BadFile for a bad name."""
    if not EFFECT_NAME.fullmatch(effect):
        raise BadFile(
            f"'{effect}' is no name for an effect.", "Lower-case letters, digits and underscores, as in lichen."
        )
    if not start.is_file():
        raise NetworkError(
            f"There is no painter {start}.", "Name one by --start; Sabi's own is backend/networks/painter.onnx."
        )
    training.check_start(start)
    card = training.card_of(start)
    if effect in card.styles:
        raise NetworkError(
            f"{start} paints {effect} already.", "Choose another name, or start from a painter without it."
        )
    return card


def take_weights(painter: Painter, start: Path) -> dict[str, Tensor]:
    """Fills a painter with an exported one's weights; returns its modulations' in full, effects' own numbers included.

    What has grown since begins with zeros. Raises NetworkError where the exported one has what this painter has not.
    """
    had = training.weights_of(start)
    wide: dict[str, Tensor] = {}
    modulating = {f"{name}.weight" for name, _ in modulations(painter)}
    width = max((had[name].shape[1] for name in modulating & set(had)), default=STYLE)
    for name, weight in painter.state_dict().items():
        given = had.get(name, torch.zeros(0, *weight.shape[1:]))
        if name in modulating:
            wide[name] = torch.zeros(len(weight), width)
            wide[name][: len(given)] = given
            given = given[:, :STYLE]
        if given.ndim != weight.ndim or any(a > b for a, b in zip(given.shape, weight.shape, strict=True)):
            raise NetworkError(
                f"{start} is a painter of another shape.", "Start from the painter that ships with this Sabi."
            )
        weight.zero_()
        weight[tuple(slice(length) for length in given.shape)] = given
    return wide


def modulations(painter: Painter) -> Iterator[tuple[str, nn.Linear]]:
    """What the style does: the layers that read its code, by name."""
    return ((name, module) for name, module in painter.named_modules() if isinstance(module, nn.Linear))


def grown(painter: Painter, wide: dict[str, Tensor], before: dict[str, Tensor]) -> Painter:
    """The painter whose style code has one number more: what its modulations' biases have learnt since `before` is its share."""
    for name, layer in list(modulations(painter)):
        share = layer.bias.detach() - before[name]
        weight = torch.cat([wide[f"{name}.weight"], share[:, None]], 1)
        new = nn.Linear(weight.shape[1], weight.shape[0])
        new.weight.data, new.bias.data = weight, before[name].clone()
        parent, _, child = name.rpartition(".")
        setattr(painter.get_submodule(parent), child, new)
    return painter


def write(
    painter: Painter, card: Card, effect: str, codes: dict[str, list[float]], made: dict, start: Path, path: Path
) -> Path:
    """Exports the grown painter with `card` and the new effect's codes, once it is seen that the old styles are kept."""
    others = next(iter(next(iter(card.styles.values())).values()))
    styles = {e: {name: [*code, 0.0] for name, code in named.items()} for e, named in card.styles.items()}
    new = {effect: {name: [*code, *[0.0] * (len(others) - STYLE), 1.0] for name, code in codes.items()}}
    own = [*card.inputs["style"][STYLE:], effect]
    draft = path.with_suffix(".draft.onnx")
    try:
        export.export_painter(painter, export.painter_card(new, {}, made, own=own), draft)
        sizes = {**card.texels_per_feature, effect: max(FINEST, feature_size.measure(Brush(draft))[effect])}
        finished = export.painter_card(styles | new, sizes, made, own=own, version=f"{card.version}.1")
        export.export_painter(painter, finished, draft)
        moved = farthest(Brush(start), Brush(draft))
        if moved > KEPT:
            raise export.ExportError(f"the old styles' pictures moved by {moved}")
        print(json.dumps({"old_styles_moved": moved, "texels_per_feature": sizes[effect]}), flush=True)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def farthest(before: Brush, after: Brush, size: int = 96) -> float:
    """By how much any value that a painter paints in a style that it had differs from what the painter grown from it paints."""
    moved = 0.0
    inputs = {n: v.numpy() for n, v in inputs_of(1, size, size, torch.Generator().manual_seed(1)).items()}
    for effect, named in before.card.styles.items():
        for style in named:
            painted = [brush.run(inputs, brush.style(effect, style)) for brush in (before, after)]
            moved = max(moved, float((painted[0] - painted[1]).abs().max()))
    return moved


class Learner:
    """The style codes and the modulations' biases of `model`, learning from `plates`."""

    def __init__(
        self, model: training.Trainee, network: nn.Module, plates: batches.Plates, options: training.Options
    ) -> None:
        self.model, self.network, self.plates, self.options = model, network, plates, options
        self.before = {name: layer.bias.detach().clone() for name, layer in modulations(model.painter)}
        self.learnt = [model.codes.weight, *(layer.bias for _, layer in modulations(model.painter))]
        model.requires_grad_(False)
        for parameter in self.learnt:
            parameter.requires_grad_(True)
        self.step = 0
        self.rng = np.random.default_rng((options.seed, 1))
        self.generator = torch.Generator().manual_seed(options.seed)

    def losses(self, style: int, size: int, rng: np.random.Generator, generator: torch.Generator) -> dict[str, Tensor]:
        batch = self.plates.draw(style, self.options.crops, size, rng)
        parts, _ = training.step_losses(self.model, self.network, batch, self.options, generator, 1.0)
        return {name: getattr(self.options, name) * value for name, value in parts.items()}

    @torch.no_grad()
    def choose_nearest(self, card: Card) -> None:
        """Every new style begins as the known one that comes closest to its photographs, all judged by the same crops."""
        known = [torch.tensor(code[:STYLE]) for named in card.styles.values() for code in named.values()]
        for style in range(len(self.plates.styles)):
            totals = []
            for code in known:
                self.model.codes.weight[style] = code
                torch.manual_seed(self.options.seed)
                seeds = np.random.default_rng(self.options.seed), torch.Generator().manual_seed(self.options.seed)
                totals.append(float(sum(self.losses(style, min(self.options.size, 192), *seeds).values())))
            self.model.codes.weight[style] = known[int(np.argmin(totals))]

    def learn(self, begun: float, log_every: int) -> Iterator[dict[str, float]]:
        """Learns until the budget that began at `begun` is spent, then leaves the average in the model; gives lines to log."""
        optimizer = torch.optim.Adam(self.learnt, lr=RATE, betas=(0.9, 0.99))
        average = [p.detach().clone() for p in self.learnt]
        sums: dict[str, list[float]] = {}
        order: list[int] = []
        first = done = (time.monotonic() - begun) / 60 / self.options.minutes
        while done < 1 or not self.step:
            through = min(1.0, (done - first) / max(1 - first, 1e-6))
            optimizer.param_groups[0]["lr"] = (
                RATE * min(1, (self.step + 1) / 10) * max(0.02, math.cos(math.pi / 2 * through))
            )
            order = order or list(self.rng.permutation(len(self.plates.styles)))
            parts = self.losses(int(order.pop()), self.options.size, self.rng, self.generator)
            optimizer.zero_grad(set_to_none=True)
            torch.stack(list(parts.values())).sum().backward()
            nn.utils.clip_grad_norm_(self.learnt, self.options.clip, error_if_nonfinite=True)
            optimizer.step()
            self.step += 1
            keep = min(EMA, 1 - 1 / self.step)
            with torch.no_grad():
                for slow, fast in zip(average, self.learnt, strict=True):
                    slow.lerp_(fast, 1 - keep)
            for name, value in parts.items():
                sums.setdefault(name, []).append(value.item())
            done = (time.monotonic() - begun) / 60 / self.options.minutes
            if self.step % log_every == 0 or done >= 1:
                yield {"step": self.step, "minutes": round(done * self.options.minutes, 2)} | {
                    name: round(float(np.mean(values)), 4) for name, values in sums.items()
                }
                sums.clear()
        with torch.no_grad():
            for slow, fast in zip(average, self.learnt, strict=True):
                fast.copy_(slow)
