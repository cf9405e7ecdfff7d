# SPDX-License-Identifier: GPL-3.0-or-later
"""What a material wires of a recipe: up to LIVE layers as they are; of more the lowest are merged into one, at their ages.

A renderer has room for the images of so many. A merged layer has no age: its images hold what the merged layers come to, channel
by channel, as MERGED_CHANNELS says, and what each channel covers by itself, so that every opacity, mask and curve is baked in.
"""

from __future__ import annotations

from dataclasses import replace

from .mask_names import MERGED
from .mask_stack import Mask
from .recipe import Layer, Recipe, TaughtEffect
from .words import LIVE

EFFECT = TaughtEffect("merged")  # what stands in the place of the merged layers
# image -> its four channels, as painted.CHANNELS has them; `height_low` are 256ths of a step of `height`.
MERGED_CHANNELS: dict[str, tuple[str, str, str, str]] = {
    "thin": ("red", "green", "blue", "roughness"),
    "thick": ("metallic", "height", "height_low", "coverage"),
    "growth": ("albedo_cover", "roughness_cover", "metallic_cover", "height_cover"),
}
MERGED_IS_DATA = {"thin": False, "thick": True, "growth": True}


def merged_count(recipe: Recipe) -> int:
    """How many of the layers of a recipe that is `shown` are merged, the lowest: 0, or all but the three on top."""
    count = len(recipe.layers)
    return count - (LIVE - 1) if count > LIVE else 0


def merged_places(recipe: Recipe) -> tuple[int, ...]:
    """The places, from 0, in a recipe of the layers that are merged."""
    return lowest(recipe.painted)


def lowest(painted: tuple[int, ...]) -> tuple[int, ...]:
    """Of the places of the layers that are painted those that are merged."""
    return painted[: 1 - LIVE] if len(painted) > LIVE else ()


def uneven(recipe: Recipe) -> bool:
    """Whether a merged layer keeps another share of roughness or metallic than of albedo."""
    found = (recipe.layers[place].channels for place in merged_places(recipe))
    return any(one.albedo != other for one in found for other in (one.roughness, one.metallic))


def wired(recipe: Recipe) -> Recipe:
    """`recipe.shown` as a material wires it: itself, or its layers on top over one that stands for those that are merged.

    That one has age and opacity 1 and the merged layers' largest relief. Masks by merged layers are maps, `merged:layer:1`.
    Raises BadRecipe where nothing is painted.
    """
    shown = recipe.shown
    count = merged_count(shown)
    if not count:
        return shown
    relief = max(layer.relief for layer in shown.layers[:count])
    live = (layer.with_masks([_wired(mask, count) for mask in layer.stack]) for layer in shown.layers[count:])
    return replace(shown, layers=(Layer(EFFECT, age=1.0, relief=relief), *live))


def _wired(mask: Mask, count: int) -> Mask:
    """A mask where the lowest `count` layers are one."""
    if not mask.layer:
        return mask
    if mask.layer <= count:
        return replace(mask, mask=f"{MERGED}{mask.mask}")
    prefix = mask.mask.rstrip("0123456789")
    return replace(mask, mask=f"{prefix}{mask.layer - count + 1}")
