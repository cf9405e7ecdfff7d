# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame's passes reach disk under the names the backend knows, with the light on metals too; the scene stays as it was."""

import bpy
import numpy as np
import OpenImageIO
import pytest
from bl_ext.user_default.sabi.addon import versions
from bl_ext.user_default.sabi.addon.frames import frame
from bl_ext.user_default.sabi.backend.protocol.errors import SabiError
from blender import trees
from blender.scene_state import state

METAL = trees.Tree("metal", lambda tree: trees.principled(tree, trees.GREY, Metallic=1.0, Roughness=0.3), trees.GREY)


@pytest.fixture
def scene(clean_scene):
    """A metal plane, half in the shade, seen from above."""
    bpy.ops.mesh.primitive_plane_add(size=4)
    bpy.context.object.data.materials.append(trees.material(METAL))
    bpy.ops.object.light_add(type="SUN", rotation=(0.4, 0, 0))
    bpy.context.object.data.energy = 3
    bpy.ops.object.camera_add(location=(0, 0, 5))
    clean_scene.camera = bpy.context.object
    clean_scene.render.engine = "CYCLES"
    clean_scene.cycles.samples, clean_scene.cycles.device = 8, "CPU"
    clean_scene.render.resolution_x, clean_scene.render.resolution_y = 32, 24
    clean_scene.render.resolution_percentage = 100
    return clean_scene


def channels(path) -> dict[str, np.ndarray]:
    """Every channel of every part by its full name; the layer and pass are in the part's name in 5.x."""
    found = {}
    source = OpenImageIO.ImageInput.open(str(path))
    index = 0
    while source.seek_subimage(index, 0):
        spec = source.spec()
        part = spec.getattribute("oiio:subimagename") or ""
        pixels = source.read_image(format="float")
        for i, name in enumerate(spec.channelnames):
            found[name if name.count(".") >= 2 else f"{part}.{name.rsplit('.', 1)[-1]}"] = pixels[..., i]
        index += 1
    source.close()
    return found


def light(found, layer):
    names = ("DiffDir", "DiffInd") if bpy.app.version < (5, 0, 0) else ("Diffuse Direct", "Diffuse Indirect")
    return sum(found[f"{layer}.{name}.R"] for name in names)


def test_all_passes_are_written(scene, tmp_path):
    passes = frame.FrameRender(bpy.context, tmp_path / "shot").run()
    assert passes.path == tmp_path / "shot.exr"
    words = {name.split(".")[1] for name in channels(passes.path) if name.startswith(f"{passes.layer}.")}
    if bpy.app.version < (5, 0, 0):
        assert {
            "Combined",
            "DiffCol",
            "DiffDir",
            "DiffInd",
            "GlossCol",
            "GlossDir",
            "GlossInd",
            "Position",
            "Normal",
        } <= words
    else:
        assert {"Combined", "Diffuse Color", "Glossy Direct", "Position", "Normal"} <= words


def test_the_white_pass_has_the_light_that_falls_on_metal(scene, tmp_path):
    passes = frame.FrameRender(bpy.context, tmp_path / "shot").run()
    found = channels(passes.path)
    assert np.abs(light(found, passes.layer)).max() == 0  # a metal has no diffuse light of its own
    sun = 3 * np.cos(0.4) / np.pi
    np.testing.assert_allclose(light(found, passes.white_layer), sun, rtol=0.05)


def test_without_the_white_pass_there_is_one_layer(scene, tmp_path):
    passes = frame.FrameRender(bpy.context, tmp_path / "shot", white=False).run()
    assert passes.white_layer == ""
    assert not any(name.startswith(frame.WHITE_LAYER) for name in channels(passes.path))


def test_eevee_which_knows_no_override_gets_no_white_pass(scene, tmp_path):
    scene.render.engine = versions.eevee()
    before = state()
    with frame.FrameRender(bpy.context, tmp_path / "shot")._prepared():
        assert [layer.name for layer in scene.view_layers] == ["ViewLayer"]
    assert state() == before


def test_collections_that_are_off_stay_off_in_the_white_pass(scene, tmp_path):
    off = bpy.data.collections.new("off")
    scene.collection.children.link(off)
    bpy.ops.mesh.primitive_cube_add(location=(0, 0, 3), size=1.5)
    roof = bpy.context.object
    scene.collection.objects.unlink(roof) if roof.name in scene.collection.objects else None
    off.objects.link(roof)
    bpy.context.view_layer.layer_collection.children["off"].exclude = True
    passes = frame.FrameRender(bpy.context, tmp_path / "shot").run()
    assert light(channels(passes.path), passes.white_layer).min() > 0.5


def test_a_render_leaves_the_scene_as_it_was(scene, tmp_path):
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "JPEG", "RGB"
    scene.render.filepath = "//somewhere"
    scene.view_layers.new("other")
    before = state()
    frame.FrameRender(bpy.context, tmp_path / "shot").run()
    assert state() == before


def test_a_render_that_fails_leaves_the_scene_as_it_was(scene, tmp_path):
    before = state()
    (tmp_path / "shot.exr").mkdir()
    with pytest.raises(SabiError):
        frame.FrameRender(bpy.context, tmp_path / "shot").run()
    assert state() == before


def test_a_scene_without_a_camera_or_with_an_engine_without_light_is_refused(scene, tmp_path):
    scene.render.engine = "BLENDER_WORKBENCH"
    with pytest.raises(SabiError, match="passes of light"):
        frame.FrameRender(bpy.context, tmp_path / "shot")
    scene.render.engine = "CYCLES"
    scene.camera = None
    with pytest.raises(SabiError, match="camera"):
        frame.FrameRender(bpy.context, tmp_path / "shot")


def test_glowing_objects_are_warned_about(scene, tmp_path):
    bpy.ops.mesh.primitive_cube_add(location=(3, 0, 0))
    bpy.context.object.data.materials.append(
        trees.material(next(tree for tree in trees.TREES if tree.name == "emission"))
    )
    assert frame.FrameRender(bpy.context, tmp_path / "shot").run().warnings


def test_a_denoiser_that_is_not_there_is_left_out(scene, tmp_path, monkeypatch):
    """Debian's Blender is built without one, and a render that asks for it ends as if somebody had stopped it."""
    scene.cycles.use_denoising = True
    during = []
    note = lambda *_: during.append(scene.cycles.use_denoising)  # noqa: E731  a handler is taken away by identity
    monkeypatch.setattr(frame, "lacks_denoiser", lambda _scene: True)
    bpy.app.handlers.render_pre.append(note)
    try:
        passes = frame.FrameRender(bpy.context, tmp_path / "shot").run()
    finally:
        bpy.app.handlers.render_pre.remove(note)
    assert set(during) == {False}
    assert scene.cycles.use_denoising
    assert any("denoiser" in warning for warning in passes.warnings)


def test_this_blender_has_a_denoiser(scene):
    scene.cycles.use_denoising = True
    assert not frame.lacks_denoiser(scene)
