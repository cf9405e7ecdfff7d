# SPDX-License-Identifier: GPL-3.0-or-later
"""Degree from the maps that come with a texture: bare metal is clean, else the smooth is, else the high is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..protocol.errors import MissingMap
from .picture import blurred, smoothed

TELLING = {"metallic": 0.1, "roughness": 0.02, "height": 0.02}  # deviation from which a map says what is weathered
_FALLS = {"metallic": True, "roughness": False, "height": True}  # whether it falls as the surface weathers
_ENDS = (0.02, 0.98)  # quantiles that stand for the two ends


def degree_by_maps(maps: Mapping[str, np.ndarray]) -> tuple[np.ndarray, str]:
    """[h, w] in 0..1, and the name of the map [h, w] it was read from: the first of `TELLING` that varies.

    Raises MissingMap where none does.
    """
    for name, least in TELLING.items():
        if name not in maps or maps[name].std() < least:
            continue
        values = blurred(maps[name], 1.5)
        low, high = np.quantile(values, _ENDS)
        amount = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
        return smoothed(1 - amount if _FALLS[name] else amount, 1.5), name
    raise MissingMap(
        "metallic, roughness or height",
        "None of the set's maps tells what is weathered: "
        + (", ".join(f"{name} hardly varies" for name in maps if name in TELLING) or "there are none")
        + ".",
        "Mark a clean and a weathered place instead.",
    )
