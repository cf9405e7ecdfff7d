# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs: what edges, crevices and spots of a surface let go, and gravity draws down over it, across UV islands.

Each point looks up its own stream: it climbs the surface against gravity, from node to node, and collects what the sources
it passes give, less the further they are. So runs are continuous, and as straight as the surface lets them be.
"""

from __future__ import annotations

import numpy as np

from ..threads import parallel
from .voxels import Nodes, blocks, side_of

STEPS = 48  # at most, each as long as a node or longer
REACH = 2.2  # decay lengths that a point looks up its stream
FLAT = 0.17  # sine of the slope below which water stands: 10 degrees


def runs(
    points: np.ndarray, normals: np.ndarray, nodes: Nodes, sources: np.ndarray, gravity: np.ndarray, decay: float
) -> np.ndarray:
    """How much runs over each of `points` [M, 3] with unit `normals` [M, 3]: float32 [M], 0 or more, 0 over flat places.

    `sources` [N]: what each node lets go; 1 everywhere gives about 1. `decay`: metres after which 1/e of it is left.
    `gravity`: unit vector in the space of the points.
    """
    fall = gravity - (nodes.normal @ gravity)[:, None] * nodes.normal
    slope = np.linalg.norm(fall, axis=1, keepdims=True)
    climb = -fall / np.maximum(slope, 1e-6)
    way = min(REACH * decay, 1.5 * float(np.linalg.norm(np.ptp(nodes.centre, axis=0))))
    step = np.float32(max(nodes.size, way / STEPS))
    gives = nodes.spread(sources, max(0.8 * nodes.size, 0.6 * float(step)))  # finer than a step it comes out as ripples
    centre_normal_climb = np.concatenate([nodes.centre, nodes.normal, climb], axis=1, dtype=np.float32)
    table, rise = np.ascontiguousarray(centre_normal_climb.T), (slope[:, 0] > FLAT)
    kept = np.float32(np.exp(-step / decay))
    total = np.zeros(len(points), np.float32)

    def block(part: slice) -> None:
        who, place, facing = np.arange(part.start, part.stop), points[part].T.copy(), normals[part].T.copy()
        side, carry = side_of(facing.T), np.float32(1)
        for _ in range(int(np.ceil(way / step))):
            node = nodes.find(place.T, facing.T, side)
            there = node >= 0
            total[who] += np.where(there, gives.take(node) * carry, 0)
            rises = np.flatnonzero(there & rise.take(node))
            if not len(rises):
                break
            if len(rises) < len(node):
                who, place, node = who.take(rises), place.take(rises, axis=1), node.take(rises)
            row = table.take(node, axis=1)
            centre, facing, climb = row[:3], row[3:6], row[6:]
            off = place - centre
            off *= facing
            place -= (off[0] + off[1] + off[2]) * facing
            climb *= step
            place += climb
            side = nodes.side.take(node)
            carry *= kept

    parallel(block, blocks(len(points)))
    steep = np.sqrt(np.clip(1 - np.square(normals @ gravity), 0, 1))
    return total * np.clip(steep / np.float32(2 * FLAT), 0, 1) * (step / np.float32(decay))
