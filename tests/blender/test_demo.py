# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo: a model fit to be weathered, and one small run of the whole, from the model to the page."""

import re
import subprocess
import sys
from math import degrees
from pathlib import Path

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.demo import model, stage, turntable
from bl_ext.user_default.sabi.addon.demo.__main__ import clear
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A file with the model, which takes seconds to build, and nothing else."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    name = model.build().name
    path = tmp_path_factory.mktemp("model") / "model.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), check_existing=False)
    return path, name


@pytest.fixture
def machine(built):
    path, name = built
    bpy.ops.wm.open_mainfile(filepath=str(path))
    return bpy.data.objects[name]


def uv_of(thing: bpy.types.Object) -> np.ndarray:
    uv = np.empty(2 * len(thing.data.loops), np.float32)
    thing.data.uv_layers.active.data.foreach_get("uv", uv)
    return uv.reshape(-1, 2)


def test_model_is_a_thing_of_metres_that_stands_on_the_ground(machine):
    low, high = stage.bounds([machine])
    assert low.z == pytest.approx(0.0, abs=0.002)
    assert all(0.5 < length < 3.0 for length in high - low)
    assert len(machine.data.materials) == 1
    assert not machine.modifiers


def test_model_has_edges_and_crevices(machine):
    """Rust needs places to start: many sharp and many hollow edges."""
    normals = {polygon.index: polygon.normal for polygon in machine.data.polygons}
    by_edge: dict[tuple, list[int]] = {}
    for polygon in machine.data.polygons:
        for key in polygon.edge_keys:
            by_edge.setdefault(key, []).append(polygon.index)
    pairs = [faces for faces in by_edge.values() if len(faces) == 2]
    bent = [normals[a].dot(normals[b]) for a, b in pairs]
    assert np.mean(np.array(bent) < 0.95) > 0.2
    paints = {
        tuple(round(value, 3) for value in item.color[:3]) for item in machine.data.color_attributes["paint"].data
    }
    assert len(paints) >= 4


def test_uv_map_has_no_overlaps_and_fills_its_square(machine):
    uv = uv_of(machine)
    assert uv.min() >= 0.0
    assert uv.max() <= 1.0
    sizes = [(p.loop_start, p.loop_total, p.area) for p in machine.data.polygons]
    areas = np.array([area_in(uv[start : start + count]) for start, count, _ in sizes])
    assert areas.sum() > 0.4
    size = 512
    hits = np.zeros((size, size), np.int16)
    for start, count, _ in sizes:
        corners = uv[start : start + count] * size
        for k in range(1, count - 1):
            cover(hits, corners[[0, k, k + 1]])
    assert (hits > 1).sum() <= 2, "texels lie in two faces"
    assert (hits == 1).mean() > 0.4


def test_uv_scale_is_even(machine):
    uv = uv_of(machine)
    density = [
        area_in(uv[p.loop_start : p.loop_start + p.loop_total]) / p.area for p in machine.data.polygons if p.area > 1e-3
    ]
    assert np.percentile(density, 95) < 3.0 * np.percentile(density, 5)


def area_in(corners: np.ndarray) -> float:
    x, y = corners.T
    return abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2


def cover(hits: np.ndarray, triangle: np.ndarray) -> None:
    """Counts the texels whose centres lie well inside a triangle, in texels."""
    low = np.floor(triangle.min(axis=0)).astype(int)
    high = np.ceil(triangle.max(axis=0)).astype(int)
    x, y = np.meshgrid(np.arange(low[0], high[0]) + 0.5, np.arange(low[1], high[1]) + 0.5)
    (ax, ay), (bx, by), (cx, cy) = triangle
    sides = [
        (bx - ax) * (y - ay) - (by - ay) * (x - ax),
        (cx - bx) * (y - by) - (cy - by) * (x - bx),
        (ax - cx) * (y - cy) - (ay - cy) * (x - cx),
    ]
    margin = 1e-3
    inside = np.logical_or(np.all([s > margin for s in sides], axis=0), np.all([s < -margin for s in sides], axis=0))
    hits[low[1] : high[1], low[0] : high[0]] += inside


def test_camera_sees_all_of_the_model(machine):
    scene = bpy.context.scene
    stage.dress(scene, [machine])
    bpy.context.view_layer.update()
    seen = [world_to_camera_view(scene, scene.camera, vertex.co) for vertex in list(machine.data.vertices)[::7]]
    assert all(0.0 < point.x < 1.0 and 0.0 < point.y < 1.0 for point in seen)
    assert max(point.x for point in seen) - min(point.x for point in seen) > 0.5


def run_demo(out: Path, *arguments: str) -> None:
    program = [sys.executable, "-m", "sabi.backend", "demo", "--out", str(out), "--samples", "1", "--size", "512"]
    run = subprocess.run([*program, *arguments], capture_output=True, text=True, timeout=900, cwd=ROOT / "tests")
    assert run.returncode == 0, run.stdout + run.stderr


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) / 255


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    run_demo(out, "--turntable", "3")
    return out


def test_age_zero_is_the_clean_model(shown):
    assert np.array_equal(pixels(shown / "before.png"), pixels(shown / "age-0.00.png"))


