# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from sabi.backend.protocol import growth
from sabi.backend.weathering.degree import STORED, degrees, susceptibility, to_bytes

EXPOSURE = np.linspace(0, 1, 1001, dtype=np.float32)


def test_degree_is_monotone_in_age_and_in_exposure() -> None:
    at_ages = np.stack([degrees(age) for age in np.linspace(0, 1, 41)])
    assert (np.diff(at_ages, axis=0) >= 0).all()
    assert (np.diff(at_ages, axis=1) >= 0).all()
    assert not at_ages[0].any()
    assert at_ages.max() == 1
    assert np.abs(np.diff(at_ages, axis=0)).max() <= growth.RATE_MAX / 40 + 1e-6  # small steps of age, small changes


def test_what_is_stored_is_within_half_a_step() -> None:
    assert np.abs(STORED[to_bytes(EXPOSURE)] - EXPOSURE).max() <= 0.5 / 255 + 1e-6
    np.testing.assert_array_equal(to_bytes(STORED), np.arange(256))
    np.testing.assert_array_equal(degrees(0.7)[to_bytes(EXPOSURE)], growth.degree(STORED[to_bytes(EXPOSURE)], 0.7))


def test_susceptibility_is_rate_and_onset_of_the_formula() -> None:
    both = susceptibility(STORED.reshape(8, 32))
    assert both.shape == (2, 8, 32)
    assert both.dtype == np.float32
    assert both[0].min() == pytest.approx(growth.RATE_MIN)
    assert both[0].max() == pytest.approx(growth.RATE_MAX)
    assert both[1].max() == pytest.approx(growth.ONSET_MAX)
    assert both[1].min() == pytest.approx(0)
    again = np.clip(both[0] * 0.6 - both[1], 0, 1)
    np.testing.assert_allclose(again, degrees(0.6).reshape(8, 32), atol=1e-6)


def test_nan_is_stored_as_nothing() -> None:
    np.testing.assert_array_equal(to_bytes(np.array([np.nan, -1, 0.5, 2], np.float32)), [0, 0, 128, 255])
