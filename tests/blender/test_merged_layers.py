# SPDX-License-Identifier: GPL-3.0-or-later
"""Of more than four layers the lowest are one in the material: as few images, and the picture that the backend computes."""

from dataclasses import replace

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import preview, weathering, work
from bl_ext.user_default.sabi.addon.interface import panels, translations
from bl_ext.user_default.sabi.addon.nodes import exchange, material, on_object
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node
from bl_ext.user_default.sabi.addon.recipe import masks, merged
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.addon.recipe.properties import painted_layers
from bl_ext.user_default.sabi.backend.protocol.errors import SceneError
from bl_ext.user_default.sabi.backend.protocol.mask_stack import Combine, Mask
from bl_ext.user_default.sabi.backend.protocol.opacity import ChannelOpacity, Curve
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map, Surface
from bl_ext.user_default.sabi.backend.weathering.composite import composite, coverage_map
from bl_ext.user_default.sabi.backend.weathering.layer_masks import with_layer_masks
from blender.drawn import draw
from blender.emission import bake_socket, inside_blocks, plane
from blender.painted_images import images_of, synthetic_layer
from blender.played import played
from blender.test_material import mixed_material

TOLERANCE = 2 / 255
SIZE, BLOCK, IMAGES = 16, 4, 12
COLOUR, ROUGHNESS, METALLIC = (0.2, 0.35, 0.5), 0.25, 0.75
EFFECTS = (Effect.RUST, Effect.MOSS, Effect.DIRT, Effect.PITTING)


