# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi report`: folders of results as one page with sliders, to be looked at in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..items import Engine, Settings
from ..protocol.errors import BadFile
from ..protocol.whole import WholeFiles
from ..report import Showing, exhibits, failures
from ..report_page import write_page
from . import options as o
from .report import say


def command(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Folders of results, with all below them.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="PAGE.html", help="The page: report.html in the first folder."),
    ] = None,
    inputs: Annotated[
        list[Path] | None,
        typer.Option("--inputs", metavar="FOLDER", help="Where the inputs lie when not beside the results."),
    ] = None,
    lines: Annotated[
        Path | None,
        typer.Option(
            "--lines", metavar="FILE", help="What `sabi batch` printed: says where inputs lie and what failed."
        ),
    ] = None,
    ages: Annotated[
        int,
        typer.Option("--ages", min=0, max=21, help="Ages to slide through, painted for the page; 0 paints none."),
    ] = Showing.ages,
    side: Annotated[
        int, typer.Option("--side", min=64, max=4096, help="Texels on the longer side of a picture.")
    ] = Showing.side,
    title: Annotated[str, typer.Option("--title", help="The page's title: the first folder's name.")] = "",
    overwrite: o.OverwriteOption = False,
    device: o.DeviceOption = None,
    threads: o.ThreadsOption = None,
    server: o.ServerOption = "",
    token: o.TokenOption = "",
) -> None:
    """Write one HTML page of a batch's results, time-lapses or the demo, with sliders for age and before and after.

    Ages between the input and the result are painted small, from the recipe in the sidecar. The page loads nothing: send it
    as it is.

      sabi batch assets/ --out weathered/ > lines.jsonl; sabi report weathered/ --lines lines.jsonl

      sabi report weathered/ --inputs assets/ --out page.html
    """
    asked, failed = failures(lines) if lines else ({}, [])
    target = out or folders[0] / "report.html"
    if target.suffix.lower() not in (".html", ".htm"):
        raise BadFile(f"'{target.name}' is no page.", "Give --out a name that ends in .html.")
    showing = Showing(side, ages, tuple(inputs or ()), asked)
    engine = Engine(Settings(device=device, threads=threads, server=server, token=token)) if ages > 1 else None
    shown = exhibits(folders, showing, engine)
    name = title or folders[0].resolve().name

    def write(temporary: Path) -> None:
        if not write_page(temporary, target, name, shown, failed) and not failed:
            raise BadFile(
                "There are no results of Sabi in these folders.", "Name what `sabi batch` or `make demo` wrote."
            )

    with WholeFiles(overwrite) as files:
        files.add(target, write)
    say(str(target))
