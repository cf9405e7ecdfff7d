# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what weathering in a picture's own light comes to, side by side.

    python tools/sheets.py frames out/frames              three scenes as rendered, weathered, and harmonized as well (needs bpy)
    python tools/sheets.py photographs out/photographs a.jpg b.jpg      photographs at three ages, each under a_mask.png beside it

The sheet is frames.png or photographs.png in the folder; the frames with their passes stay there, too.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from sabi.addon.headless import addon, extension, leave
from sabi.backend.files import read_frame
from sabi.backend.files.photograph import read_still
from sabi.backend.networks.registry import Networks
from sabi.backend.picture import screen
from sabi.backend.protocol.photograph import asked_to_harmonize
from sabi.backend.protocol.recipe import load_preset
from sabi.backend.protocol.still import Still
from sabi.backend.protocol.surface import ColorSpace, Surface
from sabi.backend.server.spool import Spool
from sabi.backend.weathering.colour import to_srgb
from sabi.backend.weathering.pipeline import weather

WIDTH, HEIGHT, SAMPLES = 480, 360, 32
AGE = 0.7
AGES = (0.35, 0.6, 0.9)
Rows = list[list[tuple[str, np.ndarray]]]


def compressor(_bpy: ModuleType) -> Any:
    return addon("demo.model").build()


def crate(bpy: ModuleType) -> Any:
    bpy.ops.mesh.primitive_cube_add(size=1.2, location=(0, 0, 0.6), rotation=(0, 0, 0.4))
    return _painted(bpy, "Crate", (0.05, 0.1, 0.3), 0.45, 0.0)


def ball(bpy: ModuleType) -> Any:
    bpy.ops.mesh.primitive_uv_sphere_add(segments=64, ring_count=32, radius=0.6, location=(0, 0, 0.6))
    bpy.ops.object.shade_smooth()
    return _painted(bpy, "Ball", (0.5, 0.48, 0.45), 0.35, 1.0)


# what stands there, the sky's colour and strength, the lamp's colour, watts a square metre of the thing's size, and preset
Scene = tuple[Callable[[ModuleType], Any], tuple[float, float, float], float, tuple[float, float, float], float, str]
SCENES: dict[str, Scene] = {
    "noon": (compressor, (0.62, 0.70, 0.80), 0.5, (1.0, 0.97, 0.92), 60.0, "old_painted_steel"),
    "evening": (crate, (0.25, 0.35, 0.7), 0.25, (1.0, 0.55, 0.2), 60.0, "old_painted_steel"),
    "night": (ball, (0.1, 0.15, 0.3), 0.05, (0.6, 0.8, 1.0), 20.0, "old_painted_steel"),
}


def _painted(bpy: ModuleType, name: str, colour: tuple[float, float, float], rough: float, metallic: float) -> Any:
    thing = bpy.context.object
    thing.name = name
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    for socket, value in (("Base Color", (*colour, 1.0)), ("Roughness", rough), ("Metallic", metallic)):
        shader.inputs[socket].default_value = value
    thing.data.materials.append(material)
    return thing


def rendered(bpy: ModuleType, name: str, path: Path) -> Surface:
    """A scene's frame with its passes, the mask over what stands there."""
    build, sky, strength, colour, watts, _ = SCENES[name]
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    thing, scene = build(bpy), bpy.context.scene
    bpy.context.view_layer.update()
    stage = addon("demo.stage")
    stage.dress(scene, [thing], WIDTH, HEIGHT)
    for lamp in [other for other in scene.objects if other.type == "LIGHT" and other.name != "Key"]:
        bpy.data.objects.remove(lamp)
    low, high = stage.bounds([thing])
    key = scene.objects["Key"].data
    key.color, key.energy = colour, watts * (high - low).length ** 2
    background = next(node for node in scene.world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value, background.inputs["Strength"].default_value = (*sky, 1.0), strength
    scene.render.engine, scene.cycles.device, scene.cycles.samples = "CYCLES", "CPU", SAMPLES
    passes = addon("frames.frame").FrameRender(bpy.context, path).run()
    return read_frame(passes.path, layer=passes.layer, object_name=thing.name, unit=passes.unit).surface


def frames(out: Path, networks: Networks) -> Rows:
    rows = []
    with extension() as bpy:
        for name, (*_, preset) in SCENES.items():
            frame, recipe = rendered(bpy, name, out / f"{name}.exr"), load_preset(preset).at_age(AGE)
            made = [weather(asked, recipe, networks=networks).surface for asked in (frame, asked_to_harmonize(frame))]
            columns = ("rendered", "weathered", "harmonized as well")
            rows.append([(f"{name}: {said}", shown(s)) for said, s in zip(columns, (frame, *made), strict=True)])
    return rows


def photographs(paths: list[Path], preset: str, metres: float, networks: Networks) -> Rows:
    rows = []
    for path in paths:
        beside = path.with_name(f"{path.stem}_mask.png")
        given = read_still(path, Still(), width=metres, mask=beside if beside.exists() else None).surface
        row = [(path.stem, shown(given))]
        for age in AGES:
            aged = weather(given, load_preset(preset).at_age(age), networks=networks, allocate=Spool().allocate)
            row.append((f"age {age:g}", shown(aged.surface)))
        rows.append(row)
    return rows


def shown(surface: Surface) -> np.ndarray:
    picture = surface["combined"]
    return screen(to_srgb(picture.floats()) if picture.color_space is ColorSpace.LINEAR else picture.array, WIDTH)


def drawn(rows: Rows, path: Path) -> Path:
    """Each picture with what it is."""
    sheet = Image.new("RGB", (max(map(len, rows)) * WIDTH, len(rows) * HEIGHT))
    draw = ImageDraw.Draw(sheet)
    for y, row in enumerate(rows):
        for x, (said, pixels) in enumerate(row):
            picture = Image.fromarray(pixels)
            picture.thumbnail((WIDTH, HEIGHT))
            sheet.paste(picture, (x * WIDTH, y * HEIGHT))
            draw.text((x * WIDTH + 8, y * HEIGHT + 8), said, fill="white", stroke_width=2, stroke_fill="black")
    sheet.save(path)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("frames").add_argument("out", type=Path)
    of_photographs = commands.add_parser("photographs")
    of_photographs.add_argument("out", type=Path)
    of_photographs.add_argument("photographs", type=Path, nargs="+")
    of_photographs.add_argument("--preset", default="old_painted_steel")
    of_photographs.add_argument("--width", type=float, default=2.0, help="metres that each spans (2)")
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    networks = Networks.load(device="cpu")
    if given.command == "frames":
        rows = frames(out, networks)
    else:
        rows = photographs(given.photographs, given.preset, given.width, networks)
    print(drawn(rows, out / f"{given.command}.png"))
    return 0


if __name__ == "__main__":
    leave(main())
