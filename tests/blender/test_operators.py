# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators as scripts use them, without a window, against a played backend: results, errors, cancelling, files, recipes."""

from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import diagnostics, weathering, work
from bl_ext.user_default.sabi.addon.nodes import groups, layer_nodes, material, on_object
from bl_ext.user_default.sabi.addon.nodes.fingerprint import fingerprint
from bl_ext.user_default.sabi.addon.pixels import images, reading
from bl_ext.user_default.sabi.addon.preferences import EXTENSION, service, service_settings
from bl_ext.user_default.sabi.addon.progress import Progress
from bl_ext.user_default.sabi.addon.recipe.conversion import begin, fill, recipe_of
from bl_ext.user_default.sabi.addon.recipe.properties import FIRST_PRESET, untouched
from bl_ext.user_default.sabi.backend.protocol.errors import BackendGone, BadFile, SabiError
from bl_ext.user_default.sabi.backend.protocol.recipe import (
    Effect,
    Exposure,
    Frame,
    FrameMode,
    Layer,
    Recipe,
    load_preset,
)
from blender.emission import plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material


@pytest.fixture
def backend(monkeypatch):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture(autouse=True)
def default_preferences():
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    chosen.storage = "PACK"
    yield
    chosen.storage = "PACK"


def painted_plane(name="Door"):
    obj = plane(tree_material(TREES[0]))
    obj.name = name
    return obj


def state():
    """Everything of the file that a failed job must leave alone."""
    kinds = ("objects", "meshes", "materials", "node_groups", "images", "collections", "textures")
    names = {kind: sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds}
    looks = [fingerprint(made) for made in bpy.data.materials]
    uvs = [[layer.name for layer in mesh.uv_layers] for mesh in bpy.data.meshes]
    return names, looks, uvs, [dict(obj.items()) for obj in bpy.data.objects]


def test_an_effect_and_an_age_are_enough(backend):
    obj = painted_plane()
    assert bpy.ops.sabi.weather(effect="moss", age=0.7, seed=3, feature_size=0.02) == {"FINISHED"}
    layer = backend.recipes[0].layers[0]
    assert (layer.effect, layer.age, layer.seed, layer.feature_size) == (Effect.MOSS, 0.7, 3, 0.02)
    applied = on_object.weathered(obj)
    assert applied.labels == ("1 Moss",)
    assert applied.layers[0]["Age"].default_value == pytest.approx(0.7)
    kept = Recipe.from_json(applied.recipe_json)
    assert kept.networks == {"painter": "0" * 64}
    assert kept.layers == backend.recipes[0].layers
    assert all(image.packed_file and not image.filepath for image in bpy.data.images if material.IMAGE in image)
    assert {image.colorspace_settings.name for image in bpy.data.images if "growth" in image.name} == {"Non-Color"}
    assert work.current().outcome.warnings == ("played",)


def test_the_scenes_recipe_is_used_when_nothing_else_is_given(backend):
    painted_plane()
    fill(bpy.context.scene.sabi, load_preset("moss_crevices"))
    bpy.ops.sabi.weather()
    assert backend.recipes[0] == load_preset("moss_crevices")
    bpy.ops.sabi.weather(preset="light_rust", age=0.25)
    assert backend.recipes[1] == load_preset("light_rust").at_age(0.25)
    given = Recipe((Layer(Effect.DIRT, age=0.5),), name="mine")
    bpy.ops.sabi.weather(recipe_json=given.to_json())
    assert backend.recipes[2] == given


def test_a_scene_that_never_had_a_recipe_is_weathered_with_the_first_preset(backend, clean_scene):
    painted_plane()
    clean_scene.sabi.gravity = (0, -1, 0)
    bpy.ops.sabi.weather()
    first = load_preset(FIRST_PRESET)
    assert backend.recipes[0] == replace(first, frame=Frame(first.frame.mode, (0, -1, 0), None))
    assert untouched(clean_scene.sabi), "weathering is no reason to change the scene's recipe"


