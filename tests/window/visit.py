# SPDX-License-Identifier: GPL-3.0-or-later
"""One visit of an artist to a real Blender: what was asked for, what is noted, and where things are in the window."""

import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Generator
from pathlib import Path

import bpy
from bpy_extras.view3d_utils import location_3d_to_region_2d
from entries import Entries
from mathutils import Vector

REQUEST = json.loads(sys.argv[-1])
OUT = Path(REQUEST["out"])
EXTENSION = "bl_ext.user_default.sabi"
Steps = Generator[float, None, None]  # yields seconds to wait
report: dict = {"blender": bpy.app.version_string, "python": sys.version.split()[0]}


def addon(name: str):
    return importlib.import_module(f"{EXTENSION}.addon.{name}")


def demo(name: str):
    """A module of the demo, which is not part of the zip, loaded from the checkout."""
    if "demo" not in sys.modules:
        folder = REQUEST["demo"]
        spec = importlib.util.spec_from_file_location(
            "demo", f"{folder}/__init__.py", submodule_search_locations=[folder]
        )
        sys.modules["demo"] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"demo.{name}")


def view() -> tuple[bpy.types.Window, bpy.types.Area, bpy.types.Region]:
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return window, area, next(region for region in area.regions if region.type == "WINDOW")


def in_view():
    """The context of the 3D view, as operators that an artist presses there have it."""
    window, area, region = view()
    return bpy.context.temp_override(window=window, screen=window.screen, area=area, region=region)


def rectangle(region: bpy.types.Region) -> list[int]:
    """Left, top, right, bottom on the screen, from its upper left corner."""
    height = bpy.context.window_manager.windows[0].height
    return [region.x, height - region.y - region.height, region.x + region.width, height - region.y]


def box_of(thing: bpy.types.Object) -> list[int]:
    """Left, top, right, bottom of an object on the screen."""
    _, area, region = view()
    left, _, _, bottom = rectangle(region)
    corners = [thing.matrix_world @ Vector(corner) for corner in thing.bound_box]
    seen = [location_3d_to_region_2d(region, area.spaces.active.region_3d, corner) for corner in corners]
    across, up = [corner.x for corner in seen], [corner.y for corner in seen]
    return [int(left + min(across)), int(bottom - max(up)), int(left + max(across)), int(bottom - min(up))]


def alone(thing: bpy.types.Object) -> None:
    """Has the scene show one object, selected and active."""
    for other in bpy.context.scene.objects:
        other.hide_set(other != thing)
        other.select_set(other == thing)
    bpy.context.view_layer.objects.active = thing


def label() -> str:
    """Which stage the main thread is in; bakes are Blender's own jobs and counted apart."""
    if bpy.app.is_job_running("OBJECT_BAKE"):
        return "baking"
    if EXTENSION not in bpy.context.preferences.addons:
        return "before"
    work = addon("work").current()
    if work is None:
        return "idle"
    return "idle after" if work.ended else work.progress.stage


entries = Entries(EXTENSION, label)


def wait_for_work(limit: float = 900.0) -> Steps:
    until = time.monotonic() + limit
    while addon("work").busy():
        if time.monotonic() > until:
            raise TimeoutError(f"Sabi is still at work after {limit:.0f} s: {addon('work').current().progress}")
        yield 0.1


def said(work) -> str:
    """What a work that has ended came to, or what went wrong."""
    return work.outcome.message if work.outcome else str(work.error.for_artist)


def began(stage_is) -> Steps:
    """Waits until the work in flight is at a stage."""
    until = time.monotonic() + 900.0
    while not stage_is():
        if not addon("work").busy() or time.monotonic() > until:
            raise TimeoutError(f"the stage was never reached: {addon('work').current()}")
        yield 0.01


def touched() -> dict:
    """What a bake changes in the scene and must put back."""
    scene, thing = bpy.context.scene, bpy.data.objects[report["object"]]
    tree = thing.data.materials[0].node_tree
    return {
        "engine": scene.render.engine,
        "samples": scene.cycles.samples if hasattr(scene, "cycles") else 0,
        "selected": sorted(other.name for other in scene.objects if other.select_get()),
        "active": bpy.context.view_layer.objects.active.name,
        "nodes": sorted(node.name for node in tree.nodes),
        "active node": tree.nodes.active.name if tree.nodes.active else "",
        "links": len(tree.links),
        "images": sorted(image.name for image in bpy.data.images if image.type == "IMAGE"),
        "uv maps": [layer.name for layer in thing.data.uv_layers],
    }
