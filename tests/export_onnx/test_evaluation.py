# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures say what they are named for, on pictures whose figure is known."""

import numpy as np
import pytest
from scipy import ndimage

from sabi.export_onnx import evaluation


@pytest.mark.parametrize("angle", [0, 30, 90, 130])
def test_the_direction_of_runs_is_found(angle):
    """Runs along the rows, turned clockwise as seen (rows grow downward)."""
    runs = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal((320, 320)), (1.5, 12))
    turned = ndimage.rotate(runs, -angle, reshape=False)[70:-70, 70:-70]
    apart = abs(np.degrees(evaluation.grain_angle(turned)) - angle) % 180
    assert min(apart, 180 - apart) < 2
