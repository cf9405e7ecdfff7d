# SPDX-License-Identifier: GPL-3.0-or-later
"""The artist's hands: real keys and a real mouse, as the X server has them."""

import subprocess

from visit import Steps


def press(key: str) -> None:
    _do("key", key)


def write(text: str) -> None:
    """Types into the field that is open, and closes it."""
    _do("type", text)
    _do("key", "Return")


def move(x: int, y: int) -> None:
    _do("mousemove", str(x), str(y))


def click(x: int, y: int, times: int = 1) -> Steps:
    move(x, y)
    yield 0.3
    _do("click", "--repeat", str(times), "--delay", "60", "1")
    yield 0.5


def wheel(x: int, y: int, turns: int) -> Steps:
    """Turns the wheel towards the hand, or away from it where `turns` is negative."""
    move(x, y)
    yield 0.2
    _do("click", "--repeat", str(abs(turns)), "--delay", "10", "5" if turns > 0 else "4")
    yield 0.5


def drag(points: list[tuple[int, int]]) -> Steps:
    """A stroke of the mouse over the screen, with its left button held."""
    move(*points[0])
    yield 0.3
    _do("mousedown", "1")
    for x, y in points[1:]:
        yield 0.05
        move(x, y)
    yield 0.1
    _do("mouseup", "1")
    yield 1.0


def _do(*what: str) -> None:
    subprocess.run(["xdotool", *what], check=True)
