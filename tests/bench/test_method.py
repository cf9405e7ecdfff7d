# SPDX-License-Identifier: GPL-3.0-or-later
"""What the method costs beside its networks, and what changing the age costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np

from sabi.backend.files.image import write_image
from sabi.backend.items import Engine, Settings
from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.age_curve import AgeCurve
from sabi.backend.protocol.photograph import photograph
from sabi.backend.protocol.recipe import Recipe
from sabi.backend.protocol.still import Still
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.timelapse import Lapse, Made, make_timelapse
from sabi.backend.weathering.pipeline import reage, weather

SIDE = 2048


def test_weathering(
    benchmark, networks: Networks, recipe: Callable[[Surface], Recipe], steel: Callable[[int], Surface], monkeypatch
) -> None:
    """A box of painted steel at 2048 x 2048, one layer of rust: everything that is not the network, over the network."""
    surface, shares = steel(SIDE), []
    inside = painters_seconds(networks, monkeypatch)

    def once() -> None:
        inside.clear()
        start = time.perf_counter()
        weather(surface, recipe(surface), networks=networks)
        shares.append((time.perf_counter() - start) / sum(inside) - 1)

    benchmark.pedantic(once, rounds=9, warmup_rounds=1)
    benchmark.extra_info["figures"] = {"not_network_over_network": median(shares)}


def test_photograph(benchmark, networks: Networks, recipe: Callable[[Surface], Recipe], monkeypatch) -> None:
    """A photograph of 2048 x 2048 aged by one layer of rust, all of it, harmonized, its stages kept: over the painter alone."""
    grain = np.random.default_rng(0).integers(90, 110, (SIDE, SIDE, 3), np.uint8)
    surface = photograph(Map(grain, ColorSpace.SRGB), Still(harmonize=True, stages=True))
    inside, ratios = painters_seconds(networks, monkeypatch), []

    def once() -> None:
        inside.clear()
        start = time.perf_counter()
        weather(surface, recipe(surface), networks=networks)
        ratios.append((time.perf_counter() - start) / sum(inside))

    benchmark.pedantic(once, rounds=3, warmup_rounds=1)
    benchmark.extra_info["figures"] = {"photograph_over_painter": median(ratios)}


def painters_seconds(networks: Networks, monkeypatch) -> list[float]:
    """A list that gets the seconds of every run of the painter."""
    run, seconds = networks.painter.run, []

    def timed(inputs):
        start = time.perf_counter()
        try:
            return run(inputs)
        finally:
            seconds.append(time.perf_counter() - start)

    monkeypatch.setattr(networks.painter, "run", timed)
    return seconds


def test_changing_the_age(
    benchmark, networks: Networks, recipe: Callable[[Surface], Recipe], steel: Callable[[int], Surface]
) -> None:
    """Another age of what was painted, all maps."""
    surface = steel(SIDE)
    layers = weather(surface, recipe(surface), networks=networks).layers
    benchmark.pedantic(reage, (surface, recipe(surface).at_age(0.8), layers), rounds=3, warmup_rounds=1)


def test_timelapse(
    benchmark, recipe: Callable[[Surface], Recipe], steel: Callable[[int], Surface], tmp_path: Path
) -> None:
    """`sabi timelapse` of a photograph of 2048 x 2048: a frame, its PNG written, over reading and painting it once."""
    grain = np.random.default_rng(0).integers(90, 110, (SIDE, SIDE, 3), np.uint8)
    write_image(tmp_path / "steel.png", grain)
    settings = Settings(out=tmp_path / "frames", device="cpu")
    texels = recipe(steel(64)).layers[0].feature_size * steel(64).texels_per_metre
    one = replace(recipe(steel(64)).layers[0], feature_size=texels * settings.width / SIDE)
    made: list[Made] = []

    def once() -> None:
        lapse = Lapse(AgeCurve.parse("1:0,12:1"), range(1, 13))
        made.append(make_timelapse(tmp_path / "steel.png", Recipe((one,)), lapse, settings, Engine(settings), _silent))

    benchmark.pedantic(once, rounds=1)
    benchmark.extra_info["figures"] = {
        "timelapse_frame_over_painting": made[0].frame_seconds / made[0].painting_seconds
    }


def _silent(_stage: str, _fraction: float) -> None:
    pass
