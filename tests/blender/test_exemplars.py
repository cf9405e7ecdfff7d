# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph in Blender becomes a layer's look, is kept by the file, the recipe and its copies, and reaches the backend."""

import hashlib
import json

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.interface import panels
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.photographs.degree_marks import marks_of
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.backend.protocol.exemplar import MOST_BYTES, image_bytes
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map
from blender.drawn import draw
from blender.emission import plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material

from sabi.backend.files.image import write_image
from sabi.backend.photographed.exemplar import exemplar_of, pictures
from sabi.backend.protocol.exemplar import Exemplar


@pytest.fixture
def layer():
    settings = bpy.context.scene.sabi
    fill(settings, Recipe((Layer(Effect.RUST), Layer(Effect.MOSS))))
    settings.active_layer = 1
    return settings.layers[1]


def photograph(height=60, width=80):
    """A slope to the right and one down: every place is told by its colour."""
    y, x = np.mgrid[:height, :width]
    return np.stack([255 * x / width, 255 * y / height, np.full(x.shape, 90.0)], axis=-1).astype(np.uint8)


def shown(exemplar):
    """What the backend sees of an exemplar, 0..255."""
    return pictures(Exemplar(exemplar.picture))["albedo"] * 255


def seen(exemplar):
    """The pictures that the backend sees of an exemplar's maps [h, w], 0..1."""
    found = pictures(Exemplar(exemplar.picture, maps=dict(exemplar.maps)))
    return {name: picture[..., 0] for name, picture in found.items() if name != "albedo"}


def texture(folder):
    """A set of maps: roughness falls to the right at half the size, metal rises downwards, height to the right, of 16 bits."""
    folder.mkdir(exist_ok=True)
    x, y = photograph()[..., :1], photograph()[..., 1:2]
    write_image(folder / "wall_albedo_2k.png", photograph())
    write_image(folder / "wall_roughness_2k.png", 255 - x[::2, ::2])
    write_image(folder / "wall_metallic_2k.png", y)
    write_image(folder / "wall_disp_2k.png", x.astype(np.uint16) * 257)
    write_image(folder / "wall_nor_gl_2k.png", photograph())
    write_image(folder / "other_height_2k.png", y)  # of another texture
    return folder / "wall_albedo_2k.png"


def labels():
    return draw(next(cls for cls in panels._CLASSES if cls.__name__ == "SABI_PT_recipe")).labels


def kept():
    return recipe_of(bpy.context.scene.sabi).layers[1].exemplar


def test_from_a_file(layer, tmp_path):
    path = tmp_path / "wall.png"
    made = images.write(Map(photograph(), ColorSpace.SRGB), "wall")
    made.file_format = "PNG"
    made.save(filepath=str(path))
    before = set(bpy.data.images)
    assert bpy.ops.sabi.exemplar_open(filepath=str(path), width=0.25) == {"FINISHED"}
    assert set(bpy.data.images) == before
    exemplar = kept()
    assert (exemplar.name, exemplar.width, exemplar.part) == ("wall.png", 0.25, None)
    assert exemplar.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert np.abs(shown(exemplar) - photograph()).mean() < 3


def test_an_albedo_brings_the_maps_beside_it(layer, tmp_path):
    path, before = texture(tmp_path / "wall"), set(bpy.data.images)
    assert bpy.ops.sabi.exemplar_open(filepath=str(path)) == {"FINISHED"}
    assert set(bpy.data.images) == before
    assert kept().name == "wall_albedo_2k.png"
    found, x, y = seen(kept()), photograph()[..., 0] / 255, photograph()[..., 1] / 255
    assert list(found) == ["roughness", "metallic", "height"]
    for name, values in (("roughness", 1 - x), ("metallic", y), ("height", x)):
        assert np.abs(found[name] - values).mean() < 0.01, name
    assert "Its maps: Albedo, Roughness, Metallic, Height" in labels()
    bpy.ops.sabi.exemplar_open(filepath=str(path), maps=False)
    assert not kept().maps
    assert "Its maps: Albedo" in labels()


def test_a_folder_gives_the_look_that_the_command_line_takes_of_it(layer, tmp_path):
    texture(tmp_path / "wall")
    (tmp_path / "wall" / "other_height_2k.png").unlink()
    bpy.ops.sabi.exemplar_open(filepath=str(tmp_path / "wall"), part=(0, 0, 0, 0))
    ours, theirs = seen(kept()), seen(exemplar_of(tmp_path / "wall"))
    assert set(ours) == set(theirs) == {"roughness", "metallic", "height"}
    for name, values in ours.items():
        assert np.abs(values - theirs[name]).mean() < 0.01, name


def test_maps_are_of_the_part_too_and_their_channels_of_a_packed_file(layer, tmp_path):
    write_image(tmp_path / "wall_albedo.png", photograph())
    write_image(tmp_path / "wall_orm.png", photograph())
    bpy.ops.sabi.exemplar_open(filepath=str(tmp_path / "wall_albedo.png"), part=(20, 10, 40, 30))
    found = seen(kept())
    assert list(found) == ["roughness", "metallic"]
    assert np.abs(found["roughness"] * 255 - photograph()[10:40, 20:60, 1]).mean() < 3
    assert np.abs(found["metallic"] * 255 - 90).max() < 4


def test_a_plain_photograph_is_alone_whatever_lies_beside_it(layer, tmp_path):
    """A photograph of rusty metal is no metallic map."""
    for name in ("rusty.png", "rusty_metal.png"):
        write_image(tmp_path / name, photograph())
        bpy.ops.sabi.exemplar_open(filepath=str(tmp_path / name))
        assert kept().name == name
        assert not kept().maps


