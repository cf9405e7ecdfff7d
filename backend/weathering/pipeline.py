# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a surface through all stages, in process: what client, server, command line and farm carry surfaces to and from.

    survey > seams > for each layer: exposure > scales > paint > composite          frames: shading before, relighting after
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..networks.registry import Networks
from ..networks.tiling import TILE
from ..protocol.errors import BadSurface, Cancelled
from ..protocol.painted import PaintedLayer
from ..protocol.recipe import Frame, Recipe
from ..protocol.surface import Map, Space, Surface
from . import geometry, shading
from .composite import MATERIAL, Density, completed, composite
from .exposure import survey
from .grid import Grid, reduced
from .gutters import Allocate, Band, band, dilate, rim
from .origin import origin, roll, rolled
from .paint import MARGIN, Run, paint
from .scale import densities, scales
from .seams import Seams, find_seams

GUTTER = 48  # canvas texels outside islands that are filled from across seams: more than the painter heeds strongly
COARSE = 512  # cells along the longer side at which densities and `down` are found
SHARE = 12  # canvas texels on either side of a seam over which both sides are brought together
EVEN = 0.02  # densities within this of each other are one

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Weathered:
    """`surface` is the input with the maps that weathering changes, in their own types; `layers` follow the recipe's.

    `recipe` is the one given, with the hashes of the networks used. `warnings` are sentences for the artist.
    """

    surface: Surface
    layers: tuple[PaintedLayer, ...]
    warnings: tuple[str, ...]
    recipe: Recipe


def weather(
    surface: Surface,
    recipe: Recipe,
    *,
    networks: Networks | None = None,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    allocate: Allocate = np.empty,
    tile: int | None = TILE,
) -> Weathered:
    """Weather a surface: each layer painted once, on the result of the layers before it, and laid on at its age.

    Where no layer covers, every texel inside islands is the input's, bit for bit. Same surface, recipe, networks, runtime and
    thread count: same bytes. The input is not changed. `progress(stage, fraction of all)` rises to 1; `cancelled` is
    asked between tiles: raises Cancelled. `allocate(shape, dtype)` gives the large arrays, memory maps for instance.

    A frame (IMAGE space, with its passes) comes back with `combined` under its own light. Raises BadSurface, BadRecipe,
    MissingMap, NetworkError, DeviceError, OutOfMemory.
    """
    surface.check_values()
    networks = (networks or Networks.load()).for_recipe(recipe)
    run = Run(tile, _quiet, cancelled or (lambda: False), _quiet, allocate)
    report = progress or _quiet
    if shading.is_frame(surface):
        return shading.weather_frame(
            surface, recipe, paint=lambda base, layers: _weather_material(base, layers, networks, report, run)
        )
    return _weather_material(surface, recipe, networks, report, run)


def reage(
    surface: Surface, recipe: Recipe, layers: Sequence[PaintedLayer], *, allocate: Allocate = np.empty
) -> Surface:
    """The formula again, without a network: `surface`, as it was before weathering, with layers painted for this recipe.

    Only ages, opacities, masks and reliefs of the recipe may differ from the one they were painted for.
    """
    if len(layers) != len(recipe.layers) or any(layer.size != surface.size for layer in layers):
        raise BadSurface("The painted layers do not belong to this surface and recipe.")
    if shading.is_frame(surface):
        base = shading.base_material(surface)
        return shading.relight(surface, base, reage(base, recipe, layers, allocate=allocate), shading.diffuse_light(surface))
    result = completed(surface, recipe)
    grid = reduced(surface, COARSE)
    density = _density(surface, grid, densities(surface, grid))
    for layer, painted in zip(recipe.layers, layers, strict=True):
        result = composite(result, layer, painted, density=density, allocate=allocate)
    if _has_islands(surface):
        mask = surface["island_mask"].array[..., 0]
        edge = rim(mask)
        margin = band(mask, edge, MARGIN, inside=False, allocate=allocate)
        for name in MATERIAL:
            dilate(result[name].array, edge, margin, MARGIN)
    return result


