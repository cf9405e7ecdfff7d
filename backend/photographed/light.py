# SPDX-License-Identifier: GPL-3.0-or-later
"""Light that is uneven across a photograph, told from weathering by what a first look at the colours alone says of degree."""

from __future__ import annotations

import numpy as np

from .picture import brightness, places, relit

_KNOTS = 5
_EVERY = 8


def in_light_of(picture: np.ndarray, degree: np.ndarray) -> np.ndarray:
    """The picture without the slope of light that is left when brightness is explained by `degree` [h, w]."""
    known = brightness(picture, 3)[::_EVERY, ::_EVERY].ravel()
    at = degree[::_EVERY, ::_EVERY].ravel()[:, None] * (_KNOTS - 1)
    place = places(picture)[::_EVERY, ::_EVERY].reshape(-1, 2)
    terms = np.concatenate([np.maximum(0, 1 - np.abs(at - np.arange(_KNOTS))), place], axis=1)
    ridge = np.diag([1e-3] * _KNOTS + [1.0, 1.0])
    return relit(picture, np.linalg.solve(terms.T @ terms + ridge, terms.T @ known)[_KNOTS:])
