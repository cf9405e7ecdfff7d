# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures give what the material and the mesh say, texel by texel, and leave the scene as it was."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import bake, capture
from bl_ext.user_default.sabi.addon.capture import Capture, CaptureSettings
from bl_ext.user_default.sabi.backend.protocol.errors import SabiError
from bl_ext.user_default.sabi.backend.protocol.recipe import FrameMode
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace
from blender import trees
from blender.scene_state import state

SIZE = 64
TOLERANCE = 1.5 / 255


@pytest.fixture(autouse=True)
def no_cache():
    capture.forget()


def plane(material: bpy.types.Material | None = None, size: float = 2.0) -> bpy.types.Object:
    bpy.ops.mesh.primitive_plane_add(size=size)
    obj = bpy.context.object
    obj.data.materials.append(material or trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    return obj


def captured(obj: bpy.types.Object, size: int = SIZE, **settings: object) -> capture.CapturedObject:
    return Capture(bpy.context, obj, CaptureSettings(size=size, **settings)).run()


def linear(albedo: np.ndarray) -> np.ndarray:
    """8-bit sRGB to scene-linear floats."""
    encoded = albedo.astype(np.float64) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def expected(value: trees.Value) -> np.ndarray:
    """What a tree's value is at each texel's centre, [SIZE, SIZE] or [SIZE, SIZE, 3], top row first."""
    v, u = np.meshgrid(1 - (np.arange(SIZE) + 0.5) / SIZE, (np.arange(SIZE) + 0.5) / SIZE, indexing="ij")
    if callable(value):
        return np.asarray(value(u, v), np.float64)
    return np.broadcast_to(np.asarray(value, np.float64), (SIZE, SIZE, *np.shape(value)))


def encoded(values: np.ndarray) -> np.ndarray:
    """Scene-linear to sRGB, where 8 bits are evenly fine."""
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * np.maximum(values, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("tree", trees.TREES, ids=lambda tree: tree.name)
def test_a_tree_gives_what_its_shaders_amount_to(tree):
    surface = captured(plane(trees.material(tree))).surface
    albedo = surface["albedo"].floats()
    np.testing.assert_allclose(albedo, encoded(expected(tree.albedo)), atol=TOLERANCE)
    for name in ("roughness", "metallic", "alpha"):
        np.testing.assert_allclose(
            surface[name].floats()[..., 0], expected(getattr(tree, name)), atol=TOLERANCE, err_msg=name
        )
    assert surface["albedo"].color_space is ColorSpace.SRGB


def cube(size: float = 2.0) -> bpy.types.Object:
    bpy.ops.mesh.primitive_cube_add(size=size)
    obj = bpy.context.object
    obj.data.materials.append(trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    return obj


def inside(surface) -> np.ndarray:
    return surface["island_mask"].array[..., 0] > 0


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


def textured(image: bpy.types.Image, **links: str) -> bpy.types.Material:
    """A Principled with an image wired from its outputs: textured(image, Base_Color="Color", Alpha="Alpha")."""

    def build(tree):
        node = trees.texture(tree, image)
        return trees.principled(tree, **{name: node.outputs[output] for name, output in links.items()})

    return trees.material(trees.Tree("textured", build, trees.RED))


def bytes_of(image: bpy.types.Image) -> np.ndarray:
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values * 255).astype(np.uint8).reshape(image.size[1], image.size[0], 4)[::-1]


def baked_kinds(monkeypatch) -> list[str]:
    """What is baked from now on, one entry a bake."""
    kinds: list[str] = []
    run = bake.Bake.run
    monkeypatch.setattr(bake.Bake, "run", lambda self: (kinds.append(self.kind), run(self))[1])
    return kinds


def test_a_texture_that_fits_is_read_byte_for_byte(monkeypatch):
    image = trees.checks(SIZE)
    kinds = baked_kinds(monkeypatch)
    surface = captured(plane(textured(image, Base_Color="Color"))).surface
    assert np.array_equal(surface["albedo"].array, bytes_of(image)[..., :3])
    assert len(kinds) == 4  # normals, position, bends, occlusion: nothing of the material


def test_channels_of_a_packed_texture_are_read_byte_for_byte():
    image = trees.checks(SIZE, data=True)

    def build(tree):
        node, parts = trees.texture(tree, image), tree.nodes.new("ShaderNodeSeparateColor")
        tree.links.new(node.outputs[0], parts.inputs[0])
        return trees.principled(tree, Roughness=parts.outputs[1], Metallic=parts.outputs[2])

    surface = captured(plane(trees.material(trees.Tree("packed", build, trees.RED)))).surface
    assert np.array_equal(surface["roughness"].array, bytes_of(image)[..., 1:2])
    assert np.array_equal(surface["metallic"].array, bytes_of(image)[..., 2:3])


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


def busy_scene() -> bpy.types.Object:
    """A scene in the middle of somebody's work: another object active, in edit mode, samples and engine set."""
    scene = bpy.context.scene
    obj = plane(textured(trees.checks(32), Base_Color="Color"))
    bpy.data.collections.new("props")
    scene.collection.children.link(bpy.data.collections["props"])
    bpy.ops.mesh.primitive_cube_add()
    scene.render.engine = "BLENDER_WORKBENCH"
    scene.cycles.samples, scene.cycles.use_denoising, scene.render.bake.margin = 77, True, 3
    bpy.data.objects["Cube"].select_set(True)
    bpy.ops.object.mode_set(mode="EDIT")
    return obj


def test_a_capture_leaves_the_scene_as_it_was():
    obj = busy_scene()
    before = state()
    captured(obj)
    assert state() == before
    captured(obj, mode=FrameMode.SCENE)
    assert state() == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_capture_that_fails_leaves_the_scene_as_it_was(number, error, monkeypatch):
    obj = busy_scene()
    before = state()
    seen: list[int] = []
    run = bake.Bake.run

    def fails(self):
        seen.append(1)
        if len(seen) == number:
            raise error
        run(self)

    monkeypatch.setattr(bake.Bake, "run", fails)
    with pytest.raises(error):
        captured(obj, mode=FrameMode.SCENE)
    assert state() == before
    monkeypatch.undo()
    assert captured(obj).surface.size == (SIZE, SIZE)


def test_an_object_in_edit_mode_is_captured_as_it_is_edited():
    import bmesh

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
    plain = plane(size=4.0)
    assert capture.output_size(plain, CaptureSettings(density=256)) == (1024, 1024)
    assert capture.output_size(plain, CaptureSettings(density=1e6)) == (8192, 8192)


def test_an_image_that_is_not_square_gives_maps_that_are_not():
    image = bpy.data.images.new("wide", 128, 64)
    obj = plane(textured(image, Base_Color="Color"))
    assert captured(obj, size=128).surface.size == (64, 128)


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


def hidden(obj):
    obj.hide_render = True


def flattened(obj):
    obj.scale = (1, 0, 1)
    bpy.context.view_layer.update()


def without_faces(obj):
    obj.data.clear_geometry()


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
    "hidden from renders": (hidden, "hidden"),
    "scaled to nothing": (flattened, "scaled"),
    "no faces": (without_faces, "no faces"),
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


def test_a_file_saved_in_mid_bake_opens_as_it_was(monkeypatch, tmp_path):
    obj = busy_scene()
    bpy.ops.object.mode_set(mode="OBJECT")
    before = state()
    run = bake.Bake.run

    def saves(self):
        bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "middle.blend"), copy=True)
        run(self)

    monkeypatch.setattr(bake.Bake, "run", saves)
    captured(obj)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "middle.blend"))
    assert state() == before


def test_an_object_that_is_deleted_meanwhile_is_said_to_be_gone(monkeypatch):
    obj = plane()
    run = bake.Bake.run

    def deletes(self):
        run(self)
        if obj.name in bpy.data.objects:
            bpy.data.objects.remove(obj)

    monkeypatch.setattr(bake.Bake, "run", deletes)
    before = state()
    with pytest.raises((SabiError, ReferenceError)) as caught:
        captured(obj)
    assert "deleted" in str(caught.value)
    assert state()["layers"] == before["layers"]
    assert state()["materials"] == before["materials"]
