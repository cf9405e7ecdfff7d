# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes as files and as assets: all of it in one file, nothing overwritten unless told, pictures in the asset browser."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.interface import asset_operators
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.addon.recipe import presets, recipe_assets
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe, load_preset, preset_names
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map
from blender.drawn import draw
from blender.emission import plane
from blender.played import played
from blender.test_exemplars import photograph, shown
from blender.trees import TREES
from blender.trees import material as tree_material

CODE = tuple(round(number / 7, 6) for number in range(-8, 8))
EXEMPLAR = Recipe((Layer(Effect.RUST, age=0.4, style=CODE), Layer(Effect.MOSS, mask="layer:1")), name="Dock gate")


@pytest.fixture(autouse=True)
def empty_library():
    """No assets of an earlier test, and no library told to Blender."""
    known = bpy.context.preferences.filepaths.asset_libraries
    for path in recipe_assets.folder().iterdir():
        path.unlink()
    for each in [each for each in known if each.name == recipe_assets.LIBRARY]:
        known.remove(each)


def assets_in(path):
    """What the browser would list of a file: name -> (recipe, size of the picture, its mean colour, description)."""
    with bpy.data.libraries.load(str(path), link=True, assets_only=True) as (there, wanted):
        wanted.node_groups = there.node_groups
        others = {kind: getattr(there, kind) for kind in ("materials", "images", "objects")}
    found = {}
    for group in wanted.node_groups:
        pixels = np.empty(len(group.preview.image_pixels_float), np.float32)
        group.preview.image_pixels_float.foreach_get(pixels)
        recipe = Recipe.from_json(group.asset_data[recipe_assets.KEY])
        colour = pixels.reshape(-1, 4)[:, :3].mean(axis=0) if len(pixels) else None
        found[group.name] = (recipe, tuple(group.preview.image_size), colour, group.asset_data.description)
    assert not any(others.values())
    return found


# --- files


def test_one_file_holds_all_of_a_recipe(clean_scene, tmp_path, monkeypatch):
    fill(clean_scene.sabi, EXEMPLAR)
    path = tmp_path / "gate.json"
    assert bpy.ops.sabi.recipe_save(filepath=str(path)) == {"FINISHED"}
    assert json.loads(path.read_text())["layers"][0]["style"] == list(CODE)
    fill(clean_scene.sabi, load_preset("light_rust"))
    assert bpy.ops.sabi.recipe_load(filepath=str(path)) == {"FINISHED"}
    assert recipe_of(clean_scene.sabi) == EXEMPLAR
    plane(tree_material(TREES[0]))
    with played(monkeypatch) as backend:
        bpy.ops.sabi.weather(recipe_file=str(path))
    assert backend.recipes[0].layers[0].style == CODE


