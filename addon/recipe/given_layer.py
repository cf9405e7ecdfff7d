# SPDX-License-Identifier: GPL-3.0-or-later
"""What a script may say of where layers act, as keywords of an operator: `weather(effect="rust", mask="group:Top")`."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from bpy.props import BoolProperty, FloatProperty, StringProperty

from ...backend.protocol.errors import BadRecipe
from ..nodes.on_object import CHANNEL_SOCKETS
from .properties import plain

if TYPE_CHECKING:
    from ...backend.protocol.recipe import Layer

_FACTOR = {"soft_min": 0, "soft_max": 1, "subtype": "FACTOR", "options": {"SKIP_SAVE"}}


class WithLayer:
    """Keywords for every layer of an operator's recipe."""

    mask: StringProperty(
        name="Mask",
        description="The only mask of every layer, as a recipe names it: group:Top, mask:Image",
        options={"SKIP_SAVE"},
    )
    invert_mask: BoolProperty(name="Invert Mask", description="Act where the mask is black", options={"SKIP_SAVE"})
    masks: StringProperty(
        name="Masks",
        description="The masks of every layer in order, as JSON, in the words of a recipe",
        options={"SKIP_SAVE"},
    )
    albedo: FloatProperty(name="Albedo", description="How far the layer changes the colour", default=1, **_FACTOR)
    roughness: FloatProperty(
        name="Roughness", description="How far the layer changes the roughness", default=1, **_FACTOR
    )
    metallic: FloatProperty(
        name="Metallic", description="How far the layer changes what is metal", default=1, **_FACTOR
    )
    height: FloatProperty(name="Bump", description="How far the layer changes height and normals", default=1, **_FACTOR)
    curve: StringProperty(
        name="Opacity by Degree",
        description="Points of a curve that rises, as JSON: [[0.1, 0], [0.6, 1]]",
        options={"SKIP_SAVE"},
    )
    curve_smooth: BoolProperty(
        name="Smooth", description="The curve has no corners at its points", options={"SKIP_SAVE"}
    )

    def given(self, layer: "Layer", is_set: Callable[[str], bool]) -> "Layer":
        """A layer with what was given in place of its own. Raises BadRecipe."""
        from dataclasses import replace

        from ...backend.protocol.mask_stack import Mask
        from ...backend.protocol.recipe import curve_from, masks_from

        if is_set("masks"):
            layer = layer.with_masks(masks_from(_json("masks", self.masks)))
        elif is_set("mask"):
            layer = layer.with_masks([Mask(self.mask, invert=self.invert_mask)])
        shares = {name: plain(getattr(self, name)) for name in CHANNEL_SOCKETS if is_set(name)}
        layer = replace(layer, channels=replace(layer.channels, **shares))
        if is_set("curve"):
            points = {"points": _json("curve", self.curve), "smooth": self.curve_smooth}
            layer = replace(layer, curve=curve_from(points))
        return layer


def _json(what: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadRecipe(f"What was given for {what} is not valid JSON.", f"{error}.") from None
