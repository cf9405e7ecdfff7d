# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be captured is refused in one sentence with a hint, and nothing is touched."""

import bpy
import pytest
from bl_ext.user_default.sabi.backend.protocol.errors import SabiError
from blender import trees
from blender.captures import captured, plane, textured
from blender.scene_state import state


def without_uv(obj):
    obj.data.uv_layers.remove(obj.data.uv_layers[0])


def without_material(obj):
    obj.data.materials.clear()


def with_an_empty_slot(obj):
    obj.data.materials[0] = None


def without_nodes(obj):
    obj.active_material.use_nodes = False


def without_surface(obj):
    tree = obj.active_material.node_tree
    tree.links.remove(tree.get_output_node("ALL").inputs["Surface"].links[0])


def with_a_volume_only(obj):
    without_surface(obj)
    tree = obj.active_material.node_tree
    tree.links.new(tree.nodes.new("ShaderNodeVolumeScatter").outputs[0], tree.get_output_node("ALL").inputs["Volume"])


def with_a_shader_that_is_clear(obj):
    tree = obj.active_material.node_tree
    tree.links.new(
        tree.nodes.new("ShaderNodeBsdfTransparent").outputs[0], tree.get_output_node("ALL").inputs["Surface"]
    )


def with_a_missing_image(obj, tmp_path):
    image = trees.checks(8)
    image.filepath_raw, image.file_format = str(tmp_path / "gone.png"), "PNG"
    image.save()
    image.unpack(method="REMOVE") if image.packed_file else None
    (tmp_path / "gone.png").unlink()
    image.source, image.filepath = "FILE", str(tmp_path / "gone.png")
    image.reload()
    obj.data.materials[0] = textured(image, Base_Color="Color")


def with_an_empty_image(obj, tmp_path):
    (tmp_path / "empty.png").write_bytes(b"")
    image = bpy.data.images.load(str(tmp_path / "empty.png"))
    obj.data.materials[0] = textured(image, Base_Color="Color")


def with_a_sequence(obj, tmp_path):
    image = trees.checks(8)
    image.filepath_raw, image.file_format = str(tmp_path / "rain0001.png"), "PNG"
    image.save()
    image = bpy.data.images.load(str(tmp_path / "rain0001.png"))
    image.source = "SEQUENCE"
    obj.data.materials[0] = textured(image, Base_Color="Color")


def with_a_node_without_an_image(obj):
    """In a group, behind a mapped mix: where an artist would not look."""
    group = bpy.data.node_groups.new("paint", "ShaderNodeTree")
    group.interface.new_socket("Colour", in_out="OUTPUT", socket_type="NodeSocketColor")
    empty, leave = trees.texture(group, None), group.nodes.new("NodeGroupOutput")
    empty.name = "Forgotten"
    group.links.new(empty.outputs["Color"], leave.inputs[0])
    tree = obj.active_material.node_tree
    node = tree.nodes.new("ShaderNodeGroup")
    node.node_tree = group
    shader = next(node for node in tree.nodes if node.type == "BSDF_PRINCIPLED")
    tree.links.new(node.outputs[0], shader.inputs["Roughness"])


def see_through_in_a_group(obj):
    """Beside another Principled, so that layers must be laid over both by an alpha that nothing outside the group knows."""
    group = bpy.data.node_groups.new("leaf", "ShaderNodeTree")
    group.interface.new_socket("Leaf", in_out="OUTPUT", socket_type="NodeSocketShader")
    leave = group.nodes.new("NodeGroupOutput")
    group.links.new(trees.principled(group, Alpha=trees.across(group)), leave.inputs[0])
    tree = obj.active_material.node_tree
    node = tree.nodes.new("ShaderNodeGroup")
    node.node_tree = group
    entry = tree.get_output_node("ALL").inputs["Surface"]
    tree.links.new(trees.mixed(tree, 0.5, entry.links[0].from_socket, node.outputs[0]), entry)


def hidden(obj):
    obj.hide_render = True


def flattened(obj):
    obj.scale = (1, 0, 1)
    bpy.context.view_layer.update()


def without_faces(obj):
    obj.data.clear_geometry()


def made_by_nodes(obj):
    without_faces(obj)
    obj.modifiers.new("made", "NODES")


def linked(obj, tmp_path):
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {obj.active_material})
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (source, target):
        target.materials = source.materials
    obj.data.materials[0] = target.materials[0]


REFUSED = {
    "no UV map": (without_uv, "no UV map"),
    "no material": (without_material, "no material"),
    "an empty slot": (with_an_empty_slot, "no material"),
    "no surface": (without_surface, "surface"),
    "only a volume": (with_a_volume_only, "volume"),
    "nothing to see": (with_a_shader_that_is_clear, "invisible"),
    "a missing image": (with_a_missing_image, "missing on disk"),
    "an empty image": (with_an_empty_image, "no pixels"),
    "a sequence of images": (with_a_sequence, "sequence"),
    "a node without an image": (with_a_node_without_an_image, "'Forgotten'"),
    "transparency inside a group": (see_through_in_a_group, "inside a node group"),
    "hidden from renders": (hidden, "hidden"),
    "scaled to nothing": (flattened, "scaled"),
    "no faces": (without_faces, "no faces"),
    "faces made by nodes": (made_by_nodes, "no faces"),
    "a linked material": (linked, "linked"),
}
if bpy.app.version < (5, 0, 0):  # later every material has nodes
    REFUSED["no nodes"] = (without_nodes, "nodes")


@pytest.mark.parametrize(("change", "word"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_captured_is_refused_with_a_reason_and_a_hint(change, word, tmp_path):
    obj = plane()
    change(obj, tmp_path) if "tmp_path" in change.__code__.co_varnames else change(obj)
    before = state()
    with pytest.raises(SabiError) as caught:
        captured(obj)
    assert word in caught.value.message
    assert caught.value.hint
    assert state() == before


def test_textures_without_an_image_that_nothing_shows_are_no_trouble():
    """A muted node, and one that leads nowhere, are not magenta in Blender."""
    obj = plane()
    with_a_node_without_an_image(obj)
    tree = obj.active_material.node_tree
    next(node for node in tree.nodes if node.bl_idname == "ShaderNodeGroup").mute = True
    tree.links.new(trees.texture(tree, None).outputs[0], tree.nodes.new("ShaderNodeRGBToBW").inputs[0])
    assert captured(obj).surface["roughness"].array.max() < 255


def test_an_object_that_is_linked_is_refused(tmp_path):
    obj = plane()
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {obj})
    with bpy.data.libraries.load(str(tmp_path / "library.blend"), link=True) as (source, target):
        target.objects = source.objects
    bpy.context.scene.collection.objects.link(target.objects[0])
    with pytest.raises(SabiError, match="linked from another file"):
        captured(target.objects[0])


def test_something_else_than_a_mesh_is_refused():
    bpy.ops.object.text_add()
    with pytest.raises(SabiError, match="not a mesh"):
        captured(bpy.context.object)


def test_a_shader_that_cannot_be_read_is_named():
    def build(tree):
        return tree.nodes.new("ShaderNodeScript").outputs.new("NodeSocketShader", "out")

    obj = plane()
    obj.data.materials[0] = trees.material(trees.Tree("script", build, trees.RED))
    before = state()
    with pytest.raises(SabiError, match="Script"):
        captured(obj)
    assert state() == before