def test_a_scene_begins_with_the_first_preset_once(clean_scene, tmp_path):
    """What the panel does when it is first drawn; layers that the artist removed do not come back, in another session neither."""
    settings = clean_scene.sabi
    assert untouched(settings)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    dirty = bpy.data.is_dirty
    begin(clean_scene)
    assert recipe_of(settings).layers == load_preset(FIRST_PRESET).layers
    assert len(settings.layers) == len(recipe_of(settings).layers)
    assert bpy.data.is_dirty == dirty
    while settings.layers:
        bpy.ops.sabi.layer_remove()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    begin(bpy.context.scene)
    assert not bpy.context.scene.sabi.layers


def test_an_emptied_recipe_says_what_it_needs(backend, clean_scene):
    painted_plane()
    begin(clean_scene)
    clean_scene.sabi.layers.clear()
    with pytest.raises(RuntimeError, match=r"no layers.*Add a layer or load a preset"):
        bpy.ops.sabi.weather()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recipe_json": "{"}, "not valid JSON"),
        ({"recipe_json": '{"sabi_recipe": 99, "layers": []}'}, "schema version 99"),
        ({"recipe_json": '{"sabi_recipe": 1, "layers": [{"effect": "Frost"}]}'}, "Frost"),
        (
            {"recipe_json": '{"sabi_recipe": 1, "layers": [{"effect": "rust", "age": 1.5}]}'},
            "age must be a number from 0 to 1",
        ),
        ({"preset": "nowhere"}, "no preset 'nowhere'"),
    ],
)
def test_a_bad_recipe_is_one_sentence(backend, given, said):
    painted_plane()
    before = state()
    with pytest.raises(RuntimeError, match=said) as caught:
        bpy.ops.sabi.weather(**given)
    assert "Traceback" not in str(caught.value)
    assert work.failure().code == "bad_recipe"
    assert state() == before
    assert not backend.recipes


@pytest.mark.parametrize("error", [BackendGone("The backend ended."), SabiError("It failed.", "Try again.")])
def test_a_failed_job_changes_nothing_and_the_next_one_works(backend, error):
    obj = painted_plane()
    before = state()
    backend.fails_with = error
    with pytest.raises(RuntimeError, match=error.message) as caught:
        bpy.ops.sabi.weather(effect="rust")
    assert error.hint in str(caught.value)
    assert state() == before
    backend.fails_with = None
    bpy.ops.sabi.weather(effect="rust")
    assert on_object.weathered(obj)


def test_a_backend_that_ended_is_started_again(backend):
    painted_plane()
    bpy.ops.sabi.weather(effect="rust")
    backend.alive = False  # as if killed
    bpy.ops.sabi.weather(effect="rust")
    assert backend.starts == 2


def start_held(backend):
    """Work as a window has it: stepped from outside, its job not ending."""
    backend.held = True
    recipe = Recipe((Layer(Effect.RUST),))
    steps = weathering.weather_objects(
        bpy.context.selected_objects, recipe, weathering.capture_settings(bpy.context.scene, recipe)
    )
    now = work._begin("Weathering", steps)
    for _ in range(200):
        now.step()
        if now.progress.fraction > weathering.CAPTURE_SHARE:
            return now
        backend.go.wait(0.01)
    raise AssertionError("the job never got going")


def finish(backend, now):
    backend.go.set()
    while not now.ended:
        now.step()


def test_cancel_changes_nothing(backend):
    painted_plane()
    before = state()
    now = start_held(backend)
    assert now.progress.text == "Painting rust, 9 s left"
    assert not bpy.ops.sabi.weather.poll(), "two jobs at once"
    assert bpy.ops.sabi.cancel() == {"FINISHED"}
    assert now.ended
    assert now.error.code == "cancelled"
    assert backend.cancelled.wait(5), "the backend was not told"
    assert state() == before
    assert not bpy.ops.sabi.cancel.poll()


def build_group(backend, now):
    """Steps until the layer's group is built, one before it is wired; gives its session's number."""
    backend.go.set()
    while not bpy.data.node_groups and not now.ended:
        now.step()
    return bpy.data.node_groups[0].session_uid


