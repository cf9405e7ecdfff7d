# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from surfaces import box, plate, sphere

from sabi.backend.protocol.surface import Map, Surface
from sabi.backend.weathering import geometry
from sabi.backend.weathering.grid import reduced


def centres(count: int) -> np.ndarray:
    return np.arange(count) + 0.5


def two_islands(size: int = 64) -> Surface:
    """Two upright strips that touch at column 33, which no stride of 2 or 4 meets: far apart on the object."""
    position = np.zeros((size, size, 3), np.float32)
    position[..., 0], position[..., 2] = np.arange(size) * 0.01, -np.arange(size)[:, None] * 0.01
    position[:, 33:, 1] = 5
    curvature = np.where(np.arange(size) < 33, 0.2, 0.8).astype(np.float32)
    maps = {"position": position, "curvature": np.broadcast_to(curvature[:, None], (size, size, 1)).copy()}
    return Surface({name: Map(array) for name, array in maps.items()})


@pytest.mark.parametrize("longest", [256, 128, 100, 64])
def test_what_is_linear_over_the_object_is_read_back(longest: int) -> None:
    surface = box(256)
    grid = reduced(surface, longest)
    assert max(grid.inside.shape) <= longest
    slope = np.array([1, 2, 3], np.float32)
    read = grid.sample(np.where(grid.inside, grid.position @ slope, -100), centres(256), centres(256))
    error = np.abs(read - surface["position"].floats() @ slope)[geometry.inside(surface)]
    assert error.mean() < 0.05 * grid.spacing
    assert error.max() < 3 * grid.spacing


@pytest.mark.parametrize(("surface", "longest"), [(box(512), 256), (box(512), 100), (box(512), 64), (plate(65), 33)])
def test_tangents_are_right_up_to_the_rim(surface: Surface, longest: int) -> None:
    """Cells at the rim stand for other texels than their middle: the ways between them are no whole cells."""
    grid = reduced(surface, longest)
    assert grid.stride > 1
    right, below = (tangent[grid.inside] * surface.texels_per_metre for tangent in grid.tangents)
    known = (right.any(axis=1)) & (below.any(axis=1))
    assert known.mean() > 0.98
    for tangent in (right, below):
        np.testing.assert_allclose(np.linalg.norm(tangent[known], axis=1), 1, rtol=1e-2)
    np.testing.assert_allclose((right * below).sum(axis=1)[known], 0, atol=1e-2)


def test_islands_closer_than_a_cell_do_not_bleed() -> None:
    surface = two_islands()
    grid = reduced(surface, 16)
    left = grid.position[..., 1] < 1
    read = grid.sample(np.where(left, 0.0, 1.0).astype(np.float32), centres(64), centres(64))
    np.testing.assert_allclose(read[:, :33], 0, atol=1e-6)
    np.testing.assert_allclose(read[:, 33:], 1, atol=1e-6)


def test_windows_agree_with_the_whole() -> None:
    surface = box(200)
    grid = reduced(surface, 50)
    values = np.random.default_rng(1).random(grid.inside.shape, np.float32)
    whole = grid.sample(values, centres(200), centres(200))
    part = grid.sample(values, centres(200)[37:90], centres(200)[5:140])
    np.testing.assert_array_equal(part, whole[37:90, 5:140])


def test_scattered_texels_are_read_as_in_the_whole() -> None:
    surface = box(200)
    grid = reduced(surface, 50)
    values = np.random.default_rng(1).random(grid.inside.shape, np.float32)
    texels = np.flatnonzero(geometry.inside(surface))
    whole = grid.sample(values, centres(200), centres(200))
    np.testing.assert_allclose(grid.at(values, texels), whole.ravel()[texels], atol=1e-5)


def test_several_channels_are_read_as_each_alone() -> None:
    grid = reduced(box(128), 32)
    values = np.random.default_rng(1).random((*grid.inside.shape, 2), np.float32)
    both = grid.sample(values, centres(128), centres(128))
    for channel in (0, 1):
        alone = grid.sample(values[..., channel], centres(128), centres(128))
        np.testing.assert_allclose(both[..., channel], alone, atol=1e-6)


def test_what_wraps_is_read_across_the_border() -> None:
    grid = reduced(sphere(128), 32)
    values = np.zeros(grid.inside.shape, np.float32)
    values[:, 0] = 1
    read = grid.sample(values, centres(128), centres(128))
    assert read[64, -1] == pytest.approx(0.25)
    assert read[64, 64] == 0


def test_pooled_means_leave_out_what_is_outside() -> None:
    surface = box(256)
    grid = reduced(surface, 64)
    pooled = grid.pooled("curvature")[..., 0]
    assert (pooled[grid.inside] >= 0.5).all()  # outside islands the map is 0
    exact = surface["curvature"].floats()[..., 0].reshape(64, 4, 64, 4)
    full = geometry.inside(surface).reshape(64, 4, 64, 4).all(axis=(1, 3))
    np.testing.assert_allclose(pooled[full], exact.mean(axis=(1, 3))[full], rtol=1e-5)


def test_a_size_that_strides_do_not_divide() -> None:
    surface = box(201)
    grid = reduced(surface, 50)
    assert grid.stride == 5
    assert grid.inside.shape == (41, 41)
    assert grid.pooled("curvature").shape == (41, 41, 1)
    read = grid.sample(grid.position[..., 2], centres(201), centres(201))
    error = np.abs(read - surface["position"].floats()[..., 2])[geometry.inside(surface)]
    assert error.mean() < 0.02 * grid.spacing
