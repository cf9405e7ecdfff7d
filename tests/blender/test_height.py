# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacement and bump give the height map, in metres; wear finds what only they show."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Exposure, Frame, Layer
from bl_ext.user_default.sabi.backend.protocol.surface import Surface
from bl_ext.user_default.sabi.backend.weathering.exposure import exposure
from blender import trees
from blender.captures import SIZE, baked_kinds, bytes_of, captured, plane


def displaced(height, kind="Displacement", **inputs) -> bpy.types.Material:
    """A plain material whose output is displaced; `height` gives the socket that the node's height is linked to."""
    made = trees.material(trees.Tree("displaced", trees._no_textures, trees.RED))
    tree = made.node_tree
    node = trees.shader(tree, kind, **{"Height" if kind == "Displacement" else "Vector": height(tree), **inputs})
    tree.links.new(node.outputs[0], tree.get_output_node("CYCLES").inputs["Displacement"])
    return made


def bumped(height, **inputs) -> bpy.types.Material:
    def build(tree):
        return trees.principled(tree, Normal=trees.shader(tree, "Bump", Height=height(tree), **inputs).outputs[0])

    return trees.material(trees.Tree("bumped", build, trees.RED))


def of_texture(image):
    return lambda tree: trees.texture(tree, image).outputs[0]


def node_of(material, kind):
    return next(node for node in material.node_tree.nodes if node.bl_idname == f"ShaderNode{kind}")


def grey(values: np.ndarray) -> bpy.types.Image:
    """An image of data; `values` [H, W] of bytes, top row first."""
    image = bpy.data.images.new("grey", values.shape[1], values.shape[0], is_data=True)
    rgba = np.repeat(values[::-1, :, None], 4, axis=2).astype(np.float32) / 255
    rgba[..., 3] = 1
    image.pixels.foreach_set(rgba.reshape(-1))
    image.pack()
    return image


