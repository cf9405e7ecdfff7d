# SPDX-License-Identifier: GPL-3.0-or-later
"""One recipe on one object at 1024, 2048 and 4096 texels a side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import surfaces

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.recipe import Recipe
from sabi.backend.protocol.surface import Surface
from sabi.backend.weathering.pipeline import weather

SIDES = (1024, 2048, 4096)


def test_larger_maps_reduced(benchmark, networks: Networks, recipe: Callable[[Surface], Recipe]) -> None:
    """Mean difference of the albedo inside islands between the smallest maps and larger ones reduced to them."""
    wanted, made = recipe(_box(SIDES[0])), []

    def once() -> None:
        for side in SIDES:
            surface = _box(side)
            albedo = weather(surface, wanted, networks=networks).surface["albedo"].array
            made.append((_reduced(albedo), _reduced(surface["island_mask"].array)[..., 0] == 1))

    benchmark.pedantic(once, rounds=1)
    (smallest, inside), *larger = made
    gaps = [float(np.abs(albedo - smallest)[inside & whole].mean()) for albedo, whole in larger]
    benchmark.extra_info["figures"] = {"resolutions_differ_levels": max(gaps)}


def _box(side: int) -> Surface:
    """Painted steel in six islands, of one layout at every size."""
    return surfaces.box(side, margin=side / 64)


def _reduced(values: np.ndarray) -> np.ndarray:
    """Means over squares: [S, S, C] -> [SIDES[0], SIDES[0], C]."""
    factor = values.shape[0] // SIDES[0]
    return values.reshape(SIDES[0], factor, SIDES[0], factor, -1).mean(axis=(1, 3), dtype=np.float32)
