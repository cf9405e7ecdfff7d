# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps of geometry are what the mesh says, in metres at rest; sizes are chosen."""

import bmesh
import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.surface import capture
from bl_ext.user_default.sabi.addon.surface.capture import CaptureSettings
from bl_ext.user_default.sabi.backend.protocol.errors import SabiError
from bl_ext.user_default.sabi.backend.protocol.recipe import FrameMode
from blender import trees
from blender.captures import SIZE, captured, cube, inside, plane, textured


def test_positions_lie_on_the_object_in_metres_at_rest():
    obj = plane()
    obj.scale, obj.location, obj.rotation_euler = (3.0, 0.5, 1.0), (10.0, -4.0, 2.0), (0.3, 0.2, 0.1)
    bpy.context.view_layer.update()
    surface = captured(obj).surface
    v, u = np.meshgrid(1 - (np.arange(SIZE) + 0.5) / SIZE, (np.arange(SIZE) + 0.5) / SIZE, indexing="ij")
    at_rest = np.stack([(u - 0.5) * 6.0, (v - 0.5) * 1.0, 0 * u], axis=2)  # 2 m, scaled
    np.testing.assert_allclose(surface["position"].array, at_rest, atol=1e-4)
    np.testing.assert_allclose(surface["world_normal"].array, np.broadcast_to((0, 0, 1), at_rest.shape), atol=1e-3)
    pose = np.array(surface.pose).reshape(4, 4)
    corner = pose @ (*surface["position"].array[0, 0].astype(float), 1.0)
    of_mesh = obj.matrix_world @ bpy.data.objects[obj.name].data.vertices[2].co  # -1, 1
    texel = np.array((3.0, 0.5)) / SIZE
    assert np.linalg.norm(corner[:3] - np.array(of_mesh)) < 1.01 * np.linalg.norm(texel)


def test_a_mirrored_object_keeps_its_normals_outside():
    obj = cube()
    obj.scale = (-1.0, 1.0, 2.0)
    bpy.context.view_layer.update()
    surface = captured(obj).surface
    here = inside(surface)
    position, normal = surface["position"].array[here], surface["world_normal"].array[here].astype(np.float32)
    assert ((position * normal).sum(axis=1) > 0.9).all()


def test_the_island_mask_is_what_the_faces_cover():
    surface = captured(cube()).surface
    share = inside(surface).mean()
    assert share == pytest.approx(6 / 16, abs=0.01)  # Blender lays a cube's faces out as six sixteenths
    outside = ~inside(surface)
    assert not surface["position"].array[outside].any()
    assert not surface["world_normal"].array[outside].any()


def test_edges_bend_outward_and_corners_of_a_room_inward():
    surface = captured(cube(), 128).surface
    bends, here = surface["curvature"].floats()[..., 0], inside(surface)
    edge = 1.0 - np.sort(np.abs(surface["position"].array), axis=2)[..., 1]  # metres to the nearest edge
    assert bends[here & (edge < 0.05)].mean() > 0.85
    assert np.abs(bends[here & (edge > 0.35)] - 0.5).max() < 0.03
    room = cube()
    room.data.flip_normals()
    surface = captured(room, 128).surface
    edge = 1.0 - np.sort(np.abs(surface["position"].array), axis=2)[..., 1]
    assert surface["curvature"].floats()[..., 0][inside(surface) & (edge < 0.05)].mean() < 0.15


def test_a_room_is_occluded_and_a_block_is_open():
    open_ = captured(cube()).surface
    assert open_["ambient_occlusion"].floats()[inside(open_)].min() > 0.99
    room = cube()
    room.data.flip_normals()
    closed = captured(room).surface
    edge = 1.0 - np.sort(np.abs(closed["position"].array), axis=2)[..., 1]
    values = closed["ambient_occlusion"].floats()[..., 0]
    assert values[inside(closed) & (edge < 0.1)].mean() < 0.8


def test_neighbours_occlude_in_scene_mode_only():
    obj = plane()
    bpy.ops.mesh.primitive_cube_add(size=4, location=(0, 0, 2.05))
    assert captured(obj).surface["ambient_occlusion"].floats().min() > 0.99
    assert captured(obj, mode=FrameMode.SCENE).surface["ambient_occlusion"].floats().mean() < 0.2
    assert not obj.hide_render


@pytest.mark.parametrize("how", ["hidden from renders", "excluded"])
def test_neighbours_that_are_not_rendered_do_not_count(how):
    """So it is set which objects do."""
    obj = plane()
    apart = bpy.data.collections.new("apart")
    bpy.context.scene.collection.children.link(apart)
    bpy.ops.mesh.primitive_cube_add(size=4, location=(0, 0, 2.05))
    cube = bpy.context.object
    for owner in list(cube.users_collection):
        owner.objects.unlink(cube)
    apart.objects.link(cube)
    if how == "excluded":
        bpy.context.view_layer.layer_collection.children["apart"].exclude = True
    else:
        cube.hide_render = True
    assert captured(obj, mode=FrameMode.SCENE).surface["ambient_occlusion"].floats().min() > 0.99