def test_the_scene_is_not_drawn_anew_for_a_number_in_a_panel(backend, monkeypatch):
    """While Sabi works only the sidebars are; when it ends all of the editors are."""
    painted_plane()
    drawn: list[str] = []
    regions = [
        SimpleNamespace(type=kind, tag_redraw=partial(drawn.append, kind)) for kind in ("WINDOW", "UI", "HEADER")
    ]
    areas = [SimpleNamespace(type=kind, regions=regions) for kind in ("VIEW_3D", "OUTLINER")]
    window = SimpleNamespace(screen=SimpleNamespace(areas=areas))
    now = start_held(backend)
    shown = SimpleNamespace(context=SimpleNamespace(window_manager=SimpleNamespace(windows=[window])), app=bpy.app)
    monkeypatch.setattr(work, "bpy", shown)
    now.progress = Progress("Another")
    work._drawn = (None, 0.0)
    work._tick()
    assert drawn == ["UI"]
    work._tick()
    assert drawn == ["UI"], "nothing new is to be seen"
    work.cancel()
    assert drawn == ["UI", "WINDOW", "UI", "HEADER"]


def test_a_group_is_built_a_step_before_it_is_wired(backend, monkeypatch):
    """Each takes a good part of what a frame may take; weathering again builds once, too."""
    obj, built = painted_plane(), []
    monkeypatch.setattr(groups, "build", lambda plan: built.append(layer_nodes.build(plan)) or built[-1])
    made = build_group(backend, now := start_held(backend))
    assert on_object.weathered(obj) is None
    finish(backend, now)
    for count in (1, 2):
        (worn,) = on_object.weathered(obj).materials
        (layer,) = on_object.layer_nodes_of(on_object.group_node(worn).node_tree)
        assert layer.node_tree.session_uid == made
        assert len(bpy.data.node_groups) == 2
        assert len(built) == count
        bpy.ops.sabi.weather(effect="rust")
        made = built[-1].session_uid


def test_cancel_removes_a_group_that_was_built(backend):
    painted_plane()
    before = state()
    build_group(backend, start_held(backend))
    assert bpy.ops.sabi.cancel() == {"FINISHED"}
    assert state() == before


def test_a_material_that_changes_behind_its_group_gets_another(backend):
    obj = plane(tree_material(next(tree for tree in TREES if tree.name == "no textures")))
    made = build_group(backend, now := start_held(backend))
    tree = obj.active_material.node_tree
    diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
    tree.links.new(diffuse.outputs["BSDF"], tree.get_output_node("ALL").inputs["Surface"])
    finish(backend, now)
    assert now.error is None
    group, layer = sorted(bpy.data.node_groups, key=lambda tree: on_object.RECIPE not in tree)
    assert made not in (group.session_uid, layer.session_uid)
    assert "Base Color" not in [
        item.name for item in group.interface.items_tree if getattr(item, "in_out", "") == "INPUT"
    ]


def test_loading_another_file_drops_the_job(backend, tmp_path):
    painted_plane("Old")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "other.blend"))
    now = start_held(backend)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "other.blend"))
    assert now.ended
    assert backend.cancelled.wait(5)
    backend.go.set()
    now.step()
    assert on_object.weathered(bpy.data.objects["Old"]) is None
    assert not [image for image in bpy.data.images if material.IMAGE in image]


def test_what_an_undo_took_away_is_told_plainly():
    def steps():
        yield work.Progress("Working")
        raise ReferenceError("StructRNA of type Object has been removed")

    with pytest.raises(SabiError, match="undone or removed"):
        work.run("Working", steps())
    assert not work.busy()


def test_a_renamed_object_gets_its_result(backend):
    obj = painted_plane("Door")
    now = start_held(backend)
    obj.name = "Gate"
    finish(backend, now)
    assert now.error is None
    assert on_object.weathered(bpy.data.objects["Gate"])


