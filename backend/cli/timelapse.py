# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi timelapse`: one input painted once, and its ages as a numbered sequence or a video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..film import check_video, encode
from ..items import Engine
from ..protocol.age_curve import MAX_FRAMES, AgeCurve, Ease
from ..protocol.errors import BadRecipe
from ..timelapse import Lapse, make_timelapse
from . import options as o
from .asked import Asked, asking
from .photographed import photographed
from .report import print_json, progress_bar, say, show_warning

_AGES = "The ages"
LAST_FRAME = 10_000_000  # that a number in a file's name says
FRAMES = 48


@asking
def command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="An image, a photograph, a folder of PBR maps, a UDIM set (name.<UDIM>.png) or a rendered frame (layered EXR).",
            show_default=False,
        ),
    ],
    asked: Asked,
    from_: Annotated[float, typer.Option("--from", rich_help_panel=_AGES, help="The age of the first frame.")] = 0.0,
    to: Annotated[float, typer.Option("--to", rich_help_panel=_AGES, help="The age of the last frame.")] = 1.0,
    frames: Annotated[
        int | None,
        typer.Option("--frames", "-n", rich_help_panel=_AGES, help=f"How many: {FRAMES}, or as long as the curve is."),
    ] = None,
    first: Annotated[
        int | None,
        typer.Option("--first", rich_help_panel=_AGES, help="The first frame's number: 1, or where the curve begins."),
    ] = None,
    ease: Annotated[
        Ease, typer.Option("--ease", rich_help_panel=_AGES, help="Evenly from age to age, or slow at both ends.")
    ] = Ease.LINEAR,
    curve: Annotated[
        str | None,
        typer.Option(
            "--curve",
            rich_help_panel=_AGES,
            metavar="FRAME:AGE,...",
            help="Ages at frames in place of --from and --to, as in 0:0,24:0.3,48:1.",
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            "--video",
            rich_help_panel=o.RESULT,
            metavar="FILE.mp4",
            help="Also a video of the picture's frames (mp4, mkv, mov, webm), by Blender's encoder.",
        ),
    ] = None,
    fps: Annotated[
        float, typer.Option("--fps", rich_help_panel=o.RESULT, min=1, max=240, help="Of the video, frames a second.")
    ] = 24.0,
    object_name: o.ObjectOption = "",
    object_index: o.IndexOption = None,
    view_layer: o.LayerOption = "",
    photograph: o.PhotographOption = False,
    mask: o.MaskOption = None,
    material: o.MaterialOption = None,
    at: o.AtOption = None,
    down: o.DownOption = None,
    harmonize: o.HarmonizeOption = False,
    as_json: o.JsonOption = False,
    quiet: o.QuietOption = False,
) -> None:
    """Age one input over a sequence of frames: painted once, one seed, no flicker.

    steel.png becomes steel_timelapse/steel.0001.png and so on, every layer of the recipe at the frame's age. Run it again to
    go on where it stopped: frames that are whole and of this very input, recipe and curve are kept.

      sabi timelapse steel.png --effect rust --from 0 --to 1 --frames 48

      sabi timelapse maps/ --recipe moss_crevices --curve 0:0,24:0.3,48:1 --ease ease

      sabi timelapse frame.exr --object Door --video door.mp4

      sabi timelapse photo.jpg --photograph --mask door.png --width 3 --effect rust
    """
    if asked.age is not None:
        raise BadRecipe(
            "A time-lapse has an age for each frame.", "Give --from and --to, or --curve, in place of --age."
        )
    lapse = _lapse(from_, to, frames, first, ease, curve)
    if harmonize and not photograph:
        raise BadRecipe(
            "Of time-lapses those of photographs alone are harmonized.", "Add --photograph, or leave it out."
        )
    settings = replace(
        asked.settings(),
        object_name=object_name,
        object_index=object_index,
        view_layer=view_layer,
        photograph=photographed(photograph, material, down, harmonize, mask, at),
    )
    python = check_video(video, settings.blender_python, settings.overwrite) if video else ""
    recipe = asked.built()
    with progress_bar(source.name, quiet or as_json) as progress:
        made = make_timelapse(source, recipe, lapse, settings, Engine(settings), progress)
        if video:
            encode([made.files(n)[0] for n in made.frames], video, fps, python, progress, settings.overwrite)
    files = [str(path) for frame in made.frames for path in made.files(frame)] + ([str(video)] if video else [])
    if as_json:
        print_json(
            {
                "item": str(source),
                "status": "skipped" if made.kept == len(made.frames) else "done",
                "kept": made.kept,
                "painting_seconds": round(made.painting_seconds, 3),
                "frame_seconds": round(made.frame_seconds, 3),
                "files": files,
                "warnings": list(made.warnings),
            }
        )
        return
    if not quiet:
        for warning in made.warnings:
            show_warning(warning)
        if made.kept:
            show_warning(f"{made.kept} of {len(made.frames)} frames were there already.")
    for file in files:
        say(file)


def _lapse(from_: float, to: float, frames: int | None, first: int | None, ease: Ease, curve: str | None) -> Lapse:
    """Raises BadRecipe."""
    drawn = None if curve is None else AgeCurve.parse(curve, ease)
    if drawn is not None:
        start = int(drawn.points[0][0]) if first is None else first
        count = int(drawn.points[-1][0]) - start + 1 if frames is None else frames
    else:
        start, count = 1 if first is None else first, FRAMES if frames is None else frames
    if count > MAX_FRAMES:
        raise BadRecipe("A time-lapse of so many frames is not made.", f"Choose 1 to {MAX_FRAMES} frames.")
    if start > LAST_FRAME:
        raise BadRecipe(f"Frames are numbered up to {LAST_FRAME}.", "Choose a smaller --first.")
    if drawn is None:
        end = start + max(count - 1, 1)
        drawn = AgeCurve(((start, from_), (end, to)), ease)
    if start < 0:
        raise BadRecipe(f"Frames cannot be numbered from {start}.", "Choose --first from 0 on.")
    lapse = Lapse(drawn, range(start, start + count))
    lapse.curve.ages(lapse.frames)
    return lapse
