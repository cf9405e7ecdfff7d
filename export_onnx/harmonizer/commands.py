# SPDX-License-Identifier: GPL-3.0-or-later
"""The harmonizer's side of `python -m sabi.export_onnx`."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path

from ..data import textures
from . import composites, evaluation, export, training

RUNS = Path("out/harmonizer")
SCENES = Path("out/shading/scenes")


def add_options(parsers: dict[str, argparse.ArgumentParser], networks: Path) -> None:
    """`parsers` by command: data, train, evaluate, export."""
    for parser in parsers.values():
        parser.add_argument("--data", help="folder with photos/ (else SABI_DATA, else ../shared/data)")
        parser.add_argument("--out", type=Path, default=RUNS, help=f"checkpoint, log, pictures ({RUNS})")
    for option in fields(training.Options):
        choices = training.LEARNERS if option.name == "learner" else None
        flag, kind = f"--{option.name.replace('_', '-')}", type(option.default)
        parsers["train"].add_argument(flag, type=kind, default=option.default, choices=choices)
    for command in ("evaluate", "export"):
        path = networks / "harmonizer.onnx"
        parsers[command].add_argument("--onnx", type=Path, default=path, help="the exported harmonizer")
    parsers["evaluate"].add_argument("--count", type=int, default=evaluation.COUNT, help="composites of the fixed set")
    parsers["evaluate"].add_argument(
        "--scenes",
        type=Path,
        help=f"the shading network's, for parts in another light ({SCENES} where they are there)",
    )
    parsers["evaluate"].add_argument(
        "--bmvc2020", type=Path, help="checkpoint of that baseline (OUT/bmvc2020.pt where it is there)"
    )


def run(args: argparse.Namespace) -> None:
    args.out.mkdir(parents=True, exist_ok=True)
    if args.command == "export":
        export.export_checkpoint(training.checkpoint(args.out), args.onnx)
        print(args.onnx)
        return
    folder = textures.data_folder(args.data)
    if args.command == "data":
        print(composites.draw_sheet(folder, args.out / "pairs.png"))
    elif args.command == "train":
        options = training.Options(**{f.name: getattr(args, f.name) for f in fields(training.Options)})
        print(training.train(options, folder, args.out))
    else:
        baseline = args.bmvc2020 or training.checkpoint(args.out, "bmvc2020")
        found = baseline if args.bmvc2020 or baseline.is_file() else None
        scenes = args.scenes or (SCENES if SCENES.is_dir() else None)
        figures = evaluation.evaluate(args.onnx, folder, args.out, args.count, scenes=scenes, bmvc2020=found)
        print(json.dumps(figures))
