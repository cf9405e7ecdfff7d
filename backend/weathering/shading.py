# SPDX-License-Identifier: GPL-3.0-or-later
"""The light of a rendered frame, taken from its passes, and the frame again with another material under that light.

    combined = DiffCol * E + GlossCol * L + rest           E = DiffDir + DiffInd, L = GlossDir + GlossInd, scene-linear
    weathered = combined + (D' - DiffCol) * E + (gloss factor - 1) * GlossCol * L

D' is the weathered material's diffuse colour. E lives only where the surface has a diffuse colour; on metals it comes from a
white-diffuse pass, or from a fit over world normals (second-order spherical harmonics, Ramamoorthi and Hanrahan 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..protocol.errors import BadSurface, MissingMap
from ..protocol.painted import PaintedLayer
from ..protocol.recipe import Recipe
from ..protocol.surface import ColorSpace, Map, Space, Surface
from .frame_material import DIELECTRIC, DIFFUSE_KNOWN, MATTE_SHARE, base_material
from .passes import bands, inspect

if TYPE_CHECKING:
    from .pipeline import Weathered

FRAME_MAPS = (
    "combined",
    "diffuse_colour",
    "diffuse_light",
    "glossy_colour",
    "glossy_light",
    "position",
    "world_normal",
)
Settle = Callable[[Map, Surface, Recipe, Sequence[PaintedLayer]], tuple[Map, list[str]]]
BRIGHTEST_GLOSS = 8.0  # the gloss factor's limit, reached where something mirrors that hardly did before
_SAMPLES = 60_000  # texels that the fit looks at


@dataclass(frozen=True)
class Light:
    """Diffuse light of a frame, given row by row.

    `coefficients` [9, 3] of the fit, None with a white-diffuse pass; `low` and `high` [3] bound it. `tint` [3] is the light's
    mean colour.
    """

    surface: Surface
    coefficients: np.ndarray | None
    low: np.ndarray
    high: np.ndarray
    tint: np.ndarray
    warnings: tuple[str, ...]

    def rows(self, rows: slice) -> np.ndarray:
        """E, float32 [h, W, 3]: the radiance that a white matte surface would show in each texel, 0 or more."""
        window = (rows, slice(None))
        colour = self.surface["diffuse_colour"].floats(window)
        light = self.surface["diffuse_light"].floats(window)
        known = colour > DIFFUSE_KNOWN
        if "white_diffuse" in self.surface:
            other = self.surface["white_diffuse"].floats(window)
        else:
            assert self.coefficients is not None
            fit = _harmonics(self.surface["world_normal"].floats(window)) @ self.coefficients
            other = np.clip(fit, self.low, self.high).astype(np.float32)
            # Where one channel is known the others follow it in the light's mean colour: shadows stay on saturated paint.
            seen = np.where(known, light, 0).sum(axis=2, keepdims=True)
            share = np.where(known, self.tint, 0).sum(axis=2, keepdims=True)
            other = np.where(share > 0, seen / np.maximum(share, 1e-6) * self.tint, other)
        return np.maximum(np.where(known, light, other), 0)


def is_frame(surface: Surface) -> bool:
    """Whether a surface is a rendered frame with the passes that relighting needs; raises MissingMap when only some are there."""
    if surface.space is not Space.IMAGE or "combined" not in surface:
        return False
    for name in FRAME_MAPS:
        surface[name]
    return True


def weather_frame(
    surface: Surface,
    recipe: Recipe,
    *,
    paint: Callable[[Surface, Recipe], Weathered],
    passes: Mapping[str, np.ndarray] | None = None,
    settle: Settle | None = None,
) -> Weathered:
    """A rendered frame with its object weathered under its own light: `combined` anew, every other map as it was.

    `paint` weathers the frame's material, with patterns anchored by the position pass; `passes` are for `inspect`. `settle`
    brings what weathered nearer to the rest, where that is asked for.
    Warnings say where light had to be fitted and where passes do not fit the picture. Raises MissingMap, BadSurface.
    """
    if not is_frame(surface):
        raise MissingMap("combined", "This surface is not a rendered frame with passes.", "Weather it as a texture.")
    base, light = base_material(surface), diffuse_light(surface)
    painted = paint(base, recipe)
    result, doubts = relight(surface, base, painted.surface, light), list[str]()
    if settle is not None:
        picture, doubts = settle(result["combined"], base, recipe, painted.layers)
        result = result.with_maps({"combined": picture})
    noticed = (
        (*inspect(surface, passes), *light.warnings)
        if result["combined"].array is not surface["combined"].array
        else ()
    )
    warnings = dict.fromkeys((*noticed, *painted.warnings, *doubts))
    return replace(painted, surface=result, warnings=tuple(warnings))


def diffuse_light(surface: Surface) -> Light:
    """The frame's diffuse light, with a warning where it had to be fitted because nothing shows it.

    Raises BadSurface when no texel of the frame shows any diffuse light to fit to.
    """
    height, width = surface.size
    none = np.zeros(3, np.float32)
    if "white_diffuse" in surface:
        return Light(surface, None, none, none, none, ())
    rng = np.random.Generator(np.random.Philox(7))
    chosen = np.sort(rng.choice(height * width, min(height * width, 8 * _SAMPLES), replace=False))
    normal, colour, light = (_texels(surface[n], chosen) for n in ("world_normal", "diffuse_colour", "diffuse_light"))
    near = (
        _texels(surface["object_mask"], chosen)[:, 0] if "object_mask" in surface else np.ones(len(chosen), np.float32)
    )
    usable = np.linalg.norm(normal, axis=1) > 0.5
    coefficients = np.zeros((9, 3))
    low, high = none.copy(), none.copy()
    basis = _harmonics(normal)
    for channel in range(3):
        rows = np.flatnonzero(usable & (colour[:, channel] > DIFFUSE_KNOWN))[:_SAMPLES]
        if len(rows) < 16:
            return _light_from_gloss(surface, chosen)
        values, weights = light[rows, channel], 0.2 + 0.8 * near[rows]
        coefficients[:, channel] = _solve(basis[rows], values, weights)
        low[channel], high[channel] = np.percentile(values, (0.5, 99.5))
    share = _unknown_share(surface)
    warning = (
        f"{share:.0%} of the object has no diffuse colour (metal), so its light there is fitted over the surface directions "
        "of the rest of the frame: shadows cast on it are missing. Weather it from inside Blender, or "
        "render a White Diffuse pass, for its true light."
    )
    full = usable & (colour > DIFFUSE_KNOWN).all(axis=1)
    tint = np.maximum(light[full].mean(axis=0) if full.any() else light[usable].mean(axis=0), 1e-6)
    said = (warning,) if share >= 0.01 else ()
    return Light(surface, coefficients.astype(np.float32), low, high, tint.astype(np.float32), said)


def relight(surface: Surface, base: Surface, weathered: Surface, light: Light) -> Surface:
    """The frame with `weathered` in the place of `base` (as `base_material` gave it), under the frame's own light.

    Texels whose material did not change keep every bit of `combined`; the others get the formula above, in the type of
    `combined`. `base` and `weathered` differ where coverage is above 0 and nowhere else.
    """
    source = surface["combined"]
    if not any(material_changed(base, weathered, rows).any() for rows in bands(surface.size[0])):
        return surface
    result = source.array.copy()
    top = np.finfo(result.dtype).max if result.dtype.kind == "f" else None
    for rows in bands(surface.size[0]):
        window = (rows, slice(None))
        changed = material_changed(base, weathered, rows)
        if not changed.any():
            continue
        diffuse = surface["diffuse_colour"].floats(window)
        shone = light.rows(rows)
        new_diffuse = _diffuse_colour(weathered, window) + diffuse - _diffuse_colour(base, window)
        gloss_light = surface["glossy_light"].floats(window)
        factor = _gloss_factor(base, weathered, window, gloss_light, shone)
        change = (np.maximum(new_diffuse, 0) - diffuse) * shone
        change += (factor - 1) * surface["glossy_colour"].floats(window) * gloss_light
        if "object_mask" in surface:
            change *= np.clip(surface["object_mask"].floats(window), 0, 1)  # a silhouette's texel belongs to it in part
        before = source.floats(window)
        picture = np.maximum(before + change, np.minimum(before, 0))
        if top is None:
            scale = np.iinfo(result.dtype).max
            picture = np.round(np.clip(picture, 0, 1) * scale)
        else:
            picture = np.minimum(picture, top)
        result[rows][changed] = picture.astype(result.dtype)[changed]
    return surface.with_maps({"combined": Map(result, source.color_space)})


def material_changed(base: Surface, weathered: Surface, rows: slice) -> np.ndarray:
    """bool [h, W]: where albedo, metallic or roughness differ, that is where coverage is above 0."""
    changed: np.ndarray = np.zeros((len(range(*rows.indices(base.size[0]))), base.size[1]), bool)
    for name in ("albedo", "metallic", "roughness"):
        if name in base:
            changed |= (base[name].array[rows] != weathered[name].array[rows]).any(axis=2)
    return changed


def _diffuse_colour(material: Surface, window: tuple[slice, slice]) -> np.ndarray:
    return _linear_albedo(material, window) * ((1 - material["metallic"].floats(window)) * np.float32(MATTE_SHARE))


def _linear_albedo(material: Surface, window: tuple[slice, slice]) -> np.ndarray:
    albedo = material["albedo"]
    if albedo.color_space is not ColorSpace.LINEAR:
        raise BadSurface("The albedo of a frame must be scene-linear.", "Weather the frame from its passes.")
    return albedo.floats(window)


def _gloss_factor(
    base: Surface, weathered: Surface, window: tuple[slice, slice], light: np.ndarray, diffuse: np.ndarray
) -> np.ndarray:
    """How much brighter the gloss gets: by what the surface mirrors, and by what a rougher surface mirrors from.

    A rough surface mirrors a wide piece of the scene, towards what a matte one receives; so where roughness is known and
    grows, the mirrored light moves from `light` towards `diffuse`, in the measure that the lobe's width (roughness squared)
    goes to 1.
    """
    mirrors = [_mirrored(m, window) for m in (base, weathered)]
    factor = np.clip(mirrors[1] / np.maximum(mirrors[0], DIELECTRIC / 4), 0, BRIGHTEST_GLOSS)
    if "roughness" in base:
        before, after = (m["roughness"].floats(window) ** 2 for m in (base, weathered))
        wider = np.clip((after - before) / np.maximum(1 - before, 1e-3), 0, 1)
        factor = factor * (1 + wider * (np.clip(diffuse / np.maximum(light, 1e-6), 0, 4) - 1))
    return factor


def _mirrored(material: Surface, window: tuple[slice, slice]) -> np.ndarray:
    metallic = material["metallic"].floats(window)
    return metallic * _linear_albedo(material, window) + (1 - metallic) * DIELECTRIC


def _harmonics(normal: np.ndarray) -> np.ndarray:
    """The nine real spherical harmonics up to the second order, unnormalised, [..., 9]; of normals [..., 3]."""
    length = np.sqrt((normal * normal).sum(axis=-1, keepdims=True))
    x, y, z = np.moveaxis(normal / np.maximum(length, 1e-6), -1, 0)
    return np.stack([np.ones_like(x), x, y, z, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=-1)


def _solve(basis: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least squares with a little ridge on all but the mean: directions that nothing faces stay near it."""
    weighted = (basis * weights[:, None]).astype(np.float64)
    ridge = 1e-2 * weights.sum() * np.diag([0.0] + [1.0] * 3 + [3.0] * 5)
    matrix = weighted.T @ basis + ridge + 1e-9 * np.eye(9)
    solution: np.ndarray = np.linalg.solve(matrix, weighted.T @ values)
    return solution


