# SPDX-License-Identifier: GPL-3.0-or-later
"""Instances of one weathered mesh: one texture set, and an age and an offset of each one's own, seen in a render."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.interface import problems
from bl_ext.user_default.sabi.addon.nodes import freshness, instances, material, on_object
from bl_ext.user_default.sabi.addon.nodes.instances import AGE, OFFSET, Variation
from bl_ext.user_default.sabi.backend.protocol.recipe import load_preset
from blender.emission import bake_socket, plane
from blender.painted_images import images_of, synthetic_layer
from blender.played import played
from blender.trees import TREES
from blender.trees import material as tree_material

APART = 2.5  # from one instance to the next


def shining(varied: bool = True) -> bpy.types.Object:
    """A square that shines with the coverage of a layer of many thresholds."""
    obj = plane(tree_material(TREES[0]))
    layer = images_of(synthetic_layer(3, 32, block=1), age=0.5)
    layer.growth.pixels.foreach_set(grown(32))
    layer.growth.update()
    variation = Variation.of(obj) if varied else None
    material.apply(
        obj,
        [material.Painting((0,), [layer], "UVMap", variation=variation)],
        load_preset("light_rust").to_json(),
    )
    tree = obj.material_slots[0].material.node_tree
    light = tree.nodes.new("ShaderNodeEmission")
    tree.links.new(on_object.group_node(obj.material_slots[0].material).outputs["Coverage"], light.inputs["Color"])
    tree.links.new(light.outputs[0], tree.get_output_node("CYCLES").inputs["Surface"])
    return obj


def grown(side: int) -> np.ndarray:
    """Texels as exposed as any, whose thresholds rise from left to right."""
    texels = np.full((side, side, 4), 0.5, np.float32)
    texels[..., 1] = np.linspace(0.05, 0.9, side)
    texels[..., 2] = 0.25
    return texels.reshape(-1)


def rendered(tmp_path, count: int) -> list[np.ndarray]:
    """What a camera above sees of each of the squares that lie beside one another: [32, 32]."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    scene.collection.objects.link(camera)
    camera.data.type, camera.data.ortho_scale = "ORTHO", APART * count
    camera.location = (APART * (count - 1) / 2, 0, 5)
    scene.camera = camera
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.render.resolution_x, scene.render.resolution_y = 32 * count, 32
    scene.render.image_settings.file_format, scene.view_settings.view_transform = "PNG", "Standard"
    scene.render.filepath = str(tmp_path / "seen.png")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(tmp_path / "seen.png"))
    texels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(texels)
    return np.split(texels.reshape(32, 32 * count, 4)[..., 0], count, axis=1)


def duplicates(obj: bpy.types.Object) -> list[bpy.types.Object]:
    found = [obj]
    for number in (1, 2):
        found.append(obj.copy())
        found[-1].location.x = APART * number
        bpy.context.collection.objects.link(found[-1])
    return found


def collections(obj: bpy.types.Object) -> list[bpy.types.Object]:
    inside = bpy.data.collections.new("Source")
    bpy.context.collection.objects.unlink(obj)
    inside.objects.link(obj)
    found = []
    for number in range(3):
        found.append(bpy.data.objects.new(f"Instance {number}", None))
        found[-1].instance_type, found[-1].instance_collection = "COLLECTION", inside
        found[-1].location.x = APART * number
        bpy.context.collection.objects.link(found[-1])
    return found


@pytest.mark.parametrize("make", [duplicates, collections])
def test_objects_and_collections_differ_by_age_and_offset(tmp_path, make):
    found = make(shining())
    found[1][AGE], found[2][OFFSET] = 0.6, 7.0
    as_painted, older, moved = rendered(tmp_path, 3)
    assert older.mean() > as_painted.mean() + 0.1
    assert np.abs(moved - as_painted).mean() > 0.15 * as_painted.mean()
    assert abs(moved.mean() - as_painted.mean()) < 0.25


