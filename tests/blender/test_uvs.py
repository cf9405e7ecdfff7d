# SPDX-License-Identifier: GPL-3.0-or-later
"""UVs that cannot carry a texture are found, and get a second map that can; the artist's own stays."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.surface import rest, uvs
from bl_ext.user_default.sabi.addon.surface.capture import Capture, CaptureSettings
from bl_ext.user_default.sabi.backend.protocol.errors import SceneError
from blender import trees
from blender.scene_state import state

SIZE = 64


def loops_of(*triangles, slots=None):
    count = len(triangles)
    return uvs.Loops(
        np.array(triangles, np.float64).reshape(count, 3, 2),
        np.arange(count),
        np.array(slots or [0] * count),
        np.ones(count),
    )


def square(left, bottom, side, mirrored=False):
    a, b, c, d = (left, bottom), (left + side, bottom), (left + side, bottom + side), (left, bottom + side)
    return [(c, b, a), (d, c, a)] if mirrored else [(a, b, c), (a, c, d)]


def grid_object(change=None) -> bpy.types.Object:
    """Two quads side by side, each over its half of the UV square; `change` may move their UVs [quad, corner, 2]."""
    mesh = bpy.data.meshes.new("pair")
    points = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (2, 0, 0), (2, 1, 0)]
    mesh.from_pydata(points, [], [(0, 1, 2, 3), (1, 4, 5, 2)])
    uv = np.array([[(0, 0), (0.5, 0), (0.5, 1), (0, 1)], [(0.5, 0), (1, 0), (1, 1), (0.5, 1)]], np.float32)
    if change is not None:
        change(uv)
    mesh.uv_layers.new(name="own").uv.foreach_set("vector", uv.reshape(-1))
    mesh.materials.append(trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    obj = bpy.data.objects.new("pair", mesh)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.update()
    return obj


def stack(uv):
    uv[1] = uv[0]


def mirror(uv):
    uv[1] = uv[0][[1, 0, 3, 2]]


def spread(uv):
    uv[1] += (1, 0)


def tile(uv):
    uv *= 4


def shrink(uv):
    uv[1] = (0.75, 0.5)  # a colour of a palette


def specks(uv):
    uv[:] = uv * 0.002 + 0.4


def with_nan(uv):
    uv[1, 2] = np.nan


CASES = {
    "a point": (shrink, "next to no texels"),
    "specks": (specks, "next to no texels"),
    "not a number": (with_nan, "outside"),
    "overlapping": (stack, "overlap"),
    "mirrored": (mirror, "mirrored"),
    "out of range": (spread, "outside"),
    "tiled": (tile, "outside"),
}


def captured(obj, size=SIZE):
    return Capture(bpy.context, obj, CaptureSettings(size=size)).run()


def test_squares_side_by_side_carry_a_texture():
    layout = uvs.inspect(loops_of(*square(0, 0, 0.5), *square(0.5, 0, 0.5), *square(0, 0.5, 0.5, mirrored=True)))
    assert layout.trouble == ""
    assert layout.overlapping == 0


def test_a_share_that_overlaps_is_measured():
    layout = uvs.inspect(loops_of(*square(0, 0, 0.5), *square(0.25, 0, 0.5)), grid=256)
    assert layout.overlapping == pytest.approx(1 / 3, abs=0.02)
    assert "overlap" in layout.trouble


def test_many_small_triangles_are_all_seen():
    """More candidates than one batch holds, and none lost at the batches' borders."""
    n = 48
    squares = [s for y in range(n) for x in range(n) for s in square(x / n, y / n, 1 / n)]
    texels, owners = uvs.rasterise(np.array(squares, np.float64), 480, batch=1000)
    assert len(np.unique(texels)) == len(texels)
    assert len(texels) > 0.85 * 480 * 480  # diagonals run through centres and belong to neither side
    assert len(np.unique(owners)) == len(squares)


@pytest.mark.parametrize(("change", "word"), CASES.values(), ids=CASES)
def test_uvs_that_cannot_carry_a_texture_get_a_map_that_can(change, word):
    obj = grid_object(change)
    before = uvs.coordinates(obj.data, "own").copy()
    result = captured(obj)
    assert result.uv_map == uvs.SECOND_UV
    assert word in result.warnings[0]
    assert [layer.name for layer in obj.data.uv_layers] == ["own"]  # nothing changes before results are applied
    position = result.surface["position"].array[result.surface["island_mask"].array[..., 0] > 0]
    left, right = (position[:, 0] < 1).sum(), (position[:, 0] > 1).sum()
    assert min(left, right) > 0.6 * max(left, right)  # both quads have texels of their own
    uvs.attach(obj, result.second_uv)
    assert not uvs.inspect(uvs.loops(obj.data, uvs.SECOND_UV)).trouble
    assert np.array_equal(uvs.coordinates(obj.data, "own"), before, equal_nan=True)
    assert obj.data.uv_layers.active.name == "own"
    assert uvs.render_uv(obj.data) == "own"


