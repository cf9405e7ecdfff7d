# SPDX-License-Identifier: GPL-3.0-or-later
"""data | train | export | evaluate shading: what the command line asks for, done."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path

import numpy as np
from PIL import Image

from ...backend.weathering.delight import NETWORK
from ..data import scenes, textures
from ..data.materials import Split
from . import evaluation, export, training
from .batches import Batch, Crops
from .renders import Order

RUNS = Path("out/shading")


def add_options(parsers: dict[str, argparse.ArgumentParser], networks: Path) -> None:
    """`parsers` by command: data, train, evaluate, export."""
    for parser in parsers.values():
        parser.add_argument(
            "--data", help="folder with textures/, assets/, hdri/ (else SABI_DATA, else ../shared/data)"
        )
        parser.add_argument("--out", type=Path, default=RUNS, help=f"checkpoint, log, pictures ({RUNS})")
        parser.add_argument("--scenes", type=Path, help="the rendered scenes (OUT/scenes)")
    parsers["data"].add_argument("--count", type=int, default=600, help="scenes to train with")
    parsers["data"].add_argument("--held", type=int, default=evaluation.COUNT, help="scenes to measure with")
    parsers["data"].add_argument("--side", type=int, default=Order.side, help="texels a side of a scene")
    parsers["data"].add_argument("--seed", type=int, default=0)
    parsers["data"].add_argument("--workers", type=int, help="processes (one a core)")
    for option in fields(training.Options):
        kind = type(option.default)
        parsers["train"].add_argument(f"--{option.name.replace('_', '-')}", type=kind, default=option.default)
    for command in ("evaluate", "export"):
        path = networks / f"{NETWORK}.onnx"
        parsers[command].add_argument("--onnx", type=Path, default=path, help="the exported network")
    parsers["evaluate"].add_argument("--count", type=int, default=evaluation.COUNT, help="scenes of the held set")


def run(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    if args.command == "export":
        export.export_checkpoint(args.out / training.CHECKPOINT, args.onnx)
        print(args.onnx)
        return
    data, rendered = textures.data_folder(args.data), args.scenes or args.out / "scenes"
    match args.command:
        case "data":
            for split, count in ((Split.HELD, args.held), (Split.TRAIN, args.count)):
                scenes.render(Order(data, rendered, split, count, args.seed, args.side), args.workers)
            batch = Crops(data, rendered, Split.TRAIN).draw(8, 128, np.random.default_rng(args.seed))
            print(draw_batch(batch, args.out / "pairs.png"))
        case "train":
            options = training.Options(**{f.name: getattr(args, f.name) for f in fields(training.Options)})
            print(training.train(options, data, rendered, args.out))
        case _:
            print(json.dumps(evaluation.evaluate(args.onnx, data, rendered, args.out, args.count)))


def draw_batch(batch: Batch, path: Path) -> Path:
    """A row a picture: image, albedo, shading, residual."""
    rows = []
    parts = (batch.image, batch.albedo, batch.shading, batch.image * batch.share)
    for values in zip(batch.known, *parts, strict=True):
        known, *pictures = (value.numpy().transpose(1, 2, 0) for value in values)
        rows.append(np.concatenate([evaluation.displayed(picture, known[..., 0] > 0) for picture in pictures], 1))
    half = len(rows) // 2
    Image.fromarray(np.concatenate([np.concatenate(rows[:half]), np.concatenate(rows[half:])], 1)).save(path)
    return path
