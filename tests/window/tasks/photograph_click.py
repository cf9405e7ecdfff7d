# SPDX-License-Identifier: GPL-3.0-or-later
"""A place chosen on a photograph with the mouse."""

import bpy
from hands import click
from visit import Steps, rectangle, report, view

SIZE = 320, 200


def photograph_click() -> Steps:
    """Choose by Click, and a click a quarter from the left and a quarter from the top of the picture."""
    window, area, _ = view()
    image = bpy.data.images.new("Wall", *SIZE)
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = image
    yield 1.0
    (pane,) = [region for region in area.regions if region.type == "WINDOW"]
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane):
        bpy.ops.image.view_all(fit_view=True)
    yield 1.0
    left, _, _, bottom = rectangle(pane)
    x, y = pane.view2d.view_to_region(0.25, 0.75, clip=False)
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane):
        bpy.ops.sabi.photograph_pick("INVOKE_DEFAULT")
    yield 0.3
    yield from click(left + x, bottom - y)
    report["clicked"] = list(bpy.context.scene.sabi.photograph_at)
    bpy.context.scene.sabi.photograph_at = (-1, -1)
    area.type = "VIEW_3D"
    yield 1.0
