# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers as masks of later ones: the maps that stand for their coverage and degree."""

from __future__ import annotations

from ..protocol.mask_names import DEGREE, LAYER
from ..protocol.painted import PaintedLayer
from ..protocol.recipe import Recipe
from ..protocol.surface import Surface
from .composite import stored_coverage, stored_degree
from .gutters import Allocate


def with_layer_masks(
    surface: Surface, recipe: Recipe, index: int, painted: PaintedLayer, allocate: Allocate
) -> Surface:
    """`surface` with the coverage and the degree of a layer as maps, where they are masks of later ones."""
    wanted = {mask.mask for later in recipe.layers[index + 1 :] for mask in later.stack if mask.layer == index + 1}
    layer, maps = recipe.layers[index], {}
    if f"{LAYER}{index + 1}" in wanted:
        maps[f"{LAYER}{index + 1}"] = stored_coverage(surface, layer, painted, allocate)
    if f"{DEGREE}{index + 1}" in wanted:
        maps[f"{DEGREE}{index + 1}"] = stored_degree(layer, painted)
    return surface.with_maps(maps) if maps else surface