def test_a_deleted_objects_result_is_dropped(backend):
    obj = painted_plane("Door")
    now = start_held(backend)
    bpy.data.objects.remove(obj)
    finish(backend, now)
    assert "'Door' was deleted" in now.error.message
    assert not [image for image in bpy.data.images if material.IMAGE in image]
    assert not bpy.data.node_groups


def test_an_object_whose_uv_map_is_gone_is_left_alone(backend):
    obj = painted_plane("Door")
    now = start_held(backend)
    obj.data.uv_layers[0].name = "Other"
    before = state()
    finish(backend, now)
    assert "UV map 'UVMap'" in now.error.message
    assert state() == before


def test_of_several_objects_those_that_can_are_weathered(backend):
    good, bad = painted_plane("Good"), plane()
    bad.name = "Bare"
    good.select_set(True)
    bpy.ops.sabi.weather(effect="rust")
    assert on_object.weathered(good)
    assert not on_object.touched(bad)
    assert any("'Bare' has no material" in warning for warning in work.current().outcome.warnings)


def test_objects_of_one_shape_may_differ(backend, clean_scene):
    """Each by its name: the same whatever else is selected, from a script as from the panel, and taken back without it."""
    settings = clean_scene.sabi
    fill(settings, Recipe((Layer(Effect.RUST, seed=7), Layer(Effect.MOSS, seed=2**32 - 5))))
    for obj in [painted_plane(name) for name in ("Left", "Right")]:
        obj.select_set(True)
    bpy.ops.sabi.weather()
    assert backend.recipes[0].layers == backend.recipes[1].layers
    bpy.ops.sabi.weather(differ=True)
    settings.differ = True
    bpy.ops.sabi.weather()
    left, right = ([layer.seed for layer in recipe.layers] for recipe in backend.recipes[2:4])
    assert left != right
    assert (left[0] - 7) % 2**32 == (left[1] + 5) % 2**32 != 0
    assert [[layer.seed for layer in recipe.layers] for recipe in backend.recipes[4:6]] == [left, right]
    bpy.data.objects["Left"].select_set(False)
    bpy.ops.sabi.weather()
    assert [layer.seed for layer in backend.recipes[6].layers] == right
    bpy.context.view_layer.objects.active = bpy.data.objects["Right"]
    bpy.ops.sabi.recipe_from_object()
    assert [layer.seed for layer in recipe_of(settings).layers] == [7, 2**32 - 5]


def test_images_beside_the_file_never_over_another(backend, tmp_path):
    painted_plane("Door")
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "FILES"
    bpy.ops.sabi.weather(effect="rust")
    assert all(image.packed_file for image in bpy.data.images if material.IMAGE in image), (
        "an unsaved file has no beside"
    )
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    (tmp_path / "sabi").mkdir()
    precious = tmp_path / "sabi" / "Door_1_Rust_thin.png"
    precious.write_bytes(b"the artist's own")
    bpy.ops.sabi.weather(effect="rust")
    assert precious.read_bytes() == b"the artist's own"
    paths = [image.filepath for image in bpy.data.images if material.IMAGE in image]
    assert len(paths) == 3
    assert all(path.startswith("//sabi") for path in paths)
    assert len(list((tmp_path / "sabi").glob("*.png"))) == 4
    bpy.ops.wm.save_mainfile()
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert on_object.weathered(bpy.data.objects["Door"])
    assert all(image.has_data or image.size[0] == 16 for image in bpy.data.images if material.IMAGE in image)


def test_packed_images_live_through_saving(backend, tmp_path):
    painted_plane("Door")
    bpy.ops.sabi.weather(effect="rust")
    before = {image.name: pixels(image) for image in bpy.data.images if material.IMAGE in image}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    after = {image.name: pixels(image) for image in bpy.data.images if material.IMAGE in image}
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    bpy.context.view_layer.objects.active = bpy.data.objects["Door"]
    bpy.data.objects["Door"].select_set(True)
    bpy.ops.sabi.revert()
    assert not on_object.touched(bpy.data.objects["Door"])


def pixels(image):
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return values


