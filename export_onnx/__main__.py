# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m sabi.export_onnx data | train | evaluate | export painter | segmenter | harmonizer | shading

The painter:
data      writes a picture of every training plate: photograph, weathered area, degrees, base, maps
train     trains from scratch, or goes on from the checkpoint in --out, until the minutes are spent; with --add-effect it
          adds an effect to a painter from a folder of photographs: OUT/painter.onnx paints it besides what it painted before
export    writes the checkpoint as backend/networks/painter.onnx, checked against torch
evaluate  prints one JSON line of the shipped painter's figures and writes the contact sheets: every style by age, and at three
          degrees of three seeds, beside its photograph and over plain colours; with --bases, of how far each effect shows on
          eight clean textures, and their sheet
Exemplars, which need no network of their own:
evaluate exemplar  prints one JSON line: halves of photographs as exemplars, compared with the other halves
The segmenter:
data      renders the scenes that are not there yet (with bpy), and writes a picture of a batch
train     trains from scratch, or goes on from the checkpoint in --out, until the minutes are spent; with --labels dcsm | cam
          from pseudo-labels of the scenes, which are made first from the names of their materials alone
export    writes the checkpoint as three files, checked against torch, with the confidences that `auto` stops at
evaluate  prints one JSON line of the figures on held scenes and mixtures, and writes the worst pictures and the confusion
evaluate rematerial  prints one JSON line: held scenes told before and after a segment of each was given rust, or moss
The harmonizer:
data      writes a picture of training pairs: a photograph, and the same with a part disturbed
train     trains from scratch, or goes on from the checkpoint in --out, until the minutes are spent
export    writes the checkpoint as backend/networks/harmonizer.onnx, checked against torch
evaluate  prints one JSON line of the figures on photographs left out, with baselines, and a sheet of the best and the worst
The shading network:
data      renders the scenes that are not there yet, each under two lights (with bpy), and writes a picture of a batch
train     trains from scratch, or goes on from the checkpoint in --out, until the minutes are spent
export    writes the checkpoint as backend/networks/shading.onnx, checked against torch
evaluate  prints one JSON line of the figures on held scenes and textures, with baselines, and sheets of the best and the worst
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import fields, replace
from pathlib import Path

from ..backend.networks.registry import Networks
from ..backend.protocol.errors import SabiError
from . import adding, base_sheet, evaluation, exemplar_evaluation, export, plate_sheet, sheet, training
from .data import photographs, textures
from .harmonizer import commands as harmonizer_commands
from .painting import Brush
from .segmenter import commands as segmenter_commands
from .shading import commands as shading_commands

RUNS = Path("out/painter")
WITHOUT_DATA = (
    "That is no hindrance: photographs without a mask are laid over made-up surfaces, and pictures are compared as raw patches. "
    "With clean textures and the features of MobileNetV2 (README, The painter) structure is told better."
)
SHIPPED = Path(__file__).resolve().parents[1] / "backend" / "networks" / "painter.onnx"


