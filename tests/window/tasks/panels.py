# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab's panels on a weathered object, in all three editors."""

import bpy
from visit import Steps, entries, report, view

EDITORS = ("VIEW_3D", "ShaderNodeTree", "IMAGE_EDITOR")
FOLDED = "DEFAULT_CLOSED"


def draw_panels() -> Steps:
    """With four layers on the object, and masks in the list; panels that are folded away by default are open in the last two."""
    bpy.ops.sabi.preset_load(preset="old_painted_steel")
    bpy.context.scene.sabi.active_layer = 1
    for kind in ("IMAGE", "LAYER", "MATERIAL"):
        bpy.ops.sabi.mask_add(kind=kind)
    panels = [getattr(bpy.types, name) for name in dir(bpy.types) if name.startswith("SABI_PT_")]
    for panel in panels:
        if FOLDED in getattr(panel, "bl_options", ()):
            bpy.utils.unregister_class(panel)
            panel.bl_options = panel.bl_options - {FOLDED}
            bpy.utils.register_class(panel)
    area = view()[1]
    entries.drawn.clear()
    for editor in EDITORS:
        area.ui_type = editor
        area.spaces.active.show_region_ui = True
        yield 1.0
        sidebar = next(region for region in area.regions if region.type == "UI")
        sidebar.active_panel_category = "Sabi"
        for _ in range(30):
            sidebar.tag_redraw()
            yield 0.05
        area.spaces.active.show_region_ui = False
    report["panels_ms weathered"] = entries.drawn_in_ms()
    there = {panel.__name__ for panel in panels if panel.bl_space_type in ("NODE_EDITOR", "IMAGE_EDITOR")}
    report["panels not drawn"] = sorted(there - entries.drawn.keys())
    area.ui_type = "VIEW_3D"
    bpy.ops.sabi.preset_load(preset="light_rust")
    yield 0.5
