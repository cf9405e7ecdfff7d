# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from sabi.backend.protocol.growth import opacity_at
from sabi.backend.protocol.opacity import Curve

DEGREES = np.linspace(0, 1, 501, dtype=np.float32)


def test_straight_between_points_and_level_beyond() -> None:
    points = ((0.2, 0.1), (0.4, 0.1), (0.7, 0.8))
    assert opacity_at(Curve(points), DEGREES) == pytest.approx(np.interp(DEGREES, *zip(*points, strict=True)), abs=1e-6)


def test_smooth_has_no_corners() -> None:
    curve = Curve(((0.2, 0.0), (0.5, 0.4), (0.9, 1.0)), smooth=True)
    values = opacity_at(curve, DEGREES)
    assert values[[0, 100, 250, 450, 500]] == pytest.approx([0, 0, 0.4, 1, 1], abs=1e-6)
    slopes = np.diff(values) / np.diff(DEGREES)
    assert np.abs(np.diff(slopes)).max() < 0.2, "a corner"
    assert values[175] == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize("smooth", [False, True])
def test_it_never_falls(smooth: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        heights = np.sort(rng.random(6))
        values = opacity_at(
            Curve(tuple(zip(np.linspace(0, 1, 6).tolist(), heights.tolist(), strict=True)), smooth), DEGREES
        )
        assert np.diff(values).min() > -1e-6
    assert (opacity_at(Curve(), DEGREES) == 1).all()
