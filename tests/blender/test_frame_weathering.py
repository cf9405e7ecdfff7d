# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera's view weathered by the operator, through a real backend process."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.frames import frame_weathering
from bl_ext.user_default.sabi.addon.preferences import service

SIDE = 64


@pytest.fixture(autouse=True)
def scene():
    """A metal ball under a sun and a dim sky; no backend is left running afterwards."""
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_uv_sphere_add(segments=32, ring_count=16)
    made = bpy.data.materials.new("Steel")
    made.use_nodes = True
    inputs = made.node_tree.nodes["Principled BSDF"].inputs
    inputs["Metallic"].default_value, inputs["Roughness"].default_value = 1.0, 0.5
    bpy.context.object.data.materials.append(made)
    bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.3, 0))
    bpy.context.object.data.energy = 3
    bpy.ops.object.camera_add(location=(0, -4, 0), rotation=(np.pi / 2, 0, 0))
    scene.camera = bpy.context.object
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 4, False
    scene.render.resolution_x = scene.render.resolution_y = SIDE
    scene.render.resolution_percentage = 100
    yield scene
    service.stop()


def pixels(image):
    values = np.empty(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(SIDE, SIDE, 4)


def frames():
    return [image for image in bpy.data.images if frame_weathering.FRAME in image]


def test_a_metal_ball_rusts_in_its_frame_and_age_0_is_the_render(scene, tmp_path):
    settings = (scene.render.filepath, scene.render.image_settings.file_format, len(scene.view_layers))
    kept = tmp_path / "rusty.exr"
    assert bpy.ops.sabi.weather_frame(effect="rust", age=0.0, feature_size=0.3) == {"FINISHED"}
    assert bpy.ops.sabi.weather_frame(effect="rust", age=1.0, feature_size=0.3, filepath=str(kept)) == {"FINISHED"}
    clean, rusty = (pixels(image) for image in frames())
    changed = (clean != rusty).any(axis=2)
    assert 0.02 < changed.mean() < 0.8, "rust shows on the ball and on nothing else"
    assert np.array_equal(clean[0, 0], rusty[0, 0])
    redder = (rusty[..., 0] - rusty[..., 2])[changed].mean() - (clean[..., 0] - clean[..., 2])[changed].mean()
    assert redder > 0
    scene.render.image_settings.file_format, scene.render.filepath = "OPEN_EXR", str(tmp_path / "plain.exr")
    bpy.ops.render.render(write_still=True)
    plain = pixels(bpy.data.images.load(scene.render.filepath))
    assert np.array_equal(plain[..., :3], clean[..., :3]), "age 0 is not the render bit for bit"
    assert kept.stat().st_size > 0
    assert settings[2] == len(scene.view_layers)
    assert all(image.packed_file and image.use_view_as_render for image in frames())
    with pytest.raises(RuntimeError, match="exists already"):
        bpy.ops.sabi.weather_frame(effect="rust", filepath=str(kept))


def test_harmonized_only_when_asked(scene):
    for settled in (False, True):
        asked = {"effect": "rust", "age": 1.0, "feature_size": 0.3}
        assert bpy.ops.sabi.weather_frame(**asked, harmonize=settled) == {"FINISHED"}
    plain, changed = (pixels(image) for image in frames())
    apart = (plain != changed).any(axis=2)
    assert 0.02 < apart.mean() < 0.8
    assert np.array_equal(plain[0, 0], changed[0, 0])


@pytest.mark.parametrize(
    ("given", "said"),
    [("//frame.exr", "no folder yet"), ("{}", "is a folder"), ("{}/new/", "is a folder"), ("{}/there.exr", "exists")],
)
def test_a_place_where_the_frame_cannot_be_kept_is_said_before_anything_is_rendered(scene, tmp_path, given, said):
    (tmp_path / "there.exr").write_text("mine")
    rendered = []
    note = lambda *_: rendered.append(1)  # noqa: E731  a handler is taken away by identity
    bpy.app.handlers.render_pre.append(note)
    try:
        with pytest.raises(RuntimeError, match=said):
            bpy.ops.sabi.weather_frame(effect="rust", filepath=given.format(tmp_path))
    finally:
        bpy.app.handlers.render_pre.remove(note)
    assert not rendered
    assert [path.name for path in tmp_path.iterdir()] == ["there.exr"]
    assert (tmp_path / "there.exr").read_text() == "mine"


def test_numbered_frames_keep_their_numbers(tmp_path):
    assert frame_weathering._target(str(tmp_path / "shot.0001")).name == "shot.0001.exr"
    assert frame_weathering._target(str(tmp_path / "shot.0002.EXR")).name == "shot.0002.EXR"


def test_no_camera_is_said(scene):
    scene.camera = None
    with pytest.raises(RuntimeError, match="no camera"):
        bpy.ops.sabi.weather_frame(effect="rust")


def test_cancelling_while_the_frame_is_read_leaves_nothing(scene):
    from_start = frame_weathering.weather_frame(bpy.context, RECIPE)
    now = work._begin("Weathering the frame", from_start)
    while not now.ended and now.progress.stage != "Starting the backend":
        now.step()
    now.cancel()
    assert now.error.code == "cancelled"
    assert not frames()
    assert len(scene.view_layers) == 1


RECIPE = frame_weathering.Recipe.from_json('{"sabi_recipe": 1, "layers": [{"effect": "rust"}]}')