def test_polls_say_what_is_missing(backend):
    bpy.ops.object.select_all(action="DESELECT")
    for operator in (bpy.ops.sabi.weather, bpy.ops.sabi.revert, bpy.ops.sabi.flatten, bpy.ops.sabi.cancel):
        assert not operator.poll()
    with pytest.raises(RuntimeError, match="Select a mesh object"):
        bpy.ops.sabi.weather()


RECIPE = Recipe(
    (
        Layer(Effect.RUST, age=0.35, seed=2**32 - 1, feature_size=0.0125, opacity=0.8, relief=0.002, style="flaky"),
        Layer(Effect.MOSS, exposure=Exposure(up=1.5, noise=0.1, strict=True), style={"rock": 0.25, "cushions": 0.75}),
        Layer(Effect.DIRT, style=(0.5, -1.25), mask="mask", invert_mask=True),
    ),
    Frame(FrameMode.SCENE, (0.0, 0.5, -0.5), ground=-1.25),
    {"painter": "ab" * 32},
    "everything",
)


def test_a_recipe_goes_through_the_scene_and_back():
    fill(bpy.context.scene.sabi, RECIPE)
    assert recipe_of(bpy.context.scene.sabi) == RECIPE


def test_a_recipe_goes_through_a_file_and_back(tmp_path):
    fill(bpy.context.scene.sabi, RECIPE)
    bpy.ops.sabi.recipe_save(filepath=str(tmp_path / "mine.json"))
    assert Recipe.from_json((tmp_path / "mine.json").read_text()) == RECIPE
    assert list(tmp_path.iterdir()) == [tmp_path / "mine.json"]
    bpy.context.scene.sabi.layers.clear()
    bpy.ops.sabi.recipe_load(filepath=str(tmp_path / "mine.json"))
    assert recipe_of(bpy.context.scene.sabi) == RECIPE
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(RuntimeError, match="not valid JSON"):
        bpy.ops.sabi.recipe_load(filepath=str(tmp_path / "broken.json"))
    assert recipe_of(bpy.context.scene.sabi) == RECIPE


def test_a_recipe_lives_through_saving(tmp_path):
    fill(bpy.context.scene.sabi, RECIPE)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "scene.blend"))
    assert recipe_of(bpy.context.scene.sabi) == RECIPE


def test_layers_are_added_moved_and_removed():
    settings = bpy.context.scene.sabi
    for effect in ("rust", "moss", "dirt"):
        bpy.ops.sabi.layer_add(effect=effect)
    assert [layer.seed for layer in settings.layers] == [0, 1, 2]
    settings.active_layer = 2
    bpy.ops.sabi.layer_move(by=-2)
    assert [layer.effect for layer in settings.layers] == ["dirt", "rust", "moss"]
    assert settings.active_layer == 0
    bpy.ops.sabi.layer_remove()
    assert [layer.effect for layer in settings.layers] == ["rust", "moss"]
    settings.layers[0].effect = "moss"
    assert settings.layers[0].feature_size == pytest.approx(Layer(Effect.MOSS).feature_size), (
        "an effect brings its defaults"
    )
    bpy.ops.sabi.preset_load(preset="light_rust")
    assert recipe_of(settings) == load_preset("light_rust")


def test_the_recipe_is_taken_back_from_an_object_with_its_live_age(backend):
    obj = painted_plane()
    bpy.ops.sabi.weather(recipe_json=Recipe((Layer(Effect.RUST, age=0.2, seed=9),)).to_json())
    on_object.weathered(obj).layers[0]["Age"].default_value = 0.65
    bpy.ops.sabi.recipe_from_object()
    layer = recipe_of(bpy.context.scene.sabi).layers[0]
    assert (layer.effect, layer.seed, layer.age) == (Effect.RUST, 9, 0.65)


def test_the_estimate_grows_with_texels_and_layers(backend):
    obj = painted_plane()
    small, large = (weathering.estimate([obj], 1, weathering.CaptureSettings(size=size)) for size in (512, 2048))
    assert 0 < small < large / 8
    assert weathering.estimate([obj], 3, weathering.CaptureSettings(size=512)) > small
    assert weathering.estimate([plane()], 1, weathering.CaptureSettings(size=512)) == 0, "a bare object has none"


