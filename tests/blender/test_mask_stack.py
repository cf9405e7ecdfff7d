# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacked masks, degrees as masks, opacity by channel and by degree: the nodes show what the backend computes, texel by texel."""

from dataclasses import replace

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering, work
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node, layer_inputs
from bl_ext.user_default.sabi.addon.recipe import masks
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.backend.protocol.errors import SceneError
from bl_ext.user_default.sabi.backend.protocol.mask_stack import Combine, Mask
from bl_ext.user_default.sabi.backend.protocol.opacity import ChannelOpacity, Curve
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map, Surface
from bl_ext.user_default.sabi.backend.weathering.composite import (
    composite,
    coverage_map,
    stored_coverage,
    stored_degree,
)
from blender.emission import bake_socket, inside_blocks, plane
from blender.painted_images import linear, synthetic_layer
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material

TOLERANCE = 2 / 255
SIZE, BLOCK = 16, 4
COLOUR, ROUGHNESS, METALLIC = (0.2, 0.35, 0.5), 0.25, 0.75


REAL = weathering.Capture


@pytest.fixture
def backend(monkeypatch, clean_scene):
    """Paints synthetic layers; objects are captured as grey."""
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def baked(backend, monkeypatch):
    """Objects are really captured."""
    monkeypatch.setattr(weathering, "Capture", REAL)


@pytest.fixture
def obj(backend):
    """A plane of one Principled, with three images, a vertex group and a colour attribute to mask with."""
    made = bpy.data.materials.new("Paint")
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*COLOUR, 1)
    shader.inputs["Roughness"].default_value, shader.inputs["Metallic"].default_value = ROUGHNESS, METALLIC
    obj = plane(made)
    for seed in range(8):
        blocks(f"Dots {seed}", seed, is_data=seed % 2 == 0, float_buffer=seed == 2)
    obj.vertex_groups.new(name="Half").add([0, 2], 0.6, "REPLACE")
    colours = obj.data.color_attributes.new("Paint", "FLOAT_COLOR", "POINT")
    colours.data.foreach_set("color", np.float32([(v, v, v, 1) for v in (0.1, 0.4, 0.7, 1.0)]).reshape(-1))
    return obj


