# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a surface through all stages, in process: what client, server, command line and farm carry surfaces to and from.

survey > seams > for each layer: exposure > paint > composite          frames and photographs: shading before, relighting after
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ..networks.card import Card
from ..networks.registry import Networks
from ..networks.tiling import TILE
from ..protocol.errors import BadSurface, Cancelled
from ..protocol.mask_names import LAYERS
from ..protocol.painted import PaintedLayer
from ..protocol.recipe import Recipe
from ..protocol.still import Still
from ..protocol.surface import Map, Space, Surface
from ..threads import meanwhile, parallel
from . import geometry, harmonize, photograph, shading
from .composite import MATERIAL, Density, completed, composite, coverage_map, strips
from .exemplar import Look, look_of
from .exposure import ExposureField, survey
from .grid import Grid, reduced
from .gutters import Allocate, Band, band, dilate, is_constant, rim
from .layer_masks import with_layer_masks
from .material_masks import with_material_masks
from .origin import origin, roll, rolled
from .paint import MARGIN, Run, paint, style_code
from .scale import Scales, densities, scales
from .seams import WIDEST, Seams, find_seams
from .torn import NOWHERE, torn_texels

GUTTER = 48  # canvas texels outside islands that are filled from across seams: more than the painter heeds strongly
DEEPEST = 256  # texels of the maps that are so filled at most, where they are finer than the canvas
SHARE = 12  # canvas texels on either side of a seam over which both sides are brought together
COARSE = 512  # cells along the longer side at which densities and `down` are found
EVEN = 0.02  # densities within this of each other are one
SURVEYED = 0.05  # of the time, about, until the first layer is painted

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Weathered:
    """`surface` is the input with the maps that weathering changes, in their own types; `layers` follow `recipe.shown`'s.

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

    Masks of materials that the surface lacks are looked for, and are among the result's maps, where `reage` wants them.
    A frame (IMAGE space, with its passes) and a photograph come back with `combined` under their own light, harmonized where
    their metadata ask for it (`Still`).
    Raises BadSurface, BadRecipe, MissingMap, UnknownNetwork, NetworkError, DeviceError, OutOfMemory.
    """
    surface.check_values()
    networks, shown = (networks or Networks.load()).for_recipe(recipe), recipe.shown
    surface = with_material_masks(surface, shown, networks)
    run = Run(tile, _quiet, cancelled or (lambda: False), _quiet, allocate)
    weather_one = partial(_weather_material, networks=networks, report=progress or _quiet, run=run)
    if shading.is_frame(surface):
        settle = None
        if Still.of(surface).harmonize:
            settle = partial(_settle, run=harmonize.session_of(networks), allocate=run.allocate)
        weathered = shading.weather_frame(surface, shown, paint=weather_one, settle=settle)
    elif photograph.is_photograph(surface):
        weathered = photograph.weather_photograph(
            surface,
            shown,
            networks=networks,
            paint=weather_one,
            cover=partial(_cover, allocate=run.allocate),
            report=progress or _quiet,
            allocate=run.allocate,
        )
    else:
        weathered = weather_one(surface, shown)
    return replace(weathered, recipe=replace(recipe, networks=weathered.recipe.networks))


def paint_photograph(
    surface: Surface,
    recipe: Recipe,
    *,
    networks: Networks | None = None,
    progress: Progress | None = None,
    allocate: Allocate = np.empty,
) -> tuple[Weathered, Callable[[Recipe], Surface]]:
    """A photograph painted once; what comes with it gives the photograph, `combined`, at the ages of a recipe, as `Ageing` does.

    At the recipe's own it is what `weather` gives. Raises as `weather` does.
    """
    surface.check_values()
    networks, shown = (networks or Networks.load()).for_recipe(recipe), recipe.shown
    run = Run(TILE, _quiet, lambda: False, _quiet, allocate)
    weathered, at = photograph.paint_photograph(
        with_material_masks(surface, shown, networks),
        shown,
        networks=networks,
        paint=partial(_weather_material, networks=networks, report=progress or _quiet, run=run),
        cover=partial(_cover, allocate=allocate),
        age=partial(Ageing, wanted=("albedo", "roughness"), allocate=allocate),
        allocate=allocate,
    )
    return replace(weathered, recipe=replace(recipe, networks=weathered.recipe.networks)), at


