# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws three rendered scenes side by side: as rendered, weathered in their own light, and harmonized as well.

    python tools/frame_sheet.py out/frames

needs bpy. The frames with their passes stay in the folder, and frames.png.
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
from sabi.backend.networks.registry import Networks
from sabi.backend.picture import screen
from sabi.backend.protocol.photograph import asked_to_harmonize
from sabi.backend.protocol.recipe import Recipe, load_preset
from sabi.backend.protocol.surface import Surface
from sabi.backend.weathering.colour import to_srgb
from sabi.backend.weathering.pipeline import weather

WIDTH, HEIGHT, SAMPLES = 480, 360, 32
AGE = 0.7
COLUMNS = ("rendered", "weathered", "harmonized as well")


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    networks, rows = Networks.load(device="cpu"), []
    with extension() as bpy:
        for name, (*_, preset) in SCENES.items():
            frame = rendered(bpy, name, out / f"{name}.exr")
            recipe = load_preset(preset).at_age(AGE)
            rows.append((name, [shown(frame), *(shown(s) for s in (aged(frame, recipe, networks)))]))
    print(drawn(rows, out / "frames.png"))
    return 0


def aged(frame: Surface, recipe: Recipe, networks: Networks) -> list[Surface]:
    return [weather(asked, recipe, networks=networks).surface for asked in (frame, asked_to_harmonize(frame))]


def shown(frame: Surface) -> np.ndarray:
    return screen(to_srgb(frame["combined"].floats()), WIDTH)


def drawn(rows: list[tuple[str, list[np.ndarray]]], path: Path) -> Path:
    """A row a scene, each picture with what it is."""
    sheet = Image.new("RGB", (len(COLUMNS) * WIDTH, len(rows) * HEIGHT))
    draw = ImageDraw.Draw(sheet)
    for row, (name, pictures) in enumerate(rows):
        for column, (said, picture) in enumerate(zip(COLUMNS, pictures, strict=True)):
            sheet.paste(Image.fromarray(picture), (column * WIDTH, row * HEIGHT))
            at = (column * WIDTH + 8, row * HEIGHT + 8)
            draw.text(at, f"{name}: {said}", fill="white", stroke_width=2, stroke_fill="black")
    sheet.save(path)
    return path


if __name__ == "__main__":
    leave(main())
