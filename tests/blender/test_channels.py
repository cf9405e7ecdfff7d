# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures that fit are read byte for byte, others baked; what has not changed is baked once."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace
from blender import trees
from blender.captures import SIZE, baked_kinds, bytes_of, captured, plane, textured


def test_a_texture_that_fits_is_read_byte_for_byte(monkeypatch):
    image = trees.checks(SIZE)
    kinds = baked_kinds(monkeypatch)
    surface = captured(plane(textured(image, Base_Color="Color"))).surface
    assert np.array_equal(surface["albedo"].array, bytes_of(image)[..., :3])
    assert len(kinds) == 4  # normals, position, bends, occlusion: nothing of the material


def test_a_colour_from_an_image_of_data_is_scene_linear():
    image = trees.checks(SIZE, data=True)
    albedo = captured(plane(textured(image, Base_Color="Color"))).surface["albedo"]
    assert np.array_equal(albedo.array, bytes_of(image)[..., :3])
    assert albedo.color_space is ColorSpace.LINEAR


def test_channels_of_a_packed_texture_are_read_byte_for_byte():
    image = trees.checks(SIZE, data=True)

    def build(tree):
        node, parts = trees.texture(tree, image), tree.nodes.new("ShaderNodeSeparateColor")
        tree.links.new(node.outputs[0], parts.inputs[0])
        return trees.principled(tree, Roughness=parts.outputs[1], Metallic=parts.outputs[2])

    surface = captured(plane(trees.material(trees.Tree("packed", build, trees.RED)))).surface
    assert np.array_equal(surface["roughness"].array, bytes_of(image)[..., 1:2])
    assert np.array_equal(surface["metallic"].array, bytes_of(image)[..., 2:3])


def test_a_muted_node_between_texture_and_shader_is_not_read_past():
    """Separate Color that is muted gives the colour as one number, its brightness, whichever output is used."""
    image = trees.checks(SIZE, data=True)

    def build(tree):
        node, parts = trees.texture(tree, image), tree.nodes.new("ShaderNodeSeparateColor")
        node.interpolation, parts.mute = "Closest", True
        tree.links.new(node.outputs[0], parts.inputs[0])
        return trees.principled(tree, Roughness=parts.outputs[0])

    roughness = captured(plane(trees.material(trees.Tree("muted", build, trees.RED)))).surface["roughness"]
    grey = bytes_of(image)[..., :3] @ (0.2126, 0.7152, 0.0722)
    np.testing.assert_allclose(roughness.array[..., 0], grey, atol=1.5)


def test_a_normal_map_that_fits_is_read_and_others_are_baked():
    image = trees.checks(SIZE, data=True)

    def build(tree, strength):
        node, normal = trees.texture(tree, image), tree.nodes.new("ShaderNodeNormalMap")
        tree.links.new(node.outputs[0], normal.inputs["Color"])
        normal.inputs["Strength"].default_value = strength
        return trees.principled(tree, Normal=normal.outputs[0])

    def normals(strength):
        tree = trees.Tree("bumpy", lambda tree: build(tree, strength), trees.RED)
        return captured(plane(trees.material(tree))).surface["normal"]

    assert np.array_equal(normals(1.0).array, bytes_of(image)[..., :3])
    assert normals(0.5).array.dtype == np.uint16


def test_a_baked_slope_that_rises_upward_is_below_half_in_green():
    """OpenGL's convention: what rises towards the top of the texture leans down, away from +Y."""

    def build(tree):
        uv, parts = tree.nodes.new("ShaderNodeUVMap"), tree.nodes.new("ShaderNodeSeparateXYZ")
        bump = tree.nodes.new("ShaderNodeBump")
        tree.links.new(uv.outputs[0], parts.inputs[0])
        tree.links.new(parts.outputs["Y"], bump.inputs["Height"])
        bump.inputs["Distance"].default_value = 1.0
        return trees.principled(tree, Normal=bump.outputs[0])

    normal = captured(plane(trees.material(trees.Tree("slope", build, trees.RED)))).surface["normal"].floats()
    middle = normal[8:-8, 8:-8]
    assert middle[..., 1].max() < 0.45
    np.testing.assert_allclose(middle[..., 0], 0.5, atol=0.01)


def test_colours_used_as_numbers_and_sizes_that_differ_are_baked(monkeypatch):
    kinds = baked_kinds(monkeypatch)
    captured(plane(textured(trees.checks(32), Base_Color="Color")))
    assert len(kinds) == 5
    captured(plane(textured(trees.checks(SIZE), Roughness="Color")))
    assert len(kinds) == 10


def test_a_second_recipe_bakes_nothing(monkeypatch):
    obj = plane()
    first = captured(obj)
    kinds = baked_kinds(monkeypatch)
    second = captured(obj)
    assert not kinds
    assert second.key == first.key
    assert set(second.surface.maps) == set(first.surface.maps)
    for name, map_ in first.surface.maps.items():
        assert np.array_equal(map_.array, second.surface[name].array), name


CHANGES = {
    "a vertex": lambda obj: setattr(obj.data.vertices[0], "co", (-2, -1, 0)),
    "the UV map": lambda obj: setattr(obj.data.uv_layers[0].uv[0], "vector", (0.1, 0.2)),
    "a value": lambda obj: setattr(_principled(obj).inputs["Roughness"], "default_value", 0.123),
    "a texel": lambda obj: _paint(bpy.data.images["checks"]),
    "the scale": lambda obj: (setattr(obj, "scale", (2, 1, 1)), bpy.context.view_layer.update()),
}


def _principled(obj):
    return next(node for node in obj.active_material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")


def _paint(image):
    image.pixels[5] = 0.77
    image.update()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_has_changed_is_baked_again(change, monkeypatch):
    obj = plane(textured(trees.checks(SIZE), Base_Color="Color"))
    first = captured(obj)
    change(obj)
    kinds = baked_kinds(monkeypatch)
    assert captured(obj).key != first.key
    assert kinds