def exposures(
    surface: Surface, recipe: Recipe, *, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None
) -> tuple[tuple[np.ndarray, ...], tuple[str, ...]]:
    """How readily each texel weathers under each layer of `recipe.shown`, and sentences for the artist; nothing is painted.

    uint8 [H, W] each, continued around islands. Raises BadSurface, BadRecipe, MissingMap, Cancelled.
    """
    surface.check_values()
    run = Run(None, _quiet, cancelled or (lambda: False), _quiet, np.empty)
    fields = _exposures(surface, recipe.shown, run)
    edges = _edges(surface, run.allocate) if _has_islands(surface) else None
    found = []
    for number, field in enumerate(fields):
        values = np.rint(field.window() * np.float32(255)).astype(np.uint8)
        if edges is not None:
            dilate(values[..., None], *edges, MARGIN)
        found.append(values)
        (progress or _quiet)("exposure", (number + 1) / len(fields))
    return tuple(found), tuple(dict.fromkeys(warning for field in fields for warning in field.warnings))


def reage(
    surface: Surface, recipe: Recipe, layers: Sequence[PaintedLayer], *, allocate: Allocate = np.empty
) -> Surface:
    """The formula again, without a network: `surface`, as it was before weathering, with layers painted for this recipe.

    Only ages, opacities, curves, masks and reliefs of the recipe may differ from the one they were painted for. Raises BadSurface
    when the layers are not of this size and number.
    """
    return Ageing(surface, recipe, layers, allocate=allocate)(recipe)


class Ageing:
    """`reage` made ready for many ages: what does not depend on them is found once.

    `wanted` are the maps of MATERIAL to give; what none of these needs is left out of the results. A frame gives `combined`.
    Raises BadSurface when the layers are not of this size and number.
    """

    def __init__(
        self,
        surface: Surface,
        recipe: Recipe,
        layers: Sequence[PaintedLayer],
        *,
        wanted: Sequence[str] = MATERIAL,
        allocate: Allocate = np.empty,
    ) -> None:
        recipe = recipe.shown
        if len(layers) != len(recipe.layers) or any(layer.size != surface.size for layer in layers):
            raise BadSurface("The painted layers do not belong to this surface and recipe.")
        if surface.space is Space.PHOTOGRAPH:
            raise BadSurface(
                "A photograph's light is known only where it was painted.", "Use what paint_photograph gives."
            )
        self._layers, self._allocate = layers, allocate
        self._light = shading.diffuse_light(surface) if shading.is_frame(surface) else None
        self._frame = surface
        base = surface if self._light is None else shading.base_material(surface)
        needed = {
            *wanted,
            *(mask.mask for layer in recipe.layers for mask in layer.stack),
            *(("height",) if "normal" in wanted else ()),
        }
        if self._light is not None:
            needed.update(MATERIAL)
        whole = completed(base, recipe)
        self._base = base
        self._bare = replace(whole, maps={n: m for n, m in whole.maps.items() if n not in MATERIAL or n in needed})
        self._edges = meanwhile(_edges, base, allocate) if _has_islands(base) else None
        self._density: Density | None = None
        if "normal" in self._bare:
            grid = reduced(base, COARSE)
            self._density = _density(grid, densities(base, grid))

    def __call__(self, recipe: Recipe) -> Surface:
        """The surface at the ages of `recipe`, of which only what `reage` allows may differ from the one given before."""
        recipe, result, bare = recipe.shown, self._bare, self._bare.maps.get("height")
        for index, (layer, painted) in enumerate(zip(recipe.layers, self._layers, strict=True)):
            result = composite(result, layer, painted, bare=bare, density=self._density, allocate=self._allocate)
            result = with_layer_masks(result, recipe, index, painted, self._allocate)
        if self._edges is not None:
            edge, margin = self._edges.result()
            names = [name for name in MATERIAL if name in result]
            parallel(lambda name: dilate(result[name].array, edge, margin, MARGIN), names)
        result = replace(result, maps={name: m for name, m in result.maps.items() if not name.startswith(LAYERS)})
        return result if self._light is None else shading.relight(self._frame, self._base, result, self._light)


