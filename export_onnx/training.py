# SPDX-License-Identifier: GPL-3.0-or-later
"""Trains the painter within a budget of minutes; resumes from its checkpoint; same seed and threads, same weights."""

from __future__ import annotations

import copy
import ctypes
import hashlib
import json
import math
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, distributed, multiprocessing, nn

from ..backend.networks.card import CARD_KEY, Card
from ..backend.protocol.errors import NetworkError
from . import backbone, composite, losses
from .critic import Adversary
from .data import effects, textures
from .data.batches import Batch, Plates, lattice_noise
from .networks.painter import FOLDED, STYLE, VEINS, Painter

SAME_WEIGHTS = (3, 4)  # the first painter whose weights mean what they do now


@dataclass(frozen=True)
class Options:
    """Everything that shapes the weights, besides the data."""

    minutes: float = 75.0
    seed: int = 0
    start: str = ""  # an exported painter whose weights and codes are gone on from; its styles are drawn half as often
    workers: int = (
        2  # processes whose gradients are averaged: they wait for each other once a step, threads at every operation
    )
    threads: int = 1  # of each worker
    device: str = "cpu"  # or cuda, where plates, network and losses all lie
    size: int = 256  # texels a side of a crop
    often: str = ""  # effects whose styles are drawn twice as often, with commas between; named again, three times
    only: str = ""  # beginnings of the weights' names that learn, with commas between; empty: all
    handed: str = ""  # effects that first take new photographs' colours and shapes, while all others stay as they were
    handing: float = 0.25  # share of the budget in which they do
    styles: int = 1  # styles a step
    crops: int = 2  # crops a style
    rate: float = 1.5e-3
    clip: float = 0.5
    ema: float = 0.995
    style_noise: float = 0.1  # so that codes between the learnt ones mean something
    feature: float = 1.0
    patch: float = 1.0
    shape: float = 2.0
    layer: float = 0.3
    calibration: float = 4.0
    turning: float = 0.3
    spectrum: float = 0.1
    popping: float = 5.0
    kept: float = 5.0
    thick: float = 0.05
    colour: float = 0.5
    adversarial: float = 0.0  # above 0 critics are trained beside the painter: it wants a GPU's step counts


class Trainee(nn.Module):
    """The painter and its styles' codes, [styles, 16]."""

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.painter = Painter()
        self.codes = nn.Embedding(styles, STYLE)


def begin_from(model: Trainee, path: Path) -> list[int]:
    """Takes weights and style codes from an exported painter; returns the styles that it had.

    Outputs that a layer has more begin as those of a new painter, inputs that it has more with zeros: together they change
    nothing at first. Inputs that came last and are there no more are left out.

    Effects that were added to it (adding.py) are left out, and what they have of a code's numbers. A new style of an effect that
    it had begins midway between those it had.
    What it was made by stays in the card under "start": the way from the photographs to these weights is all of them.
    """
    check_start(path)
    weights = weights_of(path)
    own = model.painter.state_dict()
    for name in own:
        had = weights.get(name)
        if had is not None and had.ndim == 2:
            had = had[:, :STYLE]
        if had is None or had.ndim != own[name].ndim:
            continue
        part = tuple(slice(min(a, b)) for a, b in zip(had.shape, own[name].shape, strict=True))
        own[name][part[0]].zero_()
        own[name][part] = had[part]
    known = card_of(path).styles
    styles = []
    for i, (effect, photograph) in enumerate(effects.styles()):
        had_styles = known.get(effect, {})
        code = had_styles.get(photograph.style)
        if code is not None:
            model.codes.weight.data[i] = torch.tensor(code[:STYLE])
            styles.append(i)
            if photograph.like is not None and photograph.like[1] in known.get(photograph.like[0], {}):
                like = known[photograph.like[0]][photograph.like[1]]
                model.codes.weight.data[i] = torch.lerp(model.codes.weight.data[i], torch.tensor(like[:STYLE]), 0.7)
        elif had_styles:
            model.codes.weight.data[i] = torch.tensor([c[:STYLE] for c in had_styles.values()]).mean(0)
    return styles


def weights_of(path: Path) -> dict[str, Tensor]:
    """An exported network's weights by their names in torch. A file has one of those that are equal, and what it stands for."""
    graph = onnx.load(path).graph
    weights = {w.name: torch.from_numpy(numpy_helper.to_array(w).copy()) for w in graph.initializer}
    same = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Identity"}
    return weights | {name: weights[one] for name, one in same.items() if one in weights}


