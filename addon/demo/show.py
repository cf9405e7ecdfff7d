# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's side of the demo: the extension in a fresh user folder, a model, its weathering, and the renders.

Runs as `python -m sabi.addon.demo.show REQUEST` with BLENDER_USER_RESOURCES set, and reports in lines that begin with MARK.
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bpy

from . import model, stage

AGES = (0.0, 0.25, 0.5, 0.75, 1.0)
MARK = "@sabi "
EXTENSION = "bl_ext.user_default.sabi"
IMPORTERS = {
    ".gltf": "import_scene.gltf",
    ".glb": "import_scene.gltf",
    ".fbx": "import_scene.fbx",
    ".obj": "wm.obj_import",
    **dict.fromkeys((".usd", ".usda", ".usdc", ".usdz"), "wm.usd_import"),
}


def report(stage_name: str, fraction: float, **made: object) -> None:
    print(MARK + json.dumps({"stage": stage_name, "fraction": fraction, "made": made}), flush=True)


@contextmanager
def extension() -> Iterator[None]:
    """The package this file lies in, linked into the user's extensions, enabled, and its backend ended afterwards."""
    folder = Path(os.environ["BLENDER_USER_RESOURCES"]) / "extensions" / "user_default"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "sabi"
    package = Path(__file__).resolve().parents[2]
    if os.name == "nt":  # links of folders need no rights there when they are junctions
        import _winapi

        _winapi.CreateJunction(str(package), str(link))
    else:
        link.symlink_to(package, target_is_directory=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module=EXTENSION)
    try:
        yield
    finally:
        bpy.ops.preferences.addon_disable(module=EXTENSION)
        link.unlink() if os.name != "nt" else link.rmdir()


def addon(name: str):  # type: ignore[no-untyped-def]
    """A module of the enabled extension; importing it as `sabi` would make a second copy."""
    return importlib.import_module(f"{EXTENSION}.addon.{name}")


def place_model(asset: str | None) -> list[bpy.types.Object]:
    """The mesh objects to weather: the project's own model, or what a file holds."""
    if asset is None or asset == "None":
        return [model.build()]
    before = set(bpy.data.objects)
    suffix = Path(asset).suffix.lower()
    if suffix == ".blend":
        with bpy.data.libraries.load(asset, link=False) as (source, target):
            target.objects = source.objects
        for thing in target.objects:
            if thing is not None and thing.type not in ("LIGHT", "CAMERA"):
                bpy.context.scene.collection.objects.link(thing)
    else:
        group, name = IMPORTERS[suffix].split(".")
        getattr(getattr(bpy.ops, group), name)(filepath=asset)
    bpy.context.view_layer.update()
    things = [thing for thing in bpy.context.scene.objects if thing not in before and thing.type == "MESH"]
    if not things:
        raise SystemExit(f"{asset} holds no mesh object.")
    return things


def set_age(things: list[bpy.types.Object], age: float) -> None:
    """Moves the age sockets that the painting left in the materials; nothing is painted anew."""
    for thing in things:
        applied = addon("material").weathered(thing)
        for layer in applied.layers if applied else ():
            layer["Age"].default_value = age


def perform(request: dict) -> None:
    out = Path(request["out"])
    scene = bpy.context.scene
    report("Building the model", 0.01)
    things = place_model(request["asset"])
    stage.dress(scene, things)
    bpy.ops.wm.save_as_mainfile(filepath=str(out / "demo.blend"), check_existing=False)
    report("Rendering, clean", 0.05)
    stage.render(scene, out / "before.png", request["samples"])

    bpy.context.preferences.addons[EXTENSION].preferences.storage = "FILES"
    for thing in scene.objects:
        thing.select_set(thing in things)
    bpy.context.view_layer.objects.active = things[0]
    addon("work").listen(lambda progress: report(progress.stage, 0.15 + 0.4 * progress.fraction))
    began = time.monotonic()
    bpy.ops.sabi.weather(preset=request["preset"], size=request["size"], wait=True)
    report("Rendering", 0.55, weathering_seconds=round(time.monotonic() - began, 1))

    for index, age in enumerate(AGES):
        report(f"Rendering, age {age:g}", 0.55 + 0.4 * index / len(AGES))
        set_age(things, age)
        stage.render(scene, out / f"age-{age:.2f}.png", request["samples"])
    set_age(things, 0.75)
    bpy.ops.wm.save_mainfile()
    polygons = sum(len(thing.data.polygons) for thing in things)
    names = {"model": things[0].name if len(things) == 1 else Path(request["asset"]).stem, "polygons": polygons}
    maps = sorted(str(path.relative_to(out)) for path in (out / "sabi").rglob("*.png"))
    report(
        "Laying out the page",
        0.97,
        **names,
        maps=maps,
        blender=bpy.app.version_string,
        preset=request["preset"],
        size=request["size"],
    )


if __name__ == "__main__":
    with extension():
        perform(json.loads(sys.argv[-1]))
