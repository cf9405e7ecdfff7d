# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks that lie on the mesh or are other layers: captured texel by texel, and the nodes show what the backend computes."""

from dataclasses import replace

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node, layer_inputs
from bl_ext.user_default.sabi.addon.preferences import preferences
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.addon.surface import capture
from bl_ext.user_default.sabi.backend.protocol.errors import SceneError
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map, Surface
from bl_ext.user_default.sabi.backend.weathering.composite import coverage_map, stored_coverage
from blender.captures import captured
from blender.emission import bake_socket, inside_blocks
from blender.painted_images import synthetic_layer
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material

TOLERANCE = 2 / 255
NAMES = ["group:Top", "attribute:Paint"]
PAINT = [0.0, 0.2, 0.6, 1.0]  # scene-linear, along u


@pytest.fixture
def strip() -> bpy.types.Object:
    """A square of three quads side by side, marked alike by a vertex group and by a colour attribute."""
    mesh = bpy.data.meshes.new("strip")
    points = [(x / 3, y, 0) for y in (0, 1) for x in range(4)]
    mesh.from_pydata(points, [], [(x, x + 1, x + 5, x + 4) for x in range(3)])
    corners = [points[loop.vertex_index][:2] for loop in mesh.loops]
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", np.float32(corners).reshape(-1))
    mesh.materials.append(tree_material(TREES[0]))
    obj = bpy.data.objects.new("strip", mesh)
    bpy.context.scene.collection.objects.link(obj)
    group = obj.vertex_groups.new(name="Top")
    for vertex in range(8):
        group.add([vertex], PAINT[vertex % 4], "REPLACE")
    colours = mesh.color_attributes.new("Paint", "FLOAT_COLOR", "POINT")
    colours.data.foreach_set("color", np.float32([(*[value] * 3, 1) for value in PAINT * 2]).reshape(-1))
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj
    bpy.context.view_layer.update()
    return obj


def expected(size: int) -> np.ndarray:
    u = (np.arange(size) + 0.5) / size
    return np.broadcast_to(np.interp(u, np.arange(4) / 3, PAINT), (size, size))


@pytest.mark.parametrize("name", NAMES)
def test_each_texel_has_the_value_of_its_place(strip, name):
    made = captured(strip, 60, masks=(name,)).surface[name]
    assert made.array.dtype == np.uint8
    assert made.color_space is ColorSpace.DATA
    assert np.abs(made.floats()[..., 0] - expected(60)).max() <= TOLERANCE


@pytest.mark.parametrize("name", NAMES)
def test_modifiers_that_model_are_heeded(strip, name):
    strip.modifiers.new("Fine", "SUBSURF").subdivision_type = "SIMPLE"
    made = captured(strip, 60, masks=(name,)).surface[name]
    assert np.abs(made.floats()[..., 0] - expected(60)).max() <= TOLERANCE


def test_a_mask_that_was_painted_on_is_captured_anew_and_nothing_else(strip, monkeypatch):
    from blender.captures import baked_kinds

    first = captured(strip, 32, masks=("group:Top",))
    strip.vertex_groups["Top"].add(list(range(8)), 1.0, "REPLACE")
    kinds = baked_kinds(monkeypatch)
    second = captured(strip, 32, masks=("group:Top",))
    assert kinds == ["EMIT"]
    assert (second.surface["group:Top"].array == 255).all()
    assert first.key == second.key


def test_the_object_is_left_as_it_was(strip):
    def state():
        kinds = ("objects", "meshes", "node_groups", "images", "materials")
        return [len(getattr(bpy.data, kind)) for kind in kinds], sorted(strip.data.attributes.keys())

    before = state()
    captured(strip, 16, masks=tuple(NAMES))
    assert state() == before
    assert not strip.modifiers


@pytest.mark.parametrize(
    ("name", "said"), [("group:Bottom", "vertex group 'Bottom'"), ("attribute:Ink", "attribute 'Ink'")]
)
def test_what_the_object_lacks_is_named(strip, name, said):
    with pytest.raises(SceneError, match=f"'strip' has no .*{said}"):
        capture.Capture(bpy.context, strip, capture.CaptureSettings(masks=(name,)))


@pytest.fixture
def backend(monkeypatch):
    """Paints synthetic layers; objects are really captured."""
    real = weathering.Capture
    with played(monkeypatch) as backend:
        monkeypatch.setattr(weathering, "Capture", real)
        yield backend


def weather(strip, *layers: Layer) -> None:
    bpy.ops.sabi.weather(recipe_json=Recipe(layers).to_json(), size=16)


def formula(recipe: Recipe, maps: dict[str, Map]) -> list[np.ndarray]:
    """Coverage of each layer as the backend computes it, over layers as the played backend paints them."""
    size = 16
    surface = Surface({"albedo": Map(np.zeros((size, size, 3), np.uint8), ColorSpace.SRGB), **maps})
    covers = []
    for index, layer in enumerate(recipe.shown.layers):
        painted = synthetic_layer(index, size)
        covers.append(coverage_map(surface, layer, painted))
        surface = surface.with_maps({f"layer:{index + 1}": stored_coverage(surface, layer, painted)})
    return covers


