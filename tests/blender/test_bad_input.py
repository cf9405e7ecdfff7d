# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong in Blender, and what must not be lost: Esc and other files at every step, full disks, foreign servers.

What an object may lack (UVs, materials, images) is in test_capture.py; a backend that dies is in test_jobs.py.
"""

import http.server
import json
import os
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from pathlib import Path

import bpy
import numpy as np
import psutil
import pytest
from bl_ext.user_default.sabi.addon import jobs, weathering, work
from bl_ext.user_default.sabi.addon.exports import flatten
from bl_ext.user_default.sabi.addon.frames import frame_weathering
from bl_ext.user_default.sabi.addon.nodes import material, on_object
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.addon.preferences import EXTENSION
from bl_ext.user_default.sabi.addon.surface import capture
from bl_ext.user_default.sabi.backend.protocol import whole
from bl_ext.user_default.sabi.backend.protocol.errors import SabiError
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map, Surface
from bl_ext.user_default.sabi.backend.protocol.wire import PROTOCOL_VERSION
from blender.emission import plane
from blender.painted_images import covering_layer, images_of
from blender.played import PlayedCapture, played, png
from blender.scene_state import state
from blender.trees import TREES
from blender.trees import material as tree_material

RECIPE = Recipe((Layer(Effect.RUST), Layer(Effect.MOSS)))
TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def backend(monkeypatch):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture(params=["PACK", "FILES"])
def storage(request, tmp_path):
    """Where images are kept, the .blend being saved."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    chosen.storage = request.param
    yield request.param
    chosen.storage = "PACK"


@pytest.fixture
def beside(tmp_path):
    """The folder of a saved .blend, beside which images are to be kept."""
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "FILES"
    yield tmp_path
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "PACK"


def two_objects():
    """Two of them, so that one may be done when the other fails."""
    for name in ("Door", "Gate"):
        obj = plane(tree_material(TREES[0]))
        obj.name = name
    bpy.ops.object.select_all(action="SELECT")
    return list(bpy.context.selected_objects)


def weathering_steps():
    settings = weathering.capture_settings(bpy.context.scene, RECIPE)
    return weathering.weather_objects(bpy.context.selected_objects, RECIPE, settings)


class PlayedFlat(capture.Capture):
    """Stands for a bake of what is shown."""

    def __init__(self, _context, obj, painted, **_how) -> None:
        self.obj, self.uv_map = obj, painted.uv_map

    def run(self):
        grey, colour = np.full((16, 16, 1), 99, np.uint8), np.full((16, 16, 3), 99, np.uint8)
        maps = {"albedo": Map(colour, ColorSpace.SRGB), "roughness": Map(grey), "metallic": Map(grey)}
        return capture.CapturedObject(Surface(maps, name=self.obj.name), "", self.uv_map, None, ())


class PlayedFrameJob(jobs.Job):
    """Stands for the process that weathers a frame."""

    def __init__(self, _connect, frame, *_how) -> None:
        self.frame = frame
        super().__init__(lambda: None)

    def _work(self):
        self._stop.wait(0.3)
        self._check_stop()
        self.frame.with_name("weathered.exr").write_bytes(png(np.full((4, 4, 4), 99, np.uint8)))
        return frame_weathering.WeatheredFrame(self.frame.with_name("weathered.exr"), ())

    def _abandon(self) -> None:
        pass


def flatten_ready(monkeypatch):
    """Two weathered objects, whose bakes are played."""
    monkeypatch.setattr(flatten, "ShownCapture", PlayedFlat)
    for obj in two_objects():
        material.apply(obj, [material.Painting((0,), [images_of(covering_layer())], "UVMap")], "{}")


def frame_ready(monkeypatch):
    """A scene to render; only what weathers the render is played."""
    monkeypatch.setattr(frame_weathering, "FrameJob", PlayedFrameJob)
    two_objects()
    bpy.ops.object.camera_add(location=(0, 0, 5))
    scene = bpy.context.scene
    scene.camera = bpy.context.object
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.render.resolution_x = scene.render.resolution_y = 8


