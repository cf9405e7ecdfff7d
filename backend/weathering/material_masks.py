# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe's masks of materials as maps of the surface: of the metallic map where that answers, else as the segmenter sees."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..networks.registry import Networks
from ..photographed.degree import Grid, bands_of
from ..protocol.mask_names import MATERIAL
from ..protocol.materials import Material, of_mask
from ..protocol.recipe import Recipe
from ..protocol.surface import ColorSpace, Map, Surface
from .colour import to_srgb
from .frame_material import base_material
from .segment import Segments, segment
from .shading import is_frame

SEEN = ("albedo", "combined")  # what is looked at: the first that the surface has

BORDER = 64  # cells from the other side that are looked at too where a surface wraps


def with_material_masks(surface: Surface, recipe: Recipe, networks: Networks) -> Surface:
    """`surface` with the masks of materials that the recipe's layers have and it has not.

    Of a frame the metallic map is seen in its passes. Raises MissingMap where there is nothing to look at, NetworkError where no
    segmenter is.
    """
    missing = [name for name in dict.fromkeys(wanted(recipe)) if name not in surface]
    if not missing:
        return surface
    material = base_material(surface) if is_frame(surface) else surface
    metallic = material.maps.get("metallic")
    maps, seen, grid = {}, None, Grid(*surface.size)
    for name in missing:
        materials = of_mask(name)
        if materials == (Material.METAL,) and metallic is not None:
            maps[name] = metallic
            continue
        seen = seen or _look(surface, networks, grid)
        maps[name] = Map(grid.texels(seen.share(*materials), wrap=surface.wrap))
        if Material.METAL in materials and metallic is not None:
            others = (material for material in materials if material is not Material.METAL)
            rest = grid.texels(seen.share(*others), wrap=surface.wrap)
            metal = np.rint(255 * metallic.floats()).astype(np.uint8)
            maps[name] = Map(np.maximum(rest, metal))
    return surface.with_maps(maps)


def material_masks(surface: Surface) -> dict[str, Map]:
    """The masks of materials that are among a surface's maps."""
    return {name: map_ for name, map_ in surface.maps.items() if name.startswith(MATERIAL)}


def wanted(recipe: Recipe) -> Iterator[str]:
    return (mask.mask for layer in recipe.layers for mask in layer.stack if mask.mask.startswith(MATERIAL))


def _look(surface: Surface, networks: Networks, grid: Grid) -> Segments:
    name = next((name for name in SEEN if name in surface), SEEN[0])
    cells = grid.pooled(bands_of(surface[name].array[..., :3]))
    cells = to_srgb(cells) if surface[name].color_space is ColorSpace.LINEAR else cells
    around = [min(BORDER, side) if wraps else 0 for side, wraps in zip(cells.shape, surface.wrap, strict=False)]
    seen = segment(np.pad(cells, [(border, border) for border in around] + [(0, 0)], "wrap"), networks)
    rows, columns = (slice(border, border + side) for border, side in zip(around, cells.shape, strict=False))
    return seen.within(rows, columns)
