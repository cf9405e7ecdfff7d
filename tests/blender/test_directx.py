# SPDX-License-Identifier: GPL-3.0-or-later
"""DirectX normal maps: recognised by name, followed where nodes turn them, turned where nothing does."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.interface import problems
from bl_ext.user_default.sabi.addon.surface import channels, directx
from blender import trees
from blender.captures import captured, inside, plane

SIZE = 64


def bent(name="wall_nor", turn=None):
    """A material whose normals lean up everywhere, as OpenGL has them (green 200) or DirectX (green 55, by the image's name)."""
    image = bpy.data.images.new(name, SIZE, SIZE, is_data=True)
    rgba = np.empty((SIZE, SIZE, 4), np.float32)
    rgba[...] = (128 / 255, (55 if "d" in name.lower()[5:] else 200) / 255, 230 / 255, 1)
    image.pixels.foreach_set(rgba.reshape(-1))
    image.pack()

    def build(tree):
        colour = trees.texture(tree, image).outputs["Color"]
        node = tree.nodes.new("ShaderNodeNormalMap")
        tree.links.new(turn(tree, colour) if turn else colour, node.inputs["Color"])
        return trees.principled(tree, Normal=node.outputs[0])

    return trees.material(trees.Tree(name, build, trees.RED))


def by_curves(tree, colour):
    node = tree.nodes.new("ShaderNodeRGBCurve")
    points = node.mapping.curves[1].points
    points[0].location, points[1].location = (0, 1), (1, 0)
    node.mapping.update()
    tree.links.new(colour, node.inputs["Color"])
    return node.outputs[0]


def by_parts(tree, colour):
    apart, whole = tree.nodes.new("ShaderNodeSeparateColor"), tree.nodes.new("ShaderNodeCombineColor")
    invert = tree.nodes.new("ShaderNodeInvert")
    tree.links.new(colour, apart.inputs[0])
    tree.links.new(apart.outputs[1], invert.inputs["Color"])
    for index, output in ((0, apart.outputs[0]), (1, invert.outputs[0]), (2, apart.outputs[2])):
        tree.links.new(output, whole.inputs[index])
    return whole.outputs[0]


def green(obj):
    surface = captured(obj, SIZE).surface
    return float(np.median(surface["normal"].floats()[..., 1][inside(surface)]))


@pytest.mark.parametrize("turn", [by_curves, by_parts])
def test_a_tree_that_turns_green_is_followed(turn):
    opengl, turned = green(plane(bent())), green(plane(bent("wall_nor_dx", turn)))
    assert opengl > 0.6
    assert turned == pytest.approx(opengl, abs=3 / 255)
    assert directx.unturned(bpy.data.materials["wall_nor_dx"]) is None


@pytest.mark.parametrize("name", ["wall_nor_dx", "Wall_NormalDX", "wall-normal-directx_4k"])
def test_recognised_by_name_said_and_turned(name):
    obj = plane(bent(name))
    made = obj.active_material
    assert [problem.name for problem in problems.problems(bpy.context)] == [name]
    assert any("DirectX normal map" in note for note in channels.notes(made))
    assert bpy.ops.sabi.turn_normals() == {"FINISHED"}
    assert green(obj) > 0.6
    assert not list(problems.problems(bpy.context))
    assert not channels.notes(made)
    assert not bpy.ops.sabi.turn_normals.poll(), "once is enough"


def test_what_no_name_tells_is_declared():
    obj = plane(bent("wall"))
    made = obj.active_material
    assert directx.unturned(made) is None
    bpy.ops.sabi.turn_normals()
    assert green(obj) > 0.6, "left alone"
    bpy.ops.sabi.turn_normals(every=True)
    assert green(obj) < 0.4


def test_inside_groups():
    group = bpy.data.node_groups.new("bump", "ShaderNodeTree")
    group.interface.new_socket("Normal", in_out="OUTPUT", socket_type="NodeSocketVector")
    made = bent("wall_nor_dx")
    image = next(node.image for node in made.node_tree.nodes if node.type == "TEX_IMAGE")
    node = group.nodes.new("ShaderNodeNormalMap")
    group.links.new(trees.texture(group, image).outputs[0], node.inputs["Color"])
    group.links.new(node.outputs[0], group.nodes.new("NodeGroupOutput").inputs[0])

    def build(tree):
        inner = tree.nodes.new("ShaderNodeGroup")
        inner.node_tree = group
        return trees.principled(tree, Normal=inner.outputs[0])

    obj = plane(trees.material(trees.Tree("grouped", build, trees.RED)))
    assert directx.unturned(obj.active_material) == image
    bpy.ops.sabi.turn_normals()
    assert directx.unturned(obj.active_material) is None
    assert green(obj) > 0.6
