# SPDX-License-Identifier: GPL-3.0-or-later
"""A time-lapse in Blender: ages on keyframes, frames that resume, a video; nothing else of the scene changes."""

import json
from itertools import pairwise

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.frames import lapse
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.joins import keyed
from bl_ext.user_default.sabi.backend.protocol.age_curve import AgeCurve, Ease
from blender.emission import plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material
from PIL import Image


@pytest.fixture
def backend(monkeypatch):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def plate(backend):
    """A small weathered plate before a camera, in a scene of five frames."""
    scene = bpy.context.scene
    thing = plane(tree_material(TREES[0]))
    bpy.ops.sabi.weather(effect="rust", age=0.5, feature_size=0.2, size=64, wait=True)
    camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
    camera.location.z = 2.0
    scene.collection.objects.link(camera)
    sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
    scene.collection.objects.link(sun)
    scene.camera = camera
    scene.render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising, scene.cycles.use_adaptive_sampling = 1, False, False
    scene.render.resolution_x, scene.render.resolution_y = 48, 48
    scene.frame_start, scene.frame_end = 1, 5
    return thing


def age(thing) -> bpy.types.NodeSocket:
    return on_object.weathered(thing).layers[0]["Age"]


def shown(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) / 255


@pytest.mark.parametrize("ease", list(Ease))
def test_keyframes_are_the_curve_that_the_command_line_follows(plate, ease):
    text = "1:0,9:0.3,25:1"
    bpy.ops.sabi.timelapse(curve=text, ease=ease.name, wait=True)
    curve = AgeCurve.parse(text, ease)
    for frame in range(1, 26, 3):
        bpy.context.scene.frame_set(frame)
        assert age(plate).default_value == pytest.approx(curve.at(frame), abs=2e-3)


def test_reverting_takes_the_keyframes_along(plate):
    """Those of a copy of the material stay, and so does what the artist animated in the material."""
    other = plate.copy()
    other.data = plate.data.copy()
    bpy.context.scene.collection.objects.link(other)
    other.select_set(False)
    roughness = plate.data.materials[0].node_tree.nodes["Principled BSDF"].inputs["IOR"]
    roughness.keyframe_insert("default_value", frame=3)
    bpy.ops.sabi.timelapse(curve="1:0,5:1", wait=True)
    bpy.ops.sabi.revert()
    kept = [curve.data_path for slot in plate.material_slots for curve in keyed(slot.material.node_tree)]
    assert kept == [roughness.path_from_id("default_value")]
    assert len(keyed(on_object.weathered(other).materials[0].node_tree)) == 2
    bpy.ops.sabi.weather(effect="rust", size=64, wait=True)
    assert not [path for path in kept if "Sabi" in path]
    assert bpy.ops.sabi.timelapse(curve="1:0,7:1", wait=True) == {"FINISHED"}


def test_an_age_that_the_artist_animated_stays(plate):
    socket = age(plate)
    for frame, value in ((1, 0.2), (3, 0.9)):
        socket.default_value = value
        socket.keyframe_insert("default_value", frame=frame)
    with pytest.raises(RuntimeError, match="is animated already"):
        bpy.ops.sabi.timelapse(wait=True)
    bpy.context.scene.frame_set(3)
    assert age(plate).default_value == pytest.approx(0.9)
    bpy.ops.sabi.timelapse(replace=True, wait=True)
    bpy.context.scene.frame_set(3)
    assert age(plate).default_value == pytest.approx(0.5)
    bpy.ops.sabi.timelapse(wait=True)  # what it set itself is no hindrance


