# SPDX-License-Identifier: GPL-3.0-or-later
"""Age over frames."""

import numpy as np
import pytest

from sabi.backend.protocol.age_curve import AgeCurve, Ease
from sabi.backend.protocol.errors import BadRecipe


def test_points_are_met_and_what_lies_between_is_straight():
    curve = AgeCurve.parse("0:0,24:0.3,48:1")
    assert [curve.at(frame) for frame in (-5, 0, 12, 24, 36, 48, 60)] == pytest.approx([0, 0, 0.15, 0.3, 0.65, 1, 1])
    assert AgeCurve(((3, 0.4),)).ages(range(5)) == (0.4,) * 5


def test_eased_ages_meet_the_points_and_are_slow_at_both_ends():
    eased, even = (AgeCurve(((1, 0.2), (41, 0.8)), ease).ages(range(1, 42)) for ease in (Ease.EASE, Ease.LINEAR))
    assert (eased[0], eased[20], eased[40]) == pytest.approx((0.2, 0.5, 0.8))
    steps = np.diff(eased)
    assert (steps > 0).all()
    assert max(steps[0], steps[-1]) < 0.1 * steps.max()
    assert np.diff(even) == pytest.approx(0.015)


@pytest.mark.parametrize(
    "text", ["", "1", "0:0,", "a:b", "5:0,5:1", "9:0,3:1", "0:0,9:1.5", "0:nan", "0:-1", "inf:1", "0:0:0"]
)
def test_what_is_no_curve_is_refused(text):
    with pytest.raises(BadRecipe) as refused:
        AgeCurve.parse(text)
    assert refused.value.hint


def test_no_frames_are_refused():
    for frames in (range(0), range(200_000)):
        with pytest.raises(BadRecipe):
            AgeCurve.parse("0:0,9:1").ages(frames)
