# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene in centimetres weathers as the same scene in metres does: all of its lengths are a hundred times as many units."""

from dataclasses import dataclass, replace

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import preview, units, weathering
from bl_ext.user_default.sabi.addon.frames import frame_weathering
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.provenance import provenance
from bl_ext.user_default.sabi.addon.preferences import service
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.addon.surface.capture import Capture, CaptureSettings
from bl_ext.user_default.sabi.addon.surface.shown import ShownCapture, painted_on
from bl_ext.user_default.sabi.addon.surface.sizes import output_size
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Exposure, Frame, FrameMode, Layer, Recipe
from blender import trees
from blender.captures import captured, cube, plane
from blender.test_height import bumped, displaced

SIDE = 128
METRES, CENTIMETRES = 1.0, 0.01
LENGTHS = ("feature_size", "relief")
RELIEF = 0.01


@pytest.fixture(autouse=True)
def ended():
    yield
    service.stop()


def crate(unit: float, made: bpy.types.Material | None = None) -> bpy.types.Object:
    """A crate of 60 cm, turned, above a floor, in a scene whose unit is so many metres."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.unit_settings.scale_length = unit
    floor = plane(size=4 / unit)
    floor.location.z = -0.05 / unit
    obj = cube(0.3 / unit)
    obj.scale = (2, 2, 2)
    obj.location, obj.rotation_euler = (0.2 / unit, -0.1 / unit, 0.35 / unit), (0.1, 0.2, 0.7)
    bpy.context.view_layer.update()
    bpy.ops.object.select_all(action="DESELECT")
    obj.select_set(True)
    return obj


def give(obj: bpy.types.Object, kind: str, unit: float) -> None:
    """A relief of 2 cm, by a material whose lengths are in the scene's units."""
    if kind == "bump":
        obj.data.materials[0] = bumped(trees.across, Strength=1.0, Distance=0.02 / unit)
    else:
        per_object = 2 if kind == "OBJECT" else 1  # the crate's scale counts there
        made = displaced(trees.across, Scale=0.02 / unit / per_object, Midlevel=0.5)
        next(n for n in made.node_tree.nodes if n.bl_idname == "ShaderNodeDisplacement").space = kind
        obj.data.materials[0] = made


@pytest.mark.parametrize(
    ("relief", "mode"), [("bump", FrameMode.ASSET), ("WORLD", FrameMode.ASSET), ("OBJECT", FrameMode.SCENE)]
)
def test_surfaces_are_in_metres(relief, mode):
    found = []
    for unit in (METRES, CENTIMETRES):
        obj = crate(unit)
        give(obj, relief, unit)
        found.append(captured(obj, SIDE, mode=mode).surface)
    metres, centimetres = found
    assert set(metres.maps) == set(centimetres.maps)
    assert metres.height_scale == pytest.approx(0.02 * 3 / 4, rel=0.02)  # of which the crate's UVs show three quarters
    assert centimetres.height_scale == pytest.approx(metres.height_scale, rel=1e-4)
    np.testing.assert_allclose(centimetres.pose, metres.pose, atol=1e-6)
    for name, map_ in metres.maps.items():
        off = np.abs(centimetres[name].floats() - map_.floats())
        assert np.quantile(off, 0.999) < 2.1 / 255, name
        assert off.mean() < 0.1 / 255, name
    position = metres["position"].array[metres["island_mask"].array[..., 0] > 0]
    assert np.ptp(position, axis=0) == pytest.approx([0.6] * 3, rel=0.03)


def test_an_object_does_not_occlude_itself_where_it_stands():
    obj = crate(METRES)
    bpy.data.objects.remove(bpy.data.objects["Plane"])
    bpy.context.view_layer.update()
    assert captured(obj, SIDE, mode=FrameMode.SCENE).surface["ambient_occlusion"].floats().min() > 0.9


def test_the_same_object_is_another_capture_in_other_units():
    obj = crate(METRES)
    first = captured(obj, SIDE)
    bpy.context.scene.unit_settings.scale_length = CENTIMETRES
    second = captured(obj, SIDE)
    assert first.key != second.key
    np.testing.assert_allclose(second.surface["position"].array, first.surface["position"].array * 0.01, atol=1e-6)


def test_images_are_as_large_as_metres_ask_for():
    sizes = [output_size(crate(unit), CaptureSettings(density=1500)) for unit in (METRES, CENTIMETRES)]
    assert sizes[0] == sizes[1]
    assert sizes[0][0] > 512


def test_no_unit_system_means_metres_and_so_does_nothing():
    settings = bpy.context.scene.unit_settings
    settings.scale_length = CENTIMETRES
    assert units.of_scene(bpy.context.scene) == CENTIMETRES
    settings.system = "NONE"
    assert units.of_scene(bpy.context.scene) == 1


def test_an_object_has_the_units_of_its_own_scene():
    obj = crate(CENTIMETRES)
    other = bpy.data.scenes.new("other")
    assert units.of_object(obj) == CENTIMETRES
    with bpy.context.temp_override(scene=other):
        assert units.of_object(obj) == CENTIMETRES


