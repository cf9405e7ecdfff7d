# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's side of the demo: a model on its stage, weathered by the extension's own operators, and the renders.

Runs as `python -m sabi.addon.demo.show REQUEST` in a Python that has bpy, and reports in lines that begin with MARK.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType

from ...backend.protocol.errors import SabiError
from ..headless import EXTENSION, addon, choose, extension, leave, open_model, operate

AGES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHOWN = 0.75  # the age in the .blend and on the turntable
MARK = "@sabi "


def report(stage: str, fraction: float, **made: object) -> None:
    print(MARK + json.dumps({"stage": stage, "fraction": fraction, "made": made}), flush=True)


def set_stage(bpy: ModuleType, asset: str) -> list:
    """The mesh objects to weather, under lights and before a camera: the asset's own where it brings a camera."""
    if asset:
        open_model(bpy, Path(asset))
        things = choose(bpy, [])
    else:
        things = [addon("demo.model").build()]
    scene = bpy.context.scene
    if scene.camera is None:
        bpy.context.view_layer.update()
        addon("demo.stage").dress(scene, things)
    return things


def set_age(things: list, age: float) -> None:
    """Moves the age sockets that the painting left in the materials; nothing is painted anew."""
    for thing in things:
        applied = addon("nodes.on_object").weathered(thing)
        for layer in applied.layers if applied else ():
            layer["Age"].default_value = age


def perform(bpy: ModuleType, request: dict) -> None:
    """Fills the folder request["out"], and request["frames"] where a turntable is asked for. Raises SabiError."""
    out, scene = Path(request["out"]), bpy.context.scene
    report("Building the model", 0.01)
    things = set_stage(bpy, request["asset"])
    scene = bpy.context.scene
    render = addon("demo.stage").render
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "demo.blend"), check_existing=False)
    report("Rendering, clean", 0.02)
    render(scene, out / "before.png", request["samples"])

    bpy.context.preferences.filepaths.save_version = 0
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "FILES"
    for thing in list(bpy.context.view_layer.objects):
        thing.select_set(thing in things)
    bpy.context.view_layer.objects.active = things[0]
    addon("work").listen(lambda progress: report(progress.stage, 0.11 + 0.2 * progress.fraction))
    began = time.monotonic()
    operate(bpy.ops.sabi.weather, preset=request["preset"], size=request["size"], wait=True)
    seconds = round(time.monotonic() - began, 1)

    ages_end = 0.64 if request["turntable"] else 0.97
    for index, age in enumerate(AGES):
        report(f"Rendering, age {age:g}", 0.31 + (ages_end - 0.31) * index / len(AGES))
        set_age(things, age)
        render(scene, out / f"age-{age:.2f}.png", request["samples"])
    set_age(things, SHOWN)
    bpy.ops.wm.save_mainfile()
    if request["turntable"]:
        told = lambda fraction: report("Rendering, turning", ages_end + (0.97 - ages_end) * fraction)  # noqa: E731
        addon("demo.turntable").frames(
            scene, things, Path(request["frames"]), request["turntable"], request["samples"], told
        )
    report(
        "Laying out the page",
        0.97,
        model=things[0].name if len(things) == 1 else Path(request["asset"]).stem,
        polygons=sum(len(thing.data.polygons) for thing in things),
        maps=sorted(path.relative_to(out).as_posix() for path in (out / "sabi").rglob("*.png")),
        weathering_seconds=seconds,
        blender=bpy.app.version_string,
        preset=request["preset"],
        size=request["size"],
    )


def main() -> int:
    try:
        with extension() as bpy:
            perform(bpy, json.loads(sys.argv[-1]))
    except SabiError as error:
        print(error.for_artist, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
