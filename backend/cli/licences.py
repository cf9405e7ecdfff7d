# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi licences`: what the networks were made from: every training image with its source, licence and hash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from ..networks.registry import Networks
from . import options as o
from .report import out, print_json


def command(as_json: o.JsonOption = False) -> None:
    """List every image that a network was trained on, with where it came from, its licence and hash (--json: all of it)."""
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


def licences() -> dict[str, Any]:
    """Of Sabi and of each network: {"sabi": licence, "networks": {name: {version, sha256, licence, images, backbones}}}.

    What a network's training went on from counts too. Raises NetworkError where a network cannot be read.
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
        }
    return {"sabi": "GPL-3.0-or-later", "networks": networks}


def _trainings(training: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A training and those that it went on from, the latest first."""
    earlier = training.get("start", {}).get("training")
    return [training, *(_trainings(earlier) if earlier else ())]
