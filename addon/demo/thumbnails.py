# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the presets: each painted by the backend on a bevelled cube and rendered by Cycles.

    python -m sabi.addon.demo.thumbnails [PRESET ...]

in a Python that has bpy and pillow; writes addon/thumbnails/PRESET.png, of all presets where none is named, and removes those
of presets that are no more. To be run again when the painter or the presets have changed.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from PIL import Image

from ...backend.protocol.errors import SabiError
from ...backend.protocol.recipe import load_preset, preset_names
from ..headless import PACKAGE, addon, extension, leave, operate

FOLDER = PACKAGE / "addon" / "thumbnails"
SIDE = 128
MOST_BYTES = 15_000
EDGE = 0.42  # metres
PAINT, ENAMEL, GREEN, NAVY = (0.19, 0.25, 0.27), (0.28, 0.02, 0.015), (0.03, 0.09, 0.05), (0.03, 0.05, 0.06)
CONCRETE, COPPER, STEEL, WOOD = (0.2, 0.19, 0.17), (0.4, 0.16, 0.09), (0.1, 0.1, 0.11), (0.2, 0.085, 0.03)
BASES = {  # scene-linear, by preset or by the effect that it begins with: what shows it best; else paint
    "mud_splashed": PAINT,
    "scratched_panel": NAVY,
    "workshop_machine": GREEN,
    "dirt": NAVY,
    "scratches": ENAMEL,
    "moss": CONCRETE,
    "stains": CONCRETE,
    "cracks": CONCRETE,
    "erosion": CONCRETE,
    "patina": COPPER,
    "pitting": STEEL,
    "greyed_wood": WOOD,
}


def cube(bpy: ModuleType):  # type: ignore[no-untyped-def]
    """A cube with round edges and a groove around it: edges, cavities, an upward face and walls to run down."""
    bpy.ops.mesh.primitive_cube_add(size=EDGE, location=(0, 0, EDGE / 2))
    thing = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.inset(thickness=EDGE * 0.12, use_individual=True)
    bpy.ops.mesh.inset(thickness=EDGE * 0.04, depth=-EDGE * 0.04, use_individual=True)
    bpy.ops.mesh.inset(thickness=EDGE * 0.03, depth=EDGE * 0.04, use_individual=True)
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.bevel(offset=EDGE * 0.014, segments=2)
    bpy.ops.uv.smart_project(island_margin=0.01)
    bpy.ops.object.mode_set(mode="OBJECT")
    made = bpy.data.materials.new("Paint")
    made.use_nodes = True
    thing.data.materials.append(made)
    base_of(thing).node.inputs["Roughness"].default_value = 0.42
    return thing


def base_of(thing):  # type: ignore[no-untyped-def]
    """The socket of its own shader's base colour, while it is not weathered."""
    nodes = thing.active_material.node_tree.nodes
    return next(node for node in nodes if node.type == "BSDF_PRINCIPLED").inputs["Base Color"]


def shrink(rendered: Path, target: Path) -> int:
    """A render as a PNG of few enough colours for its size; returns its bytes."""
    picture = Image.open(rendered).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    for colours in (128, 96, 64, 48, 32):
        picture.quantize(colours, dither=Image.Dither.FLOYDSTEINBERG).save(target, optimize=True)
        if target.stat().st_size <= MOST_BYTES:
            break
    return target.stat().st_size


def perform(bpy: ModuleType, names: list[str], size: int, samples: int) -> None:
    """Renders these presets into FOLDER. Raises SabiError."""
    thing, scene = cube(bpy), bpy.context.scene
    addon("demo.stage").dress(scene, [thing], SIDE, SIDE)
    scene.camera.data.lens *= 1.2
    bpy.ops.object.select_all(action="DESELECT")
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="sabi-thumbnails-") as folder:
        for name in names:
            began = time.monotonic()
            begins_with = load_preset(name).layers[0].effect.value
            base_of(thing).default_value = (*BASES.get(name, BASES.get(begins_with, PAINT)), 1)
            operate(bpy.ops.sabi.weather, preset=name, size=size, wait=True)
            rendered = Path(folder) / f"{name}.png"
            addon("demo.stage").render(scene, rendered, samples)
            operate(bpy.ops.sabi.revert)
            bytes_ = shrink(rendered, FOLDER / f"{name}.png")
            print(f"{name}: {bytes_} bytes, {time.monotonic() - began:.1f} s", flush=True)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="sabi.addon.demo.thumbnails", description="Renders the presets' pictures.")
    parser.add_argument("presets", nargs="*", metavar="PRESET", help="default: all")
    parser.add_argument("--size", type=int, default=512, help="texels a side of the painted maps (512)")
    parser.add_argument("--samples", type=int, default=8, help="of Cycles (8)")
    given = parser.parse_args(words)
    if unknown := sorted(set(given.presets) - set(preset_names())):
        parser.error(f"There is no preset {unknown[0]}.")
    try:
        with extension() as bpy:
            perform(bpy, given.presets or preset_names(), given.size, given.samples)
    except SabiError as error:
        print(error.for_artist, file=sys.stderr)
        return 1
    for path in FOLDER.glob("*.png"):
        if path.stem not in preset_names():
            path.unlink()
    return 0


if __name__ == "__main__":
    leave(main())
