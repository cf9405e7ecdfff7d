# SPDX-License-Identifier: GPL-3.0-or-later
"""From one grid of texels to another over the same picture: means where it shrinks, linear where it grows. In windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Axis:
    """How texels `start` to `stop` of `after` along one axis are made of the texels of `before` over the same length.

    Whatever window is asked for, a texel has the same sources and weights: windows join without a trace.
    """

    before: int
    after: int
    wrap: bool = False

    def taps(self, start: int, stop: int) -> tuple[int, int, np.ndarray, np.ndarray]:
        """First and last + 1 source texel, and per texel the sources [n, K], counted from the first, and weights [n, K].

        Sources may lie outside 0..before: they go on at the other end, or repeat the last, as `within` says.
        """
        ratio = self.before / self.after
        at = np.arange(start, stop, dtype=np.float64)
        if ratio == 1:
            return start, stop, np.arange(stop - start)[:, None], np.ones((stop - start, 1), np.float32)
        if ratio > 1:  # mean over the length that one texel covers
            low, high = at * ratio, (at + 1) * ratio
            first = np.floor(low + 1e-9).astype(np.int64)
            sources = first[:, None] + np.arange(int(np.ceil(ratio)) + 1)
            weights = np.minimum(sources + 1, high[:, None]) - np.maximum(sources, low[:, None])
            weights = np.clip(weights, 0, None) / ratio
            if not weights[:, -1].any():
                sources, weights = sources[:, :-1], weights[:, :-1]
        else:
            centre = (at + 0.5) * ratio - 0.5
            first = np.floor(centre).astype(np.int64)
            sources = first[:, None] + np.arange(2)
            weights = np.stack([1 - (centre - first), centre - first], axis=-1)
        begin = int(sources.min())
        return begin, int(sources.max()) + 1, sources - begin, weights.astype(np.float32)

    def within(self, start: int, stop: int) -> np.ndarray:
        """The texels start..stop of `before`, those beyond its ends replaced by what stands there."""
        at = np.arange(start, stop)
        return at % self.before if self.wrap else np.clip(at, 0, self.before - 1)


def weigh(block: np.ndarray, axis: int, sources: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of `block` (float32) along an axis: out[i] = sum over k of weights[i, k] * block[sources[i, k]]."""
    shape = [1] * block.ndim
    shape[axis] = -1
    out = block.take(sources[:, 0], axis=axis)
    out *= weights[:, 0].reshape(shape)
    for k in range(1, sources.shape[1]):
        part = block.take(sources[:, k], axis=axis)
        part *= weights[:, k].reshape(shape)
        out += part
    return out