def main() -> None:
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m sabi.export_onnx", description=__doc__, formatter_class=formatter)
    commands = parser.add_subparsers(dest="command", required=True)
    named = ("data", "train", "evaluate", "export")
    networks = {name: commands.add_parser(name).add_subparsers(dest="network", required=True) for name in named}
    segmenter_commands.add_options({name: networks[name].add_parser("segmenter") for name in named}, SHIPPED.parent)
    harmonizer_commands.add_options({name: networks[name].add_parser("harmonizer") for name in named}, SHIPPED.parent)
    shading_commands.add_options({name: networks[name].add_parser("shading") for name in named}, SHIPPED.parent)
    data, train, evaluate, write = (networks[name].add_parser("painter") for name in named)
    for command in (data, train, evaluate, write):
        command.add_argument("--data", help="folder with textures/ and backbone/ (else SABI_DATA, else ../shared/data)")
        command.add_argument("--out", type=Path, default=RUNS, help=f"checkpoint, log, pictures ({RUNS})")
    for option in fields(training.Options):
        train.add_argument(f"--{option.name.replace('_', '-')}", type=type(option.default), default=option.default)
    train.add_argument(
        "--add-effect",
        nargs=2,
        metavar=("EFFECT", "FOLDER"),
        help="add this effect to the painter named by --start (Sabi's own), from photographs or texture sets, with masks or "
        "without, that lie in FOLDER (one style) or in folders in it (a style each)",
    )
    train.add_argument(
        "--runs", action="store_true", help="the photographs stand upright and show runs: with --add-effect"
    )
    train.add_argument("--licence", default="not said", help="of the photographs, for the card: with --add-effect")
    evaluate.add_argument("--patches", type=int, default=512, help="crops a set that the score is taken from")
    evaluate.add_argument("--markdown", action="store_true", help="tables instead of the JSON line")
    evaluate.add_argument("--bases", action="store_true", help="each effect on eight clean textures it has not seen")
    segmenter_commands.add_rematerial_options(networks["evaluate"].add_parser("rematerial"), SHIPPED.parent)
    exemplar = networks["evaluate"].add_parser("exemplar")
    exemplar.add_argument("--data", help="folder with textures/ and backbone/ (else SABI_DATA, else ../shared/data)")
    exemplar.add_argument("--patches", type=int, default=256, help="crops a set that a score is taken from")
    exemplar.add_argument("--count", type=int, default=0, help="textures, spread over all there are (0: all)")
    for command in (evaluate, write):
        command.add_argument("--onnx", type=Path, default=SHIPPED, help="the exported painter")
    args = parser.parse_args()
    if args.network in ("segmenter", "rematerial"):
        segmenter_commands.run(args)
        return
    if args.network == "harmonizer":
        harmonizer_commands.run(args)
        return
    if args.network == "shading":
        shading_commands.run(args)
        return
    if args.network == "exemplar":
        folder, shipped = textures.data_folder(args.data), Networks.load(device="cpu")
        print(json.dumps(exemplar_evaluation.evaluate(shipped, folder, patches=args.patches, count=args.count)))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    if args.command == "export":
        export.export_checkpoint(args.out / "checkpoint.pt", args.onnx)
        print(args.onnx)
        return
    if args.command == "train" and args.add_effect:
        add_effect(args)
        return
    folder = textures.data_folder(args.data)
    if args.command == "data":
        print(plate_sheet.draw(folder, args.out / "plates.png"))
    elif args.command == "train":
        print(training.train(options_of(args), folder, args.out))
    elif args.bases:
        print(json.dumps(base_sheet.draw(Brush(args.onnx), folder, args.out / "bases.png")))
    else:
        figures, brush = evaluation.evaluate(args.onnx, folder, patches=args.patches), Brush(args.onnx)
        sheet.draw(brush, folder, args.out / "sheet.png")
        sheet.draw_degrees(brush, folder, args.out / "degrees.png")
        sheet.draw_plain(brush, args.out / "plain.png")
        print(evaluation.table(figures) if args.markdown else json.dumps(figures))


def options_of(args: argparse.Namespace) -> training.Options:
    return training.Options(**{f.name: getattr(args, f.name) for f in fields(training.Options)})


def add_effect(args: argparse.Namespace) -> None:
    """Prints what is missing, one line of JSON now and then, and how the new effect is used; ends with 2 where it cannot be."""
    effect, folder = args.add_effect
    try:
        data: Path | None = textures.data_folder(args.data)
    except FileNotFoundError as missing:
        if args.data:
            raise
        data = None
        print(f"{missing}. {WITHOUT_DATA}", file=sys.stderr)
    options = replace(options_of(args), start=args.start or str(SHIPPED))
    try:
        for sentence in photographs.assumptions(Path(folder)):
            print(sentence, file=sys.stderr)
        path = adding.add_effect(effect, Path(folder), options, args.out, data, runs=args.runs, licence=args.licence)
    except SabiError as error:
        print(error.for_artist, file=sys.stderr)
        raise SystemExit(2) from None
    print(f"{path} paints {effect}: SABI_NETWORKS={path.parent} sabi weather steel.png --effect {effect}")


if __name__ == "__main__":
    main()
