# SPDX-License-Identifier: GPL-3.0-or-later
"""Peak memory: of the backend for an 8192 x 8192 surface, of Blender for an object with three layers at 4096 x 4096."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np

from sabi.backend.protocol.recipe import Recipe
from sabi.backend.protocol.spawn import start
from sabi.backend.protocol.surface import ColorSpace, Map, Surface


def anonymous(pid: int) -> int:
    """Bytes of anonymous memory a process has in RAM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon")


def large(side: int) -> Surface:
    """A textured sheet 8 metres wide, position and all, whose arrays take no memory of this process worth speaking of."""
    u = np.linspace(0, 8, side, dtype=np.float16)
    position = np.zeros((side, side, 3), np.float16)
    position[..., 0] = u
    position[..., 2] = u[::-1, None]
    normal = np.zeros((side, side, 3), np.float16)
    normal[..., 1] = -1
    albedo = np.random.default_rng(0).integers(80, 120, (side, side, 3), np.uint8)
    grey = np.full((side, side, 1), 128, np.uint8)
    return Surface(
        {
            "albedo": Map(albedo, ColorSpace.SRGB),
            "roughness": Map(grey),
            "metallic": Map(np.zeros_like(grey)),
            "position": Map(position),
            "world_normal": Map(normal),
            "ambient_occlusion": Map(grey),
            "curvature": Map(grey),
        }
    )


def test_backend(benchmark, recipe: Recipe) -> None:
    """One layer on 8192 x 8192 through a real backend process."""
    surface, highest, done = large(8192), 0, threading.Event()

    def watch(pid: int) -> None:
        nonlocal highest
        while not done.wait(0.05):
            highest = max(highest, anonymous(pid))

    with start(device="cpu") as backend:
        assert backend.process is not None
        watcher = threading.Thread(target=watch, args=(backend.process.pid,))
        watcher.start()
        try:
            benchmark.pedantic(backend.client.weather, (surface, recipe), rounds=1)
        finally:
            done.set()
            watcher.join()
    benchmark.extra_info["figure"] = {"name": "backend_peak_gb", "value": highest / 1e9}