def check_start(path: Path) -> None:
    """Raises NetworkError for a painter whose weights mean something else than this one's: until 3.2 the base was scaled."""
    version = card_of(path).version
    if tuple(map(int, version.split(".")[:2])) < SAME_WEIGHTS:
        raise NetworkError(
            f"{path} is painter {version}, whose weights mean something else.",
            "Start from the painter that ships with this Sabi.",
        )


def has_learnt(path: Path, layer: str) -> bool:
    """Whether an exported painter has this layer: `lines` or `strokes` say which of its styles have them."""
    return f"{layer}.weight" in weights_of(path)


def card_of(path: Path) -> Card:
    properties = onnx.load(path, load_external_data=False).metadata_props
    return Card.from_json({p.key: p.value for p in properties}[CARD_KEY])


def draw_age(degree: Tensor) -> Tensor:
    """An age a crop, [N,1,1,1], old enough that its degree can be reached, anything from there to 1."""
    least = (degree.amax((1, 2, 3)) / 1.2).clamp(0.15, 0.98)
    return (least + (1 - least) * torch.rand(len(degree)))[:, None, None, None]


def presence(name: str, done: float) -> float:
    """How much of a noise there is, when `done` of the budget is spent: the coarse first, the fine fades in.

    With all of it from the start the first shapes are made of the finest noise, and grow from there only slowly.
    """
    late = {"noise_4": 0.03, "streaks_4": 0.03, "noise_2": 0.06, "grain": 0.08}
    return min(1.0, max(0.0, (done - late[name]) / 0.06)) if name in late else 1.0


