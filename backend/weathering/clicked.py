# SPDX-License-Identifier: GPL-3.0-or-later
"""What a click on a picture means: the piece around it, by its colours and borders, without a network.

A cell belongs to the piece as likely as a walker from there comes to a click before it is lost, who seldom steps over borders and
may end on the way where the colours are those of the piece, or of the rest (random walks with priors: Grady 2005). Colours are
mixtures of Gaussians, told anew of what was found (Rother, Kolmogorov and Blake 2004): at first those of the click, and of the
picture's rim.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..photographed.degree import Grid
from ..photographed.picture import blurred, looks, spread

ROUNDS = 4
CLICK = 0.02  # of the longer side: radius around a click that is the piece for sure
NEAR = 0.12  # of the longer side: how far from a click the rim says nothing of the rest
STEP, PRIOR = 1e-3, 0.02  # how readily the strongest border is stepped over; how readily a walk ends by colour alone
KINDS, SAMPLES = 5, 1500  # Gaussians of the rest; cells that colours are told of
LOOK = np.array([1, 1.5, 1.5, 1])  # weights of lightness, red - green, yellow - blue, grain
CERTAIN, WALKS, ENOUGH = 1e3, 40, 1e-4  # what seeds weigh; steps of the solver at most, and the rest that ends it
RIM = 2  # cells
TOUCHED = 0.3  # how far cells belong at least that a piece holds together by
AROUND = 1.5  # cells that the guided filter looks at
FLAT = 4e-4  # variance of colour that is no border to it


def piece(picture: np.ndarray, clicks: Sequence[tuple[int, int]]) -> np.ndarray:
    """How far each cell of [h,w,3] in 0..1, sRGB-encoded, belongs to what was clicked on at (x, y): float32 [h,w], 0..1.

    Pieces of several clicks together. Always the same for the same picture and clicks.
    """
    look = looks(np.asarray(picture, np.float32), 1.2).astype(np.float64) * LOOK
    return np.maximum.reduce([_piece(look, click) for click in clicks])


class Following:
    """Shares of cells [h,w] as those of texels, along the picture's own borders (fast guided filter: He and Sun 2015).

    `cells` [h,w,3] are the means of the picture that lies on `grid`, in 0..1.
    """

    def __init__(self, share: np.ndarray, cells: np.ndarray, grid: Grid) -> None:
        guide = np.asarray(cells, np.float64)
        middle, level = blurred(guide, AROUND), blurred(share, AROUND)
        outer = (guide[..., :, None] * guide[..., None, :]).reshape(*share.shape, 9)
        variance = blurred(outer, AROUND).reshape(*share.shape, 3, 3) - middle[..., :, None] * middle[..., None, :]
        along = blurred(guide * share[..., None], AROUND) - middle * level[..., None]
        slope = np.linalg.solve(variance + FLAT * np.eye(3), along[..., None])[..., 0]
        rest = level - (slope * middle).sum(-1)
        self._terms = blurred(np.concatenate([slope, rest[..., None]], -1), AROUND).astype(np.float32)
        self._grid = grid

    def __call__(self, texels: np.ndarray, rows: slice) -> np.ndarray:
        """Of the picture's texels [n,W,3] in some rows, in 0..1: float32 [n,W], 0..1."""
        grid = self._grid
        red, green, blue, rest = (
            spread(self._terms[..., i], grid.height, grid.width, grid.step, rows) for i in range(4)
        )
        found = red * texels[..., 0] + green * texels[..., 1] + blue * texels[..., 2] + rest
        sharp = np.clip((found - 0.2) / 0.6, 0, 1)
        return np.asarray(sharp * sharp * (3 - 2 * sharp), np.float32)


def _piece(look: np.ndarray, click: tuple[int, int]) -> np.ndarray:
    height, width = look.shape[:2]
    longest, rng = max(height, width), np.random.default_rng(0)
    away = np.hypot(np.arange(height)[:, None] - click[1], np.arange(width) - click[0])
    clicked = away <= max(3, CLICK * longest)
    rim = np.ones((height, width), bool)
    rim[RIM:-RIM, RIM:-RIM] = False
    rest = rim & (away > NEAR * longest)
    rest = rest if rest.any() else ~clicked
    if not rest.any():  # a picture no larger than a click
        return np.ones((height, width), np.float32)
    ways = _ways(look)
    mine, belongs = clicked, None
    for number in range(ROUNDS):
        own = _likelihood(look, look[mine], 1 if number == 0 else 3, rng)
        other = _likelihood(look, look[rest], KINDS, rng)
        prior = 1 / (1 + np.exp(np.clip(other - own, -20, 20)))
        belongs = _walked(ways, clicked, prior, belongs)
        whole = joined(belongs > 0.5, click)
        mine, rest = whole | clicked, belongs < 0.5
        if not rest.any():
            break
    assert belongs is not None
    return np.where(joined(belongs > TOUCHED, click), belongs, 0).astype(np.float32)


