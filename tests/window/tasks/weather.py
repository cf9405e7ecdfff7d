# SPDX-License-Identifier: GPL-3.0-or-later
"""A prop weathered, and that undone."""

import time
from pathlib import Path

import bpy
from autosaves import keep_one
from buttons import find
from frames import Frames
from hands import click
from screen import photograph
from visit import REQUEST, Steps, addon, in_view, report, touched, view


def weather() -> Steps:
    """The panel's button, with the mouse; the embedded backend, since no environment and no server are named."""
    _, area, _ = view()
    area.spaces.active.shading.type = "SOLID"  # the view is drawn by the processor here, which would be measured too
    yield 1.0
    bpy.ops.sabi.preset_load(preset="scrapyard_rust")
    bpy.context.scene.sabi.size = str(REQUEST["size"])
    with in_view():
        bpy.ops.ed.undo_push(message="Choose a preset")  # scripts push none of their own
    button = yield from find("sabi.weather()")
    before = touched()
    frames = Frames()
    bpy.app.timers.register(frames, first_interval=0.01)
    yield 3.0
    start = time.monotonic()
    yield from click(*button)
    yield from keep_one()
    yield 3.0
    bpy.app.timers.unregister(frames)
    work = addon("work").current()
    report["weathering"] = {
        "seconds": round(time.monotonic() - start, 1),
        "message": work.outcome.message if work.outcome else "",
        "error": str(work.error.for_artist) if work.error else "",
    }
    report["frames_ms"] = frames.in_ms()
    service = addon("preferences").service
    pid = service.process_id
    mapped = Path(f"/proc/{pid}/maps").read_text() if pid else ""
    report["backend"] = {
        "command": Path(f"/proc/{pid}/cmdline").read_text().split("\0") if pid else [],
        "libraries": sorted(
            {line.split()[-1] for line in mapped.splitlines() if "onnxruntime" in line and ".so" in line}
        ),
        "device": str(service.health.get("device", "")),
    }
    own = Path("/proc/self/maps").read_text().splitlines()
    report["compiled in blender"] = sorted({line.split()[-1] for line in own if "/.local/" in line})
    report["after weathering"] = {key: value for key, value in touched().items() if before[key] != value}
    area.spaces.active.shading.type = "MATERIAL"
    yield 2.0
    yield from photograph("weathered-panel")
    area.spaces.active.show_region_ui = False
    yield from photograph("weathered")


def undo_and_redo() -> Steps:
    """Applying is one undo step."""

    def groups() -> int:
        thing = bpy.data.objects[report["object"]]
        return 0 if addon("nodes.on_object").weathered(thing) is None else 1

    counts = [groups()]
    for operator in (bpy.ops.ed.undo, bpy.ops.ed.redo):
        with in_view():
            operator()
        yield 1.0
        counts.append(groups())
    report["undo"] = counts
