# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of layers: hidden, solo, moved, duplicated, with seeds that are thrown or locked; the recipe says the same."""

import bpy
import pytest
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.backend.protocol.errors import BadRecipe
from bl_ext.user_default.sabi.backend.protocol.recipe import MAX_LAYERS, Effect, Layer, Recipe
from blender.emission import plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material


@pytest.fixture
def backend(monkeypatch):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def settings(clean_scene):
    """Paint, rust where it has peeled, moss."""
    paint, rust, moss = Layer(Effect.PEELING_PAINT), Layer(Effect.RUST, mask="layer:1", seed=7), Layer(Effect.MOSS)
    fill(clean_scene.sabi, Recipe((paint, rust, moss)))
    return clean_scene.sabi


def effects(settings):
    return [layer.effect for layer in recipe_of(settings).shown.layers]


def masks(settings):
    return [layer.mask for layer in recipe_of(settings).layers]


def test_hidden_layers_stay_in_the_recipe(settings):
    settings.layers[2].hidden = True
    recipe = recipe_of(settings)
    assert [layer.hidden for layer in recipe.layers] == [False, False, True]
    assert effects(settings) == [Effect.PEELING_PAINT, Effect.RUST]
    fill(settings, recipe)
    assert settings.layers[2].hidden


def test_solo_shows_a_layer_and_what_masks_it(settings):
    settings.layers[1].solo = True
    assert effects(settings) == [Effect.PEELING_PAINT, Effect.RUST]
    settings.layers[1].solo, settings.layers[2].solo = False, True
    assert effects(settings) == [Effect.MOSS]
    settings.layers[2].hidden = True
    assert effects(settings) == [Effect.MOSS], "solo is stronger than hidden"
    settings.layers[2].solo = False
    assert effects(settings) == [Effect.PEELING_PAINT, Effect.RUST]


def test_masks_follow_layers_that_are_moved_and_removed(settings):
    settings.active_layer = 2
    bpy.ops.sabi.layer_move(by=-2)
    assert [layer.effect for layer in settings.layers] == ["moss", "peeling_paint", "rust"]
    assert masks(settings) == ["", "", "layer:2"]
    bpy.ops.sabi.layer_remove()
    assert masks(settings) == ["", "layer:1"]
    bpy.ops.sabi.layer_remove()
    assert masks(settings) == [""], "its mask is gone"


def test_a_mask_that_lies_above_is_refused_in_words(settings):
    settings.active_layer = 0
    bpy.ops.sabi.layer_move(by=1)
    with pytest.raises(BadRecipe, match=r"The mask of layer 1 is layer 2, which does not lie below"):
        recipe_of(settings)


def test_the_menu_of_layers_below(settings):
    rust = settings.layers[1].masks[0]
    assert rust.below == "1"
    rust.below = "NONE"
    assert masks(settings) == [""] * 3
    with pytest.raises(TypeError):
        settings.layers[0].masks.add().below = "1"


def test_a_copy_lies_on_its_original_and_has_its_own_pattern(settings):
    settings.active_layer = 1
    settings.layers[1].lock_seed = True
    bpy.ops.sabi.layer_duplicate()
    copy = settings.layers[2]
    assert (settings.active_layer, copy.effect, copy.seed, copy.lock_seed) == (2, "rust", 8, True)
    assert masks(settings) == ["", "layer:1", "layer:1", ""]
    while len(settings.layers) < MAX_LAYERS:
        bpy.ops.sabi.layer_duplicate()
    assert not bpy.ops.sabi.layer_duplicate.poll()


def test_the_dice_spare_locked_seeds(settings):
    settings.layers[1].lock_seed = True
    seen = {settings.layers[0].seed}
    for _ in range(3):
        bpy.ops.sabi.seed_roll(every=True)
        seen.add(settings.layers[0].seed)
    assert len(seen) > 2
    assert settings.layers[1].seed == 7
    settings.active_layer = 1
    bpy.ops.sabi.seed_roll()
    bpy.ops.sabi.seed_roll()
    assert settings.layers[1].seed != 7, "of the chosen layer alone, whoever presses means it"


def test_what_is_hidden_is_not_painted_and_comes_back_from_the_object(backend, settings):
    obj = plane(tree_material(TREES[0]))
    settings.layers[0].hidden = True  # the rust that it masks shows nothing either
    bpy.ops.sabi.weather()
    assert [layer.effect for layer in backend.recipes[0].layers] == [Effect.MOSS]
    applied = on_object.weathered(obj)
    assert applied.labels == ("1 Moss",)
    applied.layers[0]["Age"].default_value = 0.25
    recipe = recipe_of(settings)
    settings.layers.clear()
    bpy.ops.sabi.recipe_from_object()
    assert [layer.age for layer in settings.layers] == [0.5, 0.5, 0.25]
    assert masks(settings) == [layer.mask for layer in recipe.layers]
    assert settings.layers[0].hidden


def test_nothing_shown_is_one_sentence(backend, settings):
    plane(tree_material(TREES[0]))
    for layer in settings.layers:
        layer.hidden = True
    with pytest.raises(RuntimeError, match=r"All layers of the recipe are hidden\. Show one"):
        bpy.ops.sabi.weather()
