# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from surfaces import box

from sabi.backend.weathering.grid import reduced
from sabi.backend.weathering.voxels import nodes, side_of


def cloud(surface):
    grid = reduced(surface)
    points, normals = grid.position[grid.inside], grid.texels("world_normal")[grid.inside]
    return points, normals, nodes(points, normals, grid.spacing)


def test_reading_back_gives_what_nodes_hold() -> None:
    points, normals, made = cloud(box(256))
    slope = np.array([1, 2, 3], np.float32)
    read = made.read(made.mean(points @ slope), points, normals)
    assert np.abs(read - points @ slope).mean() < 0.3 * made.size
    assert np.abs(read - points @ slope).max() < 4 * made.size


def test_every_point_finds_the_node_it_was_put_into() -> None:
    points, normals, made = cloud(box(256))
    np.testing.assert_array_equal(made.find(points, normals, side_of(normals)), made.node)


def test_what_spreads_crosses_the_edge_of_a_box() -> None:
    _, _, made = cloud(box(384))
    top = (made.centre[:, 2] > 0.48) & (made.centre[:, 1] < -0.44)
    spread = made.spread(top.astype(np.float32), 0.08)
    wall = (np.abs(made.centre[:, 1] + 0.5) < 0.01) & (np.abs(made.centre[:, 0]) < 0.3)
    near, far = (spread[wall & (made.centre[:, 2] > z - 0.02) & (made.centre[:, 2] < z)].mean() for z in (0.45, 0.1))
    assert near > 0.1
    assert far < 0.01


@pytest.mark.parametrize("thickness", [0.004, 0.03])  # within a voxel, and in the next
def test_nothing_spreads_through_a_thin_wall(thickness: float) -> None:
    _, _, made = cloud(box(384, extent=(1.0, thickness, 1.0)))
    front = made.normal[:, 1] < -0.9
    middle = np.linalg.norm(made.centre[:, ::2], axis=1) < 0.2
    spread = made.spread((front & middle).astype(np.float32), 0.05)
    assert spread[front & middle].mean() > 0.5
    assert spread[~front & middle].max() < 0.01


def test_each_side_of_a_thin_wall_reads_its_own() -> None:
    points, normals, made = cloud(box(384, extent=(1.0, 0.004, 1.0)))
    read = made.read((made.normal[:, 1] > 0).astype(np.float32), points, normals)
    middle = np.linalg.norm(points[:, ::2], axis=1) < 0.4
    assert read[middle & (normals[:, 1] < -0.9)].max() < 0.01
    assert read[middle & (normals[:, 1] > 0.9)].min() > 0.99


def test_spreading_keeps_the_range_and_a_constant() -> None:
    _, _, made = cloud(box(256))
    values = np.random.default_rng(1).random(len(made.centre), np.float32)
    spread = made.spread(values, 0.1)
    assert spread.min() >= values.min()
    assert spread.max() <= values.max()
    np.testing.assert_allclose(made.spread(np.full_like(values, 0.5), 0.1), 0.5, rtol=1e-5)
