# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials of faces that modifiers make, and materials that only modifiers give."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node
from bl_ext.user_default.sabi.addon.surface import capture
from bl_ext.user_default.sabi.backend.protocol.errors import SabiError
from blender import trees
from blender.captures import captured, inside, plane
from blender.played import played


def of_colour(name, colour):
    return trees.material(trees.Tree(name, lambda tree: trees.principled(tree, colour), colour))


def given_by_nodes(obj, made, beside):
    """A geometry node modifier that gives faces this material: all of them, or those of a cube that it adds `beside` them."""
    tree = bpy.data.node_groups.new("made", "GeometryNodeTree")
    tree.is_modifier = True
    for way in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    entry, leave = tree.nodes.new("NodeGroupInput"), tree.nodes.new("NodeGroupOutput")
    give = tree.nodes.new("GeometryNodeSetMaterial")
    give.inputs["Material"].default_value = made
    if beside:
        cube, join = tree.nodes.new("GeometryNodeMeshCube"), tree.nodes.new("GeometryNodeJoinGeometry")
        cube.inputs["Size"].default_value = (1e-3,) * 3
        tree.links.new(cube.outputs[0], give.inputs[0])
        tree.links.new(entry.outputs[0], join.inputs[0])
        tree.links.new(give.outputs[0], join.inputs[0])
        tree.links.new(join.outputs[0], leave.inputs[0])
    else:
        tree.links.new(entry.outputs[0], give.inputs[0])
        tree.links.new(give.outputs[0], leave.inputs[0])
    obj.modifiers.new("made", "NODES").node_group = tree
    bpy.context.view_layer.update()


def test_the_rim_that_a_modifier_makes_weathers_too(monkeypatch):
    face, rim = of_colour("face", trees.RED), of_colour("rim", trees.BLUE)
    obj = plane(face)
    obj.data.materials.append(rim)
    thick = obj.modifiers.new("thick", "SOLIDIFY")
    thick.thickness, thick.material_offset_rim = 0.5, 1
    bpy.context.view_layer.update()
    assert captured(obj).materials == ("face", "rim")
    with played(monkeypatch):
        monkeypatch.setattr(weathering, "Capture", capture.Capture)
        bpy.ops.sabi.weather(effect="rust", size=64)
    assert all(map(group_node, (face, rim)))
    bpy.ops.sabi.flatten(size=16)
    assert len({slot.material for slot in obj.material_slots}) == 1
    bpy.ops.sabi.revert()
    assert [slot.material for slot in obj.material_slots] == [face, rim]
    assert not any(map(group_node, (face, rim)))


def test_materials_that_nodes_put_in_another_order_keep_their_colours():
    first, second = of_colour("first", trees.RED), of_colour("second", trees.BLUE)
    obj = plane(first)
    obj.data.materials.append(second)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")
    bare = captured(obj).surface["albedo"].array.copy()
    given_by_nodes(obj, of_colour("foreign", trees.GREY), beside=True)
    result = captured(obj)
    assert result.slots == (0,)
    assert result.warnings == (
        "Modifiers give faces of 'Plane' the material 'foreign', which is in none of its slots: it stays as it is.",
    )
    both = inside(result.surface)
    assert np.array_equal(result.surface["albedo"].array[both], bare[both])


def test_an_object_whose_material_is_given_by_nodes_alone_is_refused():
    obj = plane()
    given_by_nodes(obj, of_colour("foreign", trees.GREY), beside=False)
    with pytest.raises(SabiError, match="give it the material 'foreign'") as caught:
        captured(obj)
    assert "slot" in caught.value.hint
    obj.data.materials.append(bpy.data.materials["foreign"])
    assert captured(obj).slots == (1,)
