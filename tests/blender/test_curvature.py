# SPDX-License-Identifier: GPL-3.0-or-later
"""Curvature per texel: edges above half, crevices below, flat in between, by as much as they bend; between pieces too."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Exposure, Frame, Layer
from bl_ext.user_default.sabi.backend.weathering.exposure import exposure
from blender import trees
from blender.captures import captured, inside, plane

SIZE = 256
FLAT = 0.5


def model(*pieces) -> bpy.types.Object:
    """One mesh of pieces (points, faces) that share no vertices, unwrapped by Blender."""
    points, faces = [], []
    for some, polygons in pieces:
        faces += [tuple(index + len(points) for index in polygon) for polygon in polygons]
        points += some
    mesh = bpy.data.meshes.new("model")
    mesh.from_pydata(points, [], faces)
    mesh.materials.append(trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    mesh.uv_layers.new(name="own")
    obj = bpy.data.objects.new("model", mesh)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.uv.smart_project(island_margin=0.01)
    bpy.ops.object.mode_set(mode="OBJECT")
    return obj


def block(low, high):
    points = [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
    return points, [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]


def folded(*profile):
    """A sheet a metre deep, folded along y, its outside to the left of the way along the profile (x, z)."""
    points = [(x, y, z) for x, z in profile for y in (-0.5, 0.5)]
    return points, [(2 * i, 2 * i + 1, 2 * i + 3, 2 * i + 2) for i in range(len(profile) - 1)]


def read(obj, size=SIZE):
    """Curvature, position and normal of the texels inside islands: [N], [N, 3], [N, 3]."""
    surface = captured(obj, size).surface
    here = inside(surface)
    normals = surface["world_normal"].array[here].astype(np.float32)
    return surface["curvature"].floats()[here][:, 0], surface["position"].array[here], normals


def test_stairs_are_convex_at_the_step_and_concave_at_its_foot_and_flat_between():
    bends, place, _ = read(model(folded((1, 0), (0, 0), (0, 0.5), (-0.5, 0.5), (-0.5, 1))))

    def near(*corners):
        return np.min([np.hypot(place[:, 0] - x, place[:, 2] - z) for x, z in corners], axis=0)

    middle = np.abs(place[:, 1]) < 0.4
    assert bends[middle & (near((0, 0.5)) < 0.008)].mean() > 0.8
    assert bends[middle & (near((0, 0), (-0.5, 0.5)) < 0.008)].mean() < 0.2
    plain = middle & (near((0, 0), (0, 0.5), (-0.5, 0.5)) > 0.1)  # up to the sheet's open borders
    assert np.abs(bends[plain] - FLAT).max() < 0.01


@pytest.mark.parametrize("gap", [-0.05, 0.0, 0.002], ids=["through", "touching", "above"])
def test_pieces_that_meet_make_an_inner_corner(gap):
    """A block that stands on a plate, goes through it, or hangs two millimetres above it: one mesh, two pieces."""
    plate = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)], [(0, 1, 2, 3)]
    bends, place, normals = read(model(plate, block((-0.3, -0.3, gap), (0.3, 0.3, 0.5))))
    across = np.sort(np.abs(place[:, :2]), axis=1)
    middle = across[:, 0] < 0.2  # away from the block's upright edges
    on_plate = (np.abs(place[:, 2]) < 1e-4) & (normals[:, 2] > 0.9) & (across[:, 1] > 0.3)
    on_side = (np.abs(normals[:, 2]) < 0.1) & (place[:, 2] > 0)
    assert bends[middle & on_plate & (across[:, 1] < 0.31)].mean() < 0.2
    assert bends[middle & on_side & (place[:, 2] < 0.012)].mean() < 0.2
    assert bends[middle & on_side & (place[:, 2] > 0.49)].mean() > 0.7
    assert np.abs(bends[on_plate & (across[:, 1] > 0.5)] - FLAT).max() < 0.01
    assert np.abs(bends[middle & on_side & (np.abs(place[:, 2] - 0.25) < 0.1)] - FLAT).max() < 0.01


def test_a_groove_is_concave_within_and_convex_at_its_rims():
    bends, place, _ = read(model(folded((1, 0), (0.02, 0), (0.02, -0.02), (-0.02, -0.02), (-0.02, 0), (-1, 0))))
    middle = np.abs(place[:, 1]) < 0.4
    assert bends[middle & (place[:, 2] < -0.019)].mean() < 0.2
    assert bends[middle & (np.abs(place[:, 2]) < 1e-4) & (np.abs(place[:, 0]) < 0.028)].mean() > 0.85
    assert np.abs(bends[middle & (np.abs(place[:, 0]) > 0.2)] - FLAT).max() < 0.01


def test_a_thin_sheet_is_flat_but_at_its_edges():
    bends, place, normals = read(model(block((-0.5, -0.5, 0), (0.5, 0.5, 0.003))))
    far = np.abs(place[:, :2]).max(axis=1)
    assert np.abs(bends[far < 0.4] - FLAT).max() < 0.01
    assert bends[(far > 0.49) & (np.abs(normals[:, 2]) > 0.9)].mean() > 0.85


@pytest.mark.parametrize(("flipped", "sign"), [(False, 1), (True, -1)], ids=["ball", "hollow"])
def test_a_ball_bends_as_much_as_its_radius_says(flipped, sign):
    """The trace of a sphere's shape operator is 2 / r; times the edge's width, 1 % of the diagonal, over an edge's pi / 4."""
    bpy.ops.mesh.primitive_uv_sphere_add(segments=96, ring_count=48, radius=1.0)
    obj = bpy.context.object
    bpy.ops.object.shade_smooth()
    if flipped:
        obj.data.flip_normals()
    obj.data.materials.append(trees.material(trees.Tree("plain", trees._no_textures, trees.RED)))
    bends, place, _ = read(obj, 512)
    expected = FLAT + 0.5 * sign * (2 * 0.01 * 2 * np.sqrt(3) * 4 / np.pi)
    belt = np.abs(place[:, 2]) < 0.5
    assert bends[belt].mean() == pytest.approx(expected, abs=0.01)