KINDS = {
    "weathering": (lambda _: two_objects(), weathering_steps, {"Baking", "Loading the images"}),
    "flattening": (
        flatten_ready,
        lambda: flatten.flatten_objects(bpy.context.selected_objects, 16),
        {"Baking", "Writing the images"},
    ),
    "a frame": (
        frame_ready,
        lambda: frame_weathering.weather_frame(bpy.context, RECIPE),
        {"Rendering", "Starting the backend"},
    ),
}


def at_every_step(begin):
    """Yields work that has come one step further each time, and its stage, until it comes to its end."""
    for steps in range(1, 100):
        now, seen = work._begin("Work", begin()), []
        while len(seen) < steps and not now.ended:
            now.step()
            here = (now.progress.stage, len(bpy.data.images), len(bpy.data.materials))
            if here not in seen[-1:]:  # waiting is no step
                seen.append(here)
        if now.ended:
            assert now.error is None
            return
        yield now, now.progress.stage
    raise AssertionError("it never ended")


@pytest.mark.parametrize("kind", KINDS)
def test_esc_at_every_step_changes_nothing(backend, monkeypatch, storage, tmp_path, kind):
    prepare, begin, expected = KINDS[kind]
    prepare(monkeypatch)
    before, seen = state(), set()
    for now, stage in at_every_step(begin):
        now.cancel()
        seen.add(stage)
        assert now.error.code == "cancelled"
        assert state() == before, f"changed after Esc in {stage}"
        assert not list(tmp_path.rglob("*.png")), f"files stay after Esc in {stage}"
    assert expected <= seen
    assert state() != before, "the job that nobody ended did nothing"


@pytest.mark.parametrize("kind", KINDS)
def test_another_file_at_every_step_is_left_alone(backend, monkeypatch, tmp_path, kind):
    prepare, begin, expected = KINDS[kind]
    other = tmp_path / "other.blend"
    two_objects()
    bpy.ops.wm.save_as_mainfile(filepath=str(other))
    bpy.ops.wm.open_mainfile(filepath=str(other))
    loaded, seen = state(), set()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    prepare(monkeypatch)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    for now, stage in at_every_step(begin):
        seen.add(stage)
        bpy.ops.wm.open_mainfile(filepath=str(other))
        assert now.ended
        assert now.error.code == "cancelled"
        now.step()
        assert state() == loaded, f"the other file changed, loaded in {stage}"
        bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert expected <= seen


def full_after(monkeypatch, module, name, count):
    """Lets `count` calls of a function that writes pass, then the disk is full."""
    real, calls = getattr(module, name), []

    def write(*words, **how):
        calls.append(words)
        if len(calls) > count:
            raise OSError(28, "No space left on device")
        return real(*words, **how)

    monkeypatch.setattr(module, name, write)


@pytest.mark.parametrize("count", [0, 4, 11])
def test_a_full_disk_beside_the_blend_leaves_nothing(backend, monkeypatch, beside, count):
    two_objects()
    before = state()
    full_after(monkeypatch, images.shutil, "copyfile", count)
    with pytest.raises(RuntimeError, match="No space left"):
        bpy.ops.sabi.weather(recipe_json=RECIPE.to_json())
    assert work.failure().code == "disk_full"
    assert "Free some space" in work.failure().hint
    assert state() == before
    assert not list(beside.rglob("*.png*"))


@pytest.mark.parametrize("count", [0, 2, 5])
def test_a_full_disk_while_flattening_leaves_nothing(monkeypatch, beside, count):
    flatten_ready(monkeypatch)
    before = state()
    full_after(monkeypatch, images.shutil, "copyfile", count)
    with pytest.raises(RuntimeError, match="No space left"):
        bpy.ops.sabi.flatten(size=16)
    assert work.failure().code == "disk_full"
    assert state() == before
    assert not list(beside.rglob("*.png*"))


