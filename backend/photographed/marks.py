# SPDX-License-Identifier: GPL-3.0-or-later
"""Degree from a few marks: radial basis functions over look and position, after Iizuka et al. 2016 (Single Image Weathering
via Exemplar Propagation). One matrix product a scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..protocol.errors import BadSurface
from .picture import brightness, looks, places, relit, smoothed

SCALES = (1.5, 4.0, 8.0)  # cells over which looks are taken; what explains the marks best counts most
MOST = 128  # marks that are used of many painted ones
_POSITION = 0.1  # of the picture's side, against the distance in look from clean to weathered
_RIDGE = 0.05
_LIGHT, _GRAIN = 0.5, 0.1  # logarithms: how much light may differ across a picture, and a place from its like


@dataclass(frozen=True)
class Marks:
    """Places whose degree is known: rows and columns of cells, and the degree 0..1 there. All [n]."""

    rows: np.ndarray
    columns: np.ndarray
    degrees: np.ndarray

    def __post_init__(self) -> None:
        if len(self.degrees) == 0 or np.ptp(self.degrees) < 0.1:
            raise BadSurface("The marks do not say what differs.", "Mark a clean place and a weathered one at least.")

    def thinned(self) -> Marks:
        """At most `MOST` of them, drawn evenly from each degree."""
        if len(self.degrees) <= MOST:
            return self
        order = np.random.default_rng(0).permutation(len(self.degrees))
        kinds = np.rint(self.degrees * 4).astype(int)[order]
        rank = np.zeros(len(order), int)
        for kind in np.unique(kinds):
            rank[kinds == kind] = np.arange((kinds == kind).sum())
        chosen = order[np.argsort(rank, kind="stable")[:MOST]]
        return Marks(self.rows[chosen], self.columns[chosen], self.degrees[chosen])


def degree_by_marks(picture: np.ndarray, marks: Marks) -> np.ndarray:
    """[h, w] in 0..1 from a picture [h, w, 3] in 0..1, sRGB-encoded."""
    marks = marks.thinned()
    picture = in_even_light(picture, marks)
    total, weights = np.zeros(picture.shape[:2], np.float32), 0.0
    for scale in SCALES:
        amount, miss = _interpolated(looks(picture, scale), marks)
        weight = 1 / (miss**4 + 0.02**4)
        total += np.float32(weight) * smoothed(amount, scale)
        weights += weight
    return total / np.float32(weights)


def in_even_light(picture: np.ndarray, marks: Marks) -> np.ndarray:
    """The picture without the slope of light that marks of one degree tell by their brightness; little where they are few."""
    value = marks.degrees
    place = places(picture)[marks.rows, marks.columns]
    terms = np.column_stack([np.ones_like(value), value, value * (1 - value), place])
    ridge = _GRAIN**2 / np.array([1e3, 1e3, 0.3, _LIGHT, _LIGHT]) ** 2
    known = brightness(picture, 8)[marks.rows, marks.columns]
    return relit(picture, np.linalg.solve(terms.T @ terms + np.diag(ridge), terms.T @ known)[3:])


def _interpolated(look: np.ndarray, marks: Marks) -> tuple[np.ndarray, float]:
    """The amount in every cell [h, w], and by how much a mark is missed when it is left out (root mean square).

    The basis is the distance itself, with a constant: between two marks it is linear, beyond them it stays.
    """
    height, width, channels = look.shape
    whitened = (look.reshape(-1, channels) @ _whitening(look, marks)).reshape(look.shape)
    at, value = whitened[marks.rows, marks.columns], marks.degrees
    unlike = np.abs(value[:, None] - value)
    reach = (_distances(at, at) * unlike).sum() / (unlike**2).sum()
    points = np.concatenate([whitened / max(reach, 1e-6), places(look) * _POSITION], axis=-1).astype(np.float32)
    centres = points[marks.rows, marks.columns]
    count = len(value)
    system = np.zeros((count + 1, count + 1))
    system[:count, :count] = _RIDGE * np.eye(count) - _distances(centres, centres)
    system[count, :count] = system[:count, count] = 1
    inverse = np.linalg.inv(system)
    weights = inverse[:, :count] @ value
    miss = np.sqrt(np.mean((weights[:count] / np.diag(inverse)[:count]) ** 2))
    amount = weights[count] - _distances(points.reshape(-1, channels + 2), centres) @ weights[:count].astype(np.float32)
    return amount.reshape(height, width), float(miss)


def _whitening(look: np.ndarray, marks: Marks) -> np.ndarray:
    """The matrix after which looks differ equally in all directions among what is equally weathered: Fisher's."""
    channels, reach = look.shape[2], 4
    within = np.diag(look.reshape(-1, channels).var(axis=0)) * 0.02 + np.eye(channels) * 1e-4
    count = len(marks.degrees)
    for row, column in zip(marks.rows, marks.columns, strict=True):
        around = look[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        within += np.cov(around.reshape(-1, channels).T, bias=True) / count
    kinds = np.rint(marks.degrees * 4)
    for kind in np.unique(kinds):
        alike = look[marks.rows, marks.columns][kinds == kind]
        if len(alike) > 1:
            within += np.cov(alike.T) * len(alike) / count
    spreads, axes = np.linalg.eigh(within)
    return (axes / np.sqrt(spreads)).astype(np.float32)


def _distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Euclidean, [n, m]."""
    squares = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1) - 2 * points @ centres.T
    return np.sqrt(np.maximum(squares, 0, out=squares), out=squares)