def test_what_only_a_normal_map_has_is_found_on_the_side_it_is():
    """Grooves and ridges of one normal map on a plate of 40 cm: edges find the ridge, cavities the groove."""
    _, x = np.mgrid[0:SIZE, 0:SIZE] + 0.5
    bump = np.exp(-(((x - 64) / 5) ** 2)) - np.exp(
        -(((x - 192) / 5) ** 2)
    )  # a ridge to the left, a groove to the right
    slope = np.gradient(0.004 * bump, 0.4 / SIZE, axis=1)
    normal = np.stack([-slope, 0 * slope, np.ones_like(slope)], -1)
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    image = bpy.data.images.new("normals", SIZE, SIZE, is_data=True)
    rgba = np.concatenate([normal * 0.5 + 0.5, np.ones((SIZE, SIZE, 1))], -1)[::-1].astype(np.float32)
    image.pixels.foreach_set(np.ascontiguousarray(rgba).reshape(-1))
    image.pack()

    def build(tree):
        bent = trees.shader(tree, "NormalMap", Color=trees.texture(tree, image).outputs[0])
        return trees.principled(tree, Normal=bent.outputs[0])

    surface = captured(plane(trees.material(trees.Tree("ridged", build, trees.RED)), size=0.4), SIZE).surface
    assert np.abs(surface["curvature"].floats() - FLAT).max() < 0.01  # the mesh is flat
    ridge, groove, plain = np.abs(x - 64) < 4, np.abs(x - 192) < 4, np.abs(x - 128) < 20
    for weights, found, other in (({"edges": 1.0}, ridge, groove), ({"cavities": 1.0}, groove, ridge)):
        layer = Layer(Effect.RUST, feature_size=0.02, exposure=Exposure(noise=0.0, **weights))
        exposed = exposure(surface, layer, Frame())
        assert exposed[found].mean() > exposed[plain].mean() + 0.3
        assert exposed[found].mean() > exposed[other].mean() + 0.1
