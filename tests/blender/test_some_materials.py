# SPDX-License-Identifier: GPL-3.0-or-later
"""Some of an object's materials weathered, by a pattern of their names: the others stay, and have recipes of their own."""

import json

import bpy
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.fingerprint import fingerprint
from blender.emission import plane
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material


@pytest.fixture
def backend(monkeypatch):
    with played(monkeypatch) as backend:
        yield backend


@pytest.fixture
def gate():
    """A plane cut in two faces, of steel and of wood; the steel is on another object too."""
    obj = plane(tree_material(TREES[0]))
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.subdivide(number_cuts=1)
    bpy.ops.object.mode_set(mode="OBJECT")
    obj.data.materials.append(tree_material(TREES[0]))
    for slot, name in zip(obj.material_slots, ("Painted Steel", "Wood"), strict=True):
        slot.material.name = name
    obj.data.polygons[0].material_index = 1
    other = bpy.data.objects.new("Other", bpy.data.meshes.new("Other"))
    other.data.materials.append(obj.material_slots[0].material)
    bpy.context.collection.objects.link(other)
    return obj


def effects(obj):
    """The effects on each slot's material; () where it is not weathered."""
    groups = [on_object.group_node(slot.material) for slot in obj.material_slots]
    recipes = [json.loads(node.node_tree[on_object.RECIPE]) if node else {"layers": []} for node in groups]
    return [tuple(layer["effect"] for layer in recipe["layers"]) for recipe in recipes]


def test_what_the_pattern_does_not_match_stays(backend, gate):
    wood = fingerprint(gate.material_slots[1].material)
    bpy.ops.sabi.weather(effect="rust", materials="*STEEL*")
    assert effects(gate) == [("rust",), ()]
    assert fingerprint(gate.material_slots[1].material) == wood
    assert not on_object.touched(bpy.data.objects["Other"])


def test_each_material_may_have_a_recipe_of_its_own(backend, gate):
    bpy.ops.sabi.weather(effect="rust", materials="Painted Steel")
    bpy.ops.sabi.weather(effect="greyed_wood", materials="wood")
    assert effects(gate) == [("rust",), ("greyed_wood",)]
    bpy.ops.sabi.weather(effect="dirt", materials="Painted Steel")  # a copy by now, still known by its original's name
    assert effects(gate) == [("dirt",), ("greyed_wood",)]
    bpy.ops.sabi.revert()
    assert [slot.material.name for slot in gate.material_slots] == ["Painted Steel", "Wood"]
    assert effects(gate) == [(), ()]


def test_a_pattern_that_matches_nothing_is_told(backend, gate):
    with pytest.raises(RuntimeError, match=r"No material of '.*' is called 'Gold'.*Painted Steel, Wood"):
        bpy.ops.sabi.weather(effect="rust", materials="Gold")
    assert work.failure().code == "scene"
    assert not on_object.touched(gate)
    assert not backend.recipes
