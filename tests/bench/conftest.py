# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures: ratios of medians that pytest-benchmark took in one run, and a few that are not times. `make bench` prints them.

A test times one thing and names the figures it takes part in:

    benchmark.extra_info["per"] = 8.6          what one round does (GFLOP, texels); a figure compares times per unit
    benchmark.extra_info["figures"] = {...}    or finished figures, where they are not ratios of two tests' times
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import surfaces

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "bench" in item.path.parts:
            item.add_marker(pytest.mark.bench)


@pytest.fixture(scope="session")
def networks() -> Networks:
    return Networks.load(device="cpu")


@pytest.fixture(scope="session")
def recipe(networks: Networks) -> Callable[[Surface], Recipe]:
    """recipe(surface): one layer of rust, of the size at which the painter's canvas has as many texels as the surface."""
    texels = networks.painter.card.texels_per_feature[Effect.RUST.value]
    return lambda surface: Recipe((Layer(Effect.RUST, 0.6, feature_size=texels / surface.texels_per_metre),))


@pytest.fixture(scope="session")
def steel() -> Callable[[int], Surface]:
    """steel(size): a box of six islands, painted steel: all that a captured asset has, in 8 bits where it can be."""
    return painted_box


def painted_box(size: int) -> Surface:
    surface = surfaces.box(size)
    random = np.random.default_rng(0)
    albedo = random.integers(90, 110, (size, size, 3), np.uint8)
    grey = {"roughness": 110, "metallic": 0}
    maps = {"albedo": Map(albedo, ColorSpace.SRGB)} | {
        name: Map(np.full((size, size, 1), value, np.uint8)) for name, value in grey.items()
    }
    return surface.with_maps(maps)
