# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks in a recipe: what is wrong with one is named, a single one stays what it was, and masks of nothing fall away rightly."""

import json
from itertools import product

import numpy as np
import pytest

from sabi.backend.protocol.errors import BadRecipe
from sabi.backend.protocol.mask_stack import Combine, Mask, begins_with, without
from sabi.backend.protocol.opacity import ChannelOpacity, Curve
from sabi.backend.protocol.recipe import SCHEMA_VERSION, Effect, Layer, Recipe
from sabi.backend.protocol.words import MAX_MASKS
from sabi.backend.weathering.masks import combined

STACK = (
    Mask("group:Top", Combine.ADD, low=0.2, high=0.7, gamma=2.2),
    Mask("mask:Dots", Combine.SUBTRACT, invert=True),
    Mask("degree:1"),
)


def text(**fields: object) -> str:
    return json.dumps({"sabi_recipe": 1, "layers": [{"effect": "peeling_paint"}, {"effect": "rust", **fields}]})


def test_masks_channels_and_curve_go_through_json() -> None:
    layer = Layer(
        Effect.RUST, masks=STACK, channels=ChannelOpacity(albedo=0.5), curve=Curve(((0.1, 0), (0.9, 0.75)), smooth=True)
    )
    recipe = Recipe((Layer(Effect.PEELING_PAINT), layer))
    assert Recipe.from_json(recipe.to_json()) == recipe
    written = json.loads(recipe.to_json())["layers"]
    assert written[1]["masks"][1] == {
        "mask": "mask:Dots", "combine": "subtract", "invert": True, "low": 0.0, "high": 1.0, "gamma": 1.0
    }  # fmt: skip
    assert not {"masks", "channels", "curve"} & set(written[0]), "earlier readers know no such fields"


def test_one_plain_mask_is_written_as_it_always_was() -> None:
    layer = Layer(Effect.RUST, masks=(Mask("group:Top", invert=True),))
    assert layer == Layer(Effect.RUST, mask="group:Top", invert_mask=True)
    assert layer.stack == (Mask("group:Top", invert=True),)
    (written,) = json.loads(Recipe((layer,)).to_json())["layers"]
    assert (written["mask"], written["invert_mask"], "masks" in written) == ("group:Top", True, False)
    assert json.loads(Recipe((layer,)).to_json())["sabi_recipe"] == SCHEMA_VERSION == 1


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"masks": "group:Top"}, "list"),
        ({"masks": [{"mask": ""}]}, "no name"),
        ({"masks": [{}]}, "mask"),
        ({"masks": [{"mask": "a", "colour": 1}]}, "colour"),
        ({"masks": [{"mask": "a", "combine": "divide"}]}, "divide"),
        ({"masks": [{"mask": "a", "combine": "divide"}]}, "add, subtract"),
        ({"masks": [{"mask": "a", "invert": 1}]}, "inverted"),
        ({"masks": [{"mask": "a", "low": 0.5, "high": 0.5}]}, "no range"),
        ({"masks": [{"mask": "a", "high": 1.5}]}, "high level"),
        ({"masks": [{"mask": "a", "gamma": 0}]}, "gamma"),
        ({"masks": [{"mask": "degree:2"}]}, "layer 2, which does not lie below"),
        ({"masks": [{"mask": "degree:first"}]}, "number of a layer"),
        ({"masks": [{"mask": "a"}] * (MAX_MASKS + 1)}, "at most"),
        ({"mask": "a", "masks": [{"mask": "b", "low": 0.1}]}, "a mask and a list"),
        ({"channels": {"normal": 1}}, "normal"),
        ({"channels": {"albedo": -1}}, "albedo"),
        ({"curve": {"points": [[0, 0.5], [1, 0.25]]}}, "falls"),
        ({"curve": {"points": [[0.5, 0], [0.51, 1]]}}, "too close"),
        ({"curve": {"points": [[0.5, 0], [0.2, 1]]}}, "out of order"),
        ({"curve": {"points": [[0, 2]]}}, "opacity of a curve"),
        ({"curve": {"points": [0, 1]}}, "curve"),
        ({"curve": {"smooth": "very"}}, "smooth"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], names: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        Recipe.from_json(text(**fields))
    assert names in caught.value.for_artist


def test_masks_of_nothing_fall_away_and_change_nothing() -> None:
    """Every stack of up to three masks, each of something or of nothing: the value is that of the whole stack."""
    something = np.linspace(0, 1, 7, dtype=np.float32)
    values = {"something": something, "other": something[::-1] ** 2, "nothing": np.zeros(7, np.float32)}
    kinds = [Mask(name, how, invert) for name in values for how in Combine for invert in (False, True)]
    seen = set()
    for count in (1, 2, 3):
        for stack in product(kinds, repeat=count):
            kept = without(stack, lambda mask: mask.mask == "nothing")
            whole = np.broadcast_to(combined(stack, lambda mask: values[mask.mask]), 7)
            if kept is None:
                assert not whole.any()
            else:
                assert all(mask.mask != "nothing" for mask in kept)
                got = combined(kept, lambda mask: values[mask.mask]) if kept else np.float32(begins_with(kept))
                assert np.abs(whole - got).max() < 1e-6
            seen.add(None if kept is None else len(kept))
    assert seen == {None, 0, 1, 2, 3}


def test_hidden_layers_fall_out_of_stacks() -> None:
    paint, moss = Layer(Effect.PEELING_PAINT, hidden=True), Layer(Effect.MOSS)
    stack = (Mask("degree:2", low=0.25), Mask("layer:1", Combine.SUBTRACT), Mask("layer:2", Combine.ADD))
    recipe = Recipe((paint, moss, Layer(Effect.RUST, masks=stack)))
    assert recipe.shown.layers[1].masks == (Mask("degree:1", low=0.25), Mask("layer:1", Combine.ADD))
    alone = Recipe((paint, moss, Layer(Effect.RUST, masks=(Mask("group:Top"), Mask("degree:1")))))
    assert alone.shown.layers == (moss,), "what is hidden has no degree"
