# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m sabi.export_onnx data | train | evaluate | export painter"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from . import training
from .data import textures

RUNS = Path("out/painter")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sabi.export_onnx", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", help="train from scratch, or go on from the checkpoint in --out")
    for command in (train,):
        command.add_argument("network", choices=["painter"])
        command.add_argument(
            "--data", help="the folder with textures/ and backbone/ (else SABI_DATA, else ../shared/data)"
        )
        command.add_argument("--out", type=Path, default=RUNS, help=f"where the checkpoint and the log are ({RUNS})")
    for option in fields(training.Options):
        train.add_argument(f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default)
    args = parser.parse_args()
    if args.command == "train":
        options = training.Options(**{f.name: getattr(args, f.name) for f in fields(training.Options)})
        print(training.train(options, textures.data_folder(args.data), args.out))


if __name__ == "__main__":
    main()