def together(covers: list[np.ndarray]) -> np.ndarray:
    return 1 - np.prod([1 - cover for cover in covers], axis=0)


def shown(strip) -> np.ndarray:
    return bake_socket(strip, group_node(strip.data.materials[0]).outputs["Coverage"], 16)[..., 0]


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_nodes_show_a_mesh_mask_as_the_backend_does(backend, strip, name, invert):
    layer = Layer(Effect.RUST, 0.9, mask=name, invert_mask=invert)
    weather(strip, layer)
    sent = backend.surfaces[0][name]
    assert backend.recipes[0].layers == (layer,)
    for age in (0.4, 0.7, 1.0):
        layer_inputs(group_node(strip.data.materials[0]))[0]["Age"].default_value = age
        (cover,) = formula(Recipe((replace(layer, age=age),)), {name: sent})
        assert np.abs(inside_blocks(shown(strip) - cover)).max() <= TOLERANCE
    assert inside_blocks(cover).max() > 0.2, "nothing is covered: the test proves nothing"


@pytest.mark.parametrize("invert", [False, True])
def test_nodes_show_layers_as_masks_at_any_age(backend, strip, invert):
    """Each layer masked by the one below it; live, with the lower layers' own ages and opacities."""
    layers = [
        Layer(Effect.PEELING_PAINT, 0.9),
        Layer(Effect.RUST, 0.9, mask="layer:1", invert_mask=invert),
        Layer(Effect.MOSS, 0.9, mask="layer:2", hidden=True),
        Layer(Effect.DIRT, 0.9, mask="layer:2"),
    ]
    weather(strip, *layers)
    assert backend.recipes[0].layers[2].mask == "layer:2"
    controls, seen = layer_inputs(group_node(strip.data.materials[0])), []
    for ages in np.random.default_rng(0).uniform(0.5, 1, (5, 3)):
        for sockets, age in zip(controls, ages, strict=True):
            sockets["Age"].default_value, sockets["Opacity"].default_value = age, 1 - age / 4
        now = [
            replace(layer, age=float(a), opacity=float(1 - a / 4))
            for layer, a in zip([layers[0], layers[1], layers[3]], ages, strict=True)
        ]
        covers = formula(Recipe(tuple(now)), {})
        seen.append(covers[2].max())
        assert np.abs(inside_blocks(shown(strip) - together(covers))).max() <= TOLERANCE
    assert max(seen) > 0.05, "the topmost covers nothing: the test proves nothing"


def test_beside_the_file_the_mask_is_packed(backend, strip, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    preferences().storage = "FILES"
    try:
        weather(bpy.context.object, Layer(Effect.RUST, 0.9, mask="group:Top"))
    finally:
        preferences().storage = "PACK"
    assert bpy.data.images["strip masks 1"].packed_file is not None
    assert len(list((tmp_path / "sabi").glob("*.png"))) == 3


def test_masks_are_encoded_in_the_backend(backend, strip):
    """Bytes while one mask is, 16 bits where one of them needs it: Blender packs the files as they came."""
    weather(strip, Layer(Effect.RUST, 0.9, mask="group:Top"), Layer(Effect.MOSS, mask="attribute:Paint"))
    image = bpy.data.images["strip masks 1"]
    assert [bytes(file) for file in backend.files] == [bytes(image.packed_file.data)]
    assert not image.is_dirty


def test_revert_takes_the_masks_image_too(backend, strip):
    before = set(bpy.data.images.keys())
    weather(strip, Layer(Effect.RUST, 0.9, mask="group:Top"))
    assert "strip masks 1" in bpy.data.images
    weather(strip, Layer(Effect.RUST, 0.9, mask="group:Top"), Layer(Effect.MOSS, mask="attribute:Paint"))
    assert [image.name for image in bpy.data.images if "mask" in image.name] == ["strip masks 1"], "both are in one"
    assert len(on_object.weathered(strip).layers) == 2
    bpy.ops.sabi.revert()
    assert set(bpy.data.images.keys()) == before


def test_the_panel_holds_every_kind(clean_scene):
    kinds = [("IMAGE", "mask:Dots"), ("GROUP", "group:Top"), ("ATTRIBUTE", "attribute:Paint")]
    kinds += [("LAYER", "layer:2"), ("DEGREE", "degree:3"), ("MATERIAL", "material:metal+wood")]
    recipe = Recipe(tuple(Layer(Effect.RUST, mask=mask, invert_mask=True) for _, mask in kinds))
    fill(clean_scene.sabi, recipe)
    assert [layer.masks[0].kind for layer in clean_scene.sabi.layers] == [kind for kind, _ in kinds]
    assert recipe_of(clean_scene.sabi).layers == recipe.layers
