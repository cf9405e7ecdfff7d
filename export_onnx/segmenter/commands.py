# SPDX-License-Identifier: GPL-3.0-or-later
"""data | train | export | evaluate segmenter: what the command line asks for, done."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import fields
from enum import Enum
from pathlib import Path

import numpy as np

from ...backend.networks.registry import Networks
from ...backend.protocol.errors import SabiError
from ..data import scenes, textures
from ..data.materials import Split
from . import comparison, evaluation, export, rematerial, sheets, training
from .batches import Crops
from .classifier import Learning

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
        kind = type(option.default)
        commands["train"].add_argument(
            f"--{option.name.replace('_', '-')}",
            type=kind,
            default=option.default,
            choices=list(kind) if issubclass(kind, Enum) else None,
        )
    for name in ("export", "evaluate"):
        commands[name].add_argument("--onnx", type=Path, default=shipped, help="folder of the exported levels")
    add_others(commands["evaluate"])


def add_others(evaluate: argparse.ArgumentParser) -> None:
    """Folders of levels that were exported from other trainings, and what pseudo-labels are made by."""
    evaluate.add_argument("--undistilled", type=Path, help="trained with --distillation 0: distillation_gain")
    evaluate.add_argument("--seeds", type=Path, nargs="+", default=(), help="by other seeds: the spread over these")
    evaluate.add_argument("--labels", type=Path, nargs="+", default=(), help="from other labels: the mIoU of each")
    evaluate.add_argument("--names", type=int, default=Learning.steps, help="steps of the classifier (0: no dcsm_gain)")
    evaluate.add_argument("--seed", type=int, default=Learning.seed, help="of the classifier")


def add_rematerial_options(evaluate: argparse.ArgumentParser, shipped: Path) -> None:
    evaluate.add_argument("--out", type=Path, default=RUNS, help=f"folder that holds scenes/ ({RUNS})")
    evaluate.add_argument("--scenes", type=Path, help="the rendered scenes (OUT/scenes)")
    evaluate.add_argument("--onnx", type=Path, default=shipped, help="folder of the exported levels")
    evaluate.add_argument("--count", type=int, default=0, help="of the held scenes (0: all)")
    evaluate.add_argument("--age", type=float, default=rematerial.AGE, help="of the rust and the moss, 0..1")


def run(args: argparse.Namespace) -> None:
    """Ends with 2 and says what to do where there is nothing to measure, or nothing to measure it with."""
    try:
        run_rematerial(args) if args.network == "rematerial" else run_segmenter(args)
    except SabiError as error:
        print(error.for_artist, file=sys.stderr)
        raise SystemExit(2) from None


def run_rematerial(args: argparse.Namespace) -> None:
    networks = rematerial.networks_of(args.onnx)
    held = evaluation.held_paths(args.scenes or args.out / "scenes")[: args.count or None]
    print(json.dumps(rematerial.evaluate(held, networks, args.age)))


def run_segmenter(args: argparse.Namespace) -> None:
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
            figures |= evaluation.miou_train(rendered, networks)
            others = comparison.Others(args.undistilled, args.seeds, args.labels)
            figures |= comparison.compared(figures["miou"], rendered, others)
            if args.names:
                figures |= comparison.weak(data, rendered, Learning(args.names, args.seed))
            figures["not_measured"] = [name for name in comparison.FIGURES if name not in figures]
            sheets.draw_worst(seen, args.out / "worst.png")
            sheets.draw_confusion(evaluation.total(seen)[-1], args.out / "confusion.png")
            sheets.draw_curve(figures, args.out / "curve.png")
            print(json.dumps(figures))
