# SPDX-License-Identifier: GPL-3.0-or-later
"""Where what an object shows comes from: the recipe, at the ages that its sliders have now, and what lay beneath."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import bpy

from ...backend.protocol.errors import BadRecipe
from ...backend.protocol.recipe import Recipe
from .. import units
from ..recipe.properties import plain
from . import on_object
from .on_object import INPUT, RECIPE


@dataclass(frozen=True)
class Provenance:
    """`input` is a digest of mesh, UVs and materials as they were captured. What is not known is "" or None."""

    recipe: Recipe | None
    input: str

    @property
    def title(self) -> str:
        return self.recipe.title if self.recipe is not None else ""

    def note(self, made: bpy.types.Material) -> None:
        """Keeps it on a material that flattening made."""
        made[RECIPE] = self.recipe.to_json(indent=None) if self.recipe is not None else ""
        made[INPUT] = self.input


def provenance(obj: bpy.types.Object) -> Provenance:
    """Of a weathered or flattened object; of any other nothing is known."""
    applied = on_object.weathered(obj)
    if applied is not None:
        tree = on_object.group_node(applied.materials[0]).node_tree
        return Provenance(
            _present(_recipe(applied.recipe_json), applied, units.of_object(obj)), str(tree.get(INPUT, ""))
        )
    flat = next((made for made in on_object.materials(obj) if RECIPE in made), None)
    if flat is None:
        return Provenance(None, "")
    return Provenance(_recipe(flat[RECIPE]), str(flat.get(INPUT, "")))


def _recipe(text: str) -> Recipe | None:
    with suppress(BadRecipe):
        return Recipe.from_json(text)
    return None


def _present(recipe: Recipe | None, applied: on_object.Applied, unit: float) -> Recipe | None:
    """The recipe with age, opacity and height as they are in the nodes, whose lengths are in units of `unit` metres."""
    if recipe is None:
        return recipe
    layers = list(recipe.layers)
    with suppress(BadRecipe):
        for place, sockets in on_object.live_layers(recipe, applied):
            age, opacity = (plain(sockets[name].default_value) for name in ("Age", "Opacity"))
            relief = plain(sockets["Height"].default_value * unit)
            layers[place] = replace(layers[place], age=age, opacity=opacity, relief=relief)
        return replace(recipe, layers=tuple(layers))
    return recipe
