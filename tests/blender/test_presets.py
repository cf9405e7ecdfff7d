# SPDX-License-Identifier: GPL-3.0-or-later
"""The menu of presets: a picture each, small, rendered by the project; choosing one replaces the recipe."""

import bpy
import pytest
from bl_ext.user_default.sabi.addon.recipe import presets
from bl_ext.user_default.sabi.addon.recipe.conversion import begin, fill, recipe_of
from bl_ext.user_default.sabi.addon.recipe.properties import FIRST_PRESET
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe, load_preset, preset_names


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_has_a_small_picture(name):
    path = presets.PICTURES / f"{name}.png"
    assert path.stat().st_size <= 15_000
    picture = bpy.data.images.load(str(path))
    assert tuple(picture.size) == (128, 128)


def test_at_least_thirty_ship():
    assert len(preset_names()) >= 30


def test_pictures_are_of_presets_alone():
    assert {path.stem for path in presets.PICTURES.iterdir()} == set(preset_names())


def test_choosing_replaces_the_recipe(clean_scene):
    settings = clean_scene.sabi
    fill(settings, Recipe((Layer(Effect.DIRT),)))
    assert settings.preset == "NONE"
    settings.preset = "moss_crevices"
    assert recipe_of(settings).layers == load_preset("moss_crevices").layers
    assert settings.preset == "moss_crevices"
    settings.preset = "NONE"
    assert recipe_of(settings).layers == load_preset("moss_crevices").layers, "the recipe as it is"
    bpy.ops.sabi.preset_load(preset="light_rust")
    assert settings.preset == "light_rust"


def test_a_new_scene_shows_what_it_began_with(clean_scene):
    begin(clean_scene)
    assert clean_scene.sabi.preset == FIRST_PRESET


def test_the_menu_has_every_preset_with_an_icon_of_its_own():
    items = presets.items()
    assert [item[0] for item in items[1:]] == preset_names()
    assert items[0][4] == 0
    assert len({item[4] for item in items}) == len(items)
    if not bpy.app.background:
        assert len({item[3] for item in items[1:]}) == len(items) - 1


def test_a_preset_without_a_picture_is_still_there(monkeypatch, tmp_path):
    monkeypatch.setattr(presets, "PICTURES", tmp_path)
    monkeypatch.setattr(presets, "_items", [])
    assert [item[0] for item in presets.items()[1:]] == preset_names()
