# SPDX-License-Identifier: GPL-3.0-or-later
"""A layer's style in the panel: menus of what the painter in use knows, a blend by a slider, and codes that are not lost."""

import json

import bpy
import pytest
from bl_ext.user_default.sabi.addon.preferences import service
from bl_ext.user_default.sabi.addon.recipe import effects, styles
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.addon.recipe.effects import EFFECTS
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe, effect_named

CODE = tuple(round(0.1 * n, 2) for n in range(16))
LATER = {"version": "3.0", "name": "painter", "styles": {"rust": {"a": [], "b": [], "c": []}, "moss": {"d": []}}}


@pytest.fixture
def layer(clean_scene):
    def make(style="", effect=Effect.RUST):
        fill(clean_scene.sabi, Recipe((Layer(effect, style=style),)))
        return clean_scene.sabi.layers[0]

    return make


@pytest.fixture
def health(monkeypatch):
    """What a backend has said of itself."""

    def say(*cards):
        monkeypatch.setattr(service, "health", {"networks": [{"card": card} for card in cards]})

    return say


def names(layer, which=styles.first_items):
    return [item[0] for item in which(layer, None)]


def style_of_recipe(layer):
    return recipe_of(layer.id_data.sabi).layers[0].style


def test_every_effect_of_a_recipe_can_be_chosen():
    assert [item[0] for item in EFFECTS] == [effect.value for effect in Effect]
    assert all(name and description for _, name, description in EFFECTS)
    first = ["rust", "peeling_paint", "moss", "dirt"]  # files hold an effect's place: new ones are added behind
    assert [item[0] for item in EFFECTS][:4] == first


def test_what_the_painter_was_taught_besides_can_be_chosen(layer, health):
    """Behind those that Sabi knows; a layer keeps its name and its number where another painter does not know it."""
    assert [item[0] for item in styles.effect_items(layer(), None)] == [item[0] for item in EFFECTS]
    health({**LATER, "styles": {**LATER["styles"], "lichen": {"crust": []}}})
    lichen = layer()
    before = len(lichen.exposure.keys())
    lichen.effect = "lichen"
    assert recipe_of(lichen.id_data.sabi).layers[0] == Layer(effect_named("lichen"))
    assert (lichen.style_first, len(lichen.exposure.keys()) >= before) == ("crust", True)
    health(LATER)
    assert lichen.effect == "lichen"
    assert recipe_of(lichen.id_data.sabi).layers[0].effect == effect_named("lichen")
    marked = [item[0] for item in styles.effect_items(lichen, None) if item[2] == effects.UNPAINTED]
    assert marked == [*(effect.value for effect in Effect if effect.value not in LATER["styles"]), "lichen"]
    lichen.effect = "moss"
    assert "lichen" not in [item[0] for item in styles.effect_items(lichen, None)]
    loaded = layer(effect=effect_named("soot"))
    assert recipe_of(loaded.id_data.sabi).layers[0].effect == effect_named("soot")


def test_operators_and_files_take_what_a_painter_was_taught(clean_scene, health, tmp_path):
    health({**LATER, "styles": {**LATER["styles"], "lichen": {"crust": []}}})
    bpy.ops.sabi.layer_add(effect="lichen")
    assert clean_scene.sabi.layers[-1].effect == "lichen"
    bpy.ops.sabi.recipe_save(filepath=str(tmp_path / "lichen.json"))
    health(LATER)
    clean_scene.sabi.layers.clear()
    bpy.ops.sabi.recipe_load(filepath=str(tmp_path / "lichen.json"))
    assert clean_scene.sabi.layers[-1].effect == "lichen"
    with pytest.raises(TypeError, match="lichen"):
        bpy.ops.sabi.layer_add(effect="lichen")


def test_styles_are_those_of_sabi_effects(layer):
    """The same card as the command line reads, read here without the backend."""
    from sabi.backend.cli.effects import catalogue

    for effect, entry in catalogue()["effects"].items():
        assert list(effects.styles(effect)) == entry["styles"]
    assert names(layer()) == list(effects.styles("rust"))


def test_a_backend_that_says_what_it_paints_is_believed(layer, health):
    health({**LATER, "version": "2.9", "styles": {"rust": {"old": []}}}, LATER, {"name": "other"})
    rust = layer()
    assert names(rust) == ["a", "b", "c"]
    assert rust.style_first == "a"
    assert effects.styles("dirt", service.health) == ()


def test_a_networks_folder_of_ones_own(monkeypatch, tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    monkeypatch.setenv("SABI_NETWORKS", str(tmp_path))
    assert effects.styles("rust") == ()


def test_the_menus_write_the_recipe(layer, health):
    health(LATER)
    rust = layer()
    rust.style_first = "b"
    assert style_of_recipe(rust) == "b"
    rust.style_second = "c"
    assert style_of_recipe(rust) == {"b": 0.5, "c": 0.5}
    rust.style_share = 0.2
    assert style_of_recipe(rust) == {"b": 0.8, "c": 0.2}
    rust.style_first = "a"
    assert (rust.style_first, rust.style_second, rust.style_share) == ("a", "c", pytest.approx(0.2))
    rust.style_share = 0.0
    assert rust.style_second == "c", "the slider at its end keeps the second style"
    rust.style_second = "NONE"
    assert style_of_recipe(rust) == "a"


@pytest.mark.parametrize("style", ["", "b", {"c": 1.0, "a": 3.0}, CODE, {"a": 1.0, "b": 1.0, "c": 1.0}, "gone"])
def test_looking_at_a_style_does_not_change_it(layer, health, style):
    health(LATER)
    rust = layer(style)
    for name in ("style_first", "style_second", "style_share"):
        getattr(rust, name)
    assert style_of_recipe(rust) == style
    if isinstance(style, dict) and len(style) == 2:
        assert (rust.style_first, rust.style_second, rust.style_share) == ("c", "a", pytest.approx(0.75))


@pytest.mark.parametrize("style", [CODE, {"a": 1.0, "b": 1.0, "c": 1.0}])
def test_a_custom_style_comes_back(layer, health, style):
    health(LATER)
    rust = layer(style)
    assert rust.style_first == "CUSTOM"
    rust.style_first = "b"
    rust.style_second = "c"
    assert style_of_recipe(rust) == {"b": 0.5, "c": 0.5}
    rust.style_first = "CUSTOM"
    assert style_of_recipe(rust) == style


def test_a_style_that_the_painter_does_not_know_is_shown(layer, health):
    health(LATER)
    rust = layer("gone")
    assert rust.style_first == "gone"
    rust.style_first = "a"
    assert names(rust) == ["a", "b", "c"]


def test_another_effect_has_its_own_styles(layer, health):
    health(LATER)
    rust = layer(CODE)
    rust.style_first = "b"
    rust.effect = "moss"
    assert (rust.style, rust.style_first, names(rust)) == ("", "d", ["d"])


@pytest.mark.parametrize("effect", list(Effect))
def test_the_operators_take_every_effect(clean_scene, effect):
    bpy.ops.sabi.layer_add(effect=effect.value)
    assert recipe_of(clean_scene.sabi).layers[-1].effect is effect


def test_text_that_is_no_style_is_custom_and_stays(layer):
    rust = layer()
    rust.style = '{"blooming": '
    assert rust.style_first == "CUSTOM"
    rust.style = json.dumps({"blooming": "much"})
    assert styles.chosen(rust).first == "CUSTOM"
