# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi weather`: a few inputs, now, with a progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..files.write import check_suffix
from ..items import Engine, Settings, weather_item
from ..protocol.errors import Cancelled, SabiError
from . import options as o
from .report import print_json, progress_bar, say, show_error, show_warning


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Images, folders of PBR maps, UDIM sets (name.<UDIM>.png), rendered frames (multilayer EXR) or models.",
            show_default=False,
        ),
    ],
    recipe: o.RecipeOption = None,
    effect: o.EffectOption = None,
    age: o.AgeOption = None,
    seed: o.SeedOption = None,
    style: o.StyleOption = None,
    size: o.SizeOption = None,
    changes: o.SetOption = None,
    newest: o.NewestOption = False,
    out: o.OutOption = None,
    overwrite: o.OverwriteOption = False,
    format_: o.FormatOption = None,
    texels: o.TexelsOption = 0,
    width: o.WidthOption = Settings.width,
    height: o.HeightOption = Settings.height,
    wrap: o.WrapOption = "auto",
    object_name: o.ObjectOption = "",
    object_index: o.IndexOption = None,
    view_layer: o.LayerOption = "",
    device: o.DeviceOption = None,
    threads: o.ThreadsOption = None,
    server: o.ServerOption = "",
    token: o.TokenOption = "",
    blender_python: o.PythonOption = "",
    as_json: o.JsonOption = False,
    quiet: o.QuietOption = False,
) -> None:
    """Weather images, folders of PBR maps, rendered frames and models.

    steel.png becomes steel_weathered.png, a folder maps/ becomes maps_weathered/, each with a sidecar that repeats the result.
    Texels that do not weather keep every bit; bit depth and format stay.

      sabi weather steel.png --effect rust --age 0.7

      sabi weather maps/ --recipe moss_crevices --width 3

      sabi weather frame.exr --object Door --age 0.5
    """
    built = o.build_recipe(recipe, effect, age, seed, style, size, changes, newest)
    o.check_sizes(width, height, texels)
    settings = Settings(
        out=out, overwrite=overwrite, suffix=check_suffix(format_) if format_ else "",
        width=width, height=height, wrap=o.parse_wrap(wrap),
        object_name=object_name, object_index=object_index, view_layer=view_layer, texels=texels, device=device,
        threads=threads, server=server, token=token, blender_python=blender_python,
    )  # fmt: skip
    engine = Engine(settings)
    failed = 0
    for path in inputs:
        try:
            with progress_bar(path.name, quiet or as_json) as progress:
                written = weather_item(path, built, settings, engine, progress)
        except Cancelled:
            raise
        except SabiError as error:
            failed += 1
            if as_json:
                print_json({"item": str(path), "status": "failed", "error": error.to_dict()})
            show_error(error, f"{path.name}: " if len(inputs) > 1 else "")
            continue
        if as_json:
            files = [str(p) for p in written.paths]
            print_json(
                {
                    "item": str(path),
                    "status": "done",
                    "seconds": round(written.seconds, 3),
                    "files": files,
                    "warnings": list(written.warnings),
                }
            )
            continue
        if not quiet:
            for warning in written.warnings:
                show_warning(warning)
        for file in written.paths:
            say(str(file))
    if failed:
        raise typer.Exit(1)
