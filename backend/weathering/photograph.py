# SPDX-License-Identifier: GPL-3.0-or-later
"""One photograph in, the photograph aged out: its light taken off, its surface painted, the light put back.

    picture = albedo * shading + residual                                        scene-linear
    aged    = mask * (albedo' * shading + residual * (1 - coverage * roughness')) + (1 - mask) * picture

albedo' and roughness' are the weathered surface's: what became rough mirrors no more. Where coverage is 0 every texel is the
picture's, bit for bit: selected, not computed. A photograph is a still: under a moving camera weather textures.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..networks.registry import Networks
from ..protocol.errors import BadSurface
from ..protocol.mask_names import MASK
from ..protocol.painted import PaintedLayer
from ..protocol.recipe import Recipe
from ..protocol.still import Still
from ..protocol.surface import ColorSpace, Map, Space, Surface
from ..threads import parallel
from . import pictured
from .choice import Choice, choose
from .colour import decode, encode
from .composite import strips
from .gutters import Allocate
from .harmonize import session_of, settled
from .lit import Light, light_on

if TYPE_CHECKING:
    from .pipeline import Weathered

STAGES = {  # what was made on the way -> the map it is among, in order
    "mask": "object_mask",
    "albedo": "bare",
    "shading": "shading",
    "residual": "residual",
    "edges": "curvature",
    "cavities": "ambient_occlusion",
    "coverage": f"{MASK}coverage",
    "weathered_albedo": "albedo",
    "recomposed": "recomposed",
}
_KEPT = ("alpha", "mask")

Paint = Callable[[Surface, Recipe], "Weathered"]
Cover = Callable[[Surface, Recipe, Sequence[PaintedLayer]], np.ndarray]
Age = Callable[[Surface, Recipe, Sequence[PaintedLayer]], Callable[[Recipe], Surface]]
Progress = Callable[[str, float], None]


def is_photograph(surface: Surface) -> bool:
    """Raises BadSurface where a photograph has no colours."""
    if surface.space is not Space.PHOTOGRAPH:
        return False
    if surface["combined"].color_space is ColorSpace.DATA:
        raise BadSurface("The photograph holds data, not colours.", "Give it the colour space of colours.")
    return True


@dataclass(frozen=True)
class Unlit:
    """A photograph with its light taken off: `base` is what of it can be painted, `albedo` its colours."""

    picture: Map
    choice: Choice
    light: Light
    albedo: Map
    base: Surface

    @property
    def told(self) -> list[str]:
        """What chose the object, and what told light from colour."""
        return [self.choice.said, f"What is light and what is colour was told by {self.light.told_by}."]

    def lit(self, weathered: Surface, covered: np.ndarray, allocate: Allocate) -> Map:
        """The picture with the light put back on what is weathered, which is `covered` [H, W, 1] by layers."""
        return _recomposed(self.picture, self.albedo, weathered, covered, self.choice.mask, self.light, allocate)


def unlit(surface: Surface, networks: Networks, allocate: Allocate) -> Unlit:
    """Raises BadSurface, NetworkError."""
    picture, choice = surface["combined"], choose(surface, Still.of(surface), networks)
    light = light_on(picture, networks, surface["alpha"].array if "alpha" in surface else None)
    albedo = _albedo(picture, light, allocate)
    return Unlit(picture, choice, light, albedo, _material(surface, choice, albedo, allocate))


def weather_photograph(
    surface: Surface,
    recipe: Recipe,
    *,
    networks: Networks,
    paint: Paint,
    cover: Cover,
    report: Progress,
    allocate: Allocate = np.empty,
) -> Weathered:
    """The photograph with `combined` aged; with `Still.stages` also what was made on the way, under the names of STAGES. What was
    asked for by a click or a material comes back as `object_mask`, which may be corrected and given again.

    `cover` gives how much of each texel the layers cover together, [H, W, 1] float32. Warnings say what chose the object and what
    told light from colour. Raises BadSurface, NetworkError.
    """
    still = Still.of(surface)
    harmonizer = session_of(networks) if still.harmonize else None
    report("survey", 0.0)
    bare = unlit(surface, networks, allocate)
    painted = paint(bare.base, recipe)
    base, weathered = _without_places(bare.base), _without_places(painted.surface)
    bare, painted = replace(bare, base=base), replace(painted, surface=surface)
    covered = cover(base, recipe, painted.layers)
    aged = bare.lit(weathered, covered, allocate)
    said, result = [*bare.told, *painted.warnings], aged
    if harmonizer is not None:
        report("harmonize", 0.99)
        result, doubt = settled(aged, covered, harmonizer, allocate)
        said += doubt
    maps = {"combined": result}
    if still.clicks or still.material:
        maps["object_mask"] = bare.choice.mask
    if still.stages:
        maps |= _looked_at(bare.picture, bare.albedo, bare.light, allocate) | {
            "object_mask": bare.choice.mask,
            "albedo": weathered["albedo"],
            "curvature": base["curvature"],
            "ambient_occlusion": base["ambient_occlusion"],
            f"{MASK}coverage": Map(covered),
            "recomposed": aged,
        }
    return replace(painted, surface=surface.with_maps(maps), warnings=tuple(dict.fromkeys(said)))


def paint_photograph(
    surface: Surface,
    recipe: Recipe,
    *,
    networks: Networks,
    paint: Paint,
    cover: Cover,
    age: Age,
    allocate: Allocate = np.empty,
) -> tuple[Weathered, Callable[[Recipe], Surface]]:
    """The layers of a photograph, painted once, and what gives it at the ages of a recipe, in the same light.

    `age` makes ready for many ages what has a material of its own. Each age is harmonized where that is asked: what a harmonizer
    answers changes as smoothly as what it sees. Raises BadSurface, NetworkError.
    """
    harmonizer = session_of(networks) if Still.of(surface).harmonize else None
    bare = unlit(surface, networks, allocate)
    painted = paint(bare.base, recipe)
    bare = replace(bare, base=_without_places(bare.base))
    ageing = age(bare.base, recipe, painted.layers)

    def at(recipe: Recipe) -> Surface:
        covered = cover(bare.base, recipe.shown, painted.layers)
        aged = bare.lit(ageing(recipe), covered, allocate)
        if harmonizer is not None:
            aged, _ = settled(aged, covered, harmonizer, allocate)
        return surface.with_maps({"combined": aged})

    told = tuple(dict.fromkeys((*bare.told, *painted.warnings)))
    return replace(painted, surface=surface, warnings=told), at


def _albedo(picture: Map, light: Light, allocate: Allocate) -> Map:
    """16 bits, sRGB-encoded: what is brighter than white under its light stays in the residual."""
    made = Map(allocate(picture.array.shape, np.uint16), ColorSpace.SRGB)

    def strip(rows: slice) -> None:
        values = decode(picture.array[rows], picture.color_space) * (1 - light.mirrored(rows)) / light.shading(rows)
        made.array[rows] = encode(np.clip(values, 0, 1), made)

    parallel(strip, strips(*picture.size))
    return made


def _material(surface: Surface, choice: Choice, albedo: Map, allocate: Allocate) -> Surface:
    """The photograph as a surface that can be painted: an upright plane under the mask, edges and cavities from the image."""
    maps = {name: map_ for name, map_ in surface.maps.items() if name in _KEPT or ":" in name}
    maps |= {
        "albedo": albedo,
        "object_mask": choice.mask,
        "position": pictured.position(surface.size, surface.texels_per_metre, allocate),
        **pictured.shape(surface["combined"], albedo, choice.mask, choice.segments, allocate),
    }
    return Surface(maps, Space.IMAGE, texels_per_metre=surface.texels_per_metre, name=surface.name)


def _without_places(surface: Surface) -> Surface:
    """What took the most of it is needed for painting alone."""
    return replace(surface, maps={name: map_ for name, map_ in surface.maps.items() if name != "position"})


def _recomposed(
    picture: Map, bare: Map, weathered: Surface, covered: np.ndarray, mask: Map, light: Light, allocate: Allocate
) -> Map:
    aged = Map(allocate(picture.array.shape, picture.array.dtype), picture.color_space)

    def strip(rows: slice) -> None:
        aged.array[rows] = picture.array[rows]
        share = np.clip(mask.floats((rows, slice(None))), 0, 1)
        coverage = covered[rows] * share
        inside = coverage[..., 0] > 0
        if not inside.any():
            return
        seen, shading = decode(picture.array[rows], picture.color_space)[inside], light.shading(rows)[inside]
        before, after = (decode(m.array[rows][inside], m.color_space) for m in (bare, weathered["albedo"]))
        rough = weathered["roughness"].floats((rows, slice(None)))[inside]
        residual = seen - before * shading
        residual -= np.maximum(residual, 0) * covered[rows][inside] * rough
        changed = seen + share[inside] * (after * shading + residual - seen)
        stored = encode(np.maximum(changed, np.minimum(seen, 0)), Map(aged.array[:1], picture.color_space))
        aged.array[rows][inside] = stored

    parallel(strip, strips(*picture.size))
    return aged


def _looked_at(picture: Map, albedo: Map, light: Light, allocate: Allocate) -> dict[str, Map]:
    """Shading and residual as half floats, the albedo as it was."""
    shading, residual = (allocate(picture.array.shape, np.float16) for _ in range(2))
    most = np.finfo(np.float16).max

    def strip(rows: slice) -> None:
        lit = light.shading(rows)
        shading[rows] = np.minimum(lit, most)
        rest = decode(picture.array[rows], picture.color_space) - decode(albedo.array[rows], albedo.color_space) * lit
        residual[rows] = np.clip(rest, -most, most)

    parallel(strip, strips(*picture.size))
    return {
        "bare": albedo,
        "shading": Map(shading, ColorSpace.LINEAR),
        "residual": Map(residual, ColorSpace.LINEAR),
    }
