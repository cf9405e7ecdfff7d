# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's exemplar as the text that Blender keeps of it: JSON as in a recipe; empty for none."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import lru_cache

from ...backend.protocol.errors import BadRecipe
from ...backend.protocol.exemplar import Exemplar
from ...backend.protocol.recipe import exemplar_from


@lru_cache(maxsize=16)
def parse(text: str) -> Exemplar | None:
    """Raises BadRecipe."""
    if not text:
        return None
    try:
        return exemplar_from(json.loads(text))
    except ValueError:
        raise BadRecipe("The layer's exemplar is not valid JSON.", "Choose its photograph again.") from None


def as_text(exemplar: Exemplar | None) -> str:
    return "" if exemplar is None else json.dumps(asdict(exemplar))