def inputs_of(
    model: Trainee, batch: Batch, options: Options, generator: torch.Generator, done: float
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """What the painter is given for a batch, by name, at an age that reaches its degree; the exposure; the degree."""
    count, size = len(batch.base), batch.base.shape[-1]
    age = draw_age(batch.degree)
    exposure = composite.exposure_for(batch.degree, age)
    noise = lattice_noise(count, size, generator, batch.down[:, :, 0, 0])
    inputs = {
        "base": batch.base,
        "susceptibility": composite.susceptibility(exposure),
        "down": batch.down,
        **{n: presence(n, done) * v for n, v in noise.items()},
        "style": model.codes.weight[batch.style].expand(count, -1) + options.style_noise * torch.randn(count, STYLE),
    }
    return inputs, exposure, composite.degree_at(exposure, age)


def handed_losses(
    model: Trainee, before: Trainee, batch: Batch, options: Options, generator: torch.Generator, new: bool
) -> dict[str, Tensor]:
    """The losses of a style that is to be painted as `before` does; of a `new` one, in its photograph's colours and shapes.

    They need no backbone, and every texel teaches: a photograph's statistics take ten times as long to move a colour.
    """
    inputs, exposure, degree = inputs_of(model, batch, options, generator, 1)
    painted = paint(model.painter, inputs)
    code = inputs["style"].detach() + (before.codes.weight - model.codes.weight)[batch.style].detach()
    with torch.no_grad():
        wanted = paint(before.painter, inputs | {"style": code})
    kept = {"kept": (painted - wanted).abs().mean()}
    inside = batch.area > 0.7
    if not new or int(inside.sum()) < 256:
        return kept
    later = composite.degree_at(exposure, 0.1 + 0.9 * torch.rand(len(exposure), 1, 1, 1))
    _, cover = composite.weathered(painted, batch.base, degree)
    kept["kept"] = (painted[:, 2:] - in_colours_of(wanted[:, 2:], batch.photograph, inside)).abs().mean()
    return kept | {
        "shape": losses.patch_loss(cover, batch.area, degree, 9, (1, 2, 4)),
        "calibration": losses.calibration_loss(composite.coverage(painted, later), batch.full * later),
        "popping": losses.popping_loss(painted, batch.base, 0.065),
    }


def in_colours_of(layer: Tensor, photograph: Tensor, inside: Tensor) -> Tensor:
    """A painted layer [N,9,H,W], thin and thick colour, roughness, metallic, height, with the means of a photograph's [N,6,H,W]
    where it is `inside` [N,1,H,W]. Of its colours it keeps how light they are, spread at most as the photograph's.
    """
    rows = photograph.transpose(0, 1)[:, inside[:, 0]]
    mean, spread = (x[[0, 1, 2, *range(6)]][None, :, None, None] for x in (rows.mean(1), rows.std(1)))
    light = (part.mean(1, keepdim=True).expand(-1, 3, -1, -1) for part in (layer[:, :3], layer[:, 3:6]))
    layer = torch.cat([*light, layer[:, 6:]], 1)
    own = layer.std((0, 2, 3), keepdim=True) + 1e-3
    return ((layer - layer.mean((0, 2, 3), keepdim=True)) * (spread / own).clamp(max=1) + mean).clamp(0, 1)


def step_losses(
    model: Trainee,
    network: nn.Module,
    batch: Batch,
    options: Options,
    generator: torch.Generator,
    done: float,
    adversary: Adversary | None = None,
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The losses of one style's crops, by the names they are logged under, not yet weighted; and those of the adversary."""
    count, size = len(batch.base), batch.base.shape[-1]
    inputs, exposure, degree = inputs_of(model, batch, options, generator, 1 if options.start else done)
    painted = paint(model.painter, inputs)
    fake, cover = composite.weathered(painted, batch.base, degree)
    full = composite.layer_at(painted, torch.ones_like(degree))
    full = torch.cat([composite.to_srgb(full[:, :3]), full[:, 3:]], 1)
    later = composite.degree_at(exposure, 0.1 + 0.9 * torch.rand(count, 1, 1, 1))
    told, theirs = {}, {}
    if options.feature:
        told["feature"] = feature_loss_of(network, fake, batch, degree)
    if options.turning:
        told["turning"] = turning_loss(model.painter, inputs, size)
    if adversary is not None:
        told["adversarial"] = adversary.judge(fake, degree, batch.style)
        theirs = adversary.losses(fake, batch.photograph, degree, batch.style)
    return told | {
        "patch": losses.patch_loss(fake, batch.photograph, degree, 5, (1, 2, 4)),
        "shape": losses.patch_loss(cover, batch.area, degree, 9, (1, 2, 4, 8)),
        "layer": losses.layer_loss(full, batch.photograph, batch.area),
        "colour": losses.colour_loss(
            full, composite.coverage(painted, torch.ones_like(degree)), batch.photograph, batch.area
        ),
        "calibration": losses.calibration_loss(composite.coverage(painted, later), batch.full * later),
        "spectrum": losses.spectrum_loss(fake[:, :3], batch.photograph[:, :3]),
        "popping": losses.popping_loss(painted, batch.base, 0.065),
        "thick": (painted[:, 2:5] - painted[:, 5:8]).abs().mean(),  # what nothing teaches looks thick as it does thin
    }, theirs


def feature_loss_of(network: nn.Module, fake: Tensor, batch: Batch, degree: Tensor) -> Tensor:
    """What the backbone sees in composites [N,6,H,W], against what it sees in the batch's photographs."""
    with torch.no_grad(), backbone.half():
        real_features = network(batch.photograph[:, :3].contiguous(memory_format=torch.channels_last))
    with backbone.half():
        fake_features = network(fake[:, :3].contiguous(memory_format=torch.channels_last))
    return losses.feature_loss(fake_features, real_features, degree)


def paint(painter: Painter, inputs: dict[str, Tensor]) -> Tensor:
    with backbone.half():
        inputs = {n: v.contiguous(memory_format=torch.channels_last) if v.ndim == 4 else v for n, v in inputs.items()}
        return painter(**inputs).float().contiguous()


def turning_loss(painter: Painter, inputs: dict[str, Tensor], size: int) -> Tensor:
    """A turned surface must be painted with the turned picture: islands of a UV map lie at any angle. On a quarter crop."""
    side = size // 2
    corner = int(torch.randint(size // 2 // 32 + 1, (), device="cpu")) * 32
    turns = int(torch.randint(1, 4, (), device="cpu"))
    part = {}
    for name, value in inputs.items():
        if value.ndim == 2:
            part[name] = value[:1]
            continue
        at, length = (v * value.shape[-1] // size for v in (corner, side))
        part[name] = value[:1, :, at : at + length, at : at + length]
    turned = {"down": losses.quarter_turn_direction, "style": lambda v, _: v}
    turned |= dict.fromkeys(FOLDED, losses.quarter_turn_unfolded)
    other = {name: turned.get(name, losses.quarter_turn)(value, turns) for name, value in part.items()}
    both = paint(painter, {n: torch.cat([part[n], other[n]]) for n in part})
    return (losses.quarter_turn(both[:1], turns) - both[1:]).abs().mean((0, 2, 3))[[0, 0, 0, *range(2, 8)]].mean()


def train(options: Options, folder: Path, out: Path, *, log_every: int = 20, checkpoint_minutes: float = 3.0) -> Path:
    """Trains until `options.minutes` of running time are spent, earlier runs that left a checkpoint in `out` counted in.

    Writes checkpoint.pt (whole or not at all) and log.jsonl into `out`; returns the checkpoint's path. On a GPU one worker
    trains, whatever `options.workers` says: more `styles` and `crops` a step fill it.
    """
    if options.device != "cpu":
        options = replace(options, workers=1)
    out.mkdir(parents=True, exist_ok=True)
    if options.workers == 1:
        work(0, options, folder, out, log_every, checkpoint_minutes)
    else:
        (out / "rendezvous").unlink(missing_ok=True)
        multiprocessing.spawn(work, (options, folder, out, log_every, checkpoint_minutes), nprocs=options.workers)
    return out / "checkpoint.pt"


def work(rank: int, options: Options, folder: Path, out: Path, log_every: int, checkpoint_minutes: float) -> None:
    with torch.device(options.device):
        learn(rank, options, folder, out, log_every, checkpoint_minutes)


def learn(rank: int, options: Options, folder: Path, out: Path, log_every: int, checkpoint_minutes: float) -> None:
    """One worker: draws its own batches, averages its gradients with the others'; the first keeps time, log and checkpoint."""
    torch.set_num_threads(options.threads)
    if options.workers > 1:
        keep_freed_memory()
        meeting = f"file://{(out / 'rendezvous').resolve()}"
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=options.workers)
    path = out / "checkpoint.pt"
    plates, network = Plates.of_textures(folder, options.seed), backbone.load(folder).to(options.device)
    torch.manual_seed(options.seed)
    model = Trainee(len(plates.styles))
    had = begin_from(model, Path(options.start)) if options.start else []
    if not (options.start and has_learnt(Path(options.start), "lines")):
        late = torch.tensor([photograph.lines or [float("nan")] * VEINS for _, photograph in plates.styles])
        model.painter.open_gate(model.codes.weight.detach(), late)
    if not (options.start and has_learnt(Path(options.start), "strokes")):
        scratched = torch.tensor([photograph.strokes for _, photograph in plates.styles])
        model.painter.open_strokes(model.codes.weight.detach(), scratched)
    if not (options.start and has_learnt(Path(options.start), "sheer")):
        sheer = torch.tensor([photograph.look.keep for _, photograph in plates.styles])
        model.painter.make_sheer(model.codes.weight.detach(), sheer)
    if not (options.start and has_learnt(Path(options.start), "crisp")):
        crisp = torch.tensor([photograph.crisp for _, photograph in plates.styles])
        model.painter.make_crisp(model.codes.weight.detach(), crisp)
    for name, weight in model.named_parameters():
        weight.requires_grad_(name.startswith(tuple(options.only.split(","))))
    started = {"start": started_from(Path(options.start))} if options.start else {}
    lay_channels_last(model, network)
    average = copy.deepcopy(model)
    before = copy.deepcopy(model) if options.handed else None
    optimizer = torch.optim.Adam(model.parameters(), lr=options.rate, betas=(0.9, 0.99))
    adversary = Adversary.against(len(plates.styles), options.rate) if options.adversarial else None
    spent, step = 0.0, 0
    if path.exists():
        state = torch.load(path, weights_only=False, map_location=options.device)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        if adversary is not None and "adversary" in state:
            adversary.load(state["adversary"])
        spent, step, started = state["minutes"], state["step"], {k: v for k, v in state["made"].items() if k == "start"}
    rng = np.random.default_rng((options.seed, step, rank))
    generator = torch.Generator(options.device).manual_seed(int(rng.integers(2**31)))
    torch.manual_seed(int(rng.integers(2**31)))
    begun, saved = time.monotonic() - 60 * spent, time.monotonic()
    often = options.often.split(",")
    shares = [i for i, (e, _) in enumerate(plates.styles) for _ in range((1 + (i not in had)) * (1 + often.count(e)))]
    order: list[int] = []
    sums: dict[str, list[float]] = {}
    done, parent = spent / options.minutes, os.getppid()
    while done < 1:
        if options.workers > 1 and os.getppid() != parent:
            raise SystemExit("the process that started this worker is gone")
        for group in optimizer.param_groups:
            group["lr"] = options.rate * min(1, (step + 1) / 100) * max(0.02, 0.5 * (1 + math.cos(math.pi * done)))
        optimizer.zero_grad(set_to_none=True)
        against: list[Tensor] = []
        for _ in range(options.styles):
            order = order or list(rng.permutation(shares))
            style = int(order.pop())
            if before is not None and done < options.handing:
                batch = plates.draw(style, 2 * options.crops, options.size // 2, rng)
                new = plates.styles[style][0] in options.handed.split(",")
                parts = handed_losses(model, before, batch, options, generator, new)
            else:
                batch = plates.draw(style, options.crops, options.size, rng)
                parts, theirs = step_losses(model, network, batch, options, generator, done, adversary)
                against += [value / options.styles for value in theirs.values()]
                for name, value in theirs.items():
                    sums.setdefault(name, []).append(value.item())
            (sum(getattr(options, name) * value for name, value in parts.items()) / options.styles).backward()
            for name, value in parts.items():
                sums.setdefault(name, []).append(value.item())
        minutes = (time.monotonic() - begun) / 60
        nn.utils.clip_grad_norm_(model.parameters(), options.clip, error_if_nonfinite=True)  # no style drowns another's
        done = agree(model, minutes / options.minutes, options.workers)
        optimizer.step()
        if adversary is not None and against:
            adversary.optimizer.zero_grad(set_to_none=True)  # the painter's loss left gradients there
            torch.stack(against).sum().backward()
            agree(adversary.critics, done, options.workers)
            adversary.optimizer.step()
        step += 1
        with torch.no_grad():
            keep = min(options.ema, 1 - 1 / (step + 1))
            for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 1 - keep)
        if step % log_every == 0:
            line = {"step": step, "minutes": round(minutes, 2)} | {
                n: round(float(np.mean(v)), 4) for n, v in sums.items()
            }
            sums.clear()
            if rank == 0:
                with (out / "log.jsonl").open("a") as log:
                    log.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)
        if rank == 0 and (done >= 1 or time.monotonic() - saved > 60 * checkpoint_minutes):
            more = {} if adversary is None else {"adversary": adversary.state()}
            save(path, model, average, optimizer, minutes, step, options, folder, plates, started, more)
            saved = time.monotonic()
    if options.workers > 1:
        distributed.destroy_process_group()


def agree(model: nn.Module, done: float, workers: int) -> float:
    """Averages the gradients of all workers, in place, and how much of the budget is done."""
    if workers == 1:
        return done
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([*(g.flatten() for g in gradients), torch.tensor([done])]) / workers
    distributed.all_reduce(flat)
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients] + [1])[:-1], strict=True):
        gradient.copy_(part.view_as(gradient))
    return float(flat[-1])


