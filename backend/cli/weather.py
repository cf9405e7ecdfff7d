# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi weather`: a few inputs, now, with a progress bar."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..items import Engine, clashes, weather_item
from ..protocol.errors import Cancelled, SabiError
from ..protocol.whole import explain
from . import options as o
from .asked import Asked, asking
from .photographed import photographed
from .report import print_json, progress_bar, say, show_error, show_warning


@asking
def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT...",
            help="Images, folders of PBR maps, UDIM sets (name.<UDIM>.png), rendered frames (multilayer EXR) or models.",
            show_default=False,
        ),
    ],
    asked: Asked,
    object_name: o.ObjectOption = "",
    object_index: o.IndexOption = None,
    view_layer: o.LayerOption = "",
    photograph: o.PhotographOption = False,
    mask: o.MaskOption = None,
    material: o.MaterialOption = None,
    at: o.AtOption = None,
    down: o.DownOption = None,
    harmonize: o.HarmonizeOption = False,
    stages: o.StagesOption = None,
    as_json: o.JsonOption = False,
    quiet: o.QuietOption = False,
) -> None:
    """Weather images, folders of PBR maps, rendered frames and models.

    steel.png becomes steel_weathered.png, a folder maps/ becomes maps_weathered/, each with a sidecar that repeats the result.
    Texels that do not weather keep every bit; bit depth and format stay.

      sabi weather steel.png --effect rust --age 0.7

      sabi weather maps/ --recipe moss_crevices --width 3

      sabi weather frame.exr --object Door --age 0.5

      sabi weather photo.jpg --photograph --mask door.png --width 3 --effect rust --age 0.7
    """
    built = asked.built()
    settings = replace(
        asked.settings(),
        object_name=object_name,
        object_index=object_index,
        view_layer=view_layer,
        photograph=photographed(photograph, material, down, harmonize and photograph, mask, at, stages),
        harmonize=harmonize and not photograph,
    )
    engine = Engine(settings)
    failed, clashing = 0, clashes((path, settings) for path in inputs)
    for path in inputs:
        try:
            if path in clashing:
                raise clashing[path]
            with progress_bar(path.name, quiet or as_json) as progress:
                written = weather_item(path, built, settings, engine, progress)
        except Cancelled:
            raise
        except (SabiError, OSError) as said:
            error = said if isinstance(said, SabiError) else explain(said, path)
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
