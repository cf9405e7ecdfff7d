# SPDX-License-Identifier: GPL-3.0-or-later
"""An island that is mirrored, but lies on no other, keeps its UV map: all that has a handedness comes out as beside it.

A wall of two quads that meet at x = 0; the right one's u runs against x. What is known in the world must be the same on both.
"""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.backend.weathering import geometry, relief
from bl_ext.user_default.sabi.backend.weathering.grid import reduced
from bl_ext.user_default.sabi.backend.weathering.seams import find_seams
from blender import trees
from blender.captures import captured

SIZE = 128
DOWN = np.array((0, 0, -1), np.float32)


def wall(material: bpy.types.Material) -> bpy.types.Object:
    """Two metres by one, upright, looking at -y; gaps between and around the islands."""
    mesh = bpy.data.meshes.new("wall")
    mesh.from_pydata(
        [(-1, 0, 0), (0, 0, 0), (0, 0, 1), (-1, 0, 1), (1, 0, 0), (1, 0, 1)], [], [(0, 1, 2, 3), (1, 4, 5, 2)]
    )
    straight = [(0.05, 0.05), (0.45, 0.05), (0.45, 0.85), (0.05, 0.85)]
    mirrored = [(0.95, 0.1), (0.55, 0.1), (0.55, 0.9), (0.95, 0.9)]
    mesh.uv_layers.new(name="own").uv.foreach_set("vector", np.array([straight, mirrored], np.float32).reshape(-1))
    mesh.materials.append(material)
    obj = bpy.data.objects.new("wall", mesh)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.update()
    return obj


def bumpy(axes: str, operation: str = "MULTIPLY") -> bpy.types.Material:
    """A bump whose height is a function of the place on the object, whatever the UVs."""

    def build(tree):
        place = tree.nodes.new("ShaderNodeTexCoord")
        parts = tree.nodes.new("ShaderNodeSeparateXYZ")
        tree.links.new(place.outputs["Object"], parts.inputs[0])
        if axes == "dome":  # half spheres in the middles of the quads, above the wall
            away = [_math(tree, "SUBTRACT", _math(tree, "ABSOLUTE", parts.outputs["X"]), 0.5)]
            away.append(_math(tree, "SUBTRACT", parts.outputs["Z"], 0.5))
            square = [_math(tree, "MULTIPLY", value, value) for value in away]
            height = _math(tree, "MAXIMUM", _math(tree, "SUBTRACT", 0.09, _math(tree, "ADD", *square)), 0.0)
        else:
            height = parts.outputs[axes]
        bump = trees.shader(tree, "Bump", Height=height, Strength=1.0, Distance=0.5)
        return trees.principled(tree, Normal=bump.outputs[0])

    return trees.material(trees.Tree("bumpy", build, trees.RED))


def _math(tree, operation, *values):
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for value, entry in zip(values, node.inputs, strict=False):
        if isinstance(value, bpy.types.NodeSocket):
            tree.links.new(value, entry)
        else:
            entry.default_value = value
    return node.outputs[0]


def halves(surface):
    """The texels of the straight and of the mirrored island, without their rims."""
    inside = surface["island_mask"].array[..., 0] > 0
    core = inside & np.roll(inside, 3, 0) & np.roll(inside, -3, 0) & np.roll(inside, 3, 1) & np.roll(inside, -3, 1)
    x = surface["position"].array[..., 0]
    return core & (x < 0), core & (x > 0)


def test_it_keeps_its_uv_map_and_texels_are_read():
    image = trees.checks(SIZE)
    made = trees.material(
        trees.Tree("t", lambda tree: trees.principled(tree, trees.texture(tree, image).outputs[0]), trees.RED)
    )
    result = captured(wall(made), SIZE)
    assert (result.uv_map, result.second_uv, result.warnings) == ("own", None, ())


@pytest.mark.parametrize(("axis", "rises"), [("X", (1, 0, 0)), ("Z", (0, 0, 1))])
def test_normals_lean_the_same_way_in_the_world(axis, rises):
    surface = captured(wall(bumpy(axis)), SIZE).surface
    inside = surface["island_mask"].array[..., 0] > 0
    right, below = geometry.tangents(surface["position"].array, inside)
    right /= np.maximum(np.linalg.norm(right, axis=2, keepdims=True), 1e-9)
    below /= np.maximum(np.linalg.norm(below, axis=2, keepdims=True), 1e-9)
    bent = surface["normal"].floats() * 2 - 1
    world = bent[..., :1] * right - bent[..., 1:2] * below
    world += bent[..., 2:] * surface["world_normal"].array.astype(np.float32)
    steep = np.array((0, -1, 0)) - 0.5 * np.array(rises)  # half a metre up for each along the axis
    steep /= np.linalg.norm(steep)
    for here in halves(surface):
        assert here.sum() > 1000
        np.testing.assert_allclose(world[here], np.broadcast_to(steep, world[here].shape), atol=0.03)


def test_down_is_down_in_the_world():
    surface = captured(wall(bumpy("X")), SIZE).surface
    inside = surface["island_mask"].array[..., 0] > 0
    position = surface["position"].array
    down = geometry.down(position, inside, DOWN)
    right, below = geometry.tangents(position, inside)
    way = down[..., :1] * right + down[..., 1:] * below
    for here in halves(surface):
        along = way[here] / np.linalg.norm(way[here], axis=1, keepdims=True)
        np.testing.assert_allclose(along, np.broadcast_to(DOWN, along.shape), atol=0.01)


def test_what_rises_is_convex_on_both_sides():
    surface = captured(wall(bumpy("dome")), SIZE).surface
    grid = reduced(surface)
    assert grid.stride == 1
    slopes = relief.slopes(grid)
    bend = relief.bend(grid, slopes, 0.3)
    place = surface["position"].array
    for here, middle in zip(halves(surface), (-0.5, 0.5), strict=True):
        far = np.hypot(place[..., 0] - middle, place[..., 2] - 0.5)
        assert bend[here & (far < 0.2)].mean() > 0.2
        assert bend[here & (np.abs(far - 0.31) < 0.02)].mean() < -0.1


def test_the_seam_between_them_leads_to_the_same_place():
    """Gutters of both islands stand for texels where the wall goes on, though one is turned inside out."""
    surface = captured(wall(bumpy("X")), SIZE).surface
    inside = surface["island_mask"].array[..., 0] > 0
    position = surface["position"].array
    normals = surface["world_normal"].array.astype(np.float32)
    seams = find_seams(inside, position, normals, reach=5, share=3)
    nearest = seams.outside.nearest
    crossing = seams.source != seams.rim[nearest]
    assert crossing.sum() > 500
    rim, gutter = (np.stack(np.divmod(at[crossing], SIZE), -1) for at in (seams.rim[nearest], seams.outside.texels))
    right, below = geometry.tangents(position, inside)
    at, away = tuple(rim.T), gutter - rim
    goes_on = position[at] + away[:, 1:] * right[at] + away[:, :1] * below[at]  # the wall is flat
    found = position.reshape(-1, 3)[seams.source[crossing]]
    assert np.linalg.norm(found - goes_on, axis=1).max() < 0.03  # texels are 2 cm wide, and 1
    assert (goes_on[:, 0] > 0).sum() > 200  # out of the straight island
    assert (goes_on[:, 0] < 0).sum() > 200  # and of the mirrored one
