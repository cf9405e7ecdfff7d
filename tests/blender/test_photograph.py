# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph aged in Blender by a real backend: new images, never over the original."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.addon.recipe.properties import DOWNS
from bl_ext.user_default.sabi.backend.protocol.still import Down
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map
from bl_ext.user_default.sabi.backend.protocol.words import PHOTOGRAPH_WIDTH


@pytest.fixture(autouse=True)
def served(backend, monkeypatch):
    monkeypatch.setenv("SABI_SERVER", backend.client.address)
    monkeypatch.setenv("SABI_TOKEN", backend.client.token)


def picture(channels=3, dtype=np.uint8):
    rng = np.random.default_rng(0)
    values = np.linspace(0.2, 0.8, 96)[None, :, None] * (0.9 + 0.1 * rng.random((64, 96, channels)))
    if channels == 4:
        values[..., 3] = 1
    return images.write(
        Map((values * 255).astype(np.uint8) if dtype == np.uint8 else values.astype(dtype), ColorSpace.SRGB), "wall.png"
    )


def mask():
    values = np.zeros((64, 96, 1), np.uint8)
    values[:32] = 255
    return images.write(Map(values, ColorSpace.DATA), "part")


def test_the_scene_knows_the_same_directions():
    assert [item[0] for item in DOWNS] == [down.name for down in Down]
    assert bpy.context.scene.sabi.photograph_width == pytest.approx(PHOTOGRAPH_WIDTH)


@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (4, np.uint8), (3, np.float32)])
def test_a_new_image_beside_the_photograph(channels, dtype):
    image, part = picture(channels, dtype), mask()
    given = images.read(image).array.copy()
    before = set(bpy.data.images)
    done = bpy.ops.sabi.weather_photograph(image=image.name, mask_image=part.name, effect="rust", age=0.9)
    assert done == {"FINISHED"}
    (made,) = set(bpy.data.images) - before
    assert made.name == "wall.png weathered"
    assert made.packed_file is not None
    assert np.array_equal(images.read(image).array, given)
    result = images.read(made).array
    assert result[32:] == pytest.approx(given[32:], abs=1e-6)
    assert (result[:32] != given[:32]).any()


def test_a_mask_may_be_green_or_cut_out():
    image = picture()
    given = images.read(image).array
    green, cut_out = np.zeros((64, 96, 4), np.uint8), np.full((64, 96, 4), 255, np.uint8)
    green[:32, :, 1], green[..., 3], cut_out[32:, :, 3] = 255, 255, 0
    for name, texels in (("green", green), ("cut out", cut_out)):
        part = images.write(Map(texels, ColorSpace.SRGB), name)
        before = set(bpy.data.images)
        bpy.ops.sabi.weather_photograph(image=image.name, mask_image=part.name, effect="rust", age=0.9)
        (made,) = set(bpy.data.images) - before
        result = images.read(made).array
        assert np.array_equal(result[32:], given[32:]), name
        assert (result[:32] != given[:32]).any(), name


def test_stages_are_images_of_their_own():
    image = picture()
    before = set(bpy.data.images)
    bpy.ops.sabi.weather_photograph(image=image.name, effect="rust", age=0.9, stages=True)
    made = {found.name for found in set(bpy.data.images) - before}
    wanted = (
        "weathered",
        "mask",
        "albedo",
        "shading",
        "residual",
        "edges",
        "cavities",
        "coverage",
        "weathered albedo",
        "recomposed",
    )
    assert made == {f"wall.png {name}" for name in wanted}


def test_what_cannot_be_done_is_said():
    image = picture()
    small = images.write(Map(np.full((8, 8, 1), 255, np.uint8), ColorSpace.DATA), "small")
    with pytest.raises(RuntimeError, match="The mask has 8 x 8 texels"):
        bpy.ops.sabi.weather_photograph(image=image.name, mask_image=small.name, effect="rust")
    with pytest.raises(RuntimeError, match="There is no image 'nothing'"):
        bpy.ops.sabi.weather_photograph(image="nothing", effect="rust")
    with pytest.raises(RuntimeError, match=r"holds data[\s\S]*colour space to sRGB, else"):
        bpy.ops.sabi.weather_photograph(image=small.name, effect="rust")
    assert not work.busy()


def test_masks_that_lie_on_objects_are_named():
    from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe

    layers = (
        Layer(Effect.RUST, mask="group:Rim"),
        Layer(Effect.MOSS, mask="layer:1"),
        Layer(Effect.DIRT, mask="mask:Soot"),
    )
    bpy.ops.sabi.weather_photograph(image=picture().name, recipe_json=Recipe(layers).to_json())
    (said,) = (warning for warning in work.current().outcome.warnings if "lie on objects" in warning)
    assert said.endswith("without 'Rim', 'Soot'.")
    bpy.ops.sabi.weather_photograph(image=picture().name, effect="rust")
    assert not any("lie on objects" in warning for warning in work.current().outcome.warnings)


def test_tiles_and_renders_are_refused_with_what_to_do(clean_scene):
    tiled = bpy.data.images.new("kit", 8, 8, tiled=True)
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(scene.camera)
    scene.render.engine, scene.render.resolution_x, scene.render.resolution_y = "CYCLES", 8, 8
    scene.cycles.samples = 1
    bpy.ops.render.render()
    said = {"kit": "Open one of its tiles' files", "Render Result": "Save it .Image > Save As. .* or use Weather Frame"}
    for name, words in said.items():
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.sabi.weather_photograph(image=name, effect="rust")
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.sabi.delight(image=name)
    with pytest.raises(RuntimeError, match="is tiled"):
        bpy.ops.sabi.weather_photograph(image=picture().name, mask_image=tiled.name, effect="rust")
    with pytest.raises(RuntimeError, match="is tiled"):
        bpy.ops.sabi.degree_marks_new(image=tiled.name)


def test_cancelled_it_leaves_nothing():
    from bl_ext.user_default.sabi.addon.photographs.photograph import weather_photograph
    from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
    from bl_ext.user_default.sabi.backend.protocol.still import Still

    image = picture()
    before = set(bpy.data.images)
    steps = weather_photograph(image, None, Recipe((Layer(Effect.RUST),)), Still(), 2.0)
    next(steps)
    next(steps)
    steps.close()
    assert set(bpy.data.images) == before
