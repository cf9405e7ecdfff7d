# SPDX-License-Identifier: GPL-3.0-or-later
"""A recipe in the asset browser."""

import subprocess

import bpy
from screen import screen, shot
from visit import Steps, addon, rectangle, report, view


def assets() -> Steps:
    """The recipe saved as an asset, found in the asset browser, chosen with the mouse."""
    _, area, _ = view()
    bpy.ops.sabi.recipe_publish("EXEC_DEFAULT", name="From the Window")
    area.ui_type = "ASSETS"
    yield 2.0
    area.spaces.active.params.asset_library_reference = "Sabi"
    area.tag_redraw()
    yield 4.0
    window = bpy.context.window_manager.windows[0]
    pane = next(region for region in area.regions if region.type == "WINDOW")
    left, top, _, _ = rectangle(pane)
    subprocess.run(["xdotool", "mousemove", str(left + 60), str(top + 50), "click", "1"], check=True)
    yield 0.5
    subprocess.run(["xdotool", "mousemove", str(left + 400), str(top + 400)], check=True)  # a tooltip would cover it
    yield 1.5
    shot(screen(), "assets")
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane):
        asset = getattr(bpy.context, "asset", None)
        text = addon("interface.asset_operators").chosen(bpy.context)
        bpy.context.scene.sabi.layers.clear()
        if text:
            bpy.ops.sabi.recipe_from_asset(recipe_json=text)
    layers = [layer.effect for layer in bpy.context.scene.sabi.layers]
    report["assets"] = {"chosen": asset.name if asset else "", "layers": layers, "pane": rectangle(pane)}
    area.ui_type = "VIEW_3D"
    yield 1.0
