# SPDX-License-Identifier: GPL-3.0-or-later
"""What the artist sees: the screen itself, photographed."""

import subprocess
import time

import bpy
import numpy as np
from visit import OUT, REQUEST, Steps, report, view


def screen() -> np.ndarray:
    """What the artist sees now, uint8 [height, width, 3]."""
    window = bpy.context.window_manager.windows[0]
    raw = subprocess.run(["import", "-window", "root", "-depth", "8", "rgb:-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(window.height, window.width, 3)


def photograph(name: str) -> Steps:
    """Takes the screen once the object is there and nothing moves any more: shaders compile in the background."""
    _, area, _ = view()
    if REQUEST.get("quick"):
        area.spaces.active.shading.type = "SOLID"
        yield 0.5
        shot(screen(), name)
        return
    left, top, right, bottom = report["box"]
    last, quiet, until = None, 0, time.monotonic() + 120.0
    while quiet < 3 and time.monotonic() < until:
        area.tag_redraw()
        yield 0.7
        now = screen()
        box = now[top:bottom, left:right].astype(np.int16)
        thing = box[np.abs(box - now[report["window"][3] - 4, left]).max(axis=2) > 8]
        there = (
            len(thing) > 0.15 * box[..., 0].size and np.ptp(thing, axis=1).mean() > 16
        )  # white while shaders compile
        quiet = quiet + 1 if there and last is not None and np.array_equal(last, now) else 0
        last = now
    shot(last, name)


def shot(seen: np.ndarray, name: str) -> None:
    """Keeps what was seen on the screen."""
    size = f"{seen.shape[1]}x{seen.shape[0]}"
    subprocess.run(
        ["convert", "-size", size, "-depth", "8", "rgb:-", str(OUT / f"{name}.png")], input=seen.tobytes(), check=True
    )
