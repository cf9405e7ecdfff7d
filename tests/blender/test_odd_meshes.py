# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes that nobody would draw and everybody meets: each weathers, its maps hold numbers, and Revert leaves nothing behind."""

import math

import bmesh
import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node
from bl_ext.user_default.sabi.addon.surface import capture
from blender.captures import cube, inside, plane
from blender.played import played
from blender.scene_state import state

SIDE = 64


def scaled(*scale):
    obj = cube()
    obj.scale = scale
    return obj


def in_a_sheared_parent():
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.collection.objects.link(parent)
    parent.scale = (1, 5, 0.2)
    obj = cube()
    obj.parent, obj.rotation_euler = parent, (0.5, 0.3, 0.7)
    return obj


def with_faces_of_no_area():
    obj = plane()
    mesh = bmesh.new()
    mesh.from_mesh(obj.data)
    for places in (((0, 0, 0),) * 3, ((0, 0, 0), (0.5, 0, 0), (1, 0, 0))):
        mesh.faces.new([mesh.verts.new(place) for place in places])
    mesh.to_mesh(obj.data)
    mesh.free()
    return obj


def with_a_uv_of(value):
    obj = cube()
    obj.data.uv_layers[0].data[3].uv = (value, 0.2)
    return obj


def with_uvs_in_one_point():
    obj = cube()
    for corner in obj.data.uv_layers[0].data:
        corner.uv = (0.5, 0.5)
    return obj


def a_star():
    """One concave face of forty corners."""
    obj, turn = plane(), 2 * math.pi / 40
    mesh = bpy.data.meshes.new("Star")
    radii = [1 if corner % 2 else 0.4 for corner in range(40)]
    corners = [(r * math.cos(turn * n), r * math.sin(turn * n), 0.0) for n, r in enumerate(radii)]
    mesh.from_pydata(corners, [], [tuple(range(40))])
    mesh.uv_layers.new(name="UVMap")
    for loop in mesh.loops:
        x, y, _ = mesh.vertices[loop.vertex_index].co
        mesh.uv_layers[0].data[loop.index].uv = (x / 2 + 0.5, y / 2 + 0.5)
    mesh.materials.append(obj.active_material)
    obj.data = mesh
    return obj


def three_faces_at_one_edge():
    """And an edge without a face."""
    obj = plane()
    mesh = bpy.data.meshes.new("Fins")
    corners = [(0, 0, 0), (0, 0, 1), (1, 0, 0), (-1, 0, 0), (0, 1, 0), (3, 3, 3), (4, 4, 4)]
    mesh.from_pydata(corners, [(5, 6)], [(0, 1, 2), (0, 1, 3), (0, 1, 4)])
    uvs = mesh.uv_layers.new(name="UVMap").data
    for number, corner in enumerate(uvs):
        left, low = 0.5 * (number // 3 % 2), 0.5 * (number // 6)
        corner.uv = ((left, low), (left + 0.3, low), (left, low + 0.3))[number % 3]
    mesh.materials.append(obj.active_material)
    obj.data = mesh
    return obj


def with_a_corner_nowhere():
    obj = cube()
    obj.data.vertices[0].co = (math.nan, 0, 0)
    return obj


def of_slots_that_are_not_there():
    obj = cube()
    for face in obj.data.polygons:
        face.material_index = 7
    return obj


def drawn_in_another_uv_map():
    obj = cube()
    for corner in obj.data.uv_layers.new(name="二番").data:
        corner.uv = (0.1, 0.1)
    obj.data.uv_layers.active_index = 1
    return obj


def far_from_everything():
    obj = cube()
    obj.location = (1e6, 1e6, 0)
    return obj


ODD = {
    "mirrored by its scale": lambda: scaled(-1, 1, 1),
    "turned inside out and flat": lambda: scaled(-1, -2, -0.5),
    "sheared by its parent": in_a_sheared_parent,
    "faces of no area": with_faces_of_no_area,
    "a UV that is no number": lambda: with_a_uv_of(math.nan),
    "a UV at infinity": lambda: with_a_uv_of(math.inf),
    "all UVs in one point": with_uvs_in_one_point,
    "a concave face of 40 corners": a_star,
    "three faces at one edge": three_faces_at_one_edge,
    "a corner that is nowhere": with_a_corner_nowhere,
    "slots that are not there": of_slots_that_are_not_there,
    "another UV map is edited": drawn_in_another_uv_map,
    "a tenth of a millimetre": lambda: cube(1e-4),
    "a hundred kilometres": lambda: cube(1e5),
    "far from everything": far_from_everything,
}


@pytest.fixture
def surfaces(monkeypatch):
    """What is captured, in small."""
    found = []

    class SmallCapture(capture.Capture):
        def __init__(self, context, obj, settings):
            super().__init__(context, obj, settings._replace(size=SIDE))

        def run(self):
            result = super().run()
            found.append(result.surface)
            return result

    with played(monkeypatch):
        monkeypatch.setattr(weathering, "Capture", SmallCapture)
        yield found


@pytest.mark.parametrize("make", ODD.values(), ids=ODD)
def test_an_odd_mesh_is_weathered_and_reverted(surfaces, make):
    obj = make()
    bpy.context.view_layer.update()
    before = state()
    bpy.ops.sabi.weather(effect="rust")
    assert group_node(obj.active_material) is not None
    (surface,) = surfaces
    surface.check_values()
    assert inside(surface).mean() > 0.1
    assert np.ptp(surface["albedo"].array[inside(surface)], axis=0).max() <= 1, "one colour is baked as one"
    bpy.ops.sabi.revert()
    assert state() == before


def test_two_objects_over_one_mesh_are_weathered_each_by_itself(surfaces):
    obj = cube()
    other = obj.copy()
    other.location.x, other.scale = 5, (2, 1, 1)
    bpy.context.collection.objects.link(other)
    other.select_set(True)
    before = state()
    bpy.ops.sabi.weather(effect="rust")
    first, second = (one.material_slots[0].material for one in (obj, other))
    assert first != second
    assert all(map(group_node, (first, second)))
    sizes = [np.ptp(one["position"].array[inside(one)][:, 0]) for one in surfaces]
    assert max(sizes) == pytest.approx(2 * min(sizes), rel=0.05)
    bpy.ops.sabi.revert()
    assert state() == before