def test_sets_that_are_none(layer, tmp_path):
    path, before = texture(tmp_path / "wall"), set(bpy.data.images)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RuntimeError, match=r"has no albedo.*name one image albedo"):
        bpy.ops.sabi.exemplar_open(filepath=str(tmp_path / "empty"))
    with pytest.raises(RuntimeError, match=r"roughness_2k.png is not of the albedo's size.*Maps Beside It"):
        bpy.ops.sabi.exemplar_open(filepath=str(path), part=(0, 0, 32, 32))
    (tmp_path / "wall" / "wall_metallic_2k.png").write_text("no picture")
    with pytest.raises(RuntimeError, match=r"wall_metallic_2k.png' has no pixels"):
        bpy.ops.sabi.exemplar_open(filepath=str(path))
    assert set(bpy.data.images) == before
    assert kept() is None


def test_a_part_of_an_image(layer):
    image = images.write(Map(photograph(), ColorSpace.SRGB), "wall")
    assert bpy.ops.sabi.exemplar_from_image(image=image.name, part=(20, 10, 40, 30)) == {"FINISHED"}
    assert kept().part == (20, 10, 40, 30)
    assert np.abs(shown(kept()) - photograph()[10:40, 20:60]).mean() < 3


def test_what_is_marked_red_is_the_part(layer):
    image = images.write(Map(photograph(), ColorSpace.SRGB), "wall")
    bpy.ops.sabi.degree_marks_new(image=image.name)
    marks = marks_of(image)
    pixels = np.empty(60 * 80 * 4, np.float32)
    marks.pixels.foreach_get(pixels)
    pixels = pixels.reshape(60, 80, 4)[::-1].copy()
    pixels[15:45, 30:70, :3] = (1, 0, 0)
    pixels[5:10, 5:10, :3] = (0, 1, 0)  # clean: no part of it
    marks.pixels.foreach_set(np.ascontiguousarray(pixels[::-1]).reshape(-1))
    marks.update()
    assert bpy.ops.sabi.exemplar_from_image(image=marks.name) == {"FINISHED"}
    assert kept().part == (30, 15, 40, 30)
    assert np.abs(shown(kept()) - photograph()[15:45, 30:70]).mean() < 3


def test_a_large_noisy_image_is_made_small(layer):
    noise = np.random.default_rng(0).integers(0, 256, (900, 1300, 3), np.uint8)
    image = images.write(Map(noise, ColorSpace.SRGB), "noise")
    bpy.ops.sabi.exemplar_from_image(image=image.name)
    assert shown(kept()).shape == (354, 512, 3)
    assert len(image_bytes(kept().picture)) <= MOST_BYTES


@pytest.mark.parametrize("part", [(70, 0, 20, 20), (0, 0, 10, 10)])
def test_parts_that_are_none(layer, part):
    image = images.write(Map(photograph(), ColorSpace.SRGB), "wall")
    with pytest.raises(RuntimeError, match=r"does not lie in|shows no texture"):
        bpy.ops.sabi.exemplar_from_image(image=image.name, part=part)
    assert kept() is None


def test_files_that_are_none(layer, tmp_path):
    (tmp_path / "wall.png").write_text("no picture")
    before = set(bpy.data.images)
    for name in ("wall.png", "nowhere.png"):
        with pytest.raises(RuntimeError):
            bpy.ops.sabi.exemplar_open(filepath=str(tmp_path / name))
    assert set(bpy.data.images) == before
    assert kept() is None


def test_recipes_and_copies_of_layers_keep_it(layer, tmp_path):
    image = images.write(Map(photograph(), ColorSpace.SRGB), "wall")
    bpy.ops.sabi.exemplar_from_image(image=image.name)
    layer.exemplar_width, layer.exemplar_source, layer.exemplar_licence = 0.125, "my own wall", "CC0-1.0"
    exemplar = kept()
    assert (exemplar.width, exemplar.source, exemplar.licence) == (0.125, "my own wall", "CC0-1.0")
    bpy.ops.sabi.layer_duplicate()
    assert recipe_of(bpy.context.scene.sabi).layers[2].exemplar == exemplar
    path = tmp_path / "recipe.json"
    bpy.ops.sabi.recipe_save(filepath=str(path))
    assert json.loads(path.read_text())["layers"][1]["exemplar"]["source"] == "my own wall"
    fill(bpy.context.scene.sabi, Recipe((Layer(Effect.RUST),)))
    bpy.ops.sabi.recipe_load(filepath=str(path))
    assert kept() == exemplar
    bpy.context.scene.sabi.active_layer = 1
    bpy.ops.sabi.exemplar_remove()
    assert kept() is None
    assert recipe_of(bpy.context.scene.sabi).layers[2].exemplar == exemplar


def test_the_backend_gets_it_and_the_object_keeps_it(layer, monkeypatch):
    image = images.write(Map(photograph(), ColorSpace.SRGB), "wall")
    bpy.ops.sabi.exemplar_from_image(image=image.name)
    exemplar = kept()
    obj = plane(tree_material(TREES[0]))
    with played(monkeypatch) as backend:
        assert bpy.ops.sabi.weather() == {"FINISHED"}
        assert [layer.exemplar for layer in backend.recipes[0].layers] == [None, exemplar]
    assert Recipe.from_json(on_object.weathered(obj).recipe_json).layers[1].exemplar == exemplar
    fill(bpy.context.scene.sabi, Recipe((Layer(Effect.RUST),)))
    bpy.ops.sabi.recipe_from_object()
    assert kept() == exemplar
