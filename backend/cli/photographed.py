# SPDX-License-Identifier: GPL-3.0-or-later
"""What `sabi weather` and `sabi batch` are asked of photographs."""

from __future__ import annotations

from pathlib import Path

from ..items import Photographed
from ..protocol.errors import BadRecipe
from ..protocol.materials import Material
from ..protocol.still import Down, Still
from . import options as o


def photographed(
    photograph: bool,
    material: Material | None,
    down: Down | None,
    harmonize: bool,
    mask: Path | None = None,
    at: list[str] | None = None,
    stages: Path | None = None,
) -> Photographed | None:
    """What is asked of photographs; None where the images are none. Raises BadRecipe."""
    said = {"--mask": mask, "--material": material, "--at": at or None}
    chosen = [name for name, value in said.items() if value is not None]
    rest = {"--down": down, "--harmonize": harmonize or None, "--stages": stages}
    given = chosen + [name for name, value in rest.items() if value is not None]
    if not photograph:
        if given:
            raise BadRecipe(f"{given[0]} is for photographs.", "Add --photograph, or leave it out.")
        return None
    if len(chosen) > 1:
        raise BadRecipe(f"Give {' or '.join(chosen)}, not both.", "Each says what weathers.")
    return Photographed(Still(harmonize, stages is not None, material, o.parse_at(at)), mask, down, stages)
