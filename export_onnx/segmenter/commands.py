# SPDX-License-Identifier: GPL-3.0-or-later
"""data | train | export | evaluate segmenter: what the command line asks for, done."""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import fields
from pathlib import Path

import numpy as np

from ...backend.networks.registry import Networks
from ..data import scenes, textures
from ..data.materials import Split
from . import evaluation, export, sheets, training
from .batches import Crops

RUNS = Path("out/segmenter")


def add_options(commands: dict[str, argparse.ArgumentParser], shipped: Path) -> None:
    """The options of each command's parser, by the command's name."""
    for command in commands.values():
        command.add_argument(
            "--data", help="folder with textures/, assets/, hdri/ (else SABI_DATA, else ../shared/data)"
        )
        command.add_argument("--out", type=Path, default=RUNS, help=f"checkpoint, log, pictures ({RUNS})")
        command.add_argument("--scenes", type=Path, help="the rendered scenes (OUT/scenes)")
    commands["data"].add_argument("--count", type=int, default=400, help="scenes to train with")
    commands["data"].add_argument("--held", type=int, default=200, help="scenes to measure with")
    commands["data"].add_argument("--side", type=int, default=scenes.SIDE, help="texels a side of a scene")
    commands["data"].add_argument("--seed", type=int, default=0)
    commands["data"].add_argument("--workers", type=int, help="processes (one a core)")
    for option in fields(training.Options):
        commands["train"].add_argument(
            f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default
        )
    for name in ("export", "evaluate"):
        commands[name].add_argument("--onnx", type=Path, default=shipped, help="folder of the exported levels")


def run(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    data, rendered = textures.data_folder(args.data), args.scenes or args.out / "scenes"
    match args.command:
        case "data":
            for split, count in ((Split.HELD, args.held), (Split.TRAIN, args.count)):
                scenes.render(scenes.Order(data, rendered, split, count, args.seed, args.side), args.workers)
            batch = Crops(data, rendered, Split.TRAIN).draw(16, 128, np.random.default_rng(args.seed))
            sheets.draw_batch(batch, args.out / "batch.png")
            print(args.out / "batch.png")
        case "train":
            options = training.Options(**{f.name: getattr(args, f.name) for f in fields(training.Options)})
            print(training.train(options, data, rendered, args.out))
        case "export":
            with tempfile.TemporaryDirectory() as draft:
                export.export_checkpoint(args.out / "checkpoint.pt", Path(draft))
                seen = evaluation.held_scenes(rendered, Networks.load(device="cpu", folder=draft))
            confident = evaluation.calibrated(evaluation.for_calibration(seen))
            for path in export.export_checkpoint(args.out / "checkpoint.pt", args.onnx, confident):
                print(path)
        case _:
            networks = Networks.load(device="cpu", folder=args.onnx)
            seen = evaluation.held_scenes(rendered, networks)
            figures = evaluation.figures(seen, networks, data)
            sheets.draw_worst(seen, args.out / "worst.png")
            sheets.draw_confusion(evaluation.total(seen)[-1], args.out / "confusion.png")
            sheets.draw_curve(figures, args.out / "curve.png")
            print(json.dumps(figures))