def _ways(look: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How readily one steps to the cell below [h-1,w], and to the right [h,w-1]."""
    steps = [np.square(np.diff(look, axis=axis)).sum(-1) for axis in (0, 1)]
    usual = np.mean([step.mean() if step.size else 0 for step in steps]) + 1e-6
    below, right = (np.exp(-step / (2 * usual)) + STEP for step in steps)
    return below, right


def _walked(
    ways: tuple[np.ndarray, np.ndarray], clicked: np.ndarray, prior: np.ndarray, start: np.ndarray | None
) -> np.ndarray:
    """The walks' linear equations solved by conjugate gradients, scaled by their diagonal: [h,w] in 0..1."""
    below, right = ways
    diagonal = PRIOR + CERTAIN * clicked
    diagonal[:-1] += below
    diagonal[1:] += below
    diagonal[:, :-1] += right
    diagonal[:, 1:] += right

    def applied(x: np.ndarray) -> np.ndarray:
        y = diagonal * x
        y[:-1] -= below * x[1:]
        y[1:] -= below * x[:-1]
        y[:, :-1] -= right * x[:, 1:]
        y[:, 1:] -= right * x[:, :-1]
        return y

    wanted = PRIOR * prior + CERTAIN * clicked
    x = np.where(clicked, 1.0, prior) if start is None else start
    left = wanted - applied(x)
    way = scaled = left / diagonal
    power = float((left * scaled).sum())
    for _ in range(WALKS):
        if np.abs(left).max() < ENOUGH * PRIOR:
            break
        along = applied(way)
        length = power / max(float((way * along).sum()), 1e-300)
        x, left = x + length * way, left - length * along
        scaled = left / diagonal
        before, power = power, float((left * scaled).sum())
        way = scaled + power / max(before, 1e-300) * way
    return np.asarray(x).clip(0, 1)


def _likelihood(look: np.ndarray, samples: np.ndarray, kinds: int, rng: np.random.Generator) -> np.ndarray:
    """Logarithm [h,w] of how likely looks [h,w,C] are among those of samples [n,C], taken as so many Gaussians."""
    samples = samples[rng.choice(len(samples), min(SAMPLES, len(samples)), replace=False)]
    middles = samples[rng.choice(len(samples), min(kinds, len(samples)), replace=False)]
    for _ in range(8):
        nearest = np.square(samples[:, None] - middles).sum(-1).argmin(1)
        middles = np.stack(
            [samples[nearest == i].mean(0) if (nearest == i).any() else m for i, m in enumerate(middles)]
        )
    groups = [samples[nearest == i] for i in range(len(middles))]
    groups = [group for group in groups if len(group) > 8] or [samples]
    return np.asarray(np.logaddexp.reduce([np.log(len(g) / len(samples)) + _gaussian(look, g) for g in groups]))


def _gaussian(look: np.ndarray, samples: np.ndarray, least: float = 0.02) -> np.ndarray:
    away = look - samples.mean(0)
    covariance = np.cov(samples.T) if len(samples) > 1 else 0
    covariance = covariance + least**2 * np.eye(look.shape[-1])
    return -0.5 * ((away @ np.linalg.inv(covariance)) * away).sum(-1) - 0.5 * float(np.linalg.slogdet(covariance)[1])


def joined(same: np.ndarray, click: tuple[int, int]) -> np.ndarray:
    """The cells [h,w] of those that are joined to the clicked one, side by side."""
    inside = np.pad(same, 1)
    found = np.zeros_like(inside)
    found[click[1] + 1, click[0] + 1] = inside[click[1] + 1, click[0] + 1] = True
    while True:
        before = np.count_nonzero(found)
        for axis in (0, 1):  # along whole rows and columns, forwards and back: few rounds
            for turn in (1, -1):
                found = _along(found, inside, axis, turn)
        if np.count_nonzero(found) == before:
            return np.asarray(found[1:-1, 1:-1])


def _along(found: np.ndarray, inside: np.ndarray, axis: int, turn: int) -> np.ndarray:
    """What is reached from the piece by going one way as long as it stays inside."""
    seen, walls = (np.moveaxis(x, axis, 0)[::turn] for x in (found, ~inside))
    step = np.arange(len(seen))[:, None]
    last = np.maximum.accumulate(np.where(seen, step, -1), 0)
    wall = np.maximum.accumulate(np.where(walls, step, -1), 0)
    return np.moveaxis((last > wall)[::turn], 0, axis)
