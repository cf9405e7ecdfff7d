# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np

from sabi.backend.protocol import growth


def grid() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every eighth of the stored values of exposure, threshold and softness, as float32."""
    values = np.arange(0, 256, 8, dtype=np.float32) / 255
    thresholds = np.clip(values, growth.THRESHOLD_MIN, growth.THRESHOLD_MAX)
    return np.meshgrid(values, thresholds, np.clip(values, growth.SOFTNESS_MIN, growth.SOFTNESS_MAX))  # type: ignore[return-value]


def coverage_at(age: float) -> np.ndarray:
    exposure, threshold, softness = grid()
    return growth.coverage(growth.depth(exposure, threshold, age), softness)


def test_nothing_is_covered_at_age_zero() -> None:
    assert not coverage_at(0).any()


def test_coverage_never_shrinks_and_never_jumps() -> None:
    before = coverage_at(0)
    for step in range(1, 101):
        now = coverage_at(step / 100)
        assert (now >= before).all()
        assert (now - before).max() <= growth.MAX_SLOPE / 100 + 1e-5
        before = now


def test_exposed_texels_are_covered_at_age_one() -> None:
    one = np.float32(1)
    depth = growth.depth(one, np.float32(0.5), 1.0)
    assert growth.coverage(depth, np.float32(0.3)) == 1


def test_exposure_for_inverts_degree() -> None:
    degrees = np.linspace(0.1, 0.8, 8, dtype=np.float32)
    for age in (0.8, 1.0):
        assert np.allclose(growth.degree(growth.exposure_for(degrees, age), age), degrees, atol=1e-6)
