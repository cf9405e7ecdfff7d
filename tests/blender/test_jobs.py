# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on with a real backend process: results, killed in mid-job, cancelled, disabled. Captures are played and small."""

import time

import bpy
import numpy as np
import psutil
import pytest
from bl_ext.user_default.sabi.addon import jobs, weathering, work
from bl_ext.user_default.sabi.addon.frames import frame_job
from bl_ext.user_default.sabi.addon.interface import problems
from bl_ext.user_default.sabi.addon.nodes import material, on_object
from bl_ext.user_default.sabi.addon.preferences import EXTENSION, service
from bl_ext.user_default.sabi.addon.recipe.conversion import fill
from bl_ext.user_default.sabi.addon.surface.capture import CapturedObject
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map, Surface
from blender.emission import plane
from blender.scene_state import state
from blender.trees import TREES
from blender.trees import material as tree_material

SIDE = 256


class SmallCapture:
    """A flat square metre of grey, as capture would give it."""

    def __init__(self, _context, obj, _settings) -> None:
        self.obj = obj

    def run(self) -> CapturedObject:
        y, x = np.mgrid[0:SIDE, 0:SIDE] / np.float32(SIDE)
        position = np.stack([x, 1 - y, np.zeros_like(x)], axis=2).astype(np.float32)
        maps = {
            "albedo": Map(np.full((SIDE, SIDE, 3), 128, np.uint8), ColorSpace.SRGB),
            "position": Map(position),
            "world_normal": Map(np.full((SIDE, SIDE, 3), (0, 0, 1), np.float16)),
            "island_mask": Map(np.ones((SIDE, SIDE, 1), np.uint8)),
        }
        return CapturedObject(Surface(maps, name=self.obj.name), "", "UVMap", None, (), ())


@pytest.fixture(autouse=True)
def door(monkeypatch):
    """A weatherable object; no backend is left running afterwards."""
    monkeypatch.setattr(weathering, "Capture", SmallCapture)
    obj = plane(tree_material(TREES[0]))
    yield obj
    service.stop()


def begin():
    recipe = Recipe((Layer(Effect.RUST, age=0.8, feature_size=0.1),))
    steps = weathering.weather_objects(
        [bpy.context.object], recipe, weathering.capture_settings(bpy.context.scene, recipe)
    )
    return work._begin("Weathering", steps)


