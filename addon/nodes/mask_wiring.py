# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks and curves of a weathered object made those of another recipe, in its nodes alone: nothing is painted or captured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import bpy

from ...backend.protocol.errors import SabiError
from ...backend.protocol.merging import merged_count, wired
from ...backend.protocol.painted import CHANNELS
from ...backend.protocol.recipe import Layer, Recipe
from .. import units
from ..recipe import masks
from ..recipe.effects import in_words
from . import growth_nodes, on_object
from .layer_nodes import PaintedImages, PlacedMask

NAMES = "sabi_masks"  # on images that hold masks: JSON, the masks' names channel by channel


def can_show(obj: bpy.types.Object, recipe: Recipe) -> bool:
    """Whether an object's groups could show the recipe's masks: as many layers, and masks that they have or that are images."""
    try:
        masks.check(recipe)
        unit = units.of_object(obj)
        return all(_layers(tree, recipe, unit) is not None for tree in _trees(obj))
    except SabiError:
        return False


def show(obj: bpy.types.Object, recipe: Recipe) -> None:
    """Has an object's groups show the recipe's masks and curves, where `can_show` said so. Live sockets stay as they are."""
    for tree in list(_trees(obj)):
        layers = _layers(tree, recipe, units.of_object(obj))
        if layers is not None:
            growth_nodes.rewire(tree, layers)


def note(image: bpy.types.Image, names: Sequence[str]) -> None:
    """Remembers which masks an image of Sabi's own holds."""
    image[NAMES] = json.dumps(list(names))


def placed(layer: Layer, held: Mapping[str, tuple[bpy.types.Image, int]]) -> tuple[PlacedMask, ...]:
    """A layer's masks with what shows them; `held` are those in images of Sabi's own, with their channels."""
    return tuple(
        PlacedMask(mask, *held[mask.mask]) if mask.mask in held else PlacedMask(mask, masks.image(mask.mask))
        for mask in layer.stack
    )


def _layers(tree: bpy.types.NodeTree, recipe: Recipe, unit: float) -> list[PaintedImages] | None:
    """The layers with the images that a group shows already; None where some are missing, or too many."""
    layers, many = wired(recipe).layers, merged_count(recipe.shown) > 0
    nodes = on_object.painted_nodes(tree)
    if len(nodes) != len(CHANNELS) * len(layers) or any(node.image is None for node in nodes.values()):
        return None
    found = [node.image for node in on_object.every_node(tree) if getattr(node, "image", None)]
    held = {
        name: (image, channel)
        for image in found
        if NAMES in image
        for channel, name in enumerate(json.loads(image[NAMES]))
    }
    made = [
        PaintedImages(
            *(nodes[f"{number} {name}"].image for name in CHANNELS),
            in_words(layer.effect.value),
            layer.age,
            layer.opacity,
            layer.relief,
            placed(layer, held),
            layer.channels,
            layer.curve,
            unit,
            layer.exposure.mean,
            merged=many and number == 1,
        )
        for number, layer in enumerate(layers, start=1)
    ]
    every = [mask for layer in made for mask in layer.masks if not mask.mask.layer]
    shown = {mask.image for mask in every}
    return made if None not in shown and len(shown) <= masks.IMAGES else None


def _trees(obj: bpy.types.Object) -> Iterator[bpy.types.NodeTree]:
    nodes = (on_object.group_node(made) for made in on_object.materials(obj))
    yield from dict.fromkeys(node.node_tree for node in nodes if node is not None)
