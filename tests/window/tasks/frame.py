# SPDX-License-Identifier: GPL-3.0-or-later
"""A rendered frame."""

import bpy
from screen import screen, shot
from visit import REQUEST, Steps, addon, demo, rectangle, report, view, wait_for_work


def weather_frame() -> Steps:
    """Weather Frame pressed in an Image Editor, which then shows the weathered frame."""
    window, area, _ = view()
    scene, thing = bpy.context.scene, bpy.data.objects[report["object"]]
    demo("stage").dress(scene, [thing], 320, 240)
    scene.render.engine, scene.cycles.samples = "CYCLES", REQUEST.get("samples", 8)
    area.type = "IMAGE_EDITOR"
    area.spaces.active.show_region_ui = True
    yield 1.0
    (pane,) = [region for region in area.regions if region.type == "WINDOW"]
    report["frame"] = {"pane": rectangle(pane)}
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane):
        bpy.ops.sabi.weather_frame("INVOKE_DEFAULT", preset="scrapyard_rust")
    yield from wait_for_work()
    yield 1.0
    work, image = addon("work").current(), area.spaces.active.image
    report["frame"] |= {
        "error": work.error.code if work.error else "",
        "said": work.error.for_artist if work.error else work.outcome.message,
        "warnings": work.outcome.warnings if work.outcome else (),
        "shown": image.name if image else "",
        "engine": scene.render.engine,
        "layers": [layer.name for layer in scene.view_layers],
    }
    sidebar = next(region for region in area.regions if region.type == "UI")
    sidebar.active_panel_category = "Sabi"
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane):
        bpy.ops.image.view_all(fit_view=True)
    yield 2.0
    shot(screen(), "frame")
    area.type = "VIEW_3D"
    yield 1.0