def ramp(size: int = SIZE) -> np.ndarray:
    return np.broadcast_to(np.arange(size) * 255 // (size - 1), (size, size)).astype(np.uint8)


def metres_of(surface: Surface) -> np.ndarray:
    return (surface["height"].floats()[..., 0] - 0.5) * surface.height_scale


def u_of(surface: Surface) -> np.ndarray:
    width = surface.size[1]
    return np.broadcast_to((np.arange(width) + 0.5) / width, surface.size)


def test_a_height_texture_that_fits_is_read_bit_for_bit(monkeypatch):
    image = grey(ramp())
    obj = plane(displaced(of_texture(image), Scale=0.02, Midlevel=0.5))
    kinds = baked_kinds(monkeypatch)
    surface = captured(obj).surface
    assert surface["height"].array.dtype == np.uint16
    assert np.array_equal(surface["height"].array[..., 0], bytes_of(image)[..., 0].astype(np.uint16) * 257)
    assert surface.height_scale == pytest.approx(0.02)
    assert kinds.count("NORMAL") == 1
    assert kinds.count("EMIT") == 4  # normals, position, bends, occlusion: nothing of the height


@pytest.mark.parametrize(("midlevel", "scale"), [(0.0, 0.04), (1.0, 0.02), (0.5, -0.03), (0.25, 0.1)])
def test_midlevel_and_scale_are_metres(midlevel, scale):
    surface = captured(plane(displaced(of_texture(grey(ramp())), Scale=scale, Midlevel=midlevel))).surface
    expected = (ramp() / 255 - midlevel) * scale
    np.testing.assert_allclose(metres_of(surface), expected, atol=abs(scale) / 20000)


@pytest.mark.parametrize(
    ("scale", "space", "factor"),
    [((3, 3, 3), "OBJECT", 3), ((3, 2, 5), "OBJECT", 5), ((-2, 2, 2), "OBJECT", 2), ((3, 2, 5), "WORLD", 1)],
)
@pytest.mark.parametrize("exact", [True, False], ids=["texture", "baked"])
def test_the_objects_scale_counts_in_its_own_space(scale, space, factor, exact):
    """A plane looks along its own z: that axis' scale is how far the height reaches."""
    made = displaced(of_texture(grey(ramp())) if exact else trees.across, Scale=0.1, Midlevel=0.5)
    node_of(made, "Displacement").space = space
    obj = plane(made)
    obj.scale, obj.location, obj.rotation_euler = scale, (1, 2, 3), (0.4, 0.2, 1.0)
    bpy.context.view_layer.update()
    surface = captured(obj).surface
    np.testing.assert_allclose(metres_of(surface), (u_of(surface) - 0.5) * 0.1 * factor, atol=0.001 * factor)


def test_a_procedural_height_is_baked():
    surface = captured(plane(displaced(trees.across, Scale=0.1, Midlevel=0.25))).surface
    np.testing.assert_allclose(metres_of(surface), (u_of(surface) - 0.25) * 0.1, atol=1e-5)


@pytest.mark.parametrize("method", ["BUMP", "DISPLACEMENT", "BOTH"])
def test_normals_and_heights_are_the_same_however_it_is_displaced(method):
    made = displaced(trees.across, Scale=0.5, Midlevel=0.5)
    made.displacement_method = method
    surface = captured(plane(made)).surface
    np.testing.assert_allclose(metres_of(surface), (u_of(surface) - 0.5) * 0.5, atol=1e-4)
    normals = surface["normal"].floats()[8:-8, 8:-8] * 2 - 1
    slope = -normals[..., 0] / normals[..., 2]
    np.testing.assert_allclose(slope, 0.25, atol=0.06)  # half a metre over two; Blender's bump takes wide steps


def test_a_displacement_inside_a_group_is_read():
    made = trees.material(trees.Tree("grouped", trees._no_textures, trees.RED))
    group = bpy.data.node_groups.new("relief", "ShaderNodeTree")
    group.interface.new_socket("Displacement", in_out="OUTPUT", socket_type="NodeSocketVector")
    leave = group.nodes.new("NodeGroupOutput")
    inner = trees.shader(group, "Displacement", Height=trees.across(group), Scale=0.1, Midlevel=0.0)
    group.links.new(inner.outputs[0], leave.inputs[0])
    node = made.node_tree.nodes.new("ShaderNodeGroup")
    node.node_tree = group
    made.node_tree.links.new(node.outputs[0], made.node_tree.get_output_node("CYCLES").inputs["Displacement"])
    surface = captured(plane(made)).surface
    np.testing.assert_allclose(metres_of(surface), u_of(surface) * 0.1, atol=1e-4)


def test_vector_displacement_is_read_along_the_normal_and_says_so():
    def sideways(tree):
        vector = tree.nodes.new("ShaderNodeCombineXYZ")
        vector.inputs["X"].default_value = 1.0
        tree.links.new(trees.across(tree), vector.inputs["Y"])  # in tangent space y is the normal
        return vector.outputs[0]

    result = captured(plane(displaced(sideways, "VectorDisplacement", Scale=0.2, Midlevel=0.0)))
    np.testing.assert_allclose(metres_of(result.surface), u_of(result.surface) * 0.2, atol=1e-4)
    assert any("Vector Displacement" in warning for warning in result.warnings)
    assert not captured(plane(displaced(trees.across))).warnings


def test_a_bump_gives_its_height():
    image = grey(ramp())
    surface = captured(plane(bumped(of_texture(image), Strength=0.5, Distance=0.02))).surface
    assert np.array_equal(surface["height"].array[..., 0], bytes_of(image)[..., 0].astype(np.uint16) * 257)
    assert surface.height_scale == pytest.approx(0.01)
    made = bumped(trees.across, Strength=1.0, Distance=0.1)
    node_of(made, "Bump").invert = True
    surface = captured(plane(made)).surface
    np.testing.assert_allclose(metres_of(surface), (0.5 - u_of(surface)) * 0.1, atol=1e-4)


def test_a_bump_inside_groups_gives_its_height():
    """A group in a group makes the normal; the same group is used without its bump elsewhere."""
    inner = bpy.data.node_groups.new("inner", "ShaderNodeTree")
    inner.interface.new_socket("Distance", in_out="INPUT", socket_type="NodeSocketFloat")
    inner.interface.new_socket("Normal", in_out="OUTPUT", socket_type="NodeSocketVector")
    entry, leave = inner.nodes.new("NodeGroupInput"), inner.nodes.new("NodeGroupOutput")
    bump = trees.shader(inner, "Bump", Height=trees.across(inner), Strength=1.0, Distance=entry.outputs[0])
    inner.links.new(bump.outputs[0], leave.inputs[0])
    outer = bpy.data.node_groups.new("outer", "ShaderNodeTree")
    outer.interface.new_socket("Shader", in_out="OUTPUT", socket_type="NodeSocketShader")
    leave, nested = outer.nodes.new("NodeGroupOutput"), outer.nodes.new("ShaderNodeGroup")
    nested.node_tree = inner
    nested.inputs[0].default_value = 0.2
    outer.links.new(trees.principled(outer, Normal=nested.outputs[0]), leave.inputs[0])

    def build(tree):
        node = tree.nodes.new("ShaderNodeGroup")
        node.node_tree = outer
        return node.outputs[0]

    groups = len(bpy.data.node_groups)
    surface = captured(plane(trees.material(trees.Tree("grouped", build, trees.RED)))).surface
    np.testing.assert_allclose(metres_of(surface), (u_of(surface) - 0.5) * 0.2, atol=1e-4)
    assert len(bpy.data.node_groups) == groups


def test_two_bumps_give_no_height_and_a_muted_one_does_not_count():
    made = bumped(trees.across)
    tree, first = made.node_tree, node_of(made, "Bump")
    second = trees.shader(tree, "Bump", Height=trees.across(tree), Distance=0.1)
    tree.links.new(second.outputs[0], first.inputs["Normal"])
    assert "height" not in captured(plane(made)).surface
    first.mute = True
    surface = captured(plane(made)).surface
    np.testing.assert_allclose(metres_of(surface), (u_of(surface) - 0.5) * 0.1, atol=1e-4)


def test_materials_without_a_height_are_flush_beside_one_that_has():
    bpy.ops.mesh.primitive_grid_add(x_subdivisions=2, y_subdivisions=2)
    obj = bpy.context.object
    obj.data.materials.append(displaced(trees.across, Scale=0.1, Midlevel=0.0))
    obj.data.materials.append(trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    for polygon in obj.data.polygons:
        polygon.material_index = int(polygon.center.y > 0)
    surface = captured(obj).surface
    metres = metres_of(surface)
    assert np.abs(metres[: SIZE // 2]).max() < 1e-5
    np.testing.assert_allclose(metres[SIZE // 2 :], u_of(surface)[SIZE // 2 :] * 0.1, atol=1e-4)


def test_nothing_raised_is_no_height_map():
    assert "height" not in captured(plane()).surface
    flat = displaced(trees.across, Scale=0.0)
    assert "height" not in captured(plane(flat)).surface


def test_a_second_recipe_has_the_same_height_scale(monkeypatch):
    obj = plane(displaced(trees.across, Scale=0.1, Midlevel=0.25))
    first = captured(obj).surface
    kinds = baked_kinds(monkeypatch)
    again = captured(obj).surface
    assert not kinds
    assert again.height_scale == first.height_scale
    assert np.array_equal(again["height"].array, first["height"].array)


@pytest.mark.parametrize("seen", ["height", "normal"])
@pytest.mark.parametrize("method", ["BUMP", "DISPLACEMENT"])
def test_wear_sees_bolts_that_only_the_displacement_has(seen, method):
    """Round bolts of 2 mm on a plate of 40 cm: their borders weather more readily than the plain around them."""
    size = 256
    y, x = np.mgrid[0:size, 0:size] + 0.5
    far = np.full((size, size), np.inf)
    for row in (64, 192):
        for column in (64, 192):
            far = np.minimum(far, np.hypot(x - column, y - row))
    bolts = np.clip((22 - far) / 6 + 0.5, 0, 1)  # a slope of six texels between bolt and plain
    made = displaced(of_texture(grey((bolts * 255).astype(np.uint8))), Scale=0.004, Midlevel=0.0)
    made.displacement_method = method
    surface = captured(plane(made, size=0.4), size).surface
    hidden = {"height", "normal"} - {seen}
    surface = Surface({n: m for n, m in surface.maps.items() if n not in hidden}, height_scale=surface.height_scale)
    layer = Layer(Effect.RUST, feature_size=0.02, exposure=Exposure(edges=1.0, cavities=0.5))
    found = exposure(surface, layer, Frame())
    border, plain = np.abs(far - 22) < 6, far > 45
    assert found[border].mean() > found[plain].mean() + 0.2