def _edges(surface: Surface, allocate: Allocate) -> tuple[np.ndarray, Band]:
    """The rim of the islands, and the texels outside that hold dilated values."""
    mask = surface["island_mask"].array[..., 0]
    edge = rim(mask)
    return edge, band(mask, edge, MARGIN, inside=False, allocate=allocate)


def _weather_material(surface: Surface, recipe: Recipe, *, networks: Networks, report: Progress, run: Run) -> Weathered:
    """`weather` for a surface that has its own material."""
    report("survey", 0.0)
    start, painter = origin(surface), networks.painter
    given = rolled(surface, (-start[0], -start[1]), run.allocate)
    ground = _ground(given, recipe, painter.card, run)
    result = completed(given, recipe)
    bare = result.maps.get("height")
    layers: list[PaintedLayer] = []
    warnings: list[str] = []
    for index, (layer, plan) in enumerate(zip(recipe.layers, ground.plans, strict=True)):
        exposure = ground.exposures[index]
        warnings += exposure.warnings
        if plan.coarse:
            warnings.append(
                f"The maps are too small to show features of {layer.feature_size:g} m ({layer.effect.value}), so they "
                "come out larger. Choose larger maps or a larger feature size."
            )
        told = partial(_report_layer, report, f"paint {layer.effect.value}", index, len(ground.plans))
        told(0.0)
        part = replace(run, warn=warnings.append, progress=told)
        painted = paint(
            result,
            layer,
            painter,
            plan,
            exposure,
            ground.grid,
            ground.down,
            ground.gravity,
            ground.seams,
            part,
            ground.looks[index],
        )
        result = composite(result, layer, painted, bare=bare, density=ground.density, allocate=run.allocate)
        result = with_layer_masks(result, recipe, index, painted, run.allocate)
        layers.append(painted)
    names = [name for name in MATERIAL if name in result]
    seams = ground.seams
    if seams is not None:
        parallel(lambda name: seams.dilate(result[name].array, MARGIN), names)
    changed = {name: Map(roll(result[name].array, start, run.allocate), result[name].color_space) for name in names}
    report("done", 1.0)
    return Weathered(
        replace(surface, maps={**surface.maps, **changed}, height_scale=result.height_scale),
        tuple(
            PaintedLayer.from_images(
                {name: roll(image, start, run.allocate) for name, image in painted.images().items()}
            )
            for painted in layers
        ),
        tuple(dict.fromkeys(warnings)),
        replace(recipe, networks={"painter": networks.hashes["painter"]}),
    )


def _settle(
    picture: Map,
    material: Surface,
    recipe: Recipe,
    layers: Sequence[PaintedLayer],
    *,
    run: harmonize.Run,
    allocate: Allocate,
) -> tuple[Map, list[str]]:
    """A weathered frame harmonized by what covers its material, a silhouette's texels in part."""
    covered = _cover(material, recipe, layers, allocate)
    if "object_mask" in material:
        covered *= np.clip(material["object_mask"].floats(), 0, 1)
    return harmonize.settled(picture, covered, run, allocate)


def _cover(surface: Surface, recipe: Recipe, layers: Sequence[PaintedLayer], allocate: Allocate) -> np.ndarray:
    """How much of each texel the layers cover together: float32 [H, W, 1], 0..1."""
    covered = allocate((*surface.size, 1), np.float32)
    seen = [surface]
    for index, painted in enumerate(layers):
        seen.append(with_layer_masks(seen[-1], recipe, index, painted, allocate))

    def strip(rows: slice) -> None:
        bare = np.ones(covered[rows].shape[:2], np.float32)
        for masked, layer, painted in zip(seen, recipe.layers, layers, strict=False):
            bare *= 1 - coverage_map(masked, layer, painted, rows)
        np.subtract(1, bare, out=covered[rows, :, 0])

    parallel(strip, strips(*surface.size))
    return covered


@dataclass(frozen=True)
class _Ground:
    """What all layers of a recipe ask of a surface, found once. `down` and the octaves of `plans` are on `grid`;
    `gravity` is a unit vector in the space of `position`."""

    exposures: list[ExposureField]
    looks: list[Look | None]
    grid: Grid
    plans: list[Scales]
    down: np.ndarray | None
    gravity: np.ndarray
    density: Density | None
    seams: Seams | None


