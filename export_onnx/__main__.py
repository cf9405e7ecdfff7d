# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m sabi.export_onnx data | train | evaluate | export painter

data      writes a picture of every training plate: photograph, weathered area, degrees, base, maps
train     trains from scratch, or goes on from the checkpoint in --out, until the minutes are spent
export    writes the checkpoint as backend/networks/painter.onnx, checked against torch
evaluate  prints one JSON line of the shipped painter's figures and writes the contact sheet
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path

from . import evaluation, export, plate_sheet, sheet, training
from .data import textures
from .painting import Brush

RUNS = Path("out/painter")
SHIPPED = Path(__file__).resolve().parents[1] / "backend" / "networks" / "painter.onnx"


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m sabi.export_onnx", description=__doc__, formatter_class=formatter)
    commands = parser.add_subparsers(dest="command", required=True)
    data, train, evaluate, write = (commands.add_parser(name) for name in ("data", "train", "evaluate", "export"))
    for command in (data, train, evaluate, write):
        command.add_argument("network", choices=["painter"])
        command.add_argument("--data", help="folder with textures/ and backbone/ (else SABI_DATA, else ../shared/data)")
        command.add_argument("--out", type=Path, default=RUNS, help=f"checkpoint, log, pictures ({RUNS})")
    for option in fields(training.Options):
        train.add_argument(f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default)
    evaluate.add_argument("--patches", type=int, default=512, help="crops a set that the score is taken from")
    for command in (evaluate, write):
        command.add_argument("--onnx", type=Path, default=SHIPPED, help="the exported painter")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.command == "export":
        export.export_checkpoint(args.out / "checkpoint.pt", args.onnx)
        print(args.onnx)
        return
    folder = textures.data_folder(args.data)
    if args.command == "data":
        print(plate_sheet.draw(folder, args.out / "plates.png"))
    elif args.command == "train":
        options = training.Options(**{f.name: getattr(args, f.name) for f in fields(training.Options)})
        print(training.train(options, folder, args.out))
    else:
        figures = evaluation.evaluate(args.onnx, folder, patches=args.patches)
        sheet.draw(Brush(args.onnx), folder, args.out / "sheet.png")
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