def test_the_environment_overrides_preferences(monkeypatch):
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    chosen.device, chosen.threads = "cpu", 2
    assert (service_settings().device, service_settings().threads) == ("cpu", 2)
    monkeypatch.setenv("SABI_DEVICE", "cuda")
    monkeypatch.setenv("SABI_THREADS", "5")
    monkeypatch.setenv("SABI_SERVER", "http://farm:7224")
    assert (service_settings().device, service_settings().threads, service_settings().server) == (
        "cuda",
        5,
        "http://farm:7224",
    )
    chosen.device, chosen.threads = "auto", 0


def test_diagnostics_tell_what_failed_and_no_secret(backend):
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    chosen.server, chosen.token = "http://farm:7224", "very secret"
    painted_plane()
    with pytest.raises(RuntimeError):
        bpy.ops.sabi.weather(preset="nowhere")
    bpy.ops.sabi.copy_diagnostics()
    text = "\n".join(diagnostics.lines(service, service_settings()))
    assert "[bad_recipe] There is no preset 'nowhere'." in text
    assert "server at http://farm:7224" in text
    assert bpy.app.version_string in text
    assert "very secret" not in text
    chosen.server = chosen.token = ""


def textured_plane(folder) -> tuple[bpy.types.Object, list[bpy.types.Image]]:
    """A plane with two textures from files, which Blender has not read yet."""
    obj = painted_plane()
    nodes = obj.data.materials[0].node_tree.nodes
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    loaded = []
    for name in ("Base Color", "Roughness"):
        made = bpy.data.images.new(name, 8, 8)
        made.filepath_raw, made.file_format = str(folder / f"{name}.png"), "PNG"
        made.save()
        bpy.data.images.remove(made)
        loaded.append(bpy.data.images.load(str(folder / f"{name}.png")))
        node = nodes.new("ShaderNodeTexImage")
        node.image = loaded[-1]
        shader.id_data.links.new(node.outputs[0], shader.inputs[name])
    return obj, loaded


class AtOnce(reading.ReadJob):
    """A job that is done when it is asked for the first time; Blender has none without a window."""

    def __init__(self, image, window):
        self.image = image

    def poll(self):
        reading.Facts.of(self.image)
        return True

    def close(self):
        pass


@pytest.fixture
def windowed(monkeypatch):
    """What reads believes that a window waits."""
    monkeypatch.setattr(reading, "ReadJob", AtOnce)
    monkeypatch.setattr(weathering.work, "in_window", lambda: True)


def test_in_a_window_textures_are_told_of_without_being_read(windowed, tmp_path):
    """Nobody on the main thread is to wait for a file: neither the capture nor the panel, which asks while it is drawn."""
    obj, textures = textured_plane(tmp_path)
    textures[1].scale(4, 4)
    textures[1].save()
    textures[1].buffers_free()
    before = {image.session_uid for image in bpy.data.images}
    assert weathering.estimate([obj], 1, weathering.CaptureSettings()) == 0
    list(weathering.reading_images(lambda: weathering.textures(obj)))
    assert [reading.known(texture).size for texture in textures] == [(8, 8), (4, 4)]
    assert weathering.estimate([obj], 1, weathering.CaptureSettings()) > 0
    assert weathering.output_size(obj, weathering.CaptureSettings()) == (512, 512)
    assert not any(texture.has_data for texture in textures)
    assert {image.session_uid for image in bpy.data.images} == before


def test_a_missing_texture_is_told_of_too(windowed, tmp_path):
    obj, textures = textured_plane(tmp_path)
    textures[0].filepath = str(tmp_path / "nowhere.png")
    list(weathering.reading_images(lambda: weathering.textures(obj)))
    assert reading.known(textures[0]).size == (0, 0)
    with pytest.raises(BadFile, match="missing on disk"):
        images.check(textures[0])
