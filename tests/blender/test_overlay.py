# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays: they show what the backend computes, follow the live sockets, and leave no trace when they are put away."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.nodes import freshness, on_object, overlay
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node, layer_inputs
from bl_ext.user_default.sabi.backend.protocol import growth
from bl_ext.user_default.sabi.backend.protocol.mask_stack import Mask
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.drawn import draw
from blender.emission import bake_socket, inside_blocks, plane
from blender.painted_images import synthetic_layer
from blender.played import played
from blender.scene_state import state
from blender.trees import TREES
from blender.trees import material as tree_material

TOLERANCE = 2 / 255
LAYERS = (Layer(Effect.PEELING_PAINT, 0.8), Layer(Effect.RUST, 0.8, masks=(Mask("degree:1", low=0.2), Mask("layer:1"))))


@pytest.fixture
def backend(monkeypatch, clean_scene):
    with played(monkeypatch) as backend:
        yield backend


def weathered(tree=TREES[0]) -> bpy.types.Object:
    obj = plane(tree_material(tree))
    bpy.ops.sabi.weather(recipe_json=Recipe(LAYERS).to_json())
    return obj


def seen(obj) -> np.ndarray:
    """What the overlay shines with."""
    made = obj.material_slots[0].material
    light = made.node_tree.get_output_node("CYCLES").inputs["Surface"].links[0].from_node
    assert light.bl_idname == "ShaderNodeEmission"
    return inside_blocks(bake_socket(obj, light.inputs["Color"].links[0].from_socket, 16)[..., 0])


def computed(what: str, age: float) -> np.ndarray:
    """Of the first layer, which nothing masks."""
    value = {n: synthetic_layer(0, 16).channel(n) / np.float32(255) for n in ("exposure", "threshold", "softness")}
    degree = growth.degree(value["exposure"], age)
    coverage = growth.coverage(degree - value["threshold"], value["softness"])
    masked = np.clip((degree - 0.2) / 0.8, 0, 1)
    return inside_blocks({"exposure": value["exposure"], "degree": degree, "coverage": coverage, "mask": masked}[what])


@pytest.mark.parametrize(
    ("mark", "what"),
    [
        ("1 exposure", "exposure"),
        ("1 degree", "degree"),
        ("1 coverage", "coverage"),
        ("2 mask 1", "mask"),
        ("2 mask 2", "coverage"),
    ],
)
def test_it_shows_the_value_live(backend, mark, what):
    obj = weathered()
    assert bpy.ops.sabi.overlay_show(mark=mark) == {"FINISHED"}
    assert np.abs(seen(obj) - computed(what, 0.8)).max() <= TOLERANCE
    on_object.weathered(obj).layers[0]["Age"].default_value = 1.0
    bpy.context.view_layer.update()
    assert np.abs(seen(obj) - computed(what, 1.0)).max() <= TOLERANCE
    assert computed(what, 1.0).max() > 0.2


def everything(obj) -> tuple[object, ...]:
    kinds = ("materials", "node_groups", "images")
    slots = [(slot.link, slot.material and slot.material.name) for slot in obj.material_slots]
    links = [
        (made.name, one.from_node.name, one.from_socket.identifier, one.to_node.name, one.to_socket.identifier)
        for made in bpy.data.materials
        if made.node_tree is not None
        for one in made.node_tree.links
    ]
    trees = [made.node_tree for made in bpy.data.materials if made.node_tree is not None]
    drivers = [len(tree.animation_data.drivers) if tree.animation_data else 0 for tree in trees]
    blocks = [sorted(block.name for block in getattr(bpy.data, kind)) for kind in kinds]
    return slots, links, drivers, blocks, sorted(obj.keys()), [m and m.name for m in obj.data.materials]


@pytest.mark.parametrize("link", ["DATA", "OBJECT"])
@pytest.mark.parametrize("tree", [TREES[0], TREES[11], TREES[13]], ids=lambda tree: tree.name)
def test_put_away_it_leaves_no_trace(backend, tree, link):
    obj = weathered(tree)
    other = bpy.data.materials.new("Other")
    other.use_fake_user = True
    slot = obj.material_slots[0]
    worn = slot.material
    slot.link = "OBJECT"
    slot.material = worn if link == "OBJECT" else other  # an entry of the object's own, behind the mesh's
    slot.link = link
    assert slot.material == worn
    before, scene = everything(obj), state()
    for mark in ("1 exposure", "2 coverage"):
        bpy.ops.sabi.overlay_show(mark=mark)
        assert everything(obj) != before
    assert bpy.ops.sabi.overlay_hide() == {"FINISHED"}
    assert everything(obj) == before
    assert state() == scene
    obj.material_slots[0].link = "OBJECT"
    assert obj.material_slots[0].material == (worn if link == "OBJECT" else other)
    obj.material_slots[0].link = link
    assert freshness.check(obj) == ()
    assert not bpy.ops.sabi.overlay_hide.poll()


def test_weather_revert_flatten_and_saving_put_it_away(backend, tmp_path):
    obj = weathered()
    worn = obj.material_slots[0].material
    bpy.ops.sabi.overlay_show(mark="1 degree")
    bpy.ops.sabi.weather(recipe_json=Recipe(LAYERS).to_json())
    assert obj.material_slots[0].material == worn
    assert group_node(worn) is not None
    bpy.ops.sabi.overlay_show(mark="1 degree")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    obj = bpy.data.objects["Plane"]
    assert on_object.OVERLAY not in obj
    bpy.ops.sabi.overlay_show(mark="1 degree")
    bpy.ops.sabi.revert()
    assert obj.material_slots[0].material.name == TREES[0].name
    assert not any(made.name.startswith(overlay.NAME) for made in bpy.data.materials)


def test_what_there_is_not_is_one_sentence(backend):
    obj = weathered()
    before = everything(obj)
    with pytest.raises(RuntimeError, match="The layers of 'Plane' have no mask 4 to show"):
        bpy.ops.sabi.overlay_show(mark="1 mask 4")
    assert everything(obj) == before
    assert [(mark, word) for mark, _, word in overlay.values(obj)] == [
        ("1 coverage", "Coverage"),
        ("1 degree", "Degree"),
        ("1 exposure", "Exposure"),
        ("2 coverage", "Coverage"),
        ("2 degree", "Degree"),
        ("2 exposure", "Exposure"),
        ("2 mask 1", "Mask 1"),
        ("2 mask 2", "Mask 2"),
    ]


def test_the_panel_shows_and_hides(backend):
    obj = weathered()
    drawn = draw(bpy.types.SABI_PT_object)
    assert "sabi.overlay_show" in drawn.pressable
    bpy.ops.sabi.overlay_show(what="2 mask 1")
    drawn = draw(bpy.types.SABI_PT_object)
    assert "sabi.overlay_hide" in drawn.pressable
    assert [sockets["Age"].default_value for sockets in on_object.weathered(obj).layers] == pytest.approx([0.8, 0.8])
    assert layer_inputs(group_node(on_object.materials(obj)[0])), "sliders are those of the layers"
