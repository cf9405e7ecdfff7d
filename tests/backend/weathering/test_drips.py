# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from surfaces import box, degrees_from_gravity, panel, prism, run_tensors, sphere

from sabi.backend.protocol.recipe import Effect, Exposure, Frame, Layer
from sabi.backend.weathering import drips
from sabi.backend.weathering.exposure import survey
from sabi.backend.weathering.geometry import down as down_of
from sabi.backend.weathering.grid import reduced
from sabi.backend.weathering.voxels import nodes

DOWN = np.array([0, 0, -1], np.float32)


def runs_of(surface, layer: Layer, frame: Frame) -> np.ndarray:
    """What runs add to the exposure of a layer [H, W]."""
    looked = survey(surface, frame)
    without = replace(layer, exposure=replace(layer.exposure, drips=0.0))
    return looked.exposure(layer).window() - looked.exposure(without).window()


class Flow:
    """Runs over a surface below sources that `where` (points [N, 3] -> bool) picks."""

    def __init__(self, surface, where, decay: float = 0.4, gravity: np.ndarray = DOWN) -> None:
        grid = reduced(surface)
        self.points = grid.position[grid.inside]
        self.normals = grid.texels("world_normal")[grid.inside]
        self.nodes = nodes(self.points, self.normals, grid.spacing)
        sources = where(self.nodes.centre).astype(np.float32)
        assert sources.any()
        self.amount = drips.runs(self.points, self.normals, self.nodes, sources, gravity, decay)

    def at(self, place: tuple[float, float, float], radius: float = 0.04) -> float:
        """The mean amount around a place."""
        near = np.linalg.norm(self.points - np.array(place), axis=1) < radius
        assert near.any()
        return float(self.amount[near].mean())


def ball(x: float, y: float, z: float, radius: float = 0.06):
    return lambda points: np.linalg.norm(points - np.array([x, y, z]), axis=1) < radius


def test_a_source_on_a_wall_runs_down_and_nowhere_else() -> None:
    flow = Flow(box(384), ball(0, -0.5, 0.1))
    assert flow.at((0, -0.5, -0.1)) > 0.02
    for dry in ((0, -0.5, 0.35), (0.25, -0.5, -0.1), (-0.25, -0.5, -0.1), (0, 0.5, -0.1), (0, 0, 0.5), (0, 0, -0.5)):
        assert flow.at(dry) == pytest.approx(0, abs=1e-3)


def test_runs_fade_with_the_metres() -> None:
    flow = Flow(box(384), ball(0, -0.5, 0.3), decay=0.2)
    ratio = flow.at((0, -0.5, -0.1)) / flow.at((0, -0.5, 0.1))
    assert ratio == pytest.approx(np.exp(-0.2 / 0.2), rel=0.25)


def test_runs_cross_the_edge_of_a_box_onto_another_island() -> None:
    flow = Flow(box(384), lambda p: (p[:, 2] > 0.47) & (np.abs(p[:, 0]) < 0.1) & (p[:, 1] < -0.46))
    assert flow.at((0, -0.5, 0.2)) > 0.02
    assert flow.at((0.3, -0.5, 0.2)) == pytest.approx(0, abs=1e-3)


def test_gravity_decides_which_way() -> None:
    flow = Flow(box(384), ball(0, -0.5, 0.0), gravity=np.array([1, 0, 0], np.float32))
    assert flow.at((0.2, -0.5, 0)) > 0.02
    assert flow.at((0, -0.5, -0.2)) == pytest.approx(0, abs=1e-3)


def test_runs_spread_along_the_meridians_of_a_sphere() -> None:
    """A spot in the north runs to the south pole on its own side."""
    spot = np.array([np.cos(0.9), 0.0, np.sin(0.9)]) * 0.5
    flow = Flow(sphere(256), ball(*spot, 0.08), decay=0.6)
    wet = flow.amount > 0.3 * flow.amount.max()
    longitude = np.degrees(np.arctan2(flow.points[wet, 1], flow.points[wet, 0]))
    assert np.abs(longitude).max() < 30
    assert flow.at((0.5 * np.cos(0.5), 0, -0.5 * np.sin(0.5)), 0.08) > 0.02
    assert flow.at((-0.5 * np.cos(0.5), 0, -0.5 * np.sin(0.5)), 0.08) == pytest.approx(0, abs=1e-3)


def test_runs_from_a_lip_follow_it_to_the_wall_and_stop_on_the_shelf() -> None:
    flow = Flow(panel(256), lambda p: (p[:, 2] > 0.9) & (np.abs(p[:, 0]) < 0.1))
    assert flow.at((0, 0.6, 0.75), 0.06) > 0.02
    assert flow.at((0, 0.48, 0.4), 0.05) == pytest.approx(0, abs=1e-3)
    assert flow.at((0, 0.35, 0.2), 0.05) == pytest.approx(0, abs=2e-3)


def test_a_thin_wall_keeps_its_back_dry() -> None:
    flow = Flow(box(384, extent=(1.0, 0.004, 1.0)), lambda p: ball(0, 0, 0.1)(p) & (p[:, 1] < 0))
    front, back = flow.normals[:, 1] < -0.5, flow.normals[:, 1] > 0.5
    assert flow.amount[front].max() > 0.05
    assert flow.amount[back].max() < 0.05 * flow.amount[front].max()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_runs_lie_within_15_degrees_of_gravity_on_every_island(seed: int) -> None:
    """By the structure tensor: along a run the amount changes least."""
    surface = box(512, seed=seed)
    rng = np.random.default_rng(seed)
    grid = reduced(surface)
    flow = Flow(surface, lambda p: rng.random(len(p)) < 0.01)
    field = np.zeros(grid.inside.shape, np.float32)
    field[grid.inside] = flow.amount
    field = grid.smooth(field, 2)
    core, slope = grid.inside.copy(), np.gradient(field)
    for axis in (0, 1):
        for step in (-2, 2):
            core &= np.roll(grid.inside, step, axis)
    way = down_of(grid.position, grid.inside, DOWN)
    normal = surface["world_normal"].floats()
    for side in ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0)):
        here = core & (normal @ np.array(side) > 0.9)
        gy, gx = slope[0][here], slope[1][here]
        tensor = np.array([[np.sum(gx * gx), np.sum(gx * gy)], [np.sum(gx * gy), np.sum(gy * gy)]])
        _, vectors = np.linalg.eigh(tensor)
        cosine = abs(vectors[:, 0] @ way[here].mean(axis=0))
        assert np.degrees(np.arccos(min(cosine, 1))) < 15


def turned(degrees: float) -> np.ndarray:
    """Gravity turned around y, so that it pulls along x too."""
    angle = np.radians(degrees)
    return np.array([np.sin(angle), 0, -np.cos(angle)], np.float32)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("tip", [0.0, 25.0, 50.0])
def test_exposure_runs_within_15_degrees_of_gravity_on_walls_that_stand_any_way(seed: int, tip: float) -> None:
    """Six walls of a tipped column: gravity pulls another way in each island. With gravity turned by 30 degrees it fails."""
    surface = prism(512, seed, tip)
    layer = Layer(Effect.RUST, feature_size=0.03, exposure=Exposure(edges=0.4, drips=1.0, noise=0.0))

    def angles(gravity: np.ndarray) -> np.ndarray:
        runs = runs_of(surface, layer, Frame(gravity=tuple(map(float, gravity))))
        return np.array([degrees_from_gravity(tensor) for tensor in run_tensors(surface, runs)])

    found = angles(DOWN)
    assert len(found) == 6
    assert found.max() < 15
    assert angles(turned(30)).max() > 15