def test_instances_of_geometry_nodes_differ_by_named_attributes(tmp_path):
    source = shining()
    source.location = (0, 50, 0)
    holder = bpy.data.objects.new("Holder", bpy.data.meshes.new("Holder"))
    holder.data.from_pydata([(0, 0, 0), (APART, 0, 0)], [], [])
    bpy.context.collection.objects.link(holder)
    tree = bpy.data.node_groups.new("Instances", "GeometryNodeTree")
    for in_out in ("INPUT", "OUTPUT"):
        tree.interface.new_socket("Geometry", in_out=in_out, socket_type="NodeSocketGeometry")
    entry, leave, place, info, named, index = (
        tree.nodes.new(kind)
        for kind in (
            "NodeGroupInput",
            "NodeGroupOutput",
            "GeometryNodeInstanceOnPoints",
            "GeometryNodeObjectInfo",
            "GeometryNodeStoreNamedAttribute",
            "GeometryNodeInputIndex",
        )
    )
    info.inputs["Object"].default_value, info.inputs["As Instance"].default_value = source, True
    named.domain, named.data_type = "INSTANCE", "FLOAT"
    named.inputs["Name"].default_value = AGE
    tree.links.new(entry.outputs[0], place.inputs["Points"])
    tree.links.new(info.outputs["Geometry"], place.inputs["Instance"])
    tree.links.new(place.outputs[0], named.inputs["Geometry"])
    tree.links.new(index.outputs[0], next(s for s in named.inputs if s.name == "Value" and s.enabled))
    tree.links.new(named.outputs[0], leave.inputs[0])
    holder.modifiers.new("Instances", "NODES").node_group = tree
    first, second = rendered(tmp_path, 2)
    assert second.mean() > first.mean() + 0.1, "the second is twice as old"


def test_without_attributes_nothing_differs():
    """The nodes give what they give without the choice: age and exposure are multiplied by 1 and moved by 0."""
    looks = []
    for varied in (False, True):
        obj = shining(varied)
        looks.append(bake_socket(obj, on_object.group_node(obj.material_slots[0].material).outputs["Coverage"]))
    assert np.array_equal(*looks)


@pytest.fixture
def backend(monkeypatch):
    with played(monkeypatch) as backend:
        yield backend


def test_duplicates_are_painted_once_and_reverted_one_by_one(backend):
    obj = plane(tree_material(TREES[0]))
    found = duplicates(obj)
    for other in found:
        other.select_set(True)
    own = obj.material_slots[0].material
    assert problems.instanced(bpy.context)
    for _ in range(2):
        backend.recipes.clear()
        assert bpy.ops.sabi.weather(effect="rust", instances=True) == {"FINISHED"}
        assert len(backend.recipes) == 1
        (worn,) = {other.material_slots[0].material for other in found}
        assert on_object.group_node(worn) is not None
        assert on_object.group_node(own) is None
        assert len({round(other[AGE], 6) for other in found}) == 3
        assert len([image for image in bpy.data.images if material.IMAGE in image]) == 3
        assert all(freshness.check(other) == () for other in found)
    found[1][AGE] = 0.25  # the artist's
    for other in found[1:]:
        other.select_set(False)
    bpy.context.view_layer.objects.active = obj
    assert bpy.ops.sabi.revert() == {"FINISHED"}
    assert obj.material_slots[0].material == own
    assert AGE not in obj
    assert on_object.weathered(found[1]) is not None
    for other in found[1:]:
        other.select_set(True)
    bpy.ops.sabi.revert()
    assert {other.material_slots[0].material for other in found} == {own}
    assert not [image for image in bpy.data.images if material.IMAGE in image]
    assert found[1][AGE] == 0.25
    assert AGE not in found[2]


def test_the_dice_leave_what_an_artist_has_set(clean_scene):
    found = collections(plane())
    for other in found:
        other.select_set(True)
    found[0][AGE] = 0.5
    bpy.ops.sabi.instances_vary(seed=1, spread=0.2)
    assert found[0][AGE] == 0.5
    first = [(other[AGE], other[OFFSET]) for other in found[1:]]
    assert all(abs(age) <= 0.2 for age, _ in first)
    bpy.ops.sabi.instances_vary(seed=2, spread=0.2)
    assert [(other[AGE], other[OFFSET]) for other in found[1:]] != first
    instances.forget(found[1])
    assert AGE not in found[1]