def test_a_rig_and_shape_keys_do_not_move_what_is_at_rest():
    obj = plane()
    obj.shape_key_add(name="Basis")
    moved = obj.shape_key_add(name="bent")
    for point in moved.data:
        point.co.z += 1.0
    moved.value = 1.0
    wave = obj.modifiers.new("wave", "WAVE")
    wave.height = 2.0
    bpy.context.view_layer.update()
    assert np.abs(captured(obj).surface["position"].array[..., 2]).max() < 1e-5


def test_modifiers_that_model_are_part_of_the_object():
    obj = plane()
    obj.modifiers.new("thick", "DISPLACE").strength = 0.25
    assert captured(obj).surface["position"].array[..., 2].mean() == pytest.approx(0.125, abs=1e-3)


HIDING = {
    "holdout": lambda obj: setattr(obj, "is_holdout", True),
    "shadow catcher": lambda obj: setattr(obj, "is_shadow_catcher", True),
    "instancer": lambda obj: setattr(obj, "instance_type", "FACES") or setattr(obj, "show_instancer_for_render", False),
}


@pytest.mark.parametrize("hide", HIDING.values(), ids=HIDING)
def test_how_renders_show_it_is_no_part_of_the_object(hide):
    room = cube()
    room.data.flip_normals()
    shown = captured(room).surface
    capture.forget()
    hide(room)
    surface = captured(room).surface
    for name in ("island_mask", "albedo", "ambient_occlusion"):
        np.testing.assert_allclose(surface[name].array, shown[name].array, atol=24)  # occlusion is sampled
    assert inside(surface).mean() > 0.3


def test_an_object_of_which_no_texel_shows_anything_is_refused():
    obj = plane()
    for corner in obj.data.uv_layers[0].uv:
        corner.vector = 0.4945 + 0.0115 * np.array(corner.vector)  # between the centres of texels
    with pytest.raises(SabiError, match="None of the 64 x 64 texels shows the object") as caught:
        captured(obj)
    assert "unwrap" in caught.value.hint


def test_an_object_in_edit_mode_is_captured_as_it_is_edited():
    obj = plane()
    bpy.ops.object.mode_set(mode="EDIT")
    editing = bmesh.from_edit_mesh(obj.data)
    for vertex in editing.verts:
        vertex.co.z = 0.5
    bmesh.update_edit_mesh(obj.data)
    assert captured(obj).surface["position"].array[..., 2].min() == pytest.approx(0.5)
    assert obj.mode == "EDIT"


def test_a_shared_material_gives_each_object_its_own_surface():
    material = trees.material(trees.Tree("shared", trees._no_textures, trees.RED))
    one, other = plane(material), plane(material, size=1.0)
    first, second = captured(one), captured(other)
    assert first.key != second.key
    assert np.ptp(first.surface["position"].array) == pytest.approx(
        2 * np.ptp(second.surface["position"].array), rel=1e-3
    )


def test_the_size_is_the_largest_image_or_what_is_asked_or_by_texels_a_metre():
    obj = plane(textured(trees.checks(1024), Base_Color="Color"))
    assert capture.output_size(obj) == (1024, 1024)
    assert capture.output_size(obj, CaptureSettings(size=2048)) == (2048, 2048)
    small = plane(textured(trees.checks(16), Base_Color="Color"))
    assert capture.output_size(small) == (512, 512)
    trim = plane(textured(bpy.data.images.new("trim", 1024, 256), Base_Color="Color"))
    assert capture.output_size(trim) == (1024, 256)
    ramp = plane(textured(bpy.data.images.new("ramp", 2, 256), Base_Color="Color"))
    assert capture.output_size(ramp) == (64, 512)
    plain = plane(size=4.0)
    assert capture.output_size(plain, CaptureSettings(density=256)) == (1024, 1024)
    assert capture.output_size(plain, CaptureSettings(density=300)) == (1024, 1024), "the nearest, not the next"
    assert capture.output_size(plain, CaptureSettings(density=400)) == (2048, 2048)
    assert capture.output_size(plain, CaptureSettings(density=1e6)) == (8192, 8192)


def test_an_image_that_is_not_square_gives_maps_that_are_not():
    image = bpy.data.images.new("wide", 128, 64)
    obj = plane(textured(image, Base_Color="Color"))
    assert captured(obj, size=128).surface.size == (64, 128)