def test_each_age_is_further_from_clean(shown):
    clean = pixels(shown / "before.png")
    away = [np.abs(pixels(shown / f"age-{age:.2f}.png") - clean).mean() for age in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert away == sorted(away)
    assert away[1] > 0.001
    assert away[-1] > 0.02


def test_turntable_turns_the_model_under_a_light_that_moves(shown):
    with Image.open(shown / "turntable.webp") as turning:
        assert turning.n_frames == 3
        frames = []
        for number in range(3):
            turning.seek(number)
            frames.append(np.asarray(turning.convert("RGB"), np.float32) / 255)
    assert all(np.abs(frames[i] - frames[i - 1]).mean() > 0.02 for i in range(3))
    rows, columns = frames[0].shape[:2]
    with Image.open(shown / "turntable.png") as strip:
        assert strip.size == (2 * columns, 2 * rows)


def test_turntable_leaves_the_scene_as_it_was(machine):
    """At no turn it is the stage itself; half a turn on, the camera stands across; the model has not moved."""
    scene = bpy.context.scene
    stage.dress(scene, [machine])
    bpy.context.view_layer.update()
    before = {thing.name: thing.matrix_world.copy() for thing in scene.objects}
    around = turntable.turntable(scene, [machine])
    assert around.light.name == "Key"
    around.set(0.5)
    centre = around.centre
    camera, key = before[scene.camera.name].translation, before["Key"].translation
    across = scene.camera.matrix_world.translation - centre
    assert tuple(across.xy) == pytest.approx(tuple((centre - camera).xy), abs=1e-4)
    assert machine.matrix_world == before[machine.name]
    around.set(0.125)  # an eighth of a turn on the light has swung as far as it does
    assert around.light.matrix_world.translation.z == pytest.approx(key.z, abs=1e-4)
    ways = (key - centre).xy, (around.light.matrix_world.translation - centre).xy
    assert degrees(ways[0].angle_signed(ways[1])) == pytest.approx(45 - 75, abs=0.1)  # clockwise counts
    around.set(0.0)
    for thing in scene.objects:
        assert np.allclose(thing.matrix_world, before[thing.name], atol=1e-5)


def test_page_finds_all_it_names(shown):
    page = (shown / "index.html").read_text(encoding="utf-8")
    named = [name.removeprefix("./") for name in re.findall(r'<a href="([^"]+)"', page)]
    assert {"before.png", "age-1.00.png", "contact-sheet.png", "demo.blend"} <= set(named)
    missing = [name for name in named if not (shown / name).is_file()]
    assert not missing
    assert sum("sabi/" in name for name in named) >= 3, "the painted maps are not shown"
    assert len(re.findall(r'<img class="frame" src="data:image/jpeg', page)) == 5
    assert 'class="turning" src="data:image/webp' in page


def test_saved_file_holds_the_layers_live(shown):
    bpy.ops.wm.open_mainfile(filepath=str(shown / "demo.blend"))
    thing = bpy.data.objects["Compressor"]
    groups = [node for node in thing.data.materials[0].node_tree.nodes if node.type == "GROUP"]
    ages = [socket.default_value for node in groups for socket in node.inputs if socket.name == "Age"]
    assert ages
    assert set(ages) == {0.75}


def test_demo_takes_another_model(tmp_path):
    bpy.ops.mesh.primitive_cube_add(size=0.2, location=(3.0, 1.0, 2.0))
    cube = bpy.context.active_object
    cube.data.materials.append(bpy.data.materials.new("Paint"))
    cube.data.materials[0].use_nodes = True
    bpy.ops.export_scene.gltf(filepath=str(tmp_path / "box.glb"))
    run_demo(tmp_path / "out", "--asset", str(tmp_path / "box.glb"))
    clean, old = pixels(tmp_path / "out" / "before.png"), pixels(tmp_path / "out" / "age-1.00.png")
    assert np.abs(old - clean).mean() > 0.01


def test_demo_says_what_it_cannot_read(tmp_path):
    (tmp_path / "model.stl").write_bytes(b"solid")
    program = [sys.executable, "-m", "sabi.addon.demo", "--asset"]
    for name, word in (("model.stl", "no model that Blender reads"), ("absent.glb", "There is no file")):
        run = subprocess.run([*program, str(tmp_path / name)], capture_output=True, text=True, cwd=ROOT / "tests")
        assert run.returncode == 2
        assert word in run.stderr
        assert "Traceback" not in run.stderr


def test_demo_clears_its_own_folder_and_nobody_elses(tmp_path):
    (tmp_path / "sabi").mkdir()
    for name in ("sabi/rust.png", "before.png", "notes.txt"):
        (tmp_path / name).touch()
    clear(tmp_path)
    assert (tmp_path / "sabi" / "rust.png").is_file(), "no demo was here"
    (tmp_path / "index.html").touch()
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_bounds_hold_every_object():
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(5.0, 0.0, 0.0))
    first = bpy.context.active_object
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(0.0, 0.0, 4.0))
    bpy.context.view_layer.update()
    assert stage.bounds([first, bpy.context.active_object]) == (Vector((-1, -1, -1)), Vector((6, 1, 5)))
