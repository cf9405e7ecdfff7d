# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an object is out of date, and why: what changed is named, what is live is no change, and looking changes nothing."""

import threading
import time
from zlib import crc32

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.nodes import freshness, on_object
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node, layer_inputs
from bl_ext.user_default.sabi.addon.surface import digests, looks
from blender.drawn import draw
from blender.emission import plane
from blender.played import played
from blender.trees import TREES, checks
from blender.trees import material as tree_material


@pytest.fixture
def obj(monkeypatch, clean_scene):
    """Weathered: a plane with a texture and a bevel."""
    made = bpy.data.materials.new("Paint")
    made.use_nodes = True
    texture = made.node_tree.nodes.new("ShaderNodeTexImage")
    texture.image = checks()
    made.node_tree.links.new(texture.outputs[0], made.node_tree.nodes["Principled BSDF"].inputs["Base Color"])
    obj = plane(made)
    obj.modifiers.new("Soft", "BEVEL").segments = 2
    with played(monkeypatch):
        bpy.ops.sabi.weather(effect="rust")
        yield obj


def group(obj) -> bpy.types.Node:
    return group_node(obj.data.materials[0])


def move_a_vertex(obj):
    obj.data.vertices[0].co.x += 0.01


def more_segments(obj):
    obj.modifiers[0].segments = 3


def scale(obj):
    obj.scale.x = 2


def move_a_corner(obj):
    obj.data.uv_layers[0].uv[0].vector.x += 0.01


def paint_the_texture(obj):
    image = bpy.data.images["checks"]
    image.pixels[0] = 0.5
    image.update()


def another_value(obj):
    """Where the shader's own value is kept while Sabi's group stands before it."""
    group(obj).inputs["Roughness"].default_value = 0.9


def another_link(obj):
    tree = obj.data.materials[0].node_tree
    noise = tree.nodes.new("ShaderNodeTexNoise")
    tree.links.new(noise.outputs[0], group(obj).inputs["Metallic"])


def another_shader(obj):
    obj.data.materials[0].node_tree.nodes["Principled BSDF"].inputs["Coat Weight"].default_value = 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (move_a_vertex, ("mesh",)),
        (more_segments, ("mesh",)),
        (scale, ("mesh",)),
        (move_a_corner, ("uvs",)),
        (paint_the_texture, ("base",)),
        (another_value, ("base",)),
        (another_link, ("base",)),
        (another_shader, ("base",)),
    ],
)
def test_what_has_changed_is_named(obj, change, why):
    assert freshness.check(obj) == ()
    change(obj)
    bpy.context.view_layer.update()
    assert freshness.check(obj) == why
    drawn = draw(bpy.types.SABI_PT_object)
    said = " ".join(drawn.labels)
    assert freshness.REASONS[why[0]].split()[-1] in said
    assert "Out of date" in said
    bpy.ops.sabi.weather(effect="rust")
    assert freshness.check(obj) == ()


def test_several_reasons_are_all_named(obj):
    move_a_vertex(obj)
    move_a_corner(obj)
    another_value(obj)
    bpy.context.view_layer.update()
    assert freshness.check(obj) == ("mesh", "uvs", "base")


def test_what_is_live_or_sabis_own_is_no_change(obj):
    sockets = layer_inputs(group(obj))[0]
    sockets["Age"].default_value, sockets["Albedo Opacity"].default_value = 0.9, 0.5
    sockets["Age"].keyframe_insert("default_value", frame=1)
    obj.location.x, obj.rotation_euler.z = 3, 1
    obj.data.uv_layers.new(name="Sabi", do_init=True)
    obj.select_set(False)
    bpy.context.view_layer.update()
    assert freshness.check(obj) == ()


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_layers_make_no_material_another(monkeypatch, tree):
    obj = plane(tree_material(tree))
    with played(monkeypatch):
        bpy.ops.sabi.weather(effect="rust")
    assert freshness.check(obj) == ()