def blocks(name: str, seed: int, **how: bool) -> bpy.types.Image:
    """Grey blocks of texels, as painted images have."""
    made = bpy.data.images.new(name, SIZE, SIZE, **how)
    grey = np.random.default_rng(seed).random((SIZE // BLOCK, SIZE // BLOCK)).repeat(BLOCK, 0).repeat(BLOCK, 1)
    made.pixels.foreach_set(np.stack([grey, grey, grey, np.ones_like(grey)], -1).astype(np.float32).reshape(-1))
    made.update()
    return made


def weather(obj, *layers: Layer) -> None:
    bpy.ops.sabi.weather(recipe_json=Recipe(layers).to_json(), size=SIZE)


def computed(backend, recipe: Recipe) -> tuple[list[np.ndarray], Surface]:
    """Coverage of each layer and the weathered maps as the backend computes them, over what it was sent."""
    sent = backend.surfaces[-1]
    plain = {
        "albedo": np.broadcast_to(np.float32(COLOUR), (SIZE, SIZE, 3)),
        "roughness": np.full((SIZE, SIZE, 1), ROUGHNESS, np.float32),
        "metallic": np.full((SIZE, SIZE, 1), METALLIC, np.float32),
    }
    maps = {name: Map(array, ColorSpace.DATA) for name, array in plain.items()}
    maps |= {mask.mask: sent[mask.mask] for layer in recipe.layers for mask in layer.stack if not mask.layer}
    surface, covers = Surface(maps), []
    for index, layer in enumerate(recipe.layers):
        painted = synthetic_layer(index, SIZE)
        covers.append(coverage_map(surface, layer, painted))
        surface = composite(surface, layer, painted)
        surface = surface.with_maps(
            {
                f"layer:{index + 1}": stored_coverage(surface, layer, painted),
                f"degree:{index + 1}": stored_degree(layer, painted),
            }
        )
    return covers, surface


def shown(obj, socket: str) -> np.ndarray:
    return bake_socket(obj, group_node(obj.data.materials[0]).outputs[socket], SIZE)


def agree(obj, backend, *layers: Layer, ages=(0.4, 0.7, 1.0), texels=inside_blocks) -> list[np.ndarray]:
    """The nodes show every map as the backend computes it, at several ages; returns the coverages at the last."""
    for age in ages:
        for sockets in layer_inputs(group_node(obj.data.materials[0])):
            sockets["Age"].default_value = age
        covers, surface = computed(backend, Recipe(layers).at_age(age))
        together = 1 - np.prod([1 - cover for cover in covers], axis=0)
        assert np.abs(texels(shown(obj, "Coverage")[..., 0] - together)).max() <= TOLERANCE, age
        assert np.abs(texels(shown(obj, "Base Color") - surface["albedo"].array)).max() <= TOLERANCE, age
        for name in ("roughness", "metallic"):
            difference = shown(obj, name.capitalize())[..., :1] - surface[name].array
            assert np.abs(texels(difference)).max() <= TOLERANCE, (age, name)
    return covers


@pytest.mark.parametrize("how", list(Combine))
@pytest.mark.parametrize("invert", [False, True])
def test_two_masks_with_levels(backend, obj, how, invert):
    stack = (
        Mask("mask:Dots 0", how, gamma=0.6),
        Mask("mask:Dots 1", Combine.MULTIPLY, invert, low=0.1, high=0.35, gamma=1.7),
        Mask("mask:Dots 2", how, low=0.3, high=0.5),
    )
    layer = Layer(Effect.RUST, masks=stack)
    weather(obj, layer)
    assert backend.recipes[0].layers == (layer,)
    (cover,) = agree(obj, backend, layer)
    assert inside_blocks(cover).max() > 0.2, "nothing is covered: the test proves nothing"
    assert inside_blocks(cover).min() < 0.05


def test_what_the_artist_plugs_into_the_socket_masks_too(backend, obj):
    weather(obj, Layer(Effect.RUST, masks=(Mask("mask:Dots 0"),)))
    (sockets,) = layer_inputs(group_node(obj.data.materials[0]))
    whole = inside_blocks(shown(obj, "Coverage")[..., 0])
    assert whole.max() > 0.2
    for share in (0.5, 0.0):
        sockets["Mask"].default_value = share
        assert np.abs(inside_blocks(shown(obj, "Coverage")[..., 0]) - share * whole).max() <= TOLERANCE


def test_a_stack_of_every_kind(backend, baked, obj):
    """Mesh masks share one image with what else is packed; layers below give coverage and degree."""
    stack = (
        Mask("group:Half", Combine.ADD, low=0.1),
        Mask("attribute:Paint", Combine.ADD, gamma=0.5),
        Mask("degree:1", Combine.SUBTRACT, low=0.2, high=0.9),
        Mask("layer:1", Combine.ADD, invert=True),
        Mask("mask:Dots 3", Combine.MULTIPLY, high=0.15),
    )
    layers = (Layer(Effect.PEELING_PAINT), Layer(Effect.RUST, masks=stack))
    weather(obj, *layers)
    covers = agree(obj, backend, *layers)
    assert inside_blocks(covers[1]).max() > 0.2, "nothing is covered: the test proves nothing"


def test_ten_ages_in_every_texel(backend, obj):
    """Baked through emission, raw and unfiltered; none is left out, those beside another block neither."""
    stack = (Mask("layer:1", low=0.1), Mask("mask:Dots 1", Combine.SUBTRACT, high=0.6))
    layers = (
        Layer(Effect.PEELING_PAINT, opacity=0.9),
        Layer(Effect.RUST, masks=stack, channels=ChannelOpacity(roughness=0.5)),
    )
    weather(obj, *layers)
    ages = [tenth / 10 for tenth in range(1, 11)]
    covers = agree(obj, backend, *layers, ages=ages, texels=lambda values: values)
    assert min(cover.max() for cover in covers) > 0.2, "nothing is covered: the test proves nothing"


def test_degree_is_smooth_where_coverage_is_sharp(backend, obj):
    layers = (Layer(Effect.PEELING_PAINT), Layer(Effect.RUST, mask="degree:1"))
    weather(obj, *layers)
    degree = agree(obj, backend, *layers)[1]
    weather(obj, layers[0], replace(layers[1], mask="layer:1"))
    coverage = agree(obj, backend, layers[0], replace(layers[1], mask="layer:1"))[1]
    assert np.abs(degree - coverage).max() > 0.1


@pytest.mark.parametrize("smooth", [False, True])
def test_a_curve_by_degree(backend, obj, smooth):
    curve = Curve(((0.1, 0.0), (0.3, 0.2), (0.5, 0.2), (0.7, 0.9)), smooth)
    layers = (Layer(Effect.RUST, curve=curve), Layer(Effect.MOSS, curve=Curve(((0.0, 0.25), (0.6, 1.0)), smooth)))
    weather(obj, *layers)
    assert inside_blocks(agree(obj, backend, *layers)[0]).max() > 0.2


def test_a_curve_of_one_point_is_an_opacity(backend, obj):
    layer = Layer(Effect.RUST, curve=Curve(((0.5, 0.4),)))
    weather(obj, layer)
    (cover,) = agree(obj, backend, layer)
    (whole,) = computed(backend, Recipe((replace(layer, curve=Curve(), age=1.0),)))[0]
    assert cover == pytest.approx(0.4 * whole, abs=1e-5)


def test_channels_have_sockets_of_their_own(backend, obj):
    """Live: they start as the recipe says, and moved they show what the backend computes for them."""
    channels = ChannelOpacity(albedo=0.5, roughness=0.0, metallic=0.75, height=0.25)
    layers = (Layer(Effect.RUST, channels=channels), Layer(Effect.MOSS))
    weather(obj, *layers)
    agree(obj, backend, *layers)
    sockets = layer_inputs(group_node(obj.data.materials[0]))[0]
    assert {name: sockets[f"{name.capitalize()} Opacity"].default_value for name in ("albedo", "height")} == {
        "albedo": 0.5,
        "height": 0.25,
    }
    sockets["Roughness Opacity"].default_value, sockets["Albedo Opacity"].default_value = 0.6, 0.0
    now = replace(channels, roughness=0.6, albedo=0.0)
    agree(obj, backend, replace(layers[0], channels=now), layers[1])
    bpy.ops.sabi.recipe_from_object()
    assert recipe_of(bpy.context.scene.sabi).layers[0].channels == now


def test_without_height_nothing_bends(backend, obj):
    weather(obj, Layer(Effect.RUST, 1.0, relief=0.05))
    flat = (0, 0, 1)
    assert np.abs(shown(obj, "Normal") - flat).max() > 0.05
    layer_inputs(group_node(obj.data.materials[0]))[0]["Height Opacity"].default_value = 0.0
    assert (shown(obj, "Normal") == flat).all(), "the base's own normal, not a bump of nothing"


def test_over_other_shaders_the_albedos_opacity_counts_for_all(backend, clean_scene):
    obj = plane(tree_material(next(tree for tree in TREES if tree.name == "diffuse and glossy")))
    weather(obj, Layer(Effect.RUST, 1.0, channels=ChannelOpacity(albedo=0.5)))
    group = group_node(obj.data.materials[0])
    (sockets,) = layer_inputs(group)
    assert {"Albedo Opacity", "Height Opacity"} <= set(sockets)
    assert "Roughness Opacity" not in sockets
    half = bake_socket(obj, group.outputs["Coverage"], SIZE)
    colour = bake_socket(obj, group.outputs["Base Color"], SIZE)
    sockets["Albedo Opacity"].default_value = 1.0
    whole = bake_socket(obj, group.outputs["Coverage"], SIZE)
    assert inside_blocks(whole).max() > 0.5
    assert half == pytest.approx(whole / 2, abs=1e-5)
    there = whole[..., :1] > 0.1
    assert there.any()
    assert np.where(there, colour - bake_socket(obj, group.outputs["Base Color"], SIZE), 0) == pytest.approx(
        0, abs=1e-5
    )
    painted = synthetic_layer(0, SIZE)
    low = np.minimum(linear(painted.thin[..., :3]), linear(painted.thick[..., :3]))
    assert (inside_blocks(np.where(there, colour - low, 0)) > -0.01).all(), "the paint's own colour, not a darker one"


def image_count(obj) -> int:
    nodes = on_object.every_node(group_node(obj.data.materials[0]).node_tree)
    return len({node.image for node in nodes if node.bl_idname == "ShaderNodeTexImage"})


def many(images: int, mesh: int) -> list[Layer]:
    """Four layers that share out so many masks."""
    names = [f"mask:Dots {number}" for number in range(images)] + ["group:Half", "attribute:Paint"][:mesh]
    cut = [Mask(name, Combine.ADD, low=0.6) for name in names]
    return [Layer(effect, masks=tuple(cut[place::4])) for place, effect in enumerate(list(Effect)[:4])]


@pytest.mark.parametrize(("images", "mesh", "live"), [(4, 0, 4), (3, 2, 3), (6, 0, 3), (6, 2, 2), (8, 2, 1), (8, 0, 2)])
def test_images_stay_live_as_long_as_there_is_room(images, mesh, live):
    recipe = Recipe(tuple(many(images, mesh)))
    found = masks.packed(recipe)
    assert len(found) == images + mesh - live
    assert live + -(-len(found) // masks.PACKED) <= masks.IMAGES


def test_masks_take_four_samplers_at_most(backend, baked, obj):
    """What is packed shows the same."""
    layers = many(8, 2)
    weather(obj, *layers)
    assert image_count(obj) == 4 * 3 + masks.IMAGES
    agree(obj, backend, *layers)
    nodes = on_object.every_node(group_node(obj.data.materials[0]).node_tree)
    used = [node.image.name for node in nodes if getattr(node, "image", 0)]
    assert sum(name.startswith("Dots") for name in used) == 1


def test_an_image_that_masks_several_layers_takes_one_sampler(backend, obj):
    weather(obj, *(Layer(effect, mask="mask:Dots 0") for effect in list(Effect)[:4]))
    assert image_count(obj) == 13


def test_too_many_masks_are_refused_in_words(backend, obj):
    for number in range(8, 13):
        blocks(f"Dots {number}", number)
    cut = [Mask(f"mask:Dots {number}") for number in range(13)]
    recipe = Recipe(tuple(Layer(Effect.RUST, masks=tuple(cut[place::2])) for place in range(2)))
    with pytest.raises(SceneError, match="13 different masks, and a material shows 12"):
        masks.packed(recipe)
    with pytest.raises(RuntimeError, match="13 different masks"):
        bpy.ops.sabi.weather(recipe_json=recipe.to_json(), size=SIZE)
    assert work.failure().code == "scene"
    assert not on_object.touched(obj)


def test_revert_takes_it_all_away(backend, baked, obj):
    before = set(bpy.data.images.keys()), len(obj.data.materials[0].node_tree.nodes)
    weather(obj, Layer(Effect.RUST, masks=(Mask("group:Half", Combine.SUBTRACT), Mask("mask:Dots 0", low=0.5))))
    bpy.ops.sabi.revert()
    assert (set(bpy.data.images.keys()), len(obj.data.materials[0].node_tree.nodes)) == before


def test_scripts_give_masks_and_opacities_as_keywords(backend, baked, obj):
    bpy.ops.sabi.weather(
        effect="rust",
        masks='[{"mask": "group:Half", "combine": "add"}, {"mask": "mask:Dots 0", "combine": "subtract", "invert": true, '
        '"low": 0.2, "high": 0.7, "gamma": 2}]',
        opacity=0.9,
        roughness=0.5,
        height=0,
        curve="[[0.1, 0], [0.6, 1]]",
        curve_smooth=True,
        size=SIZE,
    )
    assert backend.recipes[0].layers == (
        Layer(
            Effect.RUST,
            opacity=0.9,
            masks=(Mask("group:Half", Combine.ADD), Mask("mask:Dots 0", Combine.SUBTRACT, True, 0.2, 0.7, 2)),
            channels=ChannelOpacity(roughness=0.5, height=0),
            curve=Curve(((0.1, 0), (0.6, 1)), True),
        ),
    )
    bpy.ops.sabi.weather(effect="moss", mask="group:Half", invert_mask=True, size=SIZE)
    assert backend.recipes[1].layers == (Layer(Effect.MOSS, mask="group:Half", invert_mask=True),)
    with pytest.raises(RuntimeError, match="The curve falls"):
        bpy.ops.sabi.weather(effect="moss", curve="[[0, 1], [1, 0]]")
    with pytest.raises(RuntimeError, match="masks is not valid JSON"):
        bpy.ops.sabi.weather(effect="moss", masks="group:Half")


class TestPanel:
    @pytest.fixture
    def settings(self, clean_scene):
        fill(clean_scene.sabi, Recipe((Layer(Effect.PEELING_PAINT), Layer(Effect.RUST))))
        clean_scene.sabi.active_layer = 1
        return clean_scene.sabi

    def test_masks_are_added_moved_and_removed(self, settings):
        bpy.ops.sabi.mask_add(mask="group:Top", combine="ADD", low=0.25, gamma=2)
        bpy.ops.sabi.mask_add(mask="degree:1", combine="SUBTRACT", invert=True)
        bpy.ops.sabi.mask_add(kind="LAYER")
        stack = [
            Mask("group:Top", Combine.ADD, low=0.25, gamma=2),
            Mask("degree:1", Combine.SUBTRACT, True),
            Mask("layer:1"),
        ]
        assert recipe_of(settings).layers[1].stack == tuple(stack)
        bpy.ops.sabi.mask_move(by=-2)
        assert recipe_of(settings).layers[1].stack == (stack[2], *stack[:2])
        bpy.ops.sabi.mask_remove()
        assert recipe_of(settings).layers[1].stack == tuple(stack[:2])
        with pytest.raises(RuntimeError, match="no range"):
            bpy.ops.sabi.mask_add(mask="group:Top", low=0.5, high=0.4)
        assert len(settings.layers[1].masks) == 2
        while len(settings.layers[1].masks) < 8:
            bpy.ops.sabi.mask_add(kind="IMAGE")
        assert not bpy.ops.sabi.mask_add.poll()
        assert len(recipe_of(settings).layers[1].stack) == 2, "what names nothing is no mask yet"

    def test_levels_leave_each_other_room(self, settings):
        bpy.ops.sabi.mask_add(mask="group:Top")
        mask = settings.layers[1].masks[0]
        mask.low = 0.7
        mask.high = 0.3
        assert recipe_of(settings).layers[1].stack == (Mask("group:Top", low=0.29, high=0.3),)
        mask.low = 1.0
        assert recipe_of(settings).layers[1].stack == (Mask("group:Top", low=0.99, high=1.0),)

    def test_a_curve_goes_on_rising_whatever_is_moved(self, settings):
        layer = settings.layers[1]
        for _ in range(7):
            bpy.ops.sabi.curve_add()
        assert [point.degree for point in layer.curve] == pytest.approx([0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 1])
        assert not bpy.ops.sabi.curve_add.poll()
        rng = np.random.default_rng(0)
        for _ in range(60):
            point = layer.curve[int(rng.integers(8))]
            point.degree, point.opacity = rng.random(2)
            points = recipe_of(settings).layers[1].curve.points  # refuses what falls
        assert len(points) == 8
        bpy.ops.sabi.curve_remove(point=3)
        assert recipe_of(settings).layers[1].curve.points == (*points[:3], *points[4:])

    def test_another_effect_keeps_the_masks(self, settings):
        bpy.ops.sabi.mask_add(mask="degree:1", low=0.5)
        settings.layers[1].effect = "moss"
        assert recipe_of(settings).layers[1].stack == (Mask("degree:1", low=0.5),)

    def test_stacks_go_through_the_scene_and_back(self, settings, tmp_path):
        layer = Layer(
            Effect.MOSS,
            masks=(Mask("degree:1", Combine.SUBTRACT, True, 0.1, 0.15, 0.7), Mask("mask:Dots", Combine.ADD)),
            channels=ChannelOpacity(0.1, 0.2, 0.3, 0.4),
            curve=Curve(((0.05, 0.1), (0.1, 0.1), (0.95, 1.0)), True),
        )
        recipe = Recipe((Layer(Effect.RUST), layer))
        fill(settings, recipe)
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
        assert recipe_of(bpy.context.scene.sabi) == recipe
