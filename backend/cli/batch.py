# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi batch`: whole folders, resumable, in shards, one JSON line an item: what a render farm calls."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from .. import farm
from ..dry_run import plan
from ..items import Engine, Settings, read_files
from ..protocol.errors import BadFile, BadRules, FileExists
from ..protocol.rules import Rules, read_rules
from ..protocol.whole import WholeFiles
from ..sheet import contact_sheet
from . import options as o
from .asked import Asked, asking
from .photographed import photographed
from .report import print_json, show_warning


@asking
def command(
    roots: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Folders to walk, or single inputs.", show_default=False)
    ],
    asked: Asked,
    photograph: o.PhotographOption = False,
    material: o.MaterialOption = None,
    down: o.DownOption = None,
    harmonize: o.HarmonizeOption = False,
    shard: Annotated[
        str, typer.Option("--shard", metavar="I/N", help="Do only part I of N, so that N machines share the work.")
    ] = "1/1",
    ray: Annotated[
        str,
        typer.Option(
            "--ray", metavar="ADDRESS", help="Spread the items over the Ray cluster at this address (auto finds one)."
        ),
    ] = "",
    rules_file: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            rich_help_panel=o.LOOK,
            metavar="FILE",
            help="A table that says which files, objects and materials get which recipe (TOML or JSON). In place of --recipe.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be done, to which objects, and where it would go.")
    ] = False,
    preview: Annotated[
        Path | None,
        typer.Option(
            "--preview", metavar="SHEET.png", help="As --dry-run, with a small picture of every item on one sheet."
        ),
    ] = None,
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going", help="Go on also after what would fail every item, such as a server that is gone."
        ),
    ] = False,
) -> None:
    """Weather every image, folder of PBR maps and model under folders; with --photograph every photograph.

    Prints one JSON line an item: item, status (done, skipped, left, failed), seconds, files or error. A failed item stops no
    other. Run it again to go on where it stopped: an item whose result, input and recipe are unchanged is skipped. What no rule
    takes is left. Of photographs wall_mask.png, white where it weathers, is the mask of wall.jpg.

    Exit status: 0 all done, skipped or left, 1 an item failed or nothing could begin, 2 an option that there is not, 130
    interrupted. Of items that would become one file the first is done and the others fail.

      sabi batch assets/ --out weathered/ --rules rules.toml --preview sheet.png

      sabi batch assets/ --out weathered/ --rules rules.toml --shard 1/8
    """
    rules = _rules(asked, rules_file)
    part = farm.Shard.parse(shard)
    for root in roots:
        if not root.exists() and "<UDIM>" not in root.name:
            raise BadFile(f"{root} is missing.", "Check the path.")
    settings = replace(
        asked.settings(),
        photograph=photographed(photograph, material, down, harmonize and photograph),
        harmonize=harmonize and not photograph,
    )
    items = list(farm.find_items(roots, photograph))
    if not items:
        show_warning(f"Nothing to weather in {', '.join(str(r) for r in roots)}.")
    failed = 0
    if dry_run or preview:
        cells = []
        if preview is not None and preview.exists() and not asked.overwrite:
            raise FileExists(f"{preview} exists already.")
        for planned in plan(items, rules, settings, part, Engine(settings) if preview else None):
            print_json(planned.to_dict())
            failed += planned.error is not None
            cells.append(planned.cell())
        if preview is not None:
            with WholeFiles(asked.overwrite, inputs=_read(items, settings)) as files:
                files.add(preview, lambda temporary: contact_sheet(cells, temporary))
    else:
        ray_run = farm.run_on_ray(items, rules, settings, part, ray) if ray else None
        for outcome in ray_run or farm.run(items, rules, settings, part, keep_going=keep_going):
            print_json(outcome.to_dict())
            failed += outcome.status == "failed"
    if failed:
        raise typer.Exit(1)


def _rules(asked: Asked, file: Path | None) -> Rules:
    """The table, or one that gives everything the recipe that was asked for. Raises BadRules, BadRecipe, BadFile."""
    if file is None:
        return Rules.of(asked.built())
    if asked.recipe or asked.effect:
        raise BadRules(
            "Give --rules or a recipe, not both.", "A last [[rule]] with nothing but a recipe takes what is left."
        )
    return read_rules(file).changed(asked.changed)


def _read(items: Iterable[tuple[Path, Path]], settings: Settings) -> Iterator[Path]:
    """The files of the items, and the masks beside photographs."""
    for item, root in items:
        with contextlib.suppress(OSError):  # which is said of the item itself
            yield from read_files(item, farm.under(settings, item, root))