def test_a_full_disk_for_temporary_files_is_said(backend, monkeypatch):
    two_objects()
    before = state()
    full_after(monkeypatch, jobs.Path, "write_bytes", 2)
    with pytest.raises(RuntimeError, match="No space left"):
        bpy.ops.sabi.weather(recipe_json=RECIPE.to_json())
    assert work.failure().code == "disk_full"
    full_after(monkeypatch, weathering.tempfile, "mkdtemp", 0)
    with pytest.raises(RuntimeError, match="disk is full"):
        bpy.ops.sabi.weather(recipe_json=RECIPE.to_json())
    assert work.failure().code == "disk_full"
    assert state() == before


def test_a_full_disk_keeps_the_recipe_that_was_there(monkeypatch, tmp_path):
    path = tmp_path / "mine.json"
    bpy.ops.sabi.layer_add(effect="rust")
    bpy.ops.sabi.recipe_save(filepath=str(path))
    before = path.read_text()
    bpy.ops.sabi.layer_add(effect="moss")
    full_after(monkeypatch, whole, "_write_text", 0)
    with pytest.raises(RuntimeError, match="disk is full"):
        bpy.ops.sabi.recipe_save(filepath=str(path), overwrite=True)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_for_a_frame_is_said(monkeypatch, tmp_path):
    frame_ready(monkeypatch)
    before = state()
    full_after(monkeypatch, frame_weathering.shutil, "copyfile", 0)
    with pytest.raises(RuntimeError, match="No space left"):
        bpy.ops.sabi.weather_frame(effect="rust", filepath=str(tmp_path / "frame.exr"))
    assert work.failure().code == "disk_full"
    assert state() == before
    assert not list(tmp_path.iterdir())


@pytest.fixture
def answering():
    """answering(status, protocol, body) -> the address of a server that always answers so."""
    servers = []

    def make(status: int, protocol: int | None, body: object) -> str:
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                if protocol is not None:
                    self.send_header("Sabi-Protocol", str(protocol))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_words):
                pass

        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield make
    for server in servers:
        server.shutdown()
        server.server_close()


REFUSAL = {"error": {"code": "unauthorized", "message": "The backend refuses the token.", "hint": ""}}


@pytest.mark.parametrize(
    ("status", "protocol", "body", "code", "said"),
    [
        (200, PROTOCOL_VERSION - 1, {}, "protocol_mismatch", "is older than this Sabi"),
        (200, PROTOCOL_VERSION + 1, {}, "protocol_mismatch", "is newer than this Sabi"),
        (401, PROTOCOL_VERSION, REFUSAL, "unauthorized", "refuses the token"),
        (200, None, {"it": "works"}, "backend", "is not a Sabi backend"),
    ],
    ids=["older", "newer", "wrong token", "something else"],
)
def test_a_server_that_cannot_be_used_is_told_and_changes_nothing(
    monkeypatch, answering, status, protocol, body, code, said
):
    monkeypatch.setattr(weathering, "Capture", PlayedCapture)
    monkeypatch.setenv("SABI_SERVER", answering(status, protocol, body))
    two_objects()
    before = state()
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.sabi.weather(effect="rust")
    assert work.failure().code == code
    assert state() == before


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"age": 1.5}, "bad_recipe", "age must be a number from 0 to 1, not 1.5"),
        ({"age": -0.1}, "bad_recipe", "age must be a number from 0 to 1"),
        ({"age": float("nan")}, "bad_recipe", "age must be a number from 0 to 1"),
        ({"feature_size": -1.0}, "bad_recipe", "feature size must be"),
        ({"size": 9000}, "too_large", "9000 texels a side"),
    ],
)
def test_numbers_out_of_range_are_refused_not_bent(given, code, said):
    two_objects()
    before = state()
    with pytest.raises(RuntimeError, match=said):
        bpy.ops.sabi.weather(effect="rust", **given)
    assert work.failure().code == code
    assert work.failure().hint
    assert state() == before


def test_an_effect_that_is_none_is_refused():
    two_objects()
    with pytest.raises(TypeError, match="frost"):
        bpy.ops.sabi.weather(effect="frost")