def _ground(surface: Surface, recipe: Recipe, card: Card, run: Run) -> _Ground:
    """Look at a surface before it is painted. Raises what is wrong with the recipe's masks and styles before the long work."""
    looks = [look_of(layer) for layer in recipe.layers]
    for layer in recipe.layers:
        style_code(card, layer)
        for mask in layer.stack:
            if not mask.layer:
                surface[mask.mask]
    lie = meanwhile(_lie, surface, recipe, card, run)
    fields = _exposures(surface, recipe, run)
    grid, found, plans, seams = lie.result()
    gravity = geometry.gravity_at_rest(surface, recipe.frame)
    down, density = _down(grid, gravity), _density(grid, found)
    if seams is not None:
        fields = [field.across(seams) for field in fields]
    return _Ground(fields, looks, grid, plans, down, gravity, density, seams)


def _lie(
    surface: Surface, recipe: Recipe, card: Card, run: Run
) -> tuple[Grid, np.ndarray | None, list[Scales], Seams | None]:
    """How a surface lies in its map: its grid, the densities there, the plan of each layer, and the seams."""
    grid = reduced(surface, COARSE)
    found = densities(surface, grid)
    plans = [scales(surface, grid, found, layer, card) for layer in recipe.layers]
    if run.cancelled():
        raise Cancelled()
    seams = _seams(grid, min(canvas.octave for plan in plans for canvas in plan.canvases), run.allocate)
    return grid, found, plans, seams


def _exposures(surface: Surface, recipe: Recipe, run: Run) -> list[ExposureField]:
    looked, fields = survey(surface, recipe.frame), []
    for layer in recipe.layers:
        if run.cancelled():
            raise Cancelled()
        fields.append(looked.exposure(layer))
    return fields


def _seams(grid: Grid, octave: float, allocate: Allocate) -> Seams | None:
    """Seams of the islands of the grid's surface, as wide as the smallest canvas wants them; None where it has none."""
    surface = grid.surface
    if surface.space is not Space.TEXTURE or "island_mask" not in surface:
        return None
    torn = NOWHERE if grid.position is None else torn_texels(grid)
    if not _has_islands(surface) and not (len(torn.right) or len(torn.below)):
        return None
    position, normal = (surface[n].array if n in surface else None for n in ("position", "world_normal"))
    share = int(np.clip(round(SHARE * 2.0**-octave), 4, WIDEST))
    reach = int(np.clip(round(GUTTER * 2.0**-octave), max(MARGIN, share), DEEPEST))
    mask = surface["island_mask"].array[..., 0]
    return find_seams(mask, position, normal, reach=reach, share=share, torn=torn, allocate=allocate)


def _down(grid: Grid, gravity: np.ndarray) -> np.ndarray | None:
    """Which way gravity pulls in texture space, on the grid: the surface's own map, else from position."""
    if "down" in grid.surface:
        return grid.texels("down")
    if grid.position is None:
        return None
    return geometry.fall(*grid.tangents, gravity)


def _density(grid: Grid, values: np.ndarray | None) -> Density | None:
    """Texels per metre row by row: one number where they hardly differ. None where only the surface's own number is known."""
    if values is None:
        return None
    known = values[(values > 0) & grid.inside]
    if not len(known):
        return None
    low, middle, high = (float(v) for v in np.quantile(known, (0.01, 0.5, 0.99)))
    if high - low <= EVEN * middle:
        return lambda rows: np.full((1, 1), middle, np.float32)
    filled = np.where(values > 0, values, np.float32(middle))
    columns = np.arange(grid.surface.size[1]) + 0.5
    return lambda rows: grid.sample(filled, np.arange(rows.start, rows.stop) + 0.5, columns)


def _has_islands(surface: Surface) -> bool:
    if surface.space is not Space.TEXTURE or "island_mask" not in surface:
        return False
    mask = surface["island_mask"].array
    return not (is_constant(mask) or mask.all())


def _report_layer(report: Progress, stage: str, index: int, count: int, fraction: float) -> None:
    report(stage, SURVEYED + (0.98 - SURVEYED) * (index + fraction) / count)


def _quiet(*_: object) -> None:
    pass
