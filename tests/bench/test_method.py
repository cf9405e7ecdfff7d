# SPDX-License-Identifier: GPL-3.0-or-later
"""What the method costs beside its networks, and what changing the age costs."""

from __future__ import annotations

import time
from collections.abc import Callable

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.recipe import Recipe
from sabi.backend.protocol.surface import Surface
from sabi.backend.weathering.pipeline import reage, weather

SIDE = 2048


def test_weathering(
    benchmark, networks: Networks, recipe: Callable[[Surface], Recipe], steel: Callable[[int], Surface], monkeypatch
) -> None:
    """A box of painted steel at 2048 x 2048, one layer of rust: everything that is not the network, over the network."""
    surface = steel(SIDE)
    painter, inside = networks.painter, []
    run = painter.run

    def timed(inputs):
        start = time.perf_counter()
        try:
            return run(inputs)
        finally:
            inside.append(time.perf_counter() - start)

    monkeypatch.setattr(painter, "run", timed)
    shares = []

    def once() -> None:
        inside.clear()
        start = time.perf_counter()
        weather(surface, recipe(surface), networks=networks)
        shares.append((time.perf_counter() - start) / sum(inside) - 1)

    benchmark.pedantic(once, rounds=3, warmup_rounds=1)
    benchmark.extra_info["figures"] = {"not_network_over_network": sorted(shares)[len(shares) // 2]}


def test_changing_the_age(
    benchmark, networks: Networks, recipe: Callable[[Surface], Recipe], steel: Callable[[int], Surface]
) -> None:
    """Another age of what was painted, all maps."""
    surface = steel(SIDE)
    layers = weather(surface, recipe(surface), networks=networks).layers
    benchmark.pedantic(reage, (surface, recipe(surface).at_age(0.8), layers), rounds=3, warmup_rounds=1)