def test_frames_grow_and_a_run_cut_short_goes_on(plate, tmp_path):
    scene = bpy.context.scene
    scene.render.filepath, scene.render.image_settings.file_format = "//mine.exr", "OPEN_EXR"
    scene.frame_set(4)
    scene.sequence_editor_create()
    editor = scene.sequence_editor
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_effect("edit", "COLOR", channel=1, frame_start=1, **_length(5))
    images = {image.name for image in bpy.data.images}
    out = tmp_path / "frames"
    bpy.ops.sabi.timelapse(directory=str(out), video=str(tmp_path / "film.mp4"), wait=True)
    files = sorted(out.glob("Scene.*.png"))
    assert [file.name for file in files] == [f"Scene.{n:04}.png" for n in range(1, 6)]
    away = [np.abs(shown(file) - shown(files[0])).mean() for file in files]
    assert all(after > before for before, after in pairwise(away))
    assert (scene.render.filepath, scene.render.image_settings.file_format) == ("//mine.exr", "OPEN_EXR")
    assert scene.frame_current == 4
    assert {image.name for image in bpy.data.images} - {"Render Result"} == images
    assert [s.name for s in bpy.data.scenes] == [scene.name]
    clip = bpy.data.movieclips.load(str(tmp_path / "film.mp4"))
    assert clip.frame_duration == 5

    first, third, whole = files[0].read_bytes(), files[2].read_bytes(), shown(files[2])
    stamp = files[0].stat().st_mtime_ns
    files[2].write_bytes(third[: len(third) // 2])
    files[4].unlink()
    bpy.ops.sabi.timelapse(directory=str(out), wait=True)
    assert np.array_equal(shown(files[2]), whole), "one that was cut short is rendered again, the same"
    assert files[4].is_file()
    assert (files[0].stat().st_mtime_ns, files[0].read_bytes()) == (stamp, first), "one that is whole is kept"
    assert not list(out.glob(".*"))

    on_object.weathered(plate).layers[0]["Opacity"].default_value = 0.25
    with pytest.raises(RuntimeError, match="another time-lapse"):
        bpy.ops.sabi.timelapse(directory=str(out), wait=True)


def _length(frames: int) -> dict[str, int]:
    """How long a strip is, as this Blender is told."""
    return {"length": frames} if bpy.app.version >= (5, 0, 0) else {"frame_end": frames + 1}


def test_a_folder_with_anything_else_is_left_alone(plate, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RuntimeError, match="holds other files"):
        bpy.ops.sabi.timelapse(directory=str(tmp_path), wait=True)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]
    out = tmp_path / "out"
    bpy.ops.sabi.timelapse(directory=str(out), last=2, wait=True)
    told = json.loads((out / lapse.SIDECAR).read_text())
    assert told["curve"] == [[1.0, 0.0], [2.0, 1.0]]
    with pytest.raises(RuntimeError, match="another time-lapse"):
        bpy.ops.sabi.timelapse(directory=str(out), last=3, replace=True, wait=True)
    bpy.ops.sabi.timelapse(directory=str(out), last=3, replace=True, overwrite=True, wait=True)
    assert len(list(out.glob("*.png"))) == 3


def test_a_film_in_another_light_does_not_go_on(plate, tmp_path):
    scene, out = bpy.context.scene, tmp_path / "out"
    scene.world = bpy.data.worlds.new("World")
    scene.world.use_nodes = True
    bpy.ops.sabi.timelapse(directory=str(out), last=2, wait=True)
    bpy.ops.sabi.timelapse(directory=str(out), last=2, wait=True)  # nothing has changed
    sky = scene.world.node_tree.nodes["Background"].inputs["Strength"]
    for owner, name, value in (
        (scene.cycles, "samples", 2),
        (scene.view_settings, "exposure", 1.0),
        (scene.camera.data, "lens", 35.0),
        (scene.camera, "location", (0.1, 0.0, 2.0)),
        (bpy.data.lights["Sun"], "energy", 3.0),
        (sky, "default_value", 0.5),
    ):
        before = tuple(getattr(owner, name)) if name == "location" else getattr(owner, name)
        setattr(owner, name, value)
        with pytest.raises(RuntimeError, match="another time-lapse"):
            bpy.ops.sabi.timelapse(directory=str(out), last=2, wait=True)
        setattr(owner, name, before)
    bpy.ops.sabi.timelapse(directory=str(out), last=2, wait=True)


def test_nodes_that_write_files_wait_while_it_films(plate, tmp_path):
    """A File Output node, one in a group too, writes nothing and is as before."""
    scene = bpy.context.scene
    if hasattr(scene, "compositing_node_group"):
        tree = scene.compositing_node_group = bpy.data.node_groups.new("Compositing", "CompositorNodeTree")
    else:
        scene.use_nodes = True
        tree = scene.node_tree
        tree.nodes.clear()
    inner = bpy.data.node_groups.new("Inner", "CompositorNodeTree")
    group = tree.nodes.new("CompositorNodeGroup")
    group.node_tree = inner
    layers, written = tree.nodes.new("CompositorNodeRLayers"), tmp_path / "written"
    nodes = [tree.nodes.new("CompositorNodeOutputFile"), inner.nodes.new("CompositorNodeOutputFile")]
    for node in nodes:
        if hasattr(node, "base_path"):
            node.base_path = str(written)
        else:
            node.directory = str(written)
            node.file_output_items.new("RGBA", "Image")
    tree.links.new(layers.outputs["Image"], nodes[0].inputs[0])
    if not hasattr(scene, "compositing_node_group"):
        tree.links.new(layers.outputs["Image"], tree.nodes.new("CompositorNodeComposite").inputs[0])
    bpy.ops.render.render(write_still=False)
    assert list(written.iterdir()), "it does write, elsewhere"
    for file in written.iterdir():
        file.unlink()
    bpy.ops.sabi.timelapse(directory=str(tmp_path / "out"), last=2, wait=True)
    assert not list(written.iterdir())
    assert [node.mute for node in nodes] == [False, False]


def test_a_file_saved_while_a_video_is_encoded_opens_without_its_scene(plate, tmp_path, monkeypatch):
    path, reel = tmp_path / "meanwhile.blend", lapse.reel

    def saves(scene, *arguments):
        reel(scene, *arguments)
        bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)

    monkeypatch.setattr(lapse, "reel", saves)
    bpy.ops.sabi.timelapse(directory=str(tmp_path / "out"), video=str(tmp_path / "film.mp4"), last=2, wait=True)
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]
    with bpy.data.libraries.load(str(path)) as (held, _):
        assert len(held.scenes) == 2, "it was saved with both"
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert [scene.name for scene in bpy.data.scenes] == ["Scene"]


def test_what_cannot_be_filmed_is_said_before_anything_changes(plate, tmp_path):
    for words, arguments in (
        ("needs two frames", {"first": 5, "last": 5}),
        ("no curve of frames", {"curve": "a:b"}),
        ("which need a folder", {"video": str(tmp_path / "x.mp4")}),
        ("no video that Blender writes", {"directory": str(tmp_path), "video": "x.gif"}),
        ("has no folder yet", {"directory": "//frames"}),
    ):
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.sabi.timelapse(**arguments, wait=True)
        tree = age(plate).id_data
        assert tree.animation_data is None or tree.animation_data.action is None
    bpy.context.scene.camera = None
    with pytest.raises(RuntimeError, match="no camera"):
        bpy.ops.sabi.timelapse(directory=str(tmp_path / "y"), wait=True)
