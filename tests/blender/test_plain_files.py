# SPDX-License-Identifier: GPL-3.0-or-later
"""Files without the add-on, of an older add-on, and saved while it works: plain Blender data that goes on as it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering, work
from bl_ext.user_default.sabi.addon.nodes import material, on_object
from bl_ext.user_default.sabi.addon.preferences import EXTENSION
from bl_ext.user_default.sabi.addon.recipe.conversion import fill, recipe_of
from bl_ext.user_default.sabi.addon.surface import stage
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Exposure, Layer, Recipe, load_preset
from blender.emission import plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material

OLDER = sorted((Path(__file__).parent / "older").glob("*.blend"))
RECIPE = Recipe((Layer(Effect.RUST, age=0.7), Layer(Effect.MOSS, age=0.5, mask="layer:1", opacity=0.8)))
FACTORY = """
import json, sys
import bpy
path, picture, resaved = sys.argv[1:4]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.wm.open_mainfile(filepath=path)
assert not hasattr(bpy.types.Scene, "sabi"), "the extension is here"
trees = [*bpy.data.node_groups, *(made.node_tree for made in bpy.data.materials)]
kinds = {node.bl_idname for tree in trees for node in tree.nodes}
files = [image for image in bpy.data.images if image.source in ("FILE", "TILED")]
missing = [image.name for image in files if not image.size[0]]
scripts = [text.name for text in bpy.data.texts]
drivers = [f.driver.type for tree in trees if tree.animation_data for f in tree.animation_data.drivers]
bpy.context.scene.render.filepath = picture
bpy.ops.render.render(write_still=True)
bpy.ops.wm.save_as_mainfile(filepath=resaved, check_existing=False)
print(json.dumps({"kinds": sorted(kinds), "missing": missing, "scripts": scripts, "drivers": drivers}))
sys.stdout.flush()
import os
os._exit(0)
"""


@pytest.fixture
def backend(monkeypatch):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def storage():
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    yield chosen
    chosen.storage = "PACK"


def lit_scene():
    """A plane of two materials below a camera and a lamp, and Cycles set to a small quick picture."""
    obj = plane(tree_material(TREES[0]))
    obj.name = "Door"
    bpy.ops.object.camera_add(location=(0, 0, 3))
    bpy.ops.object.light_add(type="SUN", location=(0, 0, 3))
    scene = bpy.context.scene
    scene.camera = next(o for o in scene.objects if o.type == "CAMERA")
    scene.render.engine, scene.cycles.samples, scene.cycles.seed = "CYCLES", 4, 1
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 32
    scene.render.image_settings.file_format = "PNG"
    bpy.ops.object.select_all(action="DESELECT")
    obj.select_set(True)
    bpy.context.view_layer.objects.active = obj
    return obj


def rendered(path):
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return pixels(path)


def pixels(path):
    image = bpy.data.images.load(str(path))
    values = np.array(image.pixels[:])
    bpy.data.images.remove(image)
    return values


def factory(tmp_path):
    """Renders and saves the file in a Blender with factory settings that has never seen Sabi; what it found."""
    words = [str(tmp_path / name) for name in ("scene.blend", "factory.png", "resaved.blend")]
    (tmp_path / "nobody").mkdir()
    run = subprocess.run(
        [sys.executable, "-c", FACTORY, *words],
        capture_output=True,
        text=True,
        env={**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "nobody")},
    )
    assert run.returncode == 0, run.stderr + run.stdout
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("kept", ["PACK", "FILES"])
def test_a_file_without_the_add_on_renders_the_same(backend, storage, tmp_path, kept):
    obj = lit_scene()
    obj.data.materials.append(tree_material(TREES[1]))
    storage.storage = kept
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), check_existing=False)
    bare = rendered(tmp_path / "bare.png")
    fill(bpy.context.scene.sabi, RECIPE)
    bpy.ops.sabi.weather(recipe_json=RECIPE.to_json())
    socket = on_object.weathered(obj).layers[0]["Age"]
    for frame, age in ((1, 0.9), (50, 0.0)):
        socket.default_value = age
        socket.keyframe_insert("default_value", frame=frame)
    bpy.context.scene.frame_set(1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), check_existing=False)
    weathered = rendered(tmp_path / "here.png")
    assert np.abs(weathered - bare).max() > 0.1, "the picture does not show the weathering"
    found = factory(tmp_path)
    assert np.array_equal(pixels(tmp_path / "factory.png"), weathered)
    assert not found["missing"]
    assert not found["scripts"]
    assert "SCRIPTED" not in found["drivers"]
    assert all(kind.startswith(("ShaderNode", "NodeGroup", "NodeReroute", "NodeFrame")) for kind in found["kinds"])

    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "resaved.blend"))
    assert recipe_of(bpy.context.scene.sabi).layers == RECIPE.layers, "the recipe was lost where the add-on was missing"
    obj = bpy.data.objects["Door"]
    assert on_object.weathered(obj).layers[0]["Age"].default_value == pytest.approx(0.9)
    bpy.ops.object.select_all(action="DESELECT")
    obj.select_set(True)
    bpy.ops.sabi.revert()
    assert not on_object.touched(obj)
    assert np.array_equal(rendered(tmp_path / "reverted.png"), bare)


# --- files of older versions


@pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)
def test_a_file_of_an_older_version_opens(backend, path):
    bpy.ops.wm.open_mainfile(filepath=str(path))
    recipe = recipe_of(bpy.context.scene.sabi)
    assert [(layer.effect, layer.age) for layer in recipe.layers] == [
        (Effect.MOSS, 0.3),
        (Effect.DIRT, 0.9),
        (Effect.PEELING_PAINT, 0.4),
        (Effect.RUST, 0.2),
    ]
    assert {(layer.seed, layer.opacity, layer.exposure.edges) for layer in recipe.layers} == {(11, 0.5, 0.25)}
    assert recipe.layers[0].exposure == Exposure(**{**vars(Layer(Effect.MOSS).exposure), "edges": 0.25})
    assert recipe.frame.ground == -0.5
    assert bpy.context.scene.sabi.size == "1024"

    door = bpy.data.objects["Door"]
    applied = on_object.weathered(door)
    assert len(applied.materials) == 2
    then = Recipe.from_json(applied.recipe_json)
    assert len(applied.layers) == len(then.layers) == 3
    assert {layer.seed for layer in then.layers} == {3, 4, 5}
    assert applied.layers[0]["Age"].default_value == pytest.approx(0.75)
    bpy.context.view_layer.objects.active = door
    door.select_set(True)
    bpy.ops.sabi.recipe_from_object()
    assert recipe_of(bpy.context.scene.sabi).layers[0].age == 0.75
    assert list(recipe_of(bpy.context.scene.sabi).networks) == ["painter"]

    bpy.ops.sabi.weather(preset="light_rust", size=64)
    assert len(on_object.weathered(door).layers) == len(load_preset("light_rust").layers)
    bpy.ops.sabi.revert()
    assert not on_object.touched(door)
    assert [slot.material.name for slot in door.material_slots] == ["Paint", "Trim"]
    shader = next(n for n in door.material_slots[0].material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    assert not shader.inputs["Base Color"].is_linked
    assert tuple(shader.inputs["Base Color"].default_value)[:3] == pytest.approx((0.1, 0.3, 0.5))
    assert not [image for image in bpy.data.images if material.IMAGE in image]


@pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)
def test_what_an_older_version_painted_is_shown_and_flattened(path):
    bpy.ops.wm.open_mainfile(filepath=str(path))
    door = bpy.data.objects["Door"]
    bpy.context.view_layer.objects.active = door
    door.select_set(True)
    assert bpy.ops.sabi.flatten(size=64, wait=True) == {"FINISHED"}
    image = next(image for image in bpy.data.images if "albedo" in image.name)
    values = np.array(image.pixels[:]).reshape(-1, 4)[:, :3]
    assert values.std(axis=0).max() > 0.03, "the layers of the older file do not show"


def test_there_is_a_file_of_an_older_version():
    assert OLDER


# --- saved and loaded in mid-job


def begun(obj):
    steps = weathering.weather_objects([obj], RECIPE, weathering.capture_settings(bpy.context.scene, RECIPE))
    return work.start("Weathering", steps, operator="sabi.weather")


def whole_state():
    kinds = ("objects", "meshes", "materials", "node_groups", "images", "scenes", "collections")
    return {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}


@pytest.mark.parametrize("kept", ["PACK", "FILES"])
def test_a_copy_saved_at_any_step_holds_no_half_done_work(backend, storage, tmp_path, kept):
    """What autosave does: at every step a copy of the file is written, while work goes on."""
    obj = lit_scene()
    storage.storage = kept
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), check_existing=False)
    before = whole_state()
    now, copies = begun(obj), []
    while not now.ended:
        now.step()
        if not now.ended:
            copies.append(tmp_path / f"copy{len(copies)}.blend")
            bpy.ops.wm.save_as_mainfile(filepath=str(copies[-1]), copy=True, check_existing=False)
    assert on_object.weathered(obj), "saving copies has disturbed the work"
    assert len(copies) > 6
    for copy in copies:
        bpy.ops.wm.open_mainfile(filepath=str(copy))
        assert not on_object.touched(bpy.data.objects["Door"])
        assert whole_state() == before, copy.name
        assert not work.running()


@pytest.mark.parametrize("moment", [1, 4, 8])
def test_loading_in_mid_job_ends_it_and_the_file_is_as_it_was_saved(backend, tmp_path, moment):
    obj = lit_scene()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"), check_existing=False)
    before = whole_state()
    now = begun(obj)
    for _ in range(moment):
        now.step()
    assert not now.ended
    bpy.ops.wm.revert_mainfile() if moment != 4 else bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert now.error.code == "cancelled"
    now.step()
    assert whole_state() == before
    assert not on_object.touched(bpy.data.objects["Door"])
    bpy.context.view_layer.objects.active = bpy.data.objects["Door"]
    assert bpy.ops.sabi.weather(recipe_json=RECIPE.to_json()) == {"FINISHED"}
    assert on_object.weathered(bpy.data.objects["Door"])
    assert stage.STAGE not in bpy.data.collections
