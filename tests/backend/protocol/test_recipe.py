# SPDX-License-Identifier: GPL-3.0-or-later
import json
from dataclasses import replace

import pytest

from sabi.backend.protocol.errors import BadRecipe
from sabi.backend.protocol.recipe import (
    SCHEMA_VERSION,
    TAUGHT_EXPOSURE,
    Effect,
    Exposure,
    Frame,
    FrameMode,
    Layer,
    Recipe,
    effect_named,
    load_preset,
    preset_names,
)

RECIPE = Recipe(
    (
        Layer(Effect.RUST, 0.7, seed=3, style={"plate": 0.5, "flakes": 0.5}),
        Layer(Effect.MOSS, exposure=Exposure(up=2.0), style=(0.5, -1.0)),
    ),
    Frame(FrameMode.SCENE, ground=0.25),
    networks={"painter": "0" * 64},
    name="Test",
)


def changed(**fields: object) -> str:
    data = json.loads(RECIPE.to_json())
    data["layers"][0].update(fields)
    return json.dumps(data)


def test_json_gives_back_the_same_recipe() -> None:
    assert Recipe.from_json(RECIPE.to_json()) == RECIPE


def test_missing_fields_take_the_effects_defaults() -> None:
    recipe = Recipe.from_json('{"sabi_recipe": 1, "layers": [{"effect": "rust"}]}')
    assert recipe == Recipe((Layer(Effect.RUST),))


def test_a_byte_order_mark_is_passed_over() -> None:
    text = "\ufeff" + RECIPE.to_json()
    assert Recipe.from_json(text) == Recipe.from_json(text.encode()) == RECIPE


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[", "JSON"),
        ("[]", "not a Sabi recipe"),
        ("[" * 100_000, "JSON"),
        ('{"sabi_recipe": 1}', "layers"),
        ('{"sabi_recipe": 1, "layers": []}', "layers"),
        ('{"sabi_recipe": 1, "layers": [7]}', "layer"),
        (json.dumps({"sabi_recipe": SCHEMA_VERSION + 1, "layers": []}), "version"),
        (changed(effect="Red Dragon"), "Red Dragon"),
        (changed(effect="a" * 41), "not an effect"),
        (changed(effect=7), "7 is not an effect"),
        (changed(effect=["rust"]), "effect"),
        (changed(age=1.01), "age"),
        (changed(age="old"), "age"),
        (changed(age=float("nan")), "age"),
        (changed(seed=-1), "seed"),
        (changed(seed=1.5), "seed"),
        (changed(feature_size=0), "feature size"),
        (changed(exposure={"edges": -1}), "edges"),
        (changed(exposure={"corners": 1}), "corners"),
        (changed(style={"plate": "much"}), "style"),
        (changed(colour="red"), "colour"),
        (changed(opacity=True), "opacity"),
        (changed(seed=True), "seed"),
        (changed(style=5), "style"),
        (changed(exposure={"strict": "no"}), "strict"),
        ('{"sabi_recipe": 1, "name": 5, "layers": [{"effect": "rust"}]}', "name is text"),
    ],
)
def test_what_is_wrong_is_named(text: str, names: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        Recipe.from_json(text)
    assert names in caught.value.for_artist


def test_an_effect_that_a_painter_was_taught_is_a_name() -> None:
    """It has defaults as the known ones have, and goes through JSON as they do."""
    recipe = Recipe((Layer(effect_named("lichen"), 0.3), Layer(Effect.RUST)))
    assert json.loads(recipe.to_json())["layers"][0]["effect"] == "lichen"
    assert Recipe.from_json(recipe.to_json()) == recipe == Recipe((Layer("lichen", 0.3), Layer("rust")))
    assert recipe.layers[0].exposure == TAUGHT_EXPOSURE
    assert effect_named("rust") is Effect.RUST


def test_every_effect_has_two_presets() -> None:
    used = [layer.effect for name in preset_names() for layer in load_preset(name).layers[:1]]
    assert all(used.count(effect) >= 2 for effect in Effect)


def test_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(BadRecipe, match="no preset") as caught:
        load_preset("../recipe")
    assert preset_names()[0] in caught.value.hint


def test_hidden_layers_stay_in_the_recipe_and_out_of_what_is_painted() -> None:
    paint, rust, moss = Layer(Effect.PEELING_PAINT), Layer(Effect.RUST, mask="layer:1"), Layer(Effect.MOSS)
    recipe = Recipe((replace(moss, hidden=True), paint, replace(rust, mask="layer:2")))
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.shown.layers == (paint, rust)
    assert "hidden" not in RECIPE.to_json(), "earlier readers know no such field"


def test_a_hidden_layer_covers_nothing_as_a_mask_too() -> None:
    paint, rust, moss = Layer(Effect.PEELING_PAINT, hidden=True), Layer(Effect.RUST), Layer(Effect.MOSS)
    masked = replace(rust, mask="layer:1")
    assert Recipe((paint, masked, moss)).shown.layers == (moss,)
    assert Recipe((paint, replace(masked, invert_mask=True), moss)).shown.layers == (rust, moss)
    with pytest.raises(BadRecipe, match="All layers of the recipe are hidden"):
        _ = Recipe((paint, masked)).shown


@pytest.mark.parametrize("mask", ["layer:2", "layer:3", "layer:0", "layer:", "layer:first"])
def test_only_layers_below_can_be_masks(mask: str) -> None:
    with pytest.raises(BadRecipe, match="layer"):
        Recipe((Layer(Effect.PEELING_PAINT), Layer(Effect.RUST, mask=mask)))


def test_hidden_is_true_or_false() -> None:
    with pytest.raises(BadRecipe, match="hidden"):
        Recipe.from_json(changed(hidden="yes"))
