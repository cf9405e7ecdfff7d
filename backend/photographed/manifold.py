# SPDX-License-Identifier: GPL-3.0-or-later
"""Degree as a place on the appearance manifold, after Wang et al. 2006 (Appearance Manifolds for Modeling Time-Variant
Appearance of Materials): geodesic distance from the least and from the most weathered looks over a graph of nearest looks.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np

from .light import in_light_of
from .marks import Marks, in_even_light
from .picture import looks, smoothed, spread

SAMPLES = 24  # a side: places whose looks are the graph's nodes
NEIGHBOURS = 8
WIDTH = 6.0  # cells over which looks are taken
_END = 0.08  # of the manifold's length: what counts as its end
_STRAY = 0.05  # share of the looks that are too lonely to be an end
WEIGHTS = np.array([0.6, 1, 1, 0.5], np.float32)  # lightness counts less: shade changes it too
IN_SHADE = np.array([0.2, 1, 1, 0.17], np.float32)  # while the light is not known

Graph = list[dict[int, float]]


def degree_by_manifold(picture: np.ndarray, marks: Marks | None = None) -> np.ndarray:
    """[h, w] in 0..1 from a picture [h, w, 3] in 0..1, sRGB-encoded.

    Without marks the ends are the looks that lie farthest apart; the darker and rougher is taken as weathered. With marks
    they are those below 0.25 and above 0.75 (the lowest and the highest where there are none).
    """
    if marks is not None:
        marks = marks.thinned()
        picture = in_even_light(picture, marks)
        manifold = Manifold(looks(picture, WIDTH) * WEIGHTS, (marks.rows, marks.columns))
        first = len(manifold.nodes) - len(marks.degrees)
        low, high = max(0.25, marks.degrees.min()), min(0.75, marks.degrees.max())
        clean, weathered = np.flatnonzero(marks.degrees <= low), np.flatnonzero(marks.degrees >= high)
        return manifold.degree(first + clean, first + weathered)
    for weights in (IN_SHADE, WEIGHTS):
        manifold = Manifold(looks(picture, WIDTH) * weights)
        degree = manifold.degree(*manifold.far_ends())
        if weights is IN_SHADE:
            picture = in_light_of(picture, degree)
    return 1 - degree if seems_inverted(picture, degree) else degree


def seems_inverted(picture: np.ndarray, degree: np.ndarray) -> bool:
    """Whether what a map calls weathered is lighter and smoother than the rest: most weathering darkens and roughens."""
    look = looks(picture, WIDTH)
    high, low = (np.log(look[chosen][:, [0, 3]].mean(axis=0) + 0.01) for chosen in (degree >= 0.7, degree <= 0.3))
    darker, rougher = low[0] - high[0], (high[1] - high[0]) - (low[1] - low[0])
    return bool(darker + 0.5 * rougher < 0)


class Manifold:
    """The looks [h, w, C] of a picture, and a graph of those of places all over it and of `also`, (rows, columns)."""

    def __init__(self, look: np.ndarray, also: tuple[np.ndarray, np.ndarray] | None = None) -> None:
        self.look = look
        self.rows, self.columns = _sampled(*look.shape[:2])
        if also is not None:
            self.rows, self.columns = np.r_[self.rows, also[0]], np.r_[self.columns, also[1]]
        self.nodes = look[self.rows, self.columns]
        self.graph, self.lonely = nearest_graph(self.nodes)

    def degree(self, clean: np.ndarray, weathered: np.ndarray) -> np.ndarray:
        """[h, w] in 0..1: how far each look is from the clean nodes (indices), of the way from there to the weathered ones."""
        from_clean, from_weathered = geodesic(self.graph, clean), geodesic(self.graph, weathered)
        degrees = (from_clean / (from_clean + from_weathered + 1e-9)).astype(np.float32)
        height, width = self.look.shape[:2]
        coarse = self.look[::2, ::2]
        amount = _carried(coarse.reshape(-1, coarse.shape[2]), self.nodes, degrees).reshape(coarse.shape[:2])
        return smoothed(spread(amount, height, width, 2), 4.0)

    def far_ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The nodes about the two ends of the longest geodesic, strays left out; which is which is not said."""
        common = self.lonely <= np.quantile(self.lonely, 1 - _STRAY)
        node = int(self.lonely.argmin())
        for _ in range(3):  # each sweep goes to the farthest from the last
            lengths = geodesic(self.graph, [node])
            last, node = node, int(np.where(common, lengths, -1).argmax())
        reach = _END * lengths[node]
        return np.flatnonzero(geodesic(self.graph, [last]) <= reach), np.flatnonzero(
            geodesic(self.graph, [node]) <= reach
        )


def _sampled(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of places all over the picture, one at random in each square of it."""
    jitter = np.random.default_rng(0).random((2, SAMPLES, SAMPLES))
    rows = (np.arange(SAMPLES)[:, None] + jitter[0]) * height / SAMPLES
    columns = (np.arange(SAMPLES) + jitter[1]) * width / SAMPLES
    return rows.astype(int).ravel(), columns.astype(int).ravel()


def nearest_graph(nodes: np.ndarray) -> tuple[Graph, np.ndarray]:
    """Each node [n, k] joined to its nearest, and parts to each other by their shortest link; how lonely each node is [n]."""
    squares = (nodes**2).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * nodes @ nodes.T, 0))
    np.fill_diagonal(apart, np.inf)
    count = min(NEIGHBOURS, len(nodes) - 1)
    near = np.argpartition(apart, count - 1, axis=1)[:, :count]
    lengths = np.take_along_axis(apart, near, axis=1)
    graph: Graph = [{} for _ in nodes]
    for node, (others, steps) in enumerate(zip(near.tolist(), lengths.tolist(), strict=True)):
        for other, step in zip(others, steps, strict=True):
            graph[node][other] = graph[other][node] = step
    while not (inside := np.isfinite(geodesic(graph, [0]))).all():
        ours, theirs = np.flatnonzero(inside), np.flatnonzero(~inside)
        links = apart[np.ix_(ours, theirs)]
        row, column = np.unravel_index(links.argmin(), links.shape)
        here, there = int(ours[row]), int(theirs[column])
        graph[here][there] = graph[there][here] = float(links[row, column])
    return graph, lengths.max(axis=1)


def geodesic(graph: Graph, sources: Iterable[int]) -> np.ndarray:
    """Length of the shortest path from the nearest of `sources` to each node (Dijkstra); infinite where there is none."""
    lengths = [np.inf] * len(graph)
    queue = [(0.0, int(source)) for source in sources]
    for _, source in queue:
        lengths[source] = 0.0
    while queue:
        length, node = heapq.heappop(queue)
        if length > lengths[node]:
            continue
        for other, step in graph[node].items():
            if length + step < lengths[other]:
                lengths[other] = length + step
                heapq.heappush(queue, (length + step, other))
    return np.array(lengths)


def _carried(points: np.ndarray, nodes: np.ndarray, values: np.ndarray, count: int = 6) -> np.ndarray:
    """The nodes' values at points [n, k]: means of the nearest, weighed by nearness."""
    squares = (points**2).sum(axis=1)[:, None] + (nodes**2).sum(axis=1) - 2 * points @ nodes.T
    near = np.argpartition(squares, count, axis=1)[:, :count]
    weights = 1 / (np.maximum(np.take_along_axis(squares, near, axis=1), 0) + 1e-5)
    return (weights * values[near]).sum(axis=1) / weights.sum(axis=1)
