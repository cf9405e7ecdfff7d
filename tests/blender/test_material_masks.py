# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks of materials in Blender: metal as the material says, all else as a segmenter sees it, stored where the nodes find it."""

import bpy
import numpy as np
import pytest
import segmenters
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.addon.preferences import service
from bl_ext.user_default.sabi.addon.recipe import effects
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.backend.protocol.mask_stack import Mask
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.captures import plane, textured
from blender.drawn import draw
from blender.emission import bake_socket

from sabi.backend.protocol.spawn import start

SIDE = 64
LEFT, RIGHT = (slice(None), slice(0, 24)), (slice(None), slice(40, None))  # clear of the border, which is filtered


@pytest.fixture
def plain(backend, monkeypatch):
    """A backend without a segmenter."""
    _use(backend, monkeypatch)


@pytest.fixture
def seeing(tmp_path, make_painter, monkeypatch):
    """A backend whose segmenter takes red for brick and green for foliage."""
    make_painter(tmp_path / "painter.onnx")
    segmenters.write(tmp_path)
    with start(networks=tmp_path, threads=1) as found:
        _use(found, monkeypatch)
        yield
        service.stop()


def _use(backend, monkeypatch):
    monkeypatch.setenv("SABI_SERVER", backend.client.address)
    monkeypatch.setenv("SABI_TOKEN", backend.client.token or "")
    monkeypatch.setattr(service, "health", {})


def halves(left, right, data=True) -> bpy.types.Image:
    image = bpy.data.images.new("halves", SIDE, SIDE, is_data=data)
    texels = np.ones((SIDE, SIDE, 4), np.float32)
    texels[:, : SIDE // 2, :3], texels[:, SIDE // 2 :, :3] = left, right
    image.pixels.foreach_set(texels.reshape(-1))
    image.pack()
    return image


@pytest.fixture
def half_metal():
    """A square whose left half is metal."""
    return plane(textured(halves(1, 0), Metallic="Color"))


@pytest.fixture
def half_brick():
    return plane(textured(halves((1, 0, 0), (0, 1, 0), data=False), Base_Color="Color"))


def weather(obj, *masks, **keys):
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    recipe = Recipe((Layer(Effect.RUST, 1.0, feature_size=0.3).with_masks([Mask(mask) for mask in masks]),))
    return bpy.ops.sabi.weather(recipe_json=recipe.to_json(), size=SIDE, **keys)


def coverage(obj):
    group = on_object.group_node(obj.material_slots[0].material)
    return bake_socket(obj, group.outputs["Coverage"], SIDE)[..., 0]


@pytest.mark.usefixtures("plain")
def test_metal_is_told_without_a_segmenter(half_metal):
    weather(half_metal)
    everywhere = coverage(half_metal)
    assert everywhere[RIGHT].max() > 0.2, "nothing is covered: the test proves nothing"
    weather(half_metal, "material:metal")
    cover = coverage(half_metal)
    assert cover[LEFT] == pytest.approx(everywhere[LEFT], abs=2 / 255)
    assert cover[RIGHT].max() == 0
    stored = images.read(bpy.data.images[f"{half_metal.name} masks 1"], (0,)).array[..., 0]
    assert (stored[LEFT].min(), stored[RIGHT].max()) == (255, 0)


@pytest.mark.usefixtures("plain")
def test_its_levels_and_a_mesh_mask_beside_it_are_live_nodes(half_metal):
    group = half_metal.vertex_groups.new(name="Top")
    group.add([vertex.index for vertex in half_metal.data.vertices], 1.0, "REPLACE")
    weather(half_metal, "material:metal", "group:Top")
    assert [image.name for image in bpy.data.images if "masks" in image.name] == [f"{half_metal.name} masks 1"]
    assert coverage(half_metal)[RIGHT].max() == 0
    assert coverage(half_metal)[LEFT].max() > 0.2


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("mask", ["material:wood", "material:metal+wood"])
def test_without_a_segmenter_all_else_is_refused(half_metal, mask):
    with pytest.raises(RuntimeError, match="cannot tell materials apart"):
        weather(half_metal, mask)
    assert on_object.weathered(half_metal) is None
    assert not [image for image in bpy.data.images if "masks" in image.name]


@pytest.mark.usefixtures("seeing")
def test_a_segmenter_tells_the_rest(half_brick):
    weather(half_brick, "material:brick")
    cover = coverage(half_brick)
    assert cover[LEFT].max() > 0.2
    assert cover[RIGHT].max() < 0.02
    weather(half_brick, "material:brick+foliage")
    assert coverage(half_brick)[RIGHT].max() > 0.2


@pytest.mark.usefixtures("plain")
def test_shared_tiles_have_none(half_metal):
    with pytest.raises(RuntimeError, match="Shared tiles have no masks of materials"):
        weather(half_metal, "material:metal", shared_tiles=True)


def test_the_panel_ticks_materials(clean_scene):
    settings = clean_scene.sabi
    fill(settings, Recipe((Layer(Effect.MOSS),)))
    bpy.ops.sabi.mask_add(kind="MATERIAL")
    mask = settings.layers[0].masks[0]
    assert (mask.source, mask.materials) == ("metal", {"metal"})
    mask.materials = {"wood", "metal"}
    assert [mask.mask for mask in recipe_of(settings).layers[0].stack] == ["material:metal+wood"]
    mask.source = "stone+brick"
    assert mask.materials == {"stone", "brick"}
    recipe = Recipe((Layer(Effect.MOSS).with_masks([Mask("material:soil+painted_surface")]),))
    fill(settings, recipe)
    assert settings.layers[0].masks[0].materials == {"soil", "painted_surface"}
    assert recipe_of(settings).layers == recipe.layers
    mask = settings.layers[0].masks[0]
    mask.kind = "IMAGE"
    mask.source = "Dots"
    mask.kind = "MATERIAL"
    assert mask.materials == {"metal"}


def test_the_panel_says_what_a_segmenter_is_wanted_for(clean_scene, monkeypatch):
    fill(clean_scene.sabi, Recipe((Layer(Effect.MOSS).with_masks([Mask("material:metal")]),)))
    monkeypatch.setattr(service, "health", {"networks": [{"card": {"name": "painter"}}]})
    panel = bpy.types.SABI_PT_masks
    assert not [label for label in draw(panel).labels if "No segmenter" in label]
    clean_scene.sabi.layers[0].masks[0].materials = {"wood"}
    assert [label for label in draw(panel).labels if "No segmenter" in label]
    monkeypatch.setattr(service, "health", {"networks": [{"card": {"name": effects.SEGMENTER}}]})
    assert not [label for label in draw(panel).labels if "No segmenter" in label]
    bpy.ops.sabi.mask_add(kind="MATERIAL")
    assert clean_scene.sabi.layers[0].masks[1].materials == {"stone", "concrete", "brick", "wood", "soil"}
