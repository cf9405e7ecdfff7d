# SPDX-License-Identifier: GPL-3.0-or-later
"""How objects look, as files that an export of their maps has written: read again from the sidecars. No bpy in here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SIDECAR = ".sabi.json"


@dataclass(frozen=True)
class ExportedLook:
    """One object's images by the names of the layout's files; a path has <UDIM> in the place of tiles' numbers.

    `see_through` says that the colours' image has an alpha.
    """

    object: str
    uv_map: str
    images: Mapping[str, Path]
    see_through: bool = False

    @property
    def tiled(self) -> bool:
        return any("<UDIM>" in path.name for path in self.images.values())


def exported_looks(folder: Path) -> list[ExportedLook]:
    """What lies in a folder that maps were exported to."""
    found = []
    for sidecar in sorted(folder.rglob(f"*{SIDECAR}")):
        said = json.loads(sidecar.read_text(encoding="utf-8"))
        images = {name: sidecar.parent / file for name, file in said["images"].items()}
        see_through = any("alpha" in channels for channels in said["export"]["channels"].values())
        found.append(ExportedLook(said["object"], said["uv_map"], images, see_through))
    return found