def lay_channels_last(*modules: nn.Module) -> None:
    """Lays the convolutions' weights out as they run fastest on CPU."""
    for module in modules:
        for weight in [*module.parameters(), *module.buffers()]:
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def keep_freed_memory() -> None:
    """glibc gives large freed blocks back at once; faulting them in again took half of every step's time."""
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # another libc, another habit
        return
    for parameter, value in ((-3, 1 << 30), (-1, 2**31 - 1), (-2, 1 << 28)):  # mmap threshold, trim threshold, top pad
        libc.mallopt(parameter, value)


def save(
    path: Path,
    model: Trainee,
    average: Trainee,
    optimizer: torch.optim.Optimizer,
    minutes: float,
    step: int,
    options: Options,
    folder: Path,
    plates: Plates,
    started: dict[str, Any],
    more: dict[str, Any],
) -> None:
    """Everything needed to go on, and to say in the card what made the weights."""
    names = [p.folder for _, p in plates.styles] + list(effects.CLEAN)
    made: dict[str, Any] = {
        "options": asdict(options),
        "data_sha256": textures.digest(folder, names),
        **started,
        "photographs": {
            effect: {p.style: p.folder for p in photographs} for effect, photographs in effects.TRAINING.items()
        },
        "images": textures.provenance(folder, names),
        "backbone": textures.BACKBONE,
        "steps": step,
        "minutes": round(minutes, 1),
        "device": f"{options.device}, {options.workers} workers of {options.threads} threads, {backbone.precision()}",
        "torch": torch.__version__,
    }
    state = {"model": model.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict()}
    temporary = path.with_suffix(".tmp")
    torch.save(state | more | {"minutes": minutes, "step": step, "made": made}, temporary)
    os.replace(temporary, path)


def started_from(path: Path) -> dict[str, Any]:
    """What the card says of the painter that training went on from."""
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "training": card_of(path).training}


def trained(path: Path) -> tuple[Painter, dict[str, dict[str, list[float]]], dict[str, Any]]:
    """The averaged painter of a checkpoint, its style codes by effect and name, and what made it."""
    state = torch.load(path, weights_only=False, map_location="cpu")
    model = Trainee(len(effects.styles()))
    model.load_state_dict(state["average"])
    codes: dict[str, dict[str, list[float]]] = {}
    for (effect, photograph), code in zip(effects.styles(), model.codes.weight.tolist(), strict=True):
        codes.setdefault(effect, {})[photograph.style] = [round(v, 5) for v in code]
    return model.painter.eval(), codes, state["made"]
