# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask painted with the mouse."""

import bpy
import numpy as np
from hands import drag, press
from screen import screen, shot
from visit import Steps, in_view, rectangle, report, view, wait_for_work

RADIUS = 60  # of the brush, and a little


def paint_mask() -> Steps:
    """The brush beside the masks; a stroke with the mouse over the object; Ctrl Z."""
    thing, tools = bpy.data.objects[report["object"]], bpy.context.scene.tool_settings
    settings = bpy.context.scene.sabi
    settings.active_layer, settings.live_preview = 0, False  # else the object would be shown with an empty mask
    yield from wait_for_work()
    with in_view():
        bpy.ops.sabi.mask_image_new("INVOKE_DEFAULT", size=512)
    yield 2.0
    image = bpy.data.images[settings.layers[0].masks[0].source]
    for owner in (tools, tools.image_paint):
        if hasattr(owner, "unified_paint_settings"):
            owner.unified_paint_settings.use_unified_color = True
            owner.unified_paint_settings.color = (1.0, 1.0, 1.0)
    if tools.image_paint.brush is None:  # Debian's 4.3 comes without Blender's own brushes
        bpy.data.brushes.new("Brush", mode="TEXTURE_PAINT").asset_mark()
        with in_view():
            bpy.ops.brush.asset_activate(asset_library_type="LOCAL", relative_asset_identifier="Brush/Brush")
        yield 0.5
    brush = tools.image_paint.brush
    found = {"mode": thing.mode, "canvas": tools.image_paint.canvas == image, "before": float(grey(image).max())}
    found["brush"] = brush.name if brush else ""
    with in_view():
        bpy.ops.ed.undo_push(message="Begin to paint")  # scripts push none of their own
    left, top, right, bottom = report["box"]
    across = np.linspace(left + 0.3 * (right - left), left + 0.7 * (right - left), 12)
    middle = (top + bottom) // 2
    yield from drag([(int(x), middle) for x in across])
    shelf = next(region for region in view()[1].regions if region.type == "ASSET_SHELF_HEADER")
    found["seen"] = [left, top, right, min(bottom, rectangle(shelf)[1])]
    found["stroke"] = [int(across[0]) - RADIUS, middle - RADIUS, int(across[-1]) + RADIUS, middle + RADIUS]
    found["painted"] = float((grey(image) > 0.3).mean())
    report["mask"] = found
    view()[1].tag_redraw()
    yield 2.0
    shot(screen(), "mask")
    press("ctrl+z")
    yield 1.5
    settings = bpy.context.scene.sabi
    image = bpy.data.images[settings.layers[0].masks[0].source]
    found["undone"] = float((grey(image) > 0.3).mean())
    with in_view():
        bpy.ops.object.mode_set(mode="OBJECT")
        bpy.ops.sabi.mask_remove()


def grey(image: bpy.types.Image) -> np.ndarray:
    texels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(texels)
    return texels.reshape(-1, 4)[:, 0]