class SmallCapture(Capture):
    def __init__(self, context, obj, settings):
        super().__init__(context, obj, settings._replace(size=SIDE))


@dataclass(frozen=True)
class Painted:
    images: dict[str, np.ndarray]  # bytes by `thin` and so on
    normals: np.ndarray  # of the object as it looks, 0..1
    height: float  # the socket's


def painted(unit: float, recipe: Recipe) -> Painted:
    obj = crate(unit)
    assert bpy.ops.sabi.weather(recipe_json=recipe.to_json()) == {"FINISHED"}
    images = {}
    for image in bpy.data.images:
        if "sabi_image" in image:
            values = np.empty(SIDE * SIDE * 4, np.float32)
            image.pixels.foreach_get(values)
            images[image.name.split()[-1]] = np.rint(values.reshape(SIDE, SIDE, 4) * 255)
    looks = ShownCapture(bpy.context, obj, painted_on(obj), deep=True).run().surface
    return Painted(images, looks["normal"].floats(), on_object.weathered(obj).layers[0]["Height"].default_value)


def test_a_scene_in_centimetres_weathers_as_one_in_metres(monkeypatch):
    monkeypatch.setattr(weathering, "Capture", SmallCapture)
    exposed = Exposure(edges=0.7, noise=0.8, ground=0.5)
    layer = Layer(Effect.RUST, age=0.9, feature_size=0.1, relief=RELIEF, exposure=exposed)
    recipe = Recipe((layer,), Frame(FrameMode.SCENE, ground=0.0))
    metres, centimetres = painted(METRES, recipe), painted(CENTIMETRES, recipe)
    assert sorted(metres.images) == ["growth", "thick", "thin"]
    for name, image in metres.images.items():
        off = np.abs(image - centimetres.images[name])
        assert np.quantile(off, 0.99) <= 4, name
        assert off.mean() < 0.3, name
        assert image.std() > 3, name
    assert metres.height == pytest.approx(RELIEF)
    assert centimetres.height == pytest.approx(RELIEF / CENTIMETRES), "nodes have Blender's units"
    off = np.abs(metres.normals - centimetres.normals)
    assert np.abs(metres.normals[..., :2] - 0.5).max() > 0.1, "nothing is raised"
    assert off.mean() < 0.005, "the bump is not as steep"
    obj = bpy.context.object
    assert provenance(obj).recipe.layers[0].relief == pytest.approx(RELIEF)
    bpy.ops.sabi.recipe_from_object()
    settings = bpy.context.scene.sabi
    assert settings.layers[0].relief == pytest.approx(RELIEF)
    settings.layers[0].relief = 0.002
    networks = provenance(obj).recipe.networks
    assert preview.settle(obj, replace(recipe_of(settings), networks=networks))
    assert on_object.weathered(obj).layers[0]["Height"].default_value == pytest.approx(0.2)


def test_a_recipe_stays_what_it_is_when_the_unit_is_changed(clean_scene):
    settings = clean_scene.sabi
    fill(settings, Recipe((Layer(Effect.RUST, feature_size=0.03, relief=0.002),), Frame(ground=-1.5)))
    for unit in (METRES, CENTIMETRES, 0.001, 0.3048, 1000.0):
        clean_scene.unit_settings.scale_length = unit
        recipe = recipe_of(settings)
        assert (recipe.layers[0].feature_size, recipe.layers[0].relief, recipe.frame.ground) == (0.03, 0.002, -1.5)


def test_lengths_are_shown_as_metres(clean_scene):
    """Blender would multiply a DISTANCE by the unit's metres. A getter of Sabi's own may not convert it: one that is called
    while a view is drawn, as a bake ends in its thread, leaves Blender refusing changes."""
    for owner in (clean_scene.sabi, clean_scene.sabi.layers.add()):
        assert not [prop.identifier for prop in owner.bl_rna.properties if getattr(prop, "subtype", "") == "DISTANCE"]


def rendered(unit: float) -> np.ndarray:
    """The weathered view [64, 64, 4] of a metal ball of 2 m."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.unit_settings.scale_length = unit
    bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=16, radius=1 / unit)
    made = bpy.data.materials.new("Steel")
    made.use_nodes = True
    made.node_tree.nodes["Principled BSDF"].inputs["Metallic"].default_value = 1.0
    bpy.context.object.data.materials.append(made)
    bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.3, 0))
    bpy.ops.object.camera_add(location=(0, -4 / unit, 0), rotation=(np.pi / 2, 0, 0))
    scene.camera = bpy.context.object
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 4, False
    scene.render.resolution_x = scene.render.resolution_y = 64
    assert bpy.ops.sabi.weather_frame(effect="rust", age=1.0, feature_size=0.3) == {"FINISHED"}
    image = next(image for image in bpy.data.images if frame_weathering.FRAME in image)
    values = np.empty(64 * 64 * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(64, 64, 4)


def test_a_frame_in_centimetres_weathers_as_one_in_metres():
    metres, centimetres = rendered(METRES), rendered(CENTIMETRES)
    assert metres.std() > 0.05
    off = np.abs(metres - centimetres)
    assert np.quantile(off, 0.98) < 0.02
    assert off.mean() < 0.004
