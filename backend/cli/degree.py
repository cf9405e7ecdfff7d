# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi degree`: how weathered a photographed texture is around each texel, as an image."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..files.image import IMAGE_SUFFIXES, writable_suffix, write_image
from ..items import input_files
from ..photographed.degree import DegreeMethod
from ..photographed.degree_map import find_degree
from ..photographed.files import photograph_in
from ..protocol.errors import BadRecipe, FileExists
from ..protocol.whole import WholeFiles
from . import options as o
from .report import print_json, say, show_warning

_MARKS = "Marks"


def _marks_option(name: str, help_: str) -> typer.models.OptionInfo:
    return typer.Option(name, rich_help_panel=_MARKS, metavar="X,Y", help=help_)


def command(
    photograph: Annotated[
        Path,
        typer.Argument(help="A photograph of a weathered texture, or a folder of its PBR maps.", show_default=False),
    ],
    clean: Annotated[
        list[str] | None, _marks_option("--clean", "A clean place, in texels from the upper left. May be repeated.")
    ] = None,
    weathered: Annotated[
        list[str] | None, _marks_option("--weathered", "A place as weathered as it gets. May be repeated.")
    ] = None,
    mark: Annotated[
        list[str] | None,
        typer.Option(
            "--mark",
            rich_help_panel=_MARKS,
            metavar="X,Y,DEGREE",
            help="A place in between: 120,80,0.5 is half weathered.",
        ),
    ] = None,
    marks: Annotated[
        Path | None,
        typer.Option(
            "--marks",
            rich_help_panel=_MARKS,
            metavar="FILE",
            help="An image of the same size with marks painted on it: green clean, red weathered, yellow half of it.",
        ),
    ] = None,
    method: Annotated[
        DegreeMethod | None,
        typer.Option(
            "--method",
            help="marks: what lies between the marks in colour and place. manifold: what lies between the least and the most "
            "weathered looks, found by itself where nothing is marked. rarity: what looks like little else; where most is "
            "clean. maps: metallic, else roughness, else height. By itself: marks where there are any, else manifold.",
        ),
    ] = None,
    invert: Annotated[
        bool, typer.Option("--invert", help="The other way round, where nothing is marked and the wrong end was taken.")
    ] = False,
    out: o.OutOption = None,
    overwrite: o.OverwriteOption = False,
    as_json: o.JsonOption = False,
    quiet: o.QuietOption = False,
) -> None:
    """Tell how weathered a photographed texture is around each texel: photo.jpg becomes photo_degree.png, black is new.

      sabi degree photo.jpg --clean 40,60 --clean 300,80 --weathered 200,410

      sabi degree photo.jpg --marks painted.png

      sabi degree rusty_steel/ --method maps
    """  # fmt: skip
    started = time.monotonic()
    listed = [
        *((*_numbers(text, 2), 0.0) for text in _each(clean)),
        *((*_numbers(text, 2), 1.0) for text in _each(weathered)),
        *(_numbers(text, 3) for text in _each(mark)),
    ]
    if listed and marks:
        raise BadRecipe("Give marks as places or as a painted image, not both.", "Leave out --marks or the places.")
    path = photograph_in(photograph)
    target = _target(photograph, path, out)
    if target.exists() and not overwrite:
        raise FileExists(f"{target} exists already.", "Choose another --out, or give --overwrite.")
    with WholeFiles(overwrite, inputs=[*(input_files(photograph)), path, *([marks] if marks else [])]) as files:
        found = find_degree(path, marks or listed or None, method, invert)
        texels = found.degree.array
        files.add(target, lambda temporary: write_image(temporary, texels))
    if as_json:
        seconds = round(time.monotonic() - started, 3)
        mean = float(texels.mean()) / np.iinfo(texels.dtype).max
        print_json({"item": str(photograph), "status": "done", "method": found.method.value, "seconds": seconds,
                    "mean": round(mean, 4), "files": [str(target)]})  # fmt: skip
        return
    if not (listed or marks or quiet):
        told = found.map or found.method.value
        show_warning(f"Told by {told} alone: look at it, and give --invert where it is the wrong way round.")
    say(str(target))


def _each(texts: list[str] | None) -> list[str]:
    return [part for text in texts or [] for part in text.split()]


def _numbers(text: str, count: int) -> tuple[float, ...]:
    """`120,80` as numbers; raises BadRecipe."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise BadRecipe(f"'{text}' is not {'x,y' if count == 2 else 'x,y,degree'}.", "As in --clean 120,80")
    return numbers


def _target(given: Path, photograph: Path, out: Path | None) -> Path:
    suffix = writable_suffix(photograph.suffix)
    name = f"{photograph.stem}_degree{suffix if suffix.lower() in ('.png', '.tif', '.tiff', '.exr') else '.png'}"
    if out is None:
        return photograph.parent / name
    return out if out.suffix.lower() in IMAGE_SUFFIXES else out / name