def step_until(now, condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition() and not now.ended:
        now.step()
        time.sleep(0.01)
        assert time.monotonic() < deadline, f"stuck at {now.progress}"


def painted_pixels():
    found = {}
    for image in bpy.data.images:
        if material.IMAGE in image:
            values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
            image.pixels.foreach_get(values)
            found[image.name.split()[-1]] = values
    return found


def test_object_to_weathered_object_and_the_same_again(door):
    assert bpy.ops.sabi.weather(effect="rust", age=0.8, feature_size=0.1) == {"FINISHED"}
    first = painted_pixels()
    assert sorted(first) == ["growth", "thick", "thin"]
    threshold = first["growth"].reshape(SIDE, SIDE, 4)[..., 1]
    assert threshold.min() >= 1 / 255 - 1e-6
    assert threshold.std() > 0
    process = service.process_id
    bpy.ops.sabi.weather(effect="rust", age=0.8, feature_size=0.1)
    assert service.process_id == process, "each job started a backend of its own"
    again = painted_pixels()
    assert all(np.array_equal(first[name], again[name]) for name in first), "the same recipe gave another result"
    bpy.ops.sabi.revert()
    assert not on_object.touched(door)


def kill_when(monkeypatch, kind, moment):
    """Has jobs of this kind kill the backend when they come to a stage; returns the stages where they did."""
    tell, killed = kind._tell, []

    def tell_and_kill(self, progress):
        tell(self, progress)
        if moment(progress) and not killed:
            killed.append(progress.stage)
            process = psutil.Process(service.process_id)
            process.kill()
            process.wait(20)

    monkeypatch.setattr(kind, "_tell", tell_and_kill)
    return killed


MOMENTS = {
    "before it sends": lambda now: now.stage == "Sending the surface",
    "between two maps": lambda now: now.stage == "Sending the surface, 50%",
    "while it paints": lambda now: now.fraction > 0.05,
    "before it fetches": lambda now: now.stage == "Fetching the images",
}


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_the_backend_killed_in_mid_job(door, monkeypatch, moment):
    bpy.ops.sabi.start_backend()
    before, file = service.process_id, state()
    killed = kill_when(monkeypatch, jobs.PaintJob, moment)
    now = begin()
    step_until(now, lambda: now.ended)
    assert killed
    assert now.error is not None
    assert now.error.code.startswith("backend")
    assert "Weather again" in now.error.for_artist
    assert state() == file
    assert not on_object.touched(door)
    assert bpy.ops.sabi.weather(effect="rust", age=0.8) == {"FINISHED"}
    assert on_object.weathered(door)
    assert service.process_id not in (None, before)


def test_the_backend_killed_while_it_weathers_a_frame(door, monkeypatch):
    bpy.ops.object.camera_add(location=(0, 0, 5))
    scene = bpy.context.scene
    scene.camera, scene.render.engine, scene.cycles.samples = bpy.context.object, "CYCLES", 1
    scene.render.resolution_x = scene.render.resolution_y = 64
    bpy.ops.sabi.start_backend()
    before, file = service.process_id, state()
    killed = kill_when(monkeypatch, frame_job.FrameJob, lambda now: now.fraction > 0)
    with pytest.raises(RuntimeError, match="again"):
        bpy.ops.sabi.weather_frame(effect="rust", age=0.8)
    assert killed
    assert work.failure().code.startswith("backend")
    assert state() == file
    assert bpy.ops.sabi.weather_frame(effect="rust", age=0.8) == {"FINISHED"}
    assert service.process_id not in (None, before)


def test_a_recipe_of_networks_that_are_gone_is_offered_the_successor_by_a_button(door):
    settings = bpy.context.scene.sabi
    recipe = Recipe((Layer(Effect.RUST, age=0.8, feature_size=0.1),), networks={"painter": "ab" * 32})
    fill(settings, recipe)
    with pytest.raises(RuntimeError, match="Its successor is painter"):
        bpy.ops.sabi.weather()
    assert not on_object.touched(door)
    remedy = problems.remedy(work.failure())
    assert remedy.operator == "sabi.newest_networks"
    assert bpy.ops.sabi.newest_networks() == {"FINISHED"}
    assert bpy.ops.sabi.weather() == {"FINISHED"}
    assert on_object.weathered(door)
    assert not bpy.ops.sabi.newest_networks.poll()


def test_cancelled_and_at_work_again(door):
    now = begin()
    step_until(now, lambda: now.progress.fraction > weathering.CAPTURE_SHARE)
    bpy.ops.sabi.cancel()
    assert now.error.code == "cancelled"
    assert not on_object.touched(door)
    assert bpy.ops.sabi.weather(effect="rust", age=0.8) == {"FINISHED"}
    assert on_object.weathered(door)


def test_stopping_waits_until_the_process_is_gone():
    bpy.ops.sabi.start_backend()
    process = psutil.Process(service.process_id)
    assert bpy.ops.sabi.stop_backend() == {"FINISHED"}
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert not bpy.ops.sabi.stop_backend.poll()


def test_disabling_ends_the_backend():
    bpy.ops.sabi.start_backend()
    process = psutil.Process(service.process_id)
    try:
        bpy.ops.preferences.addon_disable(module=EXTENSION)
        assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        assert not hasattr(bpy.types.Scene, "sabi")
    finally:
        bpy.ops.preferences.addon_enable(module=EXTENSION)
    assert hasattr(bpy.types.Scene, "sabi")


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({"SABI_PYTHON": "/no/such/python"}, "backend_not_installed"),
        ({"SABI_SERVER": "http://127.0.0.1:9"}, "backend_gone"),
        ({"SABI_SERVER": "ftp://farm"}, "backend"),
    ],
)
def test_a_backend_that_cannot_be_had_is_told_and_changes_nothing(door, monkeypatch, environment, code):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError) as caught:
        bpy.ops.sabi.weather(effect="rust")
    assert "Traceback" not in str(caught.value)
    assert work.failure().code == code
    assert work.failure().hint
    assert not on_object.touched(door)
