# SPDX-License-Identifier: GPL-3.0-or-later
"""Another file opened in mid-job: the one that Blender saved by itself while Sabi was at work."""

import bpy
from visit import OUT, Steps, addon, alone, began, in_view, report, said, wait_for_work


def open_autosave() -> Steps:
    """In the middle of painting; what was saved in the middle of a job is whole and can be weathered."""
    if not (OUT / "autosave.blend").exists():
        report["reload"] = {"error": "Blender saved nothing by itself"}
        return
    name = report["object"]
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust", size=1024)
    yield from began(lambda: addon("work").current().progress.stage.startswith("Painting"))
    work = addon("work").current()
    bpy.ops.wm.open_mainfile(filepath=str(OUT / "autosave.blend"))
    yield 2.0
    on_object, stage = addon("nodes.on_object"), addon("surface.stage")
    thing = bpy.data.objects[name]
    report["reload"] = {
        "error": work.error.code if work.error else "",
        "half done": [
            *([stage.STAGE] if stage.STAGE in bpy.data.collections else []),
            *(image.name for image in bpy.data.images if addon("nodes.material").IMAGE in image),
            *(group.name for group in bpy.data.node_groups),
        ],
        "touched": on_object.touched(thing),
    }
    alone(thing)
    yield 0.5
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust", size=512)
    yield from wait_for_work()
    work = addon("work").current()
    report["reload"]["said"] = said(work)
    report["reload"]["weathered"] = on_object.weathered(bpy.data.objects[name]) is not None