def test_looking_changes_nothing(obj):
    made, seen = obj.data.materials[0], []
    before = [(one.from_node.name, one.to_node.name, one.to_socket.name) for one in made.node_tree.links]
    bpy.context.view_layer.update()
    bpy.app.handlers.depsgraph_update_post.append(
        note := lambda _scene, graph: seen.extend(update.id.name for update in graph.updates)
    )
    try:
        freshness.check(obj)
        bpy.context.view_layer.update()
    finally:
        bpy.app.handlers.depsgraph_update_post.remove(note)
    assert [(one.from_node.name, one.to_node.name, one.to_socket.name) for one in made.node_tree.links] == before
    assert seen == []


def test_reverted_it_is_no_longer_asked_about(obj):
    bpy.ops.sabi.revert()
    assert freshness.STATE not in obj
    move_a_vertex(obj)
    assert freshness.check(obj) == ()


def test_it_lives_in_the_file(obj, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    loaded = bpy.data.objects["Plane"]
    assert freshness.check(loaded) == ()
    move_a_corner(loaded)
    assert freshness.check(loaded) == ("uvs",)


def test_in_a_window_it_is_found_out_in_steps_when_nothing_changes(obj, monkeypatch):
    """Each tick is one piece of work; while things change there is none. Timers do not fire here: the ticks are called."""
    uid = obj.session_uid
    move_a_vertex(obj)
    monkeypatch.setattr(freshness, "_wanted", {uid: None})
    monkeypatch.setattr(freshness, "_found", {})
    monkeypatch.setattr(freshness, "_changed_at", time.monotonic() + 60)
    for _ in range(10):
        assert freshness._tick() == freshness.INTERVAL
    assert not freshness._found
    monkeypatch.setattr(freshness, "_changed_at", 0.0)
    freshness._digests.get(wait=True)
    ticks = 0
    while freshness._wanted:
        freshness._tick()
        ticks += 1
    assert ticks > 3
    assert freshness.reasons(obj) == ("mesh",)
    paint_the_texture(obj)
    freshness._wanted[uid] = None  # before another tick, as where age is animated
    while freshness._wanted:
        freshness._tick()
    assert freshness.reasons(obj) == ("mesh", "base")
    assert freshness._tick() is None


def test_a_change_is_found_where_the_view_takes_long_to_draw(obj, monkeypatch):
    """The next tick comes when all has rested again: what was digested before the change is no use."""
    monkeypatch.setattr(freshness, "_wanted", {obj.session_uid: None})
    monkeypatch.setattr(freshness, "_found", {})
    monkeypatch.setattr(freshness, "_changed_at", 0.0)
    freshness._digests.get(wait=True)
    freshness._tick()
    move_a_vertex(obj)
    bpy.context.view_layer.update()
    freshness._changed_at = 0.0
    while freshness._wanted:
        freshness._tick()
    assert freshness.reasons(obj) == ("mesh",)


def test_sums_of_pixels_are_taken_beside_the_main_thread(obj, monkeypatch):
    threads = []
    paint_the_texture(obj)
    monkeypatch.setattr(looks.zlib, "crc32", lambda values: threads.append(threading.current_thread()) or crc32(values))
    found = [followed(digests.state(obj, aside)) for aside in (False, True)]
    assert found[0] == found[1]
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


def followed(steps):
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def test_a_change_asks_again(obj, monkeypatch):
    asked = []
    monkeypatch.setattr(freshness, "_want", asked.append)
    freshness.check(obj)
    obj.data.vertices[0].co.x += 0.5
    obj.data.update()
    bpy.context.view_layer.update()
    assert asked == [obj]
    bpy.context.scene.frame_set(7)
    assert asked == [obj], "time alone changes nothing"


def test_panels_look_it_up(obj, monkeypatch):
    monkeypatch.setattr(freshness._digests, "get", lambda **_: pytest.fail("a panel began to look"))
    freshness._found[obj.session_uid] = ("mesh", "base")
    assert on_object.weathered(obj) is not None
    taken = []
    for _ in range(30):
        began = time.thread_time()
        draw(bpy.types.SABI_PT_object)
        taken.append(time.thread_time() - began)
    assert np.median(taken) < 1e-3
