# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi degree`: how weathered a photographed texture is around each texel, as an image."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..files.image import IMAGE_SUFFIXES, writable_suffix, write_image
from ..photographed.degree import Method, degree_of
from ..photographed.files import photograph_in, read_maps, read_marks, read_photograph
from ..photographed.maps import degree_by_maps
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
        Method | None,
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
    marked = bool(listed or marks)
    chosen = method or (Method.MARKS if marked else Method.MANIFOLD)
    if listed and marks:
        raise BadRecipe("Give marks as places or as a painted image, not both.", "Leave out --marks or the places.")
    if marked and chosen in (Method.RARITY, Method.MAPS):
        raise BadRecipe(
            f"The method {chosen.value} takes no marks.", "Choose marks or manifold, or leave the marks out."
        )
    path = photograph_in(photograph)
    target = _target(photograph, path, out)
    if target.exists() and not overwrite:
        raise FileExists(f"{target} exists already.", "Choose another --out, or give --overwrite.")
    with WholeFiles(overwrite) as files:
        picture, grid, deep = read_photograph(path)
        told = chosen.value
        if chosen is Method.MAPS:
            degree, told = degree_by_maps(read_maps(path, picture.shape[:2]))
            degree = 1 - degree if invert else degree
        else:
            given = read_marks(marks, grid) if marks else grid.marks(listed) if listed else None
            degree = degree_of(picture, chosen, given, invert)
        texels = grid.texels(degree, np.uint16 if deep else np.uint8)
        files.add(target, lambda temporary: write_image(temporary, texels))
    if as_json:
        seconds = round(time.monotonic() - started, 3)
        print_json({"item": str(photograph), "status": "done", "method": chosen.value, "seconds": seconds,
                    "mean": round(float(degree.mean()), 4), "files": [str(target)]})  # fmt: skip
        return
    if not marked and not quiet:
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
    if count == 3 and not 0 <= numbers[2] <= 1:
        raise BadRecipe(f"The mark {text} has a degree outside 0..1.", "0 is clean, 1 as weathered as it gets.")
    return numbers


def _target(given: Path, photograph: Path, out: Path | None) -> Path:
    suffix = writable_suffix(photograph.suffix)
    name = f"{photograph.stem}_degree{suffix if suffix.lower() in ('.png', '.tif', '.tiff', '.exr') else '.png'}"
    if out is None:
        return photograph.parent / name
    return out if out.suffix.lower() in IMAGE_SUFFIXES else out / name