def of_a_library(tmp_path, obj):
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {obj})
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (source, target):
        target.objects = source.objects
    bpy.context.scene.collection.objects.link(target.objects[0])
    return target.objects[0]


def only_the_mesh(linked):
    return bpy.data.objects.new("Door", linked.data)


def an_override(linked):
    return linked.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda linked: linked, "'{}' is linked from another file"),
        (only_the_mesh, "The mesh of '{}' is linked from another file"),
        (an_override, "'{}' is a library override, and its mesh is linked from another file"),
    ],
    ids=["linked", "mesh", "override"],
)
def test_what_hangs_on_a_library_is_refused_and_told_apart(tmp_path, use, said):
    obj = use(of_a_library(tmp_path, plane(tree_material(TREES[0]))))
    before = state()
    with pytest.raises(SabiError, match=f"^{said.format(obj.name)}") as caught:
        capture.Capture(bpy.context, obj)
    assert "Make Local" in caught.value.hint
    assert state() == before


NO_TEXTURES = next(tree for tree in TREES if tree.name == "no textures")


def with_image(array):
    """A plane whose colour is an image of these values."""
    image = bpy.data.images.new("Scan", array.shape[1], array.shape[0], float_buffer=True, is_data=True)
    image.pixels.foreach_set(array.astype(np.float32).ravel())
    obj = plane(tree_material(NO_TEXTURES))
    tree = obj.active_material.node_tree
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = next(found for found in tree.nodes if found.type == "BSDF_PRINCIPLED")
    tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    return obj


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_and_infinity_in_a_texture_name_it(bad):
    pixels = np.ones((16, 16, 4), np.float32)
    pixels[3, 5, 1] = bad
    obj = with_image(pixels)
    before = state()
    with pytest.raises(SabiError, match="image 'Scan' holds NaN") as caught:
        capture.Capture(bpy.context, obj, capture.CaptureSettings(size=16)).run()
    assert caught.value.code == "bad_surface"
    assert caught.value.hint
    assert state() == before


def test_an_image_larger_than_the_limit_is_captured_smaller():
    obj = with_image(np.ones((2, 16390, 4), np.float32))
    assert capture.output_size(obj) == (8192, 1024)


QUIT = """
    import os, sys, time
    sys.path[:0] = [{tests!r}]
    import blender.conftest
    import bpy
    from bl_ext.user_default.sabi.addon import weathering
    from bl_ext.user_default.sabi.addon.preferences import service
    from blender import test_jobs
    from blender.emission import plane
    from blender.trees import TREES, material
    weathering.Capture, test_jobs.SIDE = test_jobs.SmallCapture, 512
    plane(material(TREES[0]))
    bpy.ops.wm.save_as_mainfile(filepath={blend!r})
    now = test_jobs.begin()
    test_jobs.step_until(now, lambda: now.progress.fraction > weathering.CAPTURE_SHARE)
    print("pid", service.process_id, now.error or now.ended, flush=True)
    {end}
"""


@pytest.mark.parametrize("end", ["bpy.ops.wm.quit_blender()", "os.kill(os.getpid(), 9)"])
def test_quitting_in_mid_job_leaves_no_process_and_the_file_as_it_was(tmp_path, end):
    blend, temporary = tmp_path / "scene.blend", tmp_path / "temporary"
    temporary.mkdir()
    program = textwrap.dedent(QUIT).format(tests=str(TESTS), blend=str(blend), end=end)
    environment = {**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    said = next(line.split() for line in done.stdout.splitlines() if line.startswith("pid"))
    assert said[2] == "False", f"the job was over before: {said[2:]}"
    process = int(said[1])
    with suppress(psutil.NoSuchProcess):
        psutil.Process(process).wait(20)  # raises TimeoutExpired where an orphan stays
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    assert not on_object.touched(bpy.data.objects[0])
    assert "Traceback" not in done.stderr
    assert bool(list(temporary.glob("sabi-*/0"))) == ("kill" in end), "the job's folder stays only after a crash"