def test_a_file_is_replaced_only_when_told(clean_scene, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text("the artist's own notes")
    fill(clean_scene.sabi, EXEMPLAR)
    with pytest.raises(RuntimeError, match="exists already"):
        bpy.ops.sabi.recipe_save(filepath=str(path))
    assert work.failure().code == "file_exists"
    assert path.read_text() == "the artist's own notes"
    bpy.ops.sabi.recipe_save(filepath=str(path), overwrite=True)
    assert Recipe.from_json(path.read_text()) == EXEMPLAR
    assert sorted(tmp_path.iterdir()) == [path], "something half-written stayed"


def test_the_file_browser_offers_a_name_that_is_free(tmp_path):
    from bl_ext.user_default.sabi.addon.recipe.recipe_files import free

    assert free(tmp_path / "rust.json") == tmp_path / "rust.json"
    (tmp_path / "rust.json").touch()
    (tmp_path / "rust_2.json").touch()
    assert free(tmp_path / "rust.json") == tmp_path / "rust_3.json"


@pytest.mark.parametrize(("text", "code"), [("{", "bad_recipe"), (None, "bad_file")])
def test_what_is_no_recipe_leaves_the_scenes_as_it_was(clean_scene, tmp_path, text, code):
    fill(clean_scene.sabi, EXEMPLAR)
    if text:
        (tmp_path / "a.json").write_text(text)
    for operator, name in ((bpy.ops.sabi.recipe_load, "filepath"), (bpy.ops.sabi.weather, "recipe_file")):
        plane(tree_material(TREES[0]))
        with pytest.raises(RuntimeError):
            operator(**{name: str(tmp_path / "a.json")})
        assert work.failure().code == code
    assert recipe_of(clean_scene.sabi) == EXEMPLAR


# --- assets


def test_presets_are_in_the_asset_browser_with_their_pictures(clean_scene):
    before = {kind: len(getattr(bpy.data, kind)) for kind in ("node_groups", "images", "libraries")}
    assert bpy.ops.sabi.assets_show() == {"FINISHED"}
    assert {kind: len(getattr(bpy.data, kind)) for kind in before} == before
    assert bpy.ops.sabi.assets_show() == {"FINISHED"}, "a second time"
    told = [each for each in bpy.context.preferences.filepaths.asset_libraries if each.name == "Sabi"]
    assert [Path(each.path) for each in told] == [recipe_assets.folder()]
    found = assets_in(recipe_assets.folder() / recipe_assets.PRESETS)
    assert len(found) == len(preset_names())
    assert {recipe.to_json() for recipe, *_ in found.values()} == {load_preset(n).to_json() for n in preset_names()}
    assert {size for _, size, *_ in found.values()} == {(128, 128)}
    colours = np.array([colour for *_, colour, _ in found.values()])
    assert colours.min() > 0.01
    assert len(np.unique(colours.round(4), axis=0)) == len(found), "pictures are alike"
    assert found["Rust Leaks"][3]


def test_a_recipe_of_ones_own_is_an_asset_and_one_file(clean_scene, tmp_path):
    fill(clean_scene.sabi, EXEMPLAR)
    assert bpy.ops.sabi.recipe_publish(name="Dock gate") == {"FINISHED"}
    path = recipe_assets.folder() / "Dock_gate.blend"
    shared = tmp_path / "from a friend.blend"
    shared.write_bytes(path.read_bytes())
    path.unlink()
    recipe, size, _, description = assets_in(shared)["Dock gate"]
    assert recipe == EXEMPLAR
    assert recipe.layers[0].style == CODE
    assert size == (128, 128)
    assert description == "Rust, Moss"


def test_another_file_takes_the_photograph_from_the_asset_alone(clean_scene, tmp_path):
    fill(clean_scene.sabi, EXEMPLAR)
    clean_scene.sabi.active_layer = 1
    image = images.write(Map(photograph(), ColorSpace.SRGB), "wall")
    bpy.ops.sabi.exemplar_from_image(image=image.name)
    exemplar = recipe_of(clean_scene.sabi).layers[1].exemplar
    bpy.ops.sabi.recipe_publish(name="Wall")
    shared = (recipe_assets.folder() / "Wall.blend").rename(tmp_path / "from a friend.blend")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    recipe, *_ = assets_in(shared)["Wall"]
    assert bpy.ops.sabi.recipe_from_asset(recipe_json=recipe.to_json()) == {"FINISHED"}
    kept = recipe_of(bpy.context.scene.sabi).layers[1].exemplar
    assert kept == exemplar
    assert not bpy.data.images
    assert np.abs(shown(kept) - photograph()).mean() < 3


def test_an_asset_is_replaced_only_when_told(clean_scene):
    fill(clean_scene.sabi, EXEMPLAR)
    bpy.ops.sabi.recipe_publish(name="Gate")
    path = recipe_assets.folder() / "Gate.blend"
    before = path.read_bytes()
    fill(clean_scene.sabi, replace(EXEMPLAR, layers=EXEMPLAR.layers[:1]))
    with pytest.raises(RuntimeError, match="exists already"):
        bpy.ops.sabi.recipe_publish(name="Gate")
    assert path.read_bytes() == before
    assert not bpy.data.node_groups, "what was made for the file stayed"
    bpy.ops.sabi.recipe_publish(name="Gate", overwrite=True)
    assert len(assets_in(path)["Gate"][0].layers) == 1
    with pytest.raises(RuntimeError, match="taken by the presets"):
        bpy.ops.sabi.recipe_publish(name="presets", overwrite=True)


def test_a_picture_of_ones_own(clean_scene, tmp_path):
    fill(clean_scene.sabi, EXEMPLAR)
    image = bpy.data.images.new("green", 600, 300)
    image.generated_color = (0, 1, 0, 1)
    image.filepath_raw, image.file_format = str(tmp_path / "green.png"), "PNG"
    image.save()
    bpy.data.images.remove(image)
    bpy.ops.sabi.recipe_publish(name="Green", picture=str(tmp_path / "green.png"))
    _, size, colour, _ = assets_in(recipe_assets.folder() / "Green.blend")["Green"]
    assert size == (256, 128)
    assert colour == pytest.approx((0, 1, 0), abs=0.01)
    (tmp_path / "no.png").write_text("no picture")
    with pytest.raises(RuntimeError, match="cannot be read"):
        bpy.ops.sabi.recipe_publish(name="None", picture=str(tmp_path / "no.png"))
    assert not (recipe_assets.folder() / "None.blend").exists()


def test_the_picture_is_that_of_the_preset_most_like_it():
    assert recipe_assets.picture_for(load_preset("verdigris")).parent == presets.PICTURES
    layers = tuple(replace(layer, age=0.9) for layer in load_preset("shipwreck").layers)
    assert recipe_assets.picture_for(Recipe(layers)).stem == "shipwreck"


def test_an_asset_s_recipe_is_taken_or_put_on_objects(clean_scene, monkeypatch):
    """What the buttons beside a chosen asset do; the asset is what the browser hands to them."""

    chosen = SimpleNamespace(metadata={recipe_assets.KEY: EXEMPLAR.to_json(indent=None)})
    buttons = draw(asset_operators.SABI_PT_asset, asset=chosen).operators
    assert [name for name, *_ in buttons] == ["sabi.weather", "sabi.recipe_from_asset"]
    ((recipe_json,), _) = (settings.values() for *_, settings in buttons)
    assert bpy.ops.sabi.recipe_from_asset(recipe_json=recipe_json) == {"FINISHED"}
    assert recipe_of(clean_scene.sabi) == EXEMPLAR
    plane(tree_material(TREES[0]))
    with played(monkeypatch) as backend:
        bpy.ops.sabi.weather(recipe_json=recipe_json)
    assert backend.recipes == [EXEMPLAR]
    assert asset_operators.KEY == recipe_assets.KEY
    assert asset_operators.chosen(bpy.context) == ""
