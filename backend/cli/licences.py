# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi licences`: what the networks were made from: every training image with its source, licence and hash; and what was not
learnt from images but assumed or made by procedure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from ..networks.registry import Networks
from . import options as o
from .report import out, print_json, say


def command(as_json: o.JsonOption = False) -> None:
    """List every image that a network was trained on, with where it came from, its licence and hash (--json: all of it).

    Below them stands what no image taught: what is assumed, or made by procedure.
    """
    data = licences()
    if as_json:
        print_json(data)
        return
    for name, network in data["networks"].items():
        out.print(f"{name} {network['version']}: {network['licence']}, {len(network['images'])} training images")
        table = Table("source", "licence", "images")
        counted = Counter((image["source_repository"], image["licence"]) for image in network["images"])
        for (source, licence), count in sorted(counted.items()):
            table.add_row(source, licence, str(count))
        out.print(table)
        for backbone in network["backbones"]:
            out.print(
                f"Losses through {backbone['name']} of {backbone['source_repository']}: {backbone['licence']}; "
                f"{backbone['use']}."
            )
        if network["models"]:
            say(f"Scenes were rendered of the shapes of {', '.join(network['models'])}, in materials of their own.")
        if network["notes"]:
            say("Assumed, or made by procedure:")
        for note in network["notes"]:
            say(f"  {note}")


def licences() -> dict[str, Any]:
    """Of Sabi and of each network, by name: {"sabi": licence, "networks": {name: {version, sha256, licence, images, ...}}}.

    ... are backbones, models (whose shapes were rendered) and notes. What a network's training went on from counts too. Raises
    NetworkError where a network cannot be read.
    """
    found = Networks.load()
    found.newest("painter")
    networks = {}
    for network in map(found.newest, found.hashes):
        made = [*_trainings(network.card.training)]
        images = {image["image"]: image for training in made for image in training.get("images", ())}
        networks[network.card.name] = {
            "version": network.card.version,
            "sha256": network.sha256,
            "licence": network.card.licence,
            "images": [images[name] for name in sorted(images)],
            "backbones": list({b["name"]: b for b in (training.get("backbone") for training in made) if b}.values()),
            "models": sorted({model for training in made for model in training.get("models", ())}),
            "notes": notes_of(network.card.training),
        }
    return {"sabi": "GPL-3.0-or-later", "networks": networks}


def notes_of(training: Mapping[str, Any]) -> list[str]:
    """What a network says is assumed, or made by procedure. Where an effect was added, what held of the others still does."""
    before = training.get("start", {}).get("training", {}) if "added" in training else {}
    return list(dict.fromkeys([*training.get("notes", ()), *(notes_of(before) if before else ())]))


def _trainings(training: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A training and those that it went on from, the latest first."""
    earlier = training.get("start", {}).get("training")
    return [training, *(_trainings(earlier) if earlier else ())]
