# SPDX-License-Identifier: GPL-3.0-or-later
"""The node group shows what growth.py says; joining, replacing and reverting lose nothing."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.nodes import material, on_object
from bl_ext.user_default.sabi.addon.nodes.fingerprint import fingerprint
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node, layer_inputs
from bl_ext.user_default.sabi.addon.surface import upstream
from bl_ext.user_default.sabi.backend.protocol.errors import SceneError
from blender.emission import bake_socket, inside_blocks, plane, render
from blender.painted_images import covering_layer, images_of, linear, synthetic_layer, weathered_values
from blender.trees import TREES
from blender.trees import material as tree_material

TOLERANCE = 2 / 255


def painted_material(name="Paint"):
    """A Principled with values away from the defaults in every socket that weathering touches."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    shader = principled(made)
    shader.inputs["Base Color"].default_value = (0.2, 0.35, 0.5, 1)
    for socket, value in {"Roughness": 0.25, "Metallic": 0.6, "Coat Weight": 0.8, "Transmission Weight": 0.4}.items():
        shader.inputs[socket].default_value = value
    return made


def principled(made):
    return next(node for node in made.node_tree.nodes if node.type == "BSDF_PRINCIPLED" and "sabi_group" not in node)


def mixed_material(name="Two"):
    """Diffuse and glossy mixed: no Principled at all."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    tree = made.node_tree
    tree.nodes.remove(principled(made))
    mix, one, other = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("MixShader", "BsdfDiffuse", "BsdfAnisotropic"))
    tree.links.new(one.outputs[0], mix.inputs[1])
    tree.links.new(other.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], tree.nodes["Material Output"].inputs[0])
    return made


def apply(obj, *layers, **keys):
    slots = tuple(range(len(obj.material_slots)))
    material.apply(
        obj, [material.Painting(slots, [images_of(layer, **keys) for layer in layers], "UVMap")], '{"sabi_recipe": 1}'
    )


def links(made):
    return sorted(
        (one.from_node.name, one.from_socket.identifier, one.to_node.name, one.to_socket.identifier)
        for one in made.node_tree.links
    )


@pytest.mark.parametrize("age", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_nodes_show_the_formula(age):
    made = painted_material()
    obj = plane(made)
    layers = [synthetic_layer(1), synthetic_layer(2)]
    apply(obj, *layers, opacity=0.9)
    for sockets in on_object.weathered(obj).layers:
        sockets["Age"].default_value = age
    group, ones = group_node(made), np.ones((32, 32), np.float32)
    base = {"albedo": np.float32((0.2, 0.35, 0.5)) * ones[..., None], "roughness": 0.25 * ones, "metallic": 0.6 * ones}
    expected = weathered_values(base, layers, age, 0.9)
    for name, socket in {
        "albedo": "Base Color",
        "roughness": "Roughness",
        "metallic": "Metallic",
        "coverage": "Coverage",
    }.items():
        shown = bake_socket(obj, group.outputs[socket])
        shown = shown if name == "albedo" else shown[..., 0]
        assert np.abs(inside_blocks(shown - expected[name])).max() <= TOLERANCE, name
    coat = bake_socket(obj, group.outputs["Coat Weight"])[..., 0]
    assert np.abs(inside_blocks(coat - 0.8 * (1 - expected["coverage"]))).max() <= TOLERANCE
    if age == 0:
        assert np.array_equal(bake_socket(obj, group.outputs["Roughness"])[..., 0], base["roughness"])
    else:
        assert inside_blocks(expected["coverage"]).max() > 0.1, "the layers show nothing: the test proves nothing"


@pytest.mark.parametrize("age", [0.0, 0.5, 1.0])
def test_a_shader_laid_over_shows_the_formula(age):
    made = mixed_material()
    obj = plane(made)
    layers = [synthetic_layer(3), synthetic_layer(4)]
    apply(obj, *layers, age=age)
    group, ones = group_node(made), np.ones((32, 32), np.float32)
    base = {"albedo": np.float32((0.1, 0.2, 0.3)) * ones[..., None], "roughness": 0.5 * ones, "metallic": 0 * ones}
    expected = weathered_values(base, layers, age, 1.0)
    cover = bake_socket(obj, group.outputs["Coverage"])
    colour = bake_socket(obj, group.outputs["Base Color"]) * cover + base["albedo"] * (1 - cover)
    roughness = bake_socket(obj, group.outputs["Roughness"]) * cover + 0.5 * (1 - cover)
    assert np.abs(inside_blocks(cover[..., 0] - expected["coverage"])).max() <= TOLERANCE
    assert np.abs(inside_blocks(colour - expected["albedo"])).max() <= TOLERANCE
    assert np.abs(inside_blocks(roughness[..., 0] - expected["roughness"])).max() <= TOLERANCE


def test_normals_bend_only_where_something_covers():
    made = painted_material()
    obj = plane(made)
    layer = synthetic_layer(5, threshold=(1, 200))
    layer.growth[:, :16, 1] = 255  # the left half never starts
    apply(obj, layer, age=0.6, relief=0.05)
    group = group_node(made)
    normal, cover = bake_socket(obj, group.outputs["Normal"]), bake_socket(obj, group.outputs["Coverage"])[..., 0]
    assert (cover[:, :15] == 0).all()
    assert (normal[:, :15] == (0, 0, 1)).all()
    assert np.abs(normal[:, 17:] - (0, 0, 1)).max() > 0.05
    layer_inputs(group)[0]["Height"].default_value = 0
    assert np.abs(bake_socket(obj, group.outputs["Normal"]) - (0, 0, 1)).max() < 1e-4


def test_coat_and_transmission_are_gone_where_coverage_is_full():
    made = painted_material()
    obj = plane(made)
    apply(obj, covering_layer(), age=1.0)
    group = group_node(made)
    for name, value in {"Coverage": 1, "Coat Weight": 0, "Transmission Weight": 0}.items():
        assert (bake_socket(obj, group.outputs[name])[..., 0] == value).all(), name
    shader = principled(made)
    assert shader.inputs["Coat Weight"].links[0].from_node == group
    assert shader.inputs["Transmission Weight"].links[0].from_node == group


def test_over_other_shaders_nothing_shines_through_full_coverage():
    made = mixed_material()
    obj = plane(made)
    apply(obj, covering_layer(), age=1.0)
    mix = made.node_tree.get_output_node("CYCLES").inputs["Surface"].links[0].from_node
    assert mix.bl_idname == "ShaderNodeMixShader"
    assert (bake_socket(obj, mix.inputs[0].links[0].from_socket) == 1).all()
    ours = mix.inputs[2].links[0].from_node
    assert all(ours.inputs[name].default_value == 0 for name in ("Coat Weight", "Transmission Weight"))


@pytest.mark.parametrize("make", [painted_material, mixed_material])
def test_revert_restores_everything(make):
    made = make()
    obj = plane(made)
    before = (fingerprint(made), links(made), len(made.node_tree.nodes))
    second = np.zeros((len(obj.data.loops), 2), np.float32)
    material.apply(obj, [material.Painting((0,), [images_of(covering_layer())], "Sabi")], "{}", second)
    assert [layer.name for layer in obj.data.uv_layers] == ["UVMap", "Sabi"]
    assert on_object.touched(obj)
    assert material.revert(obj)
    assert (fingerprint(made), links(made), len(made.node_tree.nodes)) == before
    assert obj.material_slots[0].material == made
    assert [layer.name for layer in obj.data.uv_layers] == ["UVMap"]
    assert not bpy.data.images
    assert not bpy.data.node_groups
    assert not on_object.touched(obj)
    assert not material.revert(obj)


def test_linked_textures_come_back():
    made = painted_material()
    tree, shader = made.node_tree, principled(made)
    texture, bump = tree.nodes.new("ShaderNodeTexNoise"), tree.nodes.new("ShaderNodeBump")
    tree.links.new(texture.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(texture.outputs[0], bump.inputs["Height"])
    tree.links.new(bump.outputs[0], shader.inputs["Normal"])
    obj = plane(made)
    before = links(made)
    bare = bake_socket(obj, texture.outputs["Color"])
    apply(obj, covering_layer(), age=0.0)
    assert np.array_equal(bake_socket(obj, group_node(made).outputs["Base Color"]), bare)
    material.revert(obj)
    assert links(made) == before


def test_what_the_artist_changed_since_stays():
    made = painted_material()
    obj = plane(made)
    apply(obj, covering_layer())
    tree, group = made.node_tree, group_node(made)
    group.inputs["Roughness"].default_value = 0.75
    texture = tree.nodes.new("ShaderNodeTexNoise")
    tree.links.new(texture.outputs["Color"], group.inputs["Base Color"])
    hue = tree.nodes.new("ShaderNodeGamma")  # between the group and the shader
    tree.links.new(group.outputs["Base Color"], hue.inputs[0])
    tree.links.new(hue.outputs[0], principled(made).inputs["Base Color"])
    principled(made).inputs["Sheen Weight"].default_value = 0.5
    material.revert(obj)
    shader = principled(made)
    assert shader.inputs["Roughness"].default_value == 0.75
    assert shader.inputs["Sheen Weight"].default_value == 0.5
    assert shader.inputs["Base Color"].links[0].from_node == hue
    assert hue.inputs[0].links[0].from_node == texture


def test_applying_again_replaces():
    made = painted_material()
    obj = plane(made)
    before = fingerprint(made)
    apply(obj, covering_layer(), age=0.3)
    apply(obj, synthetic_layer(1), synthetic_layer(2), age=0.8)
    assert len(on_object.weathered(obj).layers) == 2
    assert [n for n in made.node_tree.nodes if n.bl_idname == "ShaderNodeGroup"] == [group_node(made)]
    assert len(bpy.data.node_groups) == 3, "a group, and one in it for each layer"
    assert len(bpy.data.images) == 6
    assert on_object.weathered(obj).layers[0]["Age"].default_value == pytest.approx(0.8)
    material.revert(obj)
    assert fingerprint(made) == before


def test_a_shared_material_is_copied_and_put_back():
    made = painted_material()
    obj, other = plane(made), plane(made)
    before = fingerprint(made)
    apply(obj, covering_layer())
    assert other.material_slots[0].material == made
    assert group_node(made) is None
    assert fingerprint(made) == before
    assert group_node(obj.material_slots[0].material)
    material.revert(obj)
    assert obj.material_slots[0].material == made
    assert list(bpy.data.materials) == [made]


def test_a_shared_mesh_keeps_its_own_material():
    made = painted_material()
    obj = plane(made)
    twin = bpy.data.objects.new("Twin", obj.data)
    bpy.context.collection.objects.link(twin)
    apply(obj, covering_layer())
    assert twin.material_slots[0].material == made
    assert obj.material_slots[0].link == "OBJECT"
    material.revert(obj)
    assert obj.material_slots[0].link == "DATA"
    assert obj.material_slots[0].material == made
    assert list(bpy.data.materials) == [made]


def test_a_copy_the_artist_worked_on_stays():
    made = painted_material()
    obj, _other = plane(made), plane(made)
    apply(obj, covering_layer())
    copy = obj.material_slots[0].material
    group_node(copy).inputs["Roughness"].default_value = 0.9
    material.revert(obj)
    assert obj.material_slots[0].material == copy
    assert group_node(copy) is None
    assert principled(copy).inputs["Roughness"].default_value == pytest.approx(0.9)
    assert principled(made).inputs["Roughness"].default_value == 0.25
    assert not on_object.touched(obj)


def test_slots_that_were_moved_since_get_their_own_originals():
    first, second = painted_material("First"), painted_material("Second")
    obj, _other = plane_of(first, second), plane_of(first, second)
    apply(obj, covering_layer())
    obj.data.materials.pop(index=0)
    material.revert(obj)
    assert [slot.material for slot in obj.material_slots] == [second]


def test_a_copy_whose_original_was_deleted_stays():
    made = painted_material()
    obj, other = plane(made), plane(made)
    apply(obj, covering_layer())
    copy = obj.material_slots[0].material
    other.data.materials.clear()
    bpy.data.materials.remove(made)
    assert material.revert(obj)
    assert obj.material_slots[0].material == copy
    assert group_node(copy) is None
    assert principled(copy).inputs["Roughness"].default_value == pytest.approx(0.25)
    assert not on_object.touched(obj)


@pytest.mark.parametrize("make", [painted_material, mixed_material])
def test_a_group_whose_tree_was_deleted_is_taken_out(make):
    made = make()
    obj = plane(made)
    before = (fingerprint(made), links(made), len(made.node_tree.nodes))
    apply(obj, covering_layer())
    bpy.data.node_groups.remove(group_node(made).node_tree)
    assert on_object.weathered(obj) is None
    assert on_object.touched(obj)
    upstream.check_textures(made)
    assert material.revert(obj)
    assert (fingerprint(made), links(made), len(made.node_tree.nodes)) == before


def test_reverting_a_duplicate_leaves_the_first_weathered():
    made = painted_material()
    obj = plane(made)
    apply(obj, covering_layer())
    twin = obj.copy()
    twin.data = obj.data.copy()
    bpy.context.collection.objects.link(twin)
    material.revert(twin)
    assert group_node(obj.material_slots[0].material)
    assert group_node(twin.material_slots[0].material) is None


def plane_of(*materials):
    """A plane whose quarters show the materials in turn."""
    obj = plane()
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.subdivide()
    bpy.ops.object.mode_set(mode="OBJECT")
    for made in materials:
        obj.data.materials.append(made)
    for index, polygon in enumerate(obj.data.polygons):
        polygon.material_index = index % len(materials)
    return obj


def test_one_age_for_all_materials_of_an_object():
    obj = plane_of(painted_material("One"), painted_material("Two"))
    apply(obj, covering_layer(), age=0.2)
    first, second = (group_node(slot.material) for slot in obj.material_slots)
    layer_inputs(first)[0]["Age"].default_value = 0.9
    bpy.context.view_layer.update()
    bpy.context.evaluated_depsgraph_get().update()
    assert layer_inputs(second)[0]["Age"].default_value == pytest.approx(0.9)
    material.revert(obj)
    assert not [
        slot
        for slot in obj.material_slots
        if slot.material.node_tree.animation_data and slot.material.node_tree.animation_data.drivers
    ]


def test_a_material_that_reads_anothers_age_does_not_share_it():
    obj = plane_of(painted_material("One"), painted_material("Two"))
    for age in (0.2, 0.4):
        apply(obj, covering_layer(), age=age)
    assert [made.name for made in bpy.data.materials] == ["One", "Two"]


def test_one_age_for_all_materials_after_an_undo():
    """Blender takes from drivers what they read of trees inside materials, at any undo."""
    apply(plane_of(painted_material("One"), painted_material("Two")), covering_layer(), age=0.2)
    bpy.ops.ed.undo_push(message="Weather")
    bpy.context.scene.frame_end = 7
    bpy.ops.ed.undo_push(message="Something else")
    for turn, age in ((bpy.ops.ed.undo, 0.9), (bpy.ops.ed.redo, 0.4)):
        assert turn() == {"FINISHED"}
        first, second = (group_node(bpy.data.materials[name]) for name in ("One", "Two"))
        layer_inputs(first)[0]["Age"].default_value = age
        bpy.context.view_layer.update()
        bpy.context.evaluated_depsgraph_get().update()
        assert layer_inputs(second)[0]["Age"].default_value == pytest.approx(age)


def test_one_material_with_two_paintings():
    made = painted_material()
    obj = plane_of(made, made)
    paintings = [material.Painting((slot,), [images_of(covering_layer(), age=1.0)], "UVMap") for slot in (0, 1)]
    material.apply(obj, paintings, "{}")
    first, second = (slot.material for slot in obj.material_slots)
    assert first == made
    assert second != made
    assert group_node(first).node_tree != group_node(second).node_tree
    material.revert(obj)
    assert [slot.material for slot in obj.material_slots] == [made, made]
    assert list(bpy.data.materials) == [made]
    assert not bpy.data.images


def test_an_animated_colour_goes_on():
    made = painted_material()
    socket = principled(made).inputs["Roughness"]
    for frame, value in ((1, 0.1), (11, 0.9)):
        socket.default_value = value
        socket.keyframe_insert("default_value", frame=frame)
    obj = plane(made)
    apply(obj, covering_layer(), age=0.0)
    for frame, value in ((1, 0.1), (11, 0.9)):
        bpy.context.scene.frame_set(frame)
        assert bake_socket(obj, group_node(made).outputs["Roughness"]).max() == pytest.approx(value, abs=1e-5)
    material.revert(obj)
    bpy.context.scene.frame_set(1)
    assert principled(made).inputs["Roughness"].default_value == pytest.approx(0.1)


def test_an_animated_value_goes_on_after_an_undo():
    made = painted_material("Animated")
    socket = principled(made).inputs["Roughness"]
    for frame, value in ((1, 0.1), (11, 0.9)):
        socket.default_value = value
        socket.keyframe_insert("default_value", frame=frame)
    apply(plane(made), covering_layer(), age=0.0)
    bpy.ops.ed.undo_push(message="Weather")
    bpy.context.scene.frame_end = 7
    bpy.ops.ed.undo_push(message="Something else")
    for turn in (bpy.ops.ed.undo, bpy.ops.ed.redo):
        assert turn() == {"FINISHED"}
        for frame, value in ((1, 0.1), (11, 0.9)):
            bpy.context.scene.frame_set(frame)
            now = group_node(bpy.data.materials["Animated"]).inputs["Roughness"].default_value
            assert now == pytest.approx(value)


def test_see_through_parts_stay_see_through():
    made = mixed_material()
    tree = made.node_tree
    mix, clear, value = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("MixShader", "BsdfTransparent", "Value"))
    value.outputs[0].default_value = 0.25
    tree.links.new(value.outputs[0], mix.inputs[0])
    tree.links.new(clear.outputs[0], mix.inputs[1])
    output = tree.nodes["Material Output"]
    tree.links.new(output.inputs[0].links[0].from_socket, mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs[0])
    obj = plane(made)
    apply(obj, covering_layer(), age=1.0)
    ours = next(n for n in tree.nodes if n.get("sabi_group") == "shader")
    assert np.allclose(bake_socket(obj, ours.inputs["Alpha"].links[0].from_socket), 0.25)


def no_output(made):
    made.node_tree.nodes.remove(made.node_tree.nodes["Material Output"])


def only_volume(made):
    tree = made.node_tree
    volume, output = tree.nodes.new("ShaderNodeVolumePrincipled"), tree.nodes["Material Output"]
    tree.links.remove(output.inputs["Surface"].links[0])
    tree.links.new(volume.outputs[0], output.inputs["Volume"])


def nothing_connected(made):
    made.node_tree.links.clear()


@pytest.mark.parametrize("spoil", [no_output, only_volume, nothing_connected])
def test_what_cannot_be_weathered_is_refused_and_left_alone(spoil):
    fine, made = painted_material("Fine"), painted_material("Paint")
    spoil(made)
    obj = plane_of(fine, made)
    before = [fingerprint(fine), fingerprint(made)]
    with pytest.raises(SceneError, match="'Paint'") as caught:
        apply(obj, covering_layer())
    assert caught.value.hint
    assert [fingerprint(fine), fingerprint(made)] == before
    assert not on_object.touched(obj)


def test_slots_that_no_face_uses_are_left_alone():
    used, unused = painted_material("Used"), painted_material("Unused")
    obj = plane(used)
    for made in (unused, None):
        obj.data.materials.append(made)
    assert material.used_slots(obj) == (0,)
    material.apply(obj, [material.Painting(material.used_slots(obj), [images_of(covering_layer())], "UVMap")], "{}")
    assert group_node(used)
    assert group_node(unused) is None


def test_no_material_is_refused():
    with pytest.raises(SceneError, match="no material"):
        apply(plane(), covering_layer())


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_every_tree_comes_back_as_it_was(tree):
    made = tree_material(tree)
    obj = plane(made)
    before = (fingerprint(made), links(made), len(made.node_tree.nodes))
    apply(obj, covering_layer(), age=0.5)
    assert links(made) != before[1]
    material.revert(obj)
    assert (fingerprint(made), links(made), len(made.node_tree.nodes)) == before


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_every_tree_is_untouched_at_age_0_and_hidden_under_full_coverage(tree):
    made = tree_material(tree)
    obj = plane(made)
    bare = render(obj)
    apply(obj, covering_layer(), age=0.0)
    assert np.abs(render(obj) - bare).max() <= 2e-3 * max(bare.max(), 1)
    layer_inputs(group_node(made))[0]["Age"].default_value = 1.0
    covered = render(obj)
    assert covered.max() > 0.01, "nothing is to be seen: the test proves nothing"
    assert np.abs(covered - bare).max() > 0.01
    obj.material_slots[0].material = rust_alone(tree)
    assert np.abs(render(obj) - covered).max() <= 2e-3


def rust_alone(tree):
    """A plain Principled that looks as `covering_layer` does at age 1, letting through what the tree lets through."""
    made = bpy.data.materials.new("Rust")
    made.use_nodes = True
    shader = principled(made)
    shader.inputs["Base Color"].default_value = (*linear(np.array((120, 60, 20))), 1)
    shader.inputs["Roughness"].default_value = 230 / 255
    if callable(tree.alpha):  # u, in all of them
        nodes = made.node_tree
        uv, parts = nodes.nodes.new("ShaderNodeUVMap"), nodes.nodes.new("ShaderNodeSeparateXYZ")
        nodes.links.new(uv.outputs[0], parts.inputs[0])
        nodes.links.new(parts.outputs["X"], shader.inputs["Alpha"])
    return made