def _weather_material(surface: Surface, recipe: Recipe, networks: Networks, report: Progress, run: Run) -> Weathered:
    """`weather` for a surface that has its own material."""
    start = origin(surface)
    base = rolled(completed(surface, recipe), (-start[0], -start[1]), run.allocate)
    report("survey", 0.0)
    ground, grid = survey(base, recipe.frame), reduced(base, COARSE)
    found = densities(base, grid)
    density, down = _density(base, grid, found), _down(grid, recipe.frame)
    painter = networks.painter
    plans = [scales(base, grid, found, layer, painter.card) for layer in recipe.layers]
    if run.cancelled():
        raise Cancelled()
    seams = None
    if _has_islands(base):
        smallest = min(canvas.octave for plan in plans for canvas in plan.canvases)
        seams = _seams(base, 2.0**-smallest, run.allocate)
    warnings: list[str] = []
    result, layers = base, []
    for index, (layer, plan) in enumerate(zip(recipe.layers, plans, strict=True)):
        stage = f"paint {layer.effect.value}"
        field = ground.exposure(layer)
        warnings += field.warnings
        if plan.coarse:
            warnings.append(
                f"The maps are too small to show features of {layer.feature_size:g} m ({layer.effect.value}), so they come out larger. "
                "Choose larger maps or a larger feature size."
            )
        share = replace(
            run,
            warn=warnings.append,
            progress=lambda done, stage=stage, index=index: report(stage, 0.05 + 0.9 * (index + done) / len(plans)),
        )
        layers.append(paint(result, layer, painter, plan, field, grid, down, seams, share))
        result = composite(result, layer, layers[-1], density=density, allocate=run.allocate)
    if seams is not None:
        for name in MATERIAL:
            if name in result:
                seams.dilate(result[name].array, MARGIN)
    changed = {n: Map(roll(result[n].array, start, run.allocate), result[n].color_space) for n in MATERIAL if n in result}
    layers = [
        PaintedLayer.from_images({n: roll(image, start, run.allocate) for n, image in layer.images().items()})
        for layer in layers
    ]
    report("done", 1.0)
    finished = replace(surface, maps={**surface.maps, **changed}, height_scale=base.height_scale)
    used = replace(recipe, networks={"painter": networks.hashes["painter"]})
    return Weathered(finished, tuple(layers), tuple(dict.fromkeys(warnings)), used)


def _seams(surface: Surface, texels: float, allocate: Allocate) -> Seams:
    """Seams of a surface's islands; `texels` of the surface to one of the smallest canvas."""
    position, normal = (surface[n].array if n in surface else None for n in ("position", "world_normal"))
    share = int(np.clip(round(SHARE * texels), 4, 48))
    reach = int(np.clip(round(GUTTER * texels), MARGIN, 2 * GUTTER))
    mask = surface["island_mask"].array[..., 0]
    return find_seams(mask, position, normal, reach=max(reach, share), share=share, allocate=allocate)


def _down(grid: Grid, frame: Frame) -> np.ndarray | None:
    """Which way gravity pulls in texture space, on the grid: the surface's own map, else from position."""
    if "down" in grid.surface:
        return grid.texels("down")
    if grid.position is None:
        return None
    return geometry.down(grid.position, grid.inside, geometry.gravity_at_rest(grid.surface, frame), grid.surface.wrap)


def _density(surface: Surface, grid: Grid, values: np.ndarray | None) -> Density | None:
    """Texels per metre row by row: one number where they hardly differ. None where only the surface's own number is known."""
    if values is None:
        return None
    known = values[(values > 0) & grid.inside]
    if not len(known):
        return None
    low, middle, high = (float(v) for v in np.quantile(known, (0.01, 0.5, 0.99)))
    if high - low <= EVEN * middle:
        return lambda rows: np.float32(middle)
    filled = np.where(values > 0, values, np.float32(middle))
    columns = np.arange(surface.size[1]) + 0.5
    return lambda rows: grid.sample(filled, np.arange(rows.start, rows.stop) + 0.5, columns)


def _has_islands(surface: Surface) -> bool:
    return surface.space is Space.TEXTURE and "island_mask" in surface and not surface["island_mask"].array.all()


def _quiet(*_: object) -> None:
    pass
