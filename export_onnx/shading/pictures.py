# SPDX-License-Identifier: GPL-3.0-or-later
"""One surface seen under two lights, with all that is to be found out about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...backend.weathering.delight import LUMINANCE


@dataclass(frozen=True)
class Pair:
    """Linear, 0 or more: `image`, `albedo` and `residual` [2,S,S,3]; `known` [S,S] bool, where there is an albedo."""

    image: np.ndarray
    albedo: np.ndarray
    residual: np.ndarray
    known: np.ndarray

    def shading(self) -> np.ndarray:
        """[2,S,S,3] float32; image = albedo * shading + residual where it is known."""
        image, albedo, residual = (values.astype(np.float32) for values in (self.image, self.albedo, self.residual))
        return np.maximum(image - residual, 0) / np.maximum(albedo, 1e-3)


def luminance(rgb: np.ndarray) -> np.ndarray:
    """[..., 1] of [..., 3]."""
    return (rgb @ LUMINANCE)[..., None]