def _light_from_gloss(surface: Surface, chosen: np.ndarray) -> Light:
    """One even light, as bright as what the object mirrors on average: for frames where nothing at all is matte."""
    gloss = _texels(surface["glossy_light"], chosen)
    seen = _texels(surface["world_normal"], chosen).any(axis=1)
    if "object_mask" in surface:
        seen &= _texels(surface["object_mask"], chosen)[:, 0] > 0
    if not seen.any():
        raise BadSurface(
            "The frame shows no surface whose light could be measured.", "Check its Normal and Position passes."
        )
    mean = gloss[seen].mean(axis=0)
    coefficients = np.zeros((9, 3), np.float32)
    coefficients[0] = mean
    warning = (
        "Nothing in the frame has a diffuse colour, so its light is guessed as even, as bright as what the metal mirrors. "
        "Weather it from inside Blender, or render a White Diffuse pass, for its true light."
    )
    return Light(surface, coefficients, mean, mean, np.maximum(mean, 1e-6), (warning,))


def _unknown_share(surface: Surface) -> float:
    """The share of the object's texels whose diffuse light cannot be read."""
    unknown = total = 0
    for rows in bands(surface.size[0]):
        window = (rows, slice(None))
        solid = surface["world_normal"].floats(window).any(axis=2)
        if "object_mask" in surface:
            solid &= surface["object_mask"].floats(window)[..., 0] > 0.9  # silhouettes mix two surfaces
        known = (surface["diffuse_colour"].floats(window) > DIFFUSE_KNOWN).all(axis=2)
        total += int(solid.sum())
        unknown += int((solid & ~known).sum())
    return unknown / total if total else 0.0


def _texels(map_: Map, chosen: np.ndarray) -> np.ndarray:
    """Some texels by their number in reading order, float32 [n, C]."""
    picked = map_.array.reshape(-1, map_.array.shape[2])[chosen]
    scale = np.float32(1 / np.iinfo(picked.dtype).max) if picked.dtype.kind == "u" else np.float32(1)
    return picked.astype(np.float32) * scale
