# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done in which order: later tasks find what earlier ones left."""

import time

from tasks.age import animate_age
from tasks.assets import assets
from tasks.bare_frames import frames_without_sabi
from tasks.batch import batch
from tasks.cancel import cancel_by_button
from tasks.coverage import coverage
from tasks.escape import escape_while_baking, escape_while_painting
from tasks.first_object import first_object
from tasks.four_layers import four_layers, six_layers
from tasks.frame import weather_frame
from tasks.install import install
from tasks.instances import instances
from tasks.live_preview import live_preview
from tasks.open_model import open_model
from tasks.open_panel import open_panel
from tasks.overlays import overlays, overlays_again
from tasks.paint_mask import paint_mask
from tasks.panels import draw_panels
from tasks.photograph_click import photograph_click
from tasks.reload import open_autosave
from tasks.revert import revert
from tasks.textured import weather_textured
from tasks.tiled import weather_tiled
from tasks.undo import undo_recipe_operators
from tasks.undo_images import undo_click_on_image, undo_delight, undo_image_operators, undo_weather_frame
from tasks.undo_objects import undo_mask_paint, undo_object_operators
from tasks.undo_shared import undo_shared_weathering
from tasks.weather import undo_and_redo, weather
from visit import REQUEST, Steps, entries, report

PARTS = (
    open_model,
    frames_without_sabi,
    install,
    first_object,
    open_panel,
    escape_while_baking,
    escape_while_painting,
    cancel_by_button,
    weather,
    undo_and_redo,
    overlays,
    animate_age,
    live_preview,
    paint_mask,
    overlays_again,
    revert,
    assets,
    weather_textured,
    four_layers,
    draw_panels,
    six_layers,
    coverage,
    weather_tiled,
    instances,
    batch,
    weather_frame,
    photograph_click,
    undo_recipe_operators,
    undo_object_operators,
    undo_mask_paint,
    undo_shared_weathering,
    undo_image_operators,
    undo_click_on_image,
    undo_weather_frame,
    undo_delight,
    open_autosave,
)

NEWEST = {  # in the newest Blender alone where there are several
    first_object,
    six_layers,
    animate_age,
    revert,
    weather_tiled,
    instances,
    batch,
    photograph_click,
    undo_recipe_operators,
    undo_object_operators,
    undo_mask_paint,
    undo_shared_weathering,
    undo_image_operators,
    undo_click_on_image,
    undo_weather_frame,
    undo_delight,
    open_autosave,
}


def scenario() -> Steps:
    yield 1.0
    begin = time.monotonic()
    for part in PARTS:
        wanted = REQUEST.get("newest", True) or part not in NEWEST
        if wanted and ("parts" not in REQUEST or part.__name__ in REQUEST["parts"].split(",")):
            print(f"{time.monotonic() - begin:.0f} s: {part.__name__}", flush=True)
            yield from part()
    report["entries_ms"] = entries.in_ms()
