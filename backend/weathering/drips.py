# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs: what edges, crevices and spots of a surface let go, and gravity draws down over it, across UV islands.

Each point looks up its own stream: it climbs the surface against gravity, from node to node, and collects what the sources
it passes give, less the further they are. So runs are continuous, and as straight as the surface lets them be.
"""

from __future__ import annotations

import numpy as np

from .voxels import Nodes

STEPS = 64
FLAT = 0.17  # sine of the slope below which water stands: 10 degrees


def runs(
    points: np.ndarray, normals: np.ndarray, nodes: Nodes, sources: np.ndarray, gravity: np.ndarray, decay: float
) -> np.ndarray:
    """How much runs over each of `points` [M, 3] with unit `normals` [M, 3]: float32 [M], 0 or more.

    `sources` [N]: what each node lets go. `decay`: metres after which 1/e of it is left; a source everywhere gives 1.
    `gravity`: unit vector in the space of the points.
    """
    fall = gravity - (nodes.normal @ gravity)[:, None] * nodes.normal
    slope = np.linalg.norm(fall, axis=1)
    climb = -fall / np.maximum(slope, 1e-6)[:, None]
    table = np.concatenate([nodes.centre, nodes.normal, climb, sources[:, None], slope[:, None]], axis=1).astype(
        np.float32
    )
    way = min(2.5 * decay, 1.5 * float(np.linalg.norm(np.ptp(nodes.centre, axis=0))))
    step = np.float32(max(0.8 * nodes.size, way / STEPS))
    kept = np.float32(np.exp(-step / decay))
    total = np.zeros(len(points), np.float32)
    who, place, facing, carry = (
        np.arange(len(points)),
        points.astype(np.float32),
        normals.astype(np.float32),
        np.float32(1),
    )
    for _ in range(int(np.ceil(way / step))):
        node = nodes.find(place, facing)
        row = table[node]
        there = node >= 0
        total[who] += np.where(there, row[:, 9] * carry, 0)
        rises = there & (row[:, 10] > FLAT)
        if not rises.any():
            break
        if not rises.all():
            who, place, row = who[rises], place[rises], row[rises]
        centre, facing, climb = row[:, :3], row[:, 3:6], row[:, 6:9]
        off = np.einsum("nk,nk->n", place - centre, facing)
        place = place - off[:, None] * facing + step * climb
        carry *= kept
    return total * (step / np.float32(decay))
