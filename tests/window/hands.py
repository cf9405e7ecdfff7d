# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's hands: real keys and a real mouse, as the X server has them."""

import subprocess

from visit import Steps


def press(key: str) -> None:
    subprocess.run(["xdotool", "key", key], check=True)


def drag(points: list[tuple[int, int]]) -> Steps:
    """A stroke of the mouse over the screen, with its left button held."""
    subprocess.run(["xdotool", "mousemove", *map(str, points[0])], check=True)
    yield 0.3
    subprocess.run(["xdotool", "mousedown", "1"], check=True)
    for x, y in points[1:]:
        yield 0.05
        subprocess.run(["xdotool", "mousemove", str(x), str(y)], check=True)
    yield 0.1
    subprocess.run(["xdotool", "mouseup", "1"], check=True)
    yield 1.0
