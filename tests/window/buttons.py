# SPDX-License-Identifier: GPL-3.0-or-later
"""Buttons of the sidebar, found as a hand finds them: the mouse goes down over it and looks at what it points at.

A button is named by what Blender says of the one under the mouse: its operator as Python calls it, `bpy.ops.sabi.weather()`, or
the path of its property and the name of what that belongs to, `nodes["Group"].inputs[3].default_value Age`.
"""

from collections.abc import Generator

import bpy
from hands import click, move, wheel
from visit import Steps, rectangle, view

STEP = 9  # texels between looks; a button is 20 high
PAGES = 8
FIELDS, ICONS = 0.6, 0.835  # where across the sidebar they stand


def sidebar() -> bpy.types.Region:
    _, area, _ = view()
    return next(region for region in area.regions if region.type == "UI")


def pointed_at() -> str:
    """What the button under the mouse is called; "" where there is none."""
    window, area, _ = view()
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=sidebar()):
        if (found := bpy.context.property) is not None:
            data, path, _ = found
            owner = data.path_resolve(path.rpartition(".")[0]) if "." in path else data
            return f"{path} {getattr(owner, 'name', '')}"
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()
            return bpy.context.window_manager.clipboard
    return ""


def find(name: str, across: float = FIELDS) -> Generator[float, None, tuple[int, int]]:
    """Where on the screen the first button is whose name has this in it, with the wheel turned as far as that takes."""
    window, (left, top, right, bottom) = view()[0], rectangle(sidebar())
    x, seen = int(left + across * (right - left)), []
    yield from wheel(left + 3, (top + bottom) // 2, -40)  # at the rim: over a list it would turn the list
    for _ in range(PAGES):
        for y in range(top + 10, bottom - 10, STEP):
            window.cursor_warp(x, window.height - y)
            yield 0.03
            seen.append(pointed_at())
            if name not in seen[-1]:
                continue
            for place in range(y, y - 4 * STEP, -STEP):  # a slow machine answers for where the mouse was before
                move(x, place)
                yield 0.5
                if name in pointed_at():
                    return x, place
        yield from wheel(left + 3, (top + bottom) // 2, 8)
    raise LookupError(f"no button '{name}' among {sorted(set(seen))}")


def push(name: str, across: float = FIELDS) -> Steps:
    """Presses a button of the sidebar with the mouse."""
    x, y = yield from find(name, across)
    yield from click(x, y)
