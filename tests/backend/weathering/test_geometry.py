# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from surfaces import box, panel, plate, sphere

from sabi.backend.protocol.recipe import Frame, FrameMode
from sabi.backend.weathering import geometry

DOWN = np.array([0, 0, -1], np.float32)
TIPPED = (1.0, 0, 0, 0, 0, 0, -1.0, 0, 0, 1.0, 0, 5.0, 0, 0, 0, 1.0)  # a quarter turn around x, then 5 m up


def maps_of(surface) -> tuple[np.ndarray, np.ndarray]:
    return surface["position"].floats(), geometry.inside(surface)


def angles(surface, gravity: np.ndarray = DOWN) -> tuple[np.ndarray, np.ndarray]:
    """Degrees between `down` carried back to the object and gravity along the surface, where it is steep; and `down` there."""
    position, inside = maps_of(surface)
    down = geometry.down(position, inside, gravity, surface.wrap)
    right, below = geometry.tangents(position, inside, surface.wrap)
    way = right * down[..., :1] + below * down[..., 1:]
    normal = surface["world_normal"].floats()
    pull = gravity - (normal @ gravity)[..., None] * normal
    steep = inside & (np.linalg.norm(pull, axis=-1) > 0.2) & (np.linalg.norm(way, axis=-1) > 0)
    assert steep.sum() > 0.95 * (inside & (np.linalg.norm(pull, axis=-1) > 0.2)).sum()
    cosine = (way * pull).sum(-1)[steep] / np.linalg.norm(way[steep], axis=-1) / np.linalg.norm(pull[steep], axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1))), down[steep]


@pytest.mark.parametrize("surface", [box(256), sphere(128), plate(64)], ids=lambda s: s.name)
def test_down_follows_gravity_however_islands_are_turned(surface) -> None:
    angle, _ = angles(surface)
    assert angle.max() < 1


def test_down_follows_gravity_on_a_fold_but_for_its_own_row() -> None:
    angle, _ = angles(panel(256))
    assert (angle > 1).mean() < 0.04


def test_down_of_an_upright_plate_points_down_the_rows() -> None:
    position, inside = maps_of(plate(32))
    np.testing.assert_allclose(geometry.down(position, inside, DOWN), np.broadcast_to([0, 1], (32, 32, 2)), atol=1e-5)


def test_down_of_a_mirrored_island_is_mirrored() -> None:
    surface = box(256)
    position, inside = maps_of(surface)
    straight = geometry.down(position, inside, DOWN)
    mirrored = geometry.down(position[:, ::-1], inside[:, ::-1], DOWN)[:, ::-1]
    np.testing.assert_allclose(mirrored, straight * [-1, 1], atol=1e-4)


def test_down_on_a_sheared_and_stretched_island_is_the_way_of_a_drop() -> None:
    x, y = np.meshgrid(np.arange(16.0), np.arange(16.0))
    position = np.stack([0.02 * x + 0.007 * y, np.zeros_like(x), 0.004 * x - 0.01 * y], -1).astype(np.float32)
    down = geometry.down(position, np.ones((16, 16), bool), DOWN)
    way = down[..., :1] * [0.02, 0, 0.004] + down[..., 1:] * [0.007, 0, -0.01]
    np.testing.assert_allclose(
        way / np.linalg.norm(way, axis=-1, keepdims=True), np.broadcast_to(DOWN, way.shape), atol=1e-4
    )
    np.testing.assert_allclose(np.linalg.norm(down, axis=-1), 1, atol=1e-4)


def test_down_is_zero_on_flat_floors_and_outside() -> None:
    surface = box(256)
    position, inside = maps_of(surface)
    down = geometry.down(position, inside, DOWN)
    flat = np.abs(surface["world_normal"].floats()[..., 2]) > 0.5
    assert not down[~inside].any()
    assert np.abs(down[flat]).max() < 1e-3
    np.testing.assert_allclose(np.linalg.norm(down[inside & ~flat], axis=-1).mean(), 1, atol=1e-3)


def test_texels_per_metre_is_right_up_to_the_border() -> None:
    surface = box(256)
    position, inside = maps_of(surface)
    density = geometry.texels_per_metre(position, inside)
    assert not density[~inside].any()
    known = density[inside & (density > 0)]
    assert len(known) > 0.999 * inside.sum()
    np.testing.assert_allclose(known, surface.texels_per_metre, rtol=1e-3)


def test_islands_that_touch_are_not_joined() -> None:
    position = np.zeros((8, 16, 3), np.float32)
    position[..., 0] = np.arange(16) * 0.01
    position[:, 8:, 2] = 1  # another piece, right beside
    joined = geometry.joined(position, np.ones((8, 16), bool), 1)
    assert not joined[:, 7].any()
    assert joined[:, :7].all()
    assert joined[:, 8:15].all()
    assert not joined[:, 15].any()
    density = geometry.texels_per_metre(position + np.arange(8)[:, None, None] * [0, 0.01, 0], np.ones((8, 16), bool))
    np.testing.assert_allclose(density, 100, rtol=1e-3)


def test_half_floats_do_not_tear_a_surface() -> None:
    position = plate(1024)["position"].array.astype(np.float16).astype(np.float32)  # steps of 0, 1 or 2 units
    inside = np.ones((1024, 1024), bool)
    assert geometry.joined(position, inside, 1)[:, :-1].all()
    assert geometry.joined(position, inside, 0)[:-1].all()


def test_a_sphere_is_joined_across_its_wrapping_border() -> None:
    surface = sphere(64)
    position, inside = maps_of(surface)
    assert geometry.joined(position, inside, 1, wrap=True)[8:-8, -1].all()
    assert not geometry.joined(position, inside, 1, wrap=False)[:, -1].any()


def test_the_pose_turns_gravity_in_scene_mode_only() -> None:
    surface = replace(box(64), pose=TIPPED)
    np.testing.assert_allclose(geometry.gravity_at_rest(surface, Frame()), [0, 0, -1], atol=1e-6)
    # the pose turns the object's -y to the world's -z
    np.testing.assert_allclose(geometry.gravity_at_rest(surface, Frame(FrameMode.SCENE)), [0, -1, 0], atol=1e-6)


def test_the_pose_moves_heights_in_scene_mode_only() -> None:
    surface, points = replace(box(64), pose=TIPPED), np.array([[0, 0.25, 3]], np.float32)
    assert geometry.heights(points, surface, Frame()) == pytest.approx(3)
    assert geometry.heights(points, surface, Frame(FrameMode.SCENE)) == pytest.approx(5.25)
