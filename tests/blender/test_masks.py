# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's masks: they reach the backend as maps and the nodes as images, and each that cannot be used is one sentence."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering, work
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node, layer_inputs
from bl_ext.user_default.sabi.addon.recipe import mask_kinds
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.addon.surface import channels, geometry_maps
from bl_ext.user_default.sabi.addon.surface.capture import CapturedObject
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.emission import bake_socket, plane
from blender.played import PlayedCapture, played
from blender.trees import TREES
from blender.trees import material as tree_material


@pytest.fixture
def backend(monkeypatch, clean_scene):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def obj(backend):
    return plane(tree_material(TREES[0]))


def image(name: str, width: int = 16, height: int = 16, **how: bool) -> bpy.types.Image:
    """White above, black below."""
    made = bpy.data.images.new(name, width, height, **how)
    values = np.zeros((height, width, 4), np.float32)
    values[height // 2 :] = 1  # rows begin at the bottom
    values[..., 3] = 1
    made.pixels.foreach_set(values.reshape(-1))
    made.update()
    return made


def masked(name: str = "Where", invert: bool = False) -> str:
    return Recipe((Layer(Effect.RUST, 0.9, mask=mask_kinds.map_name(name), invert_mask=invert),)).to_json()


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (48, 8)])
def test_a_mask_is_sent_as_a_map_of_the_surfaces_size(backend, obj, size):
    image("Where", *size)
    bpy.ops.sabi.weather(recipe_json=masked(invert=True))
    sent, layer = backend.surfaces[0]["mask:Where"].array, backend.recipes[0].layers[0]
    assert (layer.mask, layer.invert_mask) == ("mask:Where", True)
    assert sent.shape == (16, 16, 1)
    assert (sent[:6] == 65535).all()
    assert (sent[10:] == 0).all()


def test_grey_of_a_colour_image_is_what_the_nodes_make_of_it(backend, obj):
    made = bpy.data.images.new("Where", 16, 16)
    made.pixels.foreach_set(np.tile(np.float32((0.8, 0.4, 0.1, 1)), 256))
    bpy.ops.sabi.weather(recipe_json=masked())
    sent = backend.surfaces[0]["mask:Where"].floats()[8, 8, 0]
    group = group_node(obj.data.materials[0])
    texture = obj.data.materials[0].node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = next(
        node.image for node in on_object.every_node(group.node_tree) if getattr(node, "image", None) == made
    )
    shown = bake_socket(obj, texture.outputs["Color"])[16, 16]
    assert sent == pytest.approx(float(shown @ geometry_maps.LUMINANCE), abs=1.5 / 255)


@pytest.mark.parametrize("invert", [False, True])
def test_the_nodes_show_the_image_itself(backend, obj, invert):
    where = image("Where", is_data=True)
    bpy.ops.sabi.weather(recipe_json=masked(invert=invert))
    group = group_node(obj.data.materials[0])
    layer_inputs(group)[0]["Age"].default_value = 1.0
    cover = bake_socket(obj, group.outputs["Coverage"])[..., 0]
    hidden, shown = (cover[:12], cover[20:]) if invert else (cover[20:], cover[:12])
    assert hidden.max() < 1e-6  # the luminance of white is not quite 1
    assert shown.mean() > 0.2
    assert where.users > 0


def test_masks_are_no_textures_of_the_material(backend, obj):
    """They do not set the size of what is baked, and painting on one bakes nothing anew."""
    image("Where", 64, 64)
    bpy.ops.sabi.weather(recipe_json=masked())
    assert not list(channels.used_images(obj.data.materials[0].node_tree))


def test_revert_takes_the_masks_nodes_and_leaves_the_image(backend, obj):
    where, made = image("Where"), obj.data.materials[0]
    before = sorted(node.name for node in made.node_tree.nodes)
    bpy.ops.sabi.weather(recipe_json=masked(invert=True))
    assert where in [getattr(node, "image", None) for node in on_object.every_node(group_node(made).node_tree)]
    bpy.ops.sabi.revert()
    assert sorted(node.name for node in made.node_tree.nodes) == before
    assert where.name in bpy.data.images


def test_in_a_second_uv_map_only_the_nodes_know_the_mask(backend, obj, monkeypatch):
    class Elsewhere(PlayedCapture):
        def run(self) -> CapturedObject:
            plain = super().run()
            return CapturedObject(plain.surface, "", "Sabi", np.zeros((4, 2), np.float32), (), ())

    monkeypatch.setattr(weathering, "Capture", Elsewhere)
    image("Where")
    bpy.ops.sabi.weather(recipe_json=masked())
    assert "mask:Where" not in backend.surfaces[0]
    assert backend.recipes[0].layers[0].mask == ""
    assert Recipe.from_json(on_object.weathered(obj).recipe_json).layers[0].mask == "mask:Where"
    nodes = on_object.every_node(group_node(obj.data.materials[0]).node_tree)
    assert bpy.data.images["Where"] in [getattr(node, "image", None) for node in nodes]


def test_the_panels_mask_is_an_images_name(clean_scene):
    recipe = Recipe.from_json(masked("Where", invert=True))
    fill(clean_scene.sabi, recipe)
    (mask,) = clean_scene.sabi.layers[0].masks
    assert (mask.source, mask.invert) == ("Where", True)
    assert recipe_of(clean_scene.sabi).layers == recipe.layers
    mask.source = "mask"  # as files are called on the command line
    assert recipe_of(clean_scene.sabi).layers[0].mask == "mask"


def without_image() -> None:
    pass


def empty_image() -> None:
    made = bpy.data.images.new("Where", 4, 4)
    made.source, made.filepath = "FILE", "/nowhere/where.png"


def tiled_image() -> None:
    bpy.data.images.new("Where", 4, 4, tiled=True)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (without_image, "The mask of layer 1, 'Where', is no image of this file."),
        (empty_image, "The mask of layer 1 cannot be read. The image 'Where' is missing on disk"),
        (tiled_image, "The mask of layer 1, 'Where', is not a single image."),
    ],
)
def test_a_mask_that_cannot_be_used_is_one_sentence(backend, obj, make, said):
    make()
    before = sorted(node.name for node in obj.data.materials[0].node_tree.nodes)
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.sabi.weather(recipe_json=masked())
    assert said in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert work.failure().code == "scene"
    assert not backend.recipes
    assert sorted(node.name for node in obj.data.materials[0].node_tree.nodes) == before