@pytest.fixture
def backend(monkeypatch, clean_scene):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def obj(backend):
    """A plane of one Principled, and a grey image of blocks to mask with."""
    made = bpy.data.materials.new("Paint")
    made.use_nodes = True
    shader = made.node_tree.nodes["Principled BSDF"]
    shader.inputs["Base Color"].default_value = (*COLOUR, 1)
    shader.inputs["Roughness"].default_value, shader.inputs["Metallic"].default_value = ROUGHNESS, METALLIC
    dots = bpy.data.images.new("Dots", SIZE, SIZE, is_data=True)
    grey = np.random.default_rng(7).random((SIZE // BLOCK, SIZE // BLOCK)).repeat(BLOCK, 0).repeat(BLOCK, 1)
    dots.pixels.foreach_set(np.stack([grey, grey, grey, np.ones_like(grey)], -1).astype(np.float32).reshape(-1))
    dots.update()
    return plane(made)


def recipe(count: int) -> Recipe:
    """Layers that differ in age, opacity, channels, curve and masks, so that nothing is left out unseen."""
    layers = [Layer(EFFECTS[n % 4], age=0.6 + 0.05 * (n % 5), seed=n, opacity=0.9 - 0.04 * n) for n in range(count)]
    layers[0] = replace(layers[0], channels=ChannelOpacity(albedo=0.3, roughness=0.9, metallic=0.0), relief=0.05)
    layers[1] = replace(layers[1], masks=(Mask("layer:1", invert=True), Mask("mask:Dots", Combine.ADD)), relief=0.0)
    if count > 5:
        layers[2] = replace(layers[2], curve=Curve(((0.1, 0.2), (0.6, 1.0)), smooth=True), relief=0.001)
    layers[-2] = replace(layers[-2], masks=(Mask("layer:1", low=0.1), Mask("degree:2", Combine.SUBTRACT, high=0.9)))
    layers[-1] = replace(layers[-1], mask=f"layer:{count - 2}")
    return Recipe(tuple(layers))


def weather(of: Recipe, **keys) -> None:
    assert bpy.ops.sabi.weather(recipe_json=of.to_json(), size=SIZE, **keys) == {"FINISHED"}


def computed(backend, of: Recipe) -> tuple[np.ndarray, Surface]:
    """Coverage of all layers together and the weathered maps, composited one by one in float."""
    maps = {
        "albedo": np.broadcast_to(np.float32(COLOUR), (SIZE, SIZE, 3)),
        "roughness": np.full((SIZE, SIZE, 1), ROUGHNESS, np.float32),
        "metallic": np.full((SIZE, SIZE, 1), METALLIC, np.float32),
        "height": np.zeros((SIZE, SIZE, 1), np.float32),
    }
    surface = Surface({name: Map(array, ColorSpace.DATA) for name, array in maps.items()}, height_scale=1.0)
    surface = surface.with_maps({n: m for n, m in backend.surfaces[-1].maps.items() if n.startswith("mask:")})
    bare, through = surface["height"], np.ones((SIZE, SIZE), np.float32)
    for index, layer in enumerate(of.layers):
        painted = synthetic_layer(index, SIZE)
        through *= 1 - coverage_map(surface, layer, painted)
        surface = composite(surface, layer, painted, bare=bare)
        surface = with_layer_masks(surface, of, index, painted, np.empty)
    return 1 - through, surface


def shown(obj, socket: str) -> np.ndarray:
    return bake_socket(obj, group_node(obj.data.materials[0]).outputs[socket], SIZE)


def agree(obj, backend, of: Recipe) -> None:
    coverage, surface = computed(backend, of)
    assert inside_blocks(coverage).max() > 0.5, "nothing is covered: the test proves nothing"
    assert np.abs(inside_blocks(shown(obj, "Coverage")[..., 0] - coverage)).max() <= TOLERANCE
    assert np.abs(inside_blocks(shown(obj, "Base Color") - surface["albedo"].array)).max() <= TOLERANCE
    for name in ("roughness", "metallic"):
        difference = shown(obj, name.capitalize())[..., :1] - surface[name].array
        assert np.abs(inside_blocks(difference)).max() <= TOLERANCE, name


def heights(obj) -> np.ndarray:
    """What bends the normals, in metres: the height that the group's Bump takes."""
    tree = group_node(obj.data.materials[0]).node_tree
    bump = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBump")
    leave = next(node for node in tree.nodes if node.bl_idname == "NodeGroupOutput")
    tree.links.new(bump.inputs["Height"].links[0].from_socket, leave.inputs["Coverage"])
    return shown(obj, "Coverage")[..., 0]


def images(obj) -> list[bpy.types.Image]:
    tree = group_node(obj.data.materials[0]).node_tree
    return [node.image for node in on_object.every_node(tree) if node.bl_idname == "ShaderNodeTexImage"]


@pytest.mark.parametrize("count", [5, 6, 8])
def test_the_picture_is_what_all_layers_come_to(backend, obj, count):
    weather(recipe(count))
    agree(obj, backend, recipe(count))
    painted = on_object.painted_nodes(group_node(obj.data.materials[0]).node_tree)
    assert len(painted) == IMAGES
    assert len(images(obj)) == len(set(images(obj))) <= IMAGES + masks.IMAGES
    assert len(on_object.weathered(obj).layers) == 4


def test_the_socket_mask_takes_the_merged_layer_away(backend, obj):
    """All of it: with the live layers shown by nothing, every channel is the base's."""
    weather(recipe(6))
    merged, *live = on_object.weathered(obj).layers
    for sockets in live:
        sockets["Opacity"].default_value = 0.0
    assert np.abs(shown(obj, "Base Color") - COLOUR).max() > 0.1
    merged["Mask"].default_value = 0.0
    assert shown(obj, "Coverage")[..., 0].max() <= TOLERANCE
    for name, value in (("Base Color", COLOUR), ("Roughness", ROUGHNESS), ("Metallic", METALLIC)):
        assert np.abs(shown(obj, name) - value).max() <= TOLERANCE, name
    assert np.abs(heights(obj)).max() <= TOLERANCE


def test_heights_are_as_fine_as_the_layers_own(backend, obj):
    """Fifty millimetres below, one above: in 8 bits the millimetre would be three steps."""
    of = recipe(6)
    weather(of)
    _, surface = computed(backend, of)
    expected = surface["height"].array[..., 0]
    assert np.abs(inside_blocks(expected)).max() > 0.001
    assert (
        np.abs(inside_blocks(heights(obj) - expected)).max() < 0.0004
    )  # the cover has 8 bits: 1 / 510 of 50 mm and below


def test_up_to_four_layers_stay_live(backend, obj):
    weather(Recipe(recipe(6).layers[:4]))
    applied = on_object.weathered(obj)
    assert applied.labels[0] == "1 Rust"
    assert all("Age" in sockets for sockets in applied.layers)
    assert len(on_object.painted_nodes(group_node(obj.data.materials[0]).node_tree)) == IMAGES
    assert not [said for said in work.current().outcome.warnings if "merged" in said]


def test_the_upper_three_are_live_and_the_rest_says_so(backend, obj):
    of = recipe(6)
    weather(of)
    applied = on_object.weathered(obj)
    assert applied.labels[0] == "1 Merged"
    assert list(applied.layers[0]) == ["Mask"]
    assert all({"Age", "Opacity", "Height"} <= set(sockets) for sockets in applied.layers[1:])
    (told,) = merged.told(of)
    assert "1 Rust, 2 Moss, 3 Dirt" in told
    assert told in work.current().outcome.warnings
    later = replace(of, layers=(*of.layers[:5], replace(of.layers[5], age=0.95)))
    applied.layers[3]["Age"].default_value = 0.95
    agree(obj, backend, later)
    bpy.ops.sabi.recipe_from_object()
    ages = [layer.age for layer in recipe_of(bpy.context.scene.sabi).layers]
    assert ages == pytest.approx([layer.age for layer in later.layers])


def test_hidden_layers_are_not_merged_but_keep_their_numbers(backend, obj):
    layers = recipe(5).layers
    of = Recipe((Layer(Effect.CRACKS, hidden=True), *(layer.with_masks(()) for layer in layers)))
    (told,) = merged.told(of)
    assert "2 Rust, 3 Moss" in told
    assert merged.told(Recipe((replace(of.layers[1], hidden=True), *of.layers[:1], *of.layers[2:]))) == []


def test_the_panels_say_it_in_both_languages(backend, obj):
    of = recipe(5)
    fill(bpy.context.scene.sabi, of)
    weather(of)
    (told,) = merged.told(of)
    kinds = {cls.__name__: cls for cls in panels._CLASSES}
    for panel in ("SABI_PT_recipe", "SABI_PT_object"):
        assert told in " ".join(draw(kinds[panel]).labels), panel
    sentence = "A material shows four layers: {} are merged into one. A change of theirs needs Weather."
    assert "{}" in translations.JAPANESE[sentence]


def test_the_panel_counts_as_the_recipe_does(backend, obj):
    """Also where a hidden layer has those that it masks paint nothing."""
    settings = bpy.context.scene.sabi
    fill(settings, recipe(8))
    for change in (None, "hidden", "solo"):
        for layer in settings.layers if change else ():
            setattr(layer, change, not getattr(layer, change))
            assert painted_layers(settings) == recipe_of(settings).painted
            setattr(layer, change, False)
        assert painted_layers(settings) == recipe_of(settings).painted


def test_a_change_of_merged_layers_waits_for_weather(backend, obj):
    of = recipe(5)
    fill(bpy.context.scene.sabi, of)
    weather(of)
    before = exchange.Shown.of(obj)
    older = replace(of, layers=(replace(of.layers[0], age=0.95), *of.layers[1:]))
    assert not preview.settle(obj, older)
    assert not exchange.can_follow(before, older)
    assert exchange.painting(of) != exchange.painting(older), "a preview in the midst of it ends"
    newer = replace(of, layers=(*of.layers[:4], replace(of.layers[4], age=0.7)))
    assert exchange.can_follow(before, newer)
    assert preview.settle(obj, newer)
    agree(obj, backend, newer)
    reseeded = replace(of, layers=(*of.layers[:4], replace(of.layers[4], seed=99)))
    assert exchange.can_follow(exchange.Shown.of(obj), reseeded), "that is painted as a preview"
    weather(older)
    agree(obj, backend, older)


def test_a_preview_of_a_live_layer_keeps_the_merged_one(backend, obj):
    of = recipe(5)
    weather(of)
    reseeded = replace(of, layers=(*of.layers[:4], replace(of.layers[4], seed=99)))
    fill(bpy.context.scene.sabi, reseeded)
    small = []

    def followed():
        steps = preview.follow(weathering.Target.of(obj), bpy.context.scene.session_uid)
        while True:
            try:
                progress = next(steps)
            except StopIteration as stop:
                return stop.value
            if progress.stage == "Previewed" and not small:
                small.append([image.name for image in images(obj)])
                agree(obj, backend, reseeded)
            yield progress

    work.run("Preview", followed())
    assert any("preview" in name for name in small[0])
    assert not any("preview" in image.name for image in images(obj))
    assert on_object.painted_nodes(group_node(obj.data.materials[0]).node_tree)[
        "1 thick"
    ].image.colorspace_settings.is_data
    agree(obj, backend, reseeded)


def test_what_an_older_sabi_wired_without_merging_stays(backend, obj):
    of = Recipe(tuple(Layer(EFFECTS[n % 4], age=0.5, seed=n) for n in range(5)))
    layers = [images_of(synthetic_layer(n, SIZE), age=0.5) for n in range(5)]
    material.apply(obj, [material.Painting((0,), layers, "UVMap")], of.to_json())
    applied = on_object.weathered(obj)
    applied.layers[0]["Age"].default_value = 0.75
    for cls in (cls for cls in panels._CLASSES if cls.__name__ == "SABI_PT_object"):
        assert not [said for said in draw(cls).labels if "merged" in said]
    assert not preview.settle(obj, of.at_age(0.9))
    bpy.ops.sabi.recipe_from_object()
    assert [layer.age for layer in recipe_of(bpy.context.scene.sabi).layers] == [0.75, 0.5, 0.5, 0.5, 0.5]
    weather(of)
    agree(obj, backend, of)


def test_the_wiring_of_masks_made_anew_keeps_the_merged_layer(backend, obj):
    of = recipe(6)
    weather(of)
    other = replace(of, layers=(*of.layers[:5], of.layers[5].with_masks([Mask("mask:Dots", low=0.2)])))
    assert preview.settle(obj, other)
    agree(obj, backend, other)


def test_revert_takes_it_all_away(backend, obj):
    before = set(bpy.data.images.keys()), len(obj.data.materials[0].node_tree.nodes)
    weather(recipe(8))
    bpy.ops.sabi.revert()
    assert (set(bpy.data.images.keys()), len(obj.data.materials[0].node_tree.nodes)) == before


def test_flatten_keeps_the_picture(backend, obj):
    of = recipe(6)
    weather(of)
    _, surface = computed(backend, of)
    assert bpy.ops.sabi.flatten() == {"FINISHED"}
    shader = next(node for node in obj.data.materials[0].node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    flat = bake_socket(obj, shader.inputs["Roughness"].links[0].from_socket, SIZE)[..., :1]
    assert np.abs(inside_blocks(flat - surface["roughness"].array)).max() <= TOLERANCE


def test_the_merged_layer_can_be_looked_at(backend, obj):
    weather(recipe(5))
    assert bpy.ops.sabi.overlay_show(what="1 coverage") == {"FINISHED"}
    assert bpy.ops.sabi.overlay_hide() == {"FINISHED"}


def test_over_other_shaders(backend, clean_scene):
    made = mixed_material()
    obj = plane(made)
    of = Recipe(tuple(Layer(EFFECTS[n % 4], age=0.8, seed=n, opacity=0.8) for n in range(5)))
    weather(of)
    coverage, surface = computed(backend, of)
    cover = bake_socket(obj, group_node(made).outputs["Coverage"], SIZE)[..., :1]
    mixed = bake_socket(obj, group_node(made).outputs["Roughness"], SIZE)[..., :1] * cover + ROUGHNESS * (1 - cover)
    assert np.abs(inside_blocks(cover[..., 0] - coverage)).max() <= TOLERANCE
    assert np.abs(inside_blocks(mixed - surface["roughness"].array)).max() <= TOLERANCE


def test_over_other_shaders_unlike_channels_are_refused_in_words(backend, clean_scene):
    """There albedo's cover counts for roughness and metallic: of merged layers only the channels' own is known."""
    made = mixed_material()
    obj = plane(made)
    nodes = len(made.node_tree.nodes)
    layers = [Layer(EFFECTS[n % 4], seed=n) for n in range(5)]
    layers[1] = replace(layers[1], channels=ChannelOpacity(roughness=0.5))
    with pytest.raises(RuntimeError, match=r"'Two' is no single Principled BSDF, and merged layers keep unlike shares"):
        weather(Recipe(tuple(layers)))
    assert on_object.weathered(obj) is None
    assert (len(made.node_tree.nodes), list(bpy.data.images), list(bpy.data.node_groups)) == (nodes, [], [])
    layers[1], layers[4] = layers[4], layers[1]
    weather(Recipe(tuple(layers)))
    assert len(on_object.weathered(obj).layers) == 4


@pytest.mark.parametrize("how", [{"instances": True}, {"shared_tiles": True}], ids=["instances", "tiles"])
def test_what_goes_by_all_ages_is_refused_in_words(backend, obj, how):
    with pytest.raises(RuntimeError, match=r"show at most 4 layers, and the recipe has 6\. Hide or remove 2 of them"):
        weather(recipe(6), **how)
    assert on_object.weathered(obj) is None


def test_an_image_in_another_uv_map_cannot_mask_a_merged_layer():
    of = recipe(5)
    with pytest.raises(
        SceneError, match=r"Layer 2 is merged with others, and its mask 'Dots' lies in another UV map"
    ) as met:
        masks.check_merged(of)
    assert (met.value.code, met.value.hint[:4]) == ("scene", "Move")
    masks.check_merged(masks.without(of, ["IMAGE"]))


def test_a_time_lapse_of_merged_layers_is_refused(backend, obj):
    weather(recipe(5))
    with pytest.raises(RuntimeError, match=r"shows layers merged into one, which have no age to animate\. Hide layers"):
        bpy.ops.sabi.timelapse()


def test_images_stay_as_they_are_where_nothing_has_changed(backend, obj):
    """Weathered again with the same, and with a layer fewer than are merged."""
    weather(recipe(5))
    weather(recipe(5))
    assert len(on_object.painted_nodes(group_node(obj.data.materials[0]).node_tree)) == IMAGES
    layers = recipe(6).layers[:4]
    weather(Recipe(layers))
    agree(obj, backend, Recipe(layers))
    assert weathering.wired(Recipe(layers)).layers == layers