def test_unwrapping_touches_nothing_else_that_is_selected_or_edited():
    obj, other = grid_object(stack), grid_object(stack)
    for shown in (obj, other):
        shown.select_set(True)
    bpy.context.view_layer.objects.active = other
    bpy.ops.object.mode_set(mode="EDIT")
    depsgraph = bpy.context.view_layer.depsgraph
    before = [rest.digest(shown, depsgraph) for shown in (obj, other)]
    scenes = len(bpy.data.scenes)
    captured(obj)
    assert [rest.digest(shown, depsgraph) for shown in (obj, other)] == before
    assert (obj.mode, other.mode, len(bpy.data.scenes)) == ("EDIT", "EDIT", scenes)


@pytest.mark.parametrize(("left", "bottom"), [(-1, 0), (0, -1), (1, 0), (0, 1)])
def test_rounding_at_the_border_is_no_trouble_and_half_a_texel_of_1024_is(left, bottom):
    def beyond(far):
        return uvs.inspect(loops_of(*square((left + 1) / 4 + left * far, (bottom + 1) / 4 + bottom * far, 0.5))).trouble

    assert not beyond(5e-5)
    assert "outside" in beyond(0.5 / 1024)


def test_uvs_that_can_carry_a_texture_stay():
    obj = grid_object()
    result = captured(obj)
    assert result.uv_map == "own"
    assert result.second_uv is None
    assert result.warnings == ()


def test_a_sliver_without_texels_is_no_trouble():
    """Modellers leave caps and creases unwrapped where nobody looks."""
    layout = uvs.inspect(uvs.Loops(np.array([*square(0, 0, 0.9), [(0.95, 0.95)] * 3], np.float64), *SLIVER))
    assert layout.shrunk == pytest.approx(0.002, rel=0.01)
    assert layout.trouble == ""


SLIVER = np.arange(3), np.zeros(3, np.int64), np.array([0.499, 0.499, 0.002])  # polygons, slots, areas


def test_a_mesh_with_eight_maps_is_refused_in_a_sentence():
    obj = grid_object(stack)
    for number in range(uvs.MOST_MAPS - 1):
        obj.data.uv_layers.new(name=f"map {number}")
    before = state()
    with pytest.raises(SceneError, match="'pair' has no room for a second UV map") as caught:
        captured(obj)
    assert "Remove one" in caught.value.hint
    assert state() == before
    obj.data.uv_layers.remove(obj.data.uv_layers["map 0"])
    assert captured(obj).uv_map == uvs.SECOND_UV


def test_the_second_map_is_found_again_and_taken_away():
    obj = grid_object(stack)
    first = captured(obj)
    uvs.attach(obj, first.second_uv)
    again = captured(obj)
    assert again.key == first.key
    uvs.remove_second(obj)
    assert [layer.name for layer in obj.data.uv_layers] == ["own"]
    uvs.remove_second(obj)


def test_a_second_map_in_edit_mode():
    obj = grid_object(stack)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    result = captured(obj)
    uvs.attach(obj, result.second_uv)
    bpy.ops.object.mode_set(mode="OBJECT")
    np.testing.assert_allclose(uvs.coordinates(obj.data, uvs.SECOND_UV), result.second_uv, atol=1e-6)
    assert obj.data.uv_layers.active.name == "own"


def test_a_mesh_that_changed_meanwhile_is_refused():
    obj = grid_object(stack)
    result = captured(obj)
    obj.data.clear_geometry()
    with pytest.raises(SceneError, match="changed while"):
        uvs.attach(obj, result.second_uv)


def test_a_texture_is_baked_into_the_second_map():
    """The base is what the artist's own UVs show: a texture that repeats, in the corners of the new map."""
    obj = grid_object(tile)
    image = trees.checks(32)
    obj.data.materials[0] = trees.material(
        trees.Tree("tiled", lambda tree: trees.principled(tree, trees.texture(tree, image).outputs[0]), trees.RED)
    )
    surface = captured(obj, 128).surface
    here = surface["island_mask"].array[..., 0] > 0
    position, albedo = surface["position"].array[here], surface["albedo"].array[here]
    u = position[:, 0] * 2 % 1  # own UVs: 0..4 over 2 metres
    middle = (u > 0.2) & (u < 0.8)
    np.testing.assert_allclose(albedo[middle, 0] / 255, u[middle], atol=0.08)


def test_a_modifier_that_repeats_faces_is_named():
    obj = grid_object()
    obj.modifiers.new("twice", "ARRAY").count = 2
    bpy.context.view_layer.update()
    result = captured(obj)
    assert len(result.warnings) == 1
    assert "twice" in result.warnings[0]
    assert result.uv_map == "own"  # the base's own UVs are as good as any
