# SPDX-License-Identifier: GPL-3.0-or-later
"""A new user's first object: Blender's own cube in a new file, with everything as it is by default."""

import time
from collections.abc import Generator

import bpy
from buttons import push, sidebar
from hands import click, move, press
from screen import photograph, screen, shot
from tasks.open_model import open_model
from visit import Steps, addon, box_of, rectangle, report, said, view

TABS = 12  # from the sidebar's right edge to their middle
TAB = 30  # along them from one click to the next: less than the shortest is high


def first_object() -> Steps:
    """From the new file until Sabi says that it is done, by mouse and keys alone; then a look at the cube in Material Preview."""
    bpy.ops.wm.read_homefile(app_template="")
    yield 1.0
    _, area, region = view()
    left, top, right, bottom = rectangle(region)
    move((left + right) // 2, (top + bottom) // 2)
    yield 0.5
    press("n")
    yield 1.0
    yield from _open_tab()
    yield from push("sabi.weather()")
    pressed = time.monotonic()
    stages = yield from _stages()
    noted = {"pressed": pressed - report["installing"], "stages": stages, "said": said(addon("work").current())}
    noted["seconds"] = time.monotonic() - report["installing"]
    shot(screen(), "first object's panel")
    area.spaces.active.shading.type = "MATERIAL"
    report["window"], report["box"] = rectangle(region), box_of(bpy.data.objects["Cube"])
    yield from photograph("first object")
    report["first object"] = noted | {"box": report["box"]}
    bpy.ops.wm.read_homefile(app_template="")
    yield 1.0
    yield from open_model()


def _stages() -> Generator[float, None, dict[str, float]]:
    """Until the work in flight ends: how many seconds each of its stages took."""
    work, seconds, last = addon("work"), {}, time.monotonic()
    while work.busy():
        yield 0.1
        now, stage = time.monotonic(), work.current().progress.stage
        seconds[stage], last = round(seconds.get(stage, 0.0) + now - last, 1), now
    return seconds


def _open_tab() -> Steps:
    """The tabs clicked one after the other, from the top, until Sabi's is open."""
    _, top, right, bottom = rectangle(sidebar())
    for y in range(top + TAB, bottom, TAB):
        yield from click(right - TABS, y)
        if sidebar().active_panel_category == "Sabi":
            return
    raise LookupError("no tab of the sidebar is Sabi's")
