# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi batch`: whole folders, resumable, in shards, one JSON line an item: what a render farm calls."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .. import farm
from ..protocol.errors import BadFile
from .asked import Asked, asking
from .report import print_json, show_warning


@asking
def command(
    roots: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="Folders to walk, or single inputs.", show_default=False)
    ],
    asked: Asked,
    shard: Annotated[
        str, typer.Option("--shard", metavar="I/N", help="Do only part I of N, so that N machines share the work.")
    ] = "1/1",
    ray: Annotated[
        str,
        typer.Option(
            "--ray", metavar="ADDRESS", help="Spread the items over the Ray cluster at this address (auto finds one)."
        ),
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only list what would be done and where it would go.")
    ] = False,
) -> None:
    """Weather every image, folder of PBR maps and model under folders.

    Prints one JSON line an item: item, status (done, skipped, failed), seconds, files or error. A failed item stops no other.
    Run it again to go on where it stopped: an item whose result, input and recipe are unchanged is skipped.

    Exit status: 0 all done or skipped, 1 an item failed, 2 wrong usage, 130 interrupted.
    """
    built = asked.built()
    part = farm.Shard.parse(shard)
    for root in roots:
        if not root.exists() and "<UDIM>" not in root.name:
            raise BadFile(f"{root} is missing.", "Check the path.")
    settings = asked.settings()
    items = list(farm.find_items(roots))
    if not items:
        show_warning(f"Nothing to weather in {', '.join(str(r) for r in roots)}.")
    if dry_run:
        for item, target in farm.would_write(items, settings, part):
            print_json({"item": str(item), "destination": str(target)})
        return
    run = farm.run_on_ray(items, built, settings, part, ray) if ray else farm.run(items, built, settings, part)
    failed = 0
    for outcome in run:
        print_json(outcome.to_dict())
        failed += outcome.status == "failed"
    if failed:
        raise typer.Exit(1)
