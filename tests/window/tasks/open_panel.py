# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab Sabi in the sidebar."""

import time

import bpy
from screen import photograph
from visit import Steps, entries, rectangle, report, view


def open_panel() -> Steps:
    _, area, _ = view()
    before = bpy.data.is_dirty
    area.spaces.active.show_region_ui = True
    yield 1.0
    sidebar = next(region for region in area.regions if region.type == "UI")
    sidebar.active_panel_category = "Sabi"
    layers, until = bpy.context.scene.sabi.layers, time.monotonic() + 60.0
    while not layers and time.monotonic() < until:  # they come when the panel is first drawn
        sidebar.tag_redraw()  # a script's change of category draws nothing by itself, a hand's does
        yield 0.5
    report["recipe"] = {"layers": [layer.effect for layer in layers], "saved": before == bpy.data.is_dirty}
    yield from photograph("panel")
    report["sidebar"] = rectangle(sidebar)
    entries.drawn.clear()
    for _ in range(30):
        sidebar.tag_redraw()
        yield 0.05
    report["panels_ms"] = entries.drawn_in_ms()
