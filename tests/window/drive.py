# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a real Blender with a window and does what an artist does, step by step, between redraws.

    blender --python drive.py -- REQUEST      REQUEST: JSON with zip ("" for what is installed), demo (the folder
                                              addon/demo), out, size, and parts: some of PARTS, separated by commas

Photographs of the screen and `report.json` go to `out`. Anything that fails is written there too, and Blender is left.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Generator
from pathlib import Path

import bpy
import numpy as np
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector

sys.path.append(str(Path(__file__).parent))  # Blender does not look in a script's own folder
from entries import Entries

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


def screen() -> np.ndarray:
    """What the artist sees now, uint8 [height, width, 3]."""
    window = bpy.context.window_manager.windows[0]
    raw = subprocess.run(["import", "-window", "root", "-depth", "8", "rgb:-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(window.height, window.width, 3)


def photograph(name: str) -> Steps:
    """Takes the screen once the object is there and nothing moves any more: shaders compile in the background."""
    _, area, _ = view()
    left, top, right, bottom = report["box"]
    last, quiet, until = None, 0, time.monotonic() + 120.0
    while quiet < 3 and time.monotonic() < until:
        area.tag_redraw()
        yield 0.7
        now = screen()
        box = now[top:bottom, left:right].astype(np.int16)
        thing = box[np.abs(box - now[report["window"][3] - 4, left]).max(axis=2) > 8]
        there = (
            len(thing) > 0.15 * box[..., 0].size and np.ptp(thing, axis=1).mean() > 16
        )  # white while shaders compile
        quiet = quiet + 1 if there and last is not None and np.array_equal(last, now) else 0
        last = now
    shot(last, name)


def shot(seen: np.ndarray, name: str) -> None:
    """Keeps what was seen on the screen."""
    size = f"{seen.shape[1]}x{seen.shape[0]}"
    subprocess.run(
        ["convert", "-size", size, "-depth", "8", "rgb:-", str(OUT / f"{name}.png")], input=seen.tobytes(), check=True
    )


def press(key: str) -> None:
    subprocess.run(["xdotool", "key", key], check=True)


def rectangle(region: bpy.types.Region) -> list[int]:
    """Left, top, right, bottom on the screen, from its upper left corner."""
    height = bpy.context.window_manager.windows[0].height
    return [region.x, height - region.y - region.height, region.x + region.width, height - region.y]


class Frames:
    """The longest gaps between ticks that ask to come every 10 ms, by what Sabi was doing: frames, and whatever holds them up."""

    def __init__(self) -> None:
        self.longest: dict[str, float] = {}
        self.last = time.perf_counter()

    def __call__(self) -> float:
        now = time.perf_counter()
        gap, self.last = now - self.last, now
        what = label()
        self.longest[what] = max(self.longest.get(what, 0.0), gap)
        return 0.01

    def in_ms(self) -> dict[str, float]:
        return {key: round(1000 * value, 1) for key, value in self.longest.items()}


entries = Entries(EXTENSION, lambda: label())


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


def wait_for_work(limit: float = 900.0) -> Steps:
    until = time.monotonic() + limit
    while addon("work").busy():
        if time.monotonic() > until:
            raise TimeoutError(f"Sabi is still at work after {limit:.0f} s: {addon('work').current().progress}")
        yield 0.1


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


def frames_without_sabi() -> Steps:
    """What frames of this window take by themselves, redrawn as often as Sabi's progress is."""
    _, area, _ = view()
    area.spaces.active.shading.type = "SOLID"
    yield 1.0
    frames = Frames()
    bpy.app.timers.register(frames, first_interval=0.01)
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        area.tag_redraw()
        yield 0.05
    bpy.app.timers.unregister(frames)
    report["frames_without_sabi_ms"] = frames.in_ms()
    area.spaces.active.shading.type = "MATERIAL"


def install() -> Steps:
    """As Get Extensions > Install from Disk does."""
    entries.begin()
    if REQUEST["zip"]:
        bpy.ops.extensions.package_install_files(filepath=REQUEST["zip"], repo="user_default", enable_on_install=True)
    else:
        bpy.ops.preferences.addon_enable(module=EXTENSION)
    report["enabled"] = EXTENSION in bpy.context.preferences.addons
    entries.wrap_handlers()
    yield 0.5


def open_model() -> Steps:
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    thing = demo("model").build()
    report["object"] = thing.name
    thing.select_set(True)
    bpy.context.view_layer.objects.active = thing
    _, area, region = view()
    space = area.spaces.active
    space.overlay.show_overlays = False
    space.show_gizmo = False
    space.shading.type = "MATERIAL"
    yield 0.5
    with in_view():
        space.region_3d.view_rotation = Vector((0.55, -1.0, 0.4)).to_track_quat("Z", "Y")
        bpy.ops.view3d.view_selected()
        bpy.ops.ed.undo_push(message="Open the model")  # scripts push none of their own
    yield 1.0
    corners = [location_3d_to_region_2d(region, space.region_3d, Vector(corner)) for corner in thing.bound_box]
    left, top, _, bottom = rectangle(region)
    across, up = [corner.x for corner in corners], [corner.y for corner in corners]
    report["window"] = [left, top, left + region.width, bottom]
    report["box"] = [int(left + min(across)), int(bottom - max(up)), int(left + max(across)), int(bottom - min(up))]
    yield from photograph("clean")


def open_panel() -> Steps:
    _, area, _ = view()
    before = bpy.data.is_dirty
    area.spaces.active.show_region_ui = True
    yield 1.0
    sidebar = next(region for region in area.regions if region.type == "UI")
    sidebar.active_panel_category = "Sabi"
    layers, until = bpy.context.scene.sabi.layers, time.monotonic() + 60.0
    while not layers and time.monotonic() < until:  # they come when the panel is first drawn
        sidebar.tag_redraw()  # a script's change of category draws nothing by itself, a hand's does
        yield 0.5
    report["recipe"] = {"layers": [layer.effect for layer in layers], "saved": before == bpy.data.is_dirty}
    yield from photograph("panel")
    report["sidebar"] = rectangle(sidebar)
    entries.drawn.clear()
    for _ in range(30):
        sidebar.tag_redraw()
        yield 0.05
    report["panels_ms"] = entries.drawn_in_ms()


def escape(name: str, stage_is) -> Steps:
    """Begins to weather, presses Esc at a stage, and notes whether everything is as it was."""
    before = touched()
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust", size=1024)
    yield from began(stage_is)
    press("Escape")
    yield from wait_for_work(60.0)
    yield 0.5
    work = addon("work").current()
    after = touched()
    changed = {key: [before[key], after[key]] for key in before if before[key] != after[key]}
    report[name] = {"error": work.error.code if work.error else "", "changed": changed, "stage": work.progress.stage}


def escape_while_baking() -> Steps:
    yield from escape("esc while baking", lambda: bpy.app.is_job_running("OBJECT_BAKE"))


def escape_while_painting() -> Steps:
    """Whichever stage of the backend is seen first: they pass quickly."""
    at_work = ("Sending", "Surveying", "Painting", "Laying", "Encoding")
    yield from escape("esc while painting", lambda: addon("work").current().progress.stage.startswith(at_work))


def weather() -> Steps:
    """The panel's button; the embedded backend, since no environment and no server are named."""
    _, area, _ = view()
    area.spaces.active.shading.type = "SOLID"  # the view is drawn by the processor here, which would be measured too
    yield 1.0
    before = touched()
    frames = Frames()
    bpy.app.timers.register(frames, first_interval=0.01)
    yield 3.0
    start = time.monotonic()
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust", size=REQUEST["size"])
    yield from wait_for_work()
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


def weather_textured() -> Steps:
    """A plate with textures of its own, which Blender has not read yet but for one that was painted and not saved."""
    view()[1].spaces.active.shading.type = "SOLID"  # the view reads no textures
    mesh = bpy.data.meshes.new("Plate")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (1, 1, 0.2), (0, 1, 0)], [], [(0, 1, 2), (0, 2, 3)])
    for corner, at in zip(mesh.uv_layers.new().uv, (0, 1, 2, 0, 2, 3), strict=True):
        corner.vector = ((0, 0), (1, 0), (1, 1), (0, 1))[at]
    thing = bpy.data.objects.new("Plate", mesh)
    bpy.context.collection.objects.link(thing)
    material = bpy.data.materials.new("Plate")
    mesh.materials.append(material)
    if not material.node_tree:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    random = np.random.default_rng(0)
    for name, deep in (("Base Color", False), ("Roughness", False), ("Metallic", False), ("Normal", True)):
        node = nodes.new("ShaderNodeTexImage")
        node.image = texture(name, random, deep, painted=name == "Base Color")
        yield 0.1
        if name == "Normal":
            bend = nodes.new("ShaderNodeNormalMap")
            links.new(node.outputs["Color"], bend.inputs["Color"])
            node = bend
        links.new(node.outputs[0], shader.inputs[name])
    for other in bpy.context.scene.objects:
        other.select_set(other == thing)
    bpy.context.view_layer.objects.active = thing
    yield 2.0
    before = sorted(image.name for image in bpy.data.images)
    for stage in ("Reading the textures", "Loading the images"):
        with in_view():
            bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust", size=512)
        yield from began(lambda stage=stage: addon("work").current().progress.stage == stage)
        press("Escape")
        yield from wait_for_work(60.0)
        yield 2.0  # an image that a job is reading goes when that has ended
        error, left = addon("work").current().error, sorted(image.name for image in bpy.data.images)
        report[f"esc at {stage}"] = {"error": error.code if error else "", "as before": left == before}
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust")
    yield from wait_for_work()
    yield 2.0
    work = addon("work").current()
    report["unread"] = [image.name for image in bpy.data.images if image.name in ("Roughness.png", "Metallic.png")]
    report["unread"] = [name for name in report["unread"] if not bpy.data.images[name].has_data]
    report["textured"] = work.outcome.message if work.outcome else str(work.error.for_artist)


def texture(name: str, random: np.random.Generator, deep: bool, painted: bool) -> bpy.types.Image:
    """A square texture from a file, of 16 bits where `deep`, or painted in Blender and nowhere saved."""
    size = REQUEST["size"]
    image = bpy.data.images.new(name, size, size, float_buffer=deep, is_data=name != "Base Color")
    texels = np.ones((size, size, 4), np.float32)
    noise = random.random((size, size, 1), np.float32)
    texels[..., :3] = (0.5, 0.5, 1.0) if name == "Normal" else 0.4 + 0.1 * noise
    image.pixels.foreach_set(texels.reshape(-1))
    if painted:
        return image
    path = OUT / f"{name}.png"
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    loaded = bpy.data.images.load(str(path), check_existing=False)
    loaded.colorspace_settings.is_data = name != "Base Color"
    return loaded


def weather_tiled() -> Steps:
    """Two square metres over two UDIM tiles of different sizes, with three layers: tiled images take more of a shader's room."""
    view()[1].spaces.active.shading.type = "SOLID"
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    for number, side in ((1001, 256), (1002, 128)):
        image = bpy.data.images.new("tile", side, side)
        image.pixels.foreach_set(np.tile(np.float32((0.3, 0.4, 0.5, 1.0)), side * side))
        image.filepath_raw, image.file_format = str(OUT / f"tiles.{number}.png"), "PNG"
        image.save()
        bpy.data.images.remove(image)
    image = bpy.data.images.load(str(OUT / "tiles.1001.png"), check_existing=False)
    image.source = "TILED"
    mesh = bpy.data.meshes.new("Tiles")
    mesh.from_pydata([(x, 0, z) for z in (0, 1) for x in (0, 1, 2)], [], [(0, 1, 4, 3), (1, 2, 5, 4)])
    mesh.uv_layers.new().uv.foreach_set("vector", np.float32([(x + i, y) for i in (0, 1) for x, y in corners]).ravel())
    thing = bpy.data.objects.new("Tiles", mesh)
    bpy.context.collection.objects.link(thing)
    material = bpy.data.materials.new("Tiles")
    mesh.materials.append(material)
    if not material.node_tree:
        material.use_nodes = True
    nodes = material.node_tree.nodes
    node = nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(node.outputs[0], shader.inputs["Base Color"])
    for other in bpy.context.scene.objects:
        other.select_set(other == thing)
        other.hide_set(other != thing)
    bpy.context.view_layer.objects.active = thing
    yield 1.0
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="old_painted_steel")
    yield from wait_for_work()
    work = addon("work").current()
    on_object = addon("on_object")
    painted = on_object.painted_nodes(on_object.group_node(material).node_tree) if work.outcome else {}
    report["tiled"] = {
        "said": work.outcome.message if work.outcome else str(work.error.for_artist),
        "images": len(painted),
        "sizes": [[[tile.number, *tile.size] for tile in node.image.tiles] for node in painted.values()],
        "uv maps": [layer.name for layer in mesh.uv_layers],
    }
    _, area, region = view()
    area.spaces.active.shading.type = "MATERIAL"
    with in_view():
        area.spaces.active.region_3d.view_rotation = Vector((0.1, -1.0, 0.1)).to_track_quat("Z", "Y")
        bpy.ops.view3d.view_selected()
    yield 15.0  # shaders compile
    area.tag_redraw()
    yield 2.0
    report["tiled"]["view"] = rectangle(region)
    shot(screen(), "tiled")
    for other in bpy.context.scene.objects:
        other.hide_set(False)
    thing.hide_set(True)
    yield 0.5


def weather_frame() -> Steps:
    """Weather Frame pressed in an Image Editor, which then shows the weathered frame."""
    window, area, _ = view()
    scene, thing = bpy.context.scene, bpy.data.objects[report["object"]]
    demo("stage").dress(scene, [thing], 320, 240)
    scene.render.engine, scene.cycles.samples = "CYCLES", REQUEST.get("samples", 8)
    area.type = "IMAGE_EDITOR"
    area.spaces.active.show_region_ui = True
    yield 1.0
    (pane,) = [region for region in area.regions if region.type == "WINDOW"]
    report["frame"] = {"pane": rectangle(pane)}
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane):
        bpy.ops.sabi.weather_frame("INVOKE_DEFAULT", preset="scrapyard_rust")
    yield from wait_for_work()
    yield 1.0
    work, image = addon("work").current(), area.spaces.active.image
    report["frame"] |= {
        "error": work.error.code if work.error else "",
        "said": work.error.for_artist if work.error else work.outcome.message,
        "warnings": work.outcome.warnings if work.outcome else (),
        "shown": image.name if image else "",
        "engine": scene.render.engine,
        "layers": [layer.name for layer in scene.view_layers],
    }
    sidebar = next(region for region in area.regions if region.type == "UI")
    sidebar.active_panel_category = "Sabi"
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane):
        bpy.ops.image.view_all(fit_view=True)
    yield 2.0
    shot(screen(), "frame")
    area.type = "VIEW_3D"
    yield 1.0


def undo_and_redo() -> Steps:
    """Applying is one undo step."""

    def groups() -> int:
        thing = bpy.data.objects[report["object"]]
        return 0 if addon("on_object").weathered(thing) is None else 1

    counts = [groups()]
    for operator in (bpy.ops.ed.undo, bpy.ops.ed.redo):
        with in_view():
            operator()
        yield 1.0
        counts.append(groups())
    report["undo"] = counts


def live_preview() -> Steps:
    """Another seed, four times as fast as a hand drags, then another while the first is painted; then the recipe rests."""
    settings, thing = bpy.context.scene.sabi, bpy.data.objects[report["object"]]
    bpy.ops.sabi.preset_load(preset="scrapyard_rust")
    settings.size, settings.live_preview = str(min(REQUEST["size"], 1024)), True
    on_object, work = addon("on_object"), addon("work")

    def images() -> list[bpy.types.Image]:
        tree = on_object.group_node(thing.data.materials[0]).node_tree
        return [node.image for node in on_object.painted_nodes(tree).values()]

    before, seconds, setting = sorted(image.name for image in images()), [], 0.0
    for seeds in (range(10, 30), (40,)):
        for seed in seeds:
            began = time.perf_counter()
            settings.layers[0].seed = seed
            setting = max(setting, time.perf_counter() - began)
            yield 0.015
        while f'"seed": {seed},' not in on_object.weathered(thing).recipe_json or images()[0].size[0] != 512:
            yield 0.01
            if work.current().ended or time.perf_counter() - began > 300.0:
                raise RuntimeError(f"the preview was not shown: {work.current()}")
        seconds.append(round(time.perf_counter() - began, 2))
    yield from photograph("preview")
    while work.running():
        yield 0.1
    now = work.current()
    report["live preview"] = {
        "seconds": seconds,
        "setting_ms": round(1000 * setting, 1),
        "said": now.outcome.message if now.outcome else str(now.error),
        "as before": sorted(image.name for image in images()) == before,
        "size": [list(image.size) for image in images()],
        "left": [image.name for image in bpy.data.images if "preview" in image.name],
    }
    settings.live_preview, settings.size = False, "AUTO"


def drag(points: list[tuple[int, int]]) -> Steps:
    """A stroke of the mouse over the screen, with its left button held."""
    subprocess.run(["xdotool", "mousemove", *map(str, points[0])], check=True)
    yield 0.3
    subprocess.run(["xdotool", "mousedown", "1"], check=True)
    for x, y in points[1:]:
        yield 0.05
        subprocess.run(["xdotool", "mousemove", str(x), str(y)], check=True)
    yield 0.1
    subprocess.run(["xdotool", "mouseup", "1"], check=True)
    yield 1.0


def grey(image: bpy.types.Image) -> np.ndarray:
    texels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(texels)
    return texels.reshape(-1, 4)[:, 0]


def paint_mask() -> Steps:
    """The brush beside the masks; a stroke with the mouse over the object; Ctrl Z."""
    thing, tools = bpy.data.objects[report["object"]], bpy.context.scene.tool_settings
    settings = bpy.context.scene.sabi
    settings.active_layer, settings.live_preview = 0, False  # else the object would be shown with an empty mask
    yield from wait_for_work()
    with in_view():
        bpy.ops.sabi.mask_image_new("INVOKE_DEFAULT", size=512)
    yield 2.0
    image = bpy.data.images[settings.layers[0].masks[0].source]
    for owner in (tools, tools.image_paint):
        if hasattr(owner, "unified_paint_settings"):
            owner.unified_paint_settings.use_unified_color = True
            owner.unified_paint_settings.color = (1.0, 1.0, 1.0)
    if tools.image_paint.brush is None:  # Debian's 4.3 comes without Blender's own brushes
        bpy.data.brushes.new("Brush", mode="TEXTURE_PAINT").asset_mark()
        with in_view():
            bpy.ops.brush.asset_activate(asset_library_type="LOCAL", relative_asset_identifier="Brush/Brush")
        yield 0.5
    brush = tools.image_paint.brush
    found = {"mode": thing.mode, "canvas": tools.image_paint.canvas == image, "before": float(grey(image).max())}
    found["brush"] = brush.name if brush else ""
    with in_view():
        bpy.ops.ed.undo_push(message="Begin to paint")  # scripts push none of their own
    left, top, right, bottom = report["box"]
    across = np.linspace(left + 0.3 * (right - left), left + 0.7 * (right - left), 12)
    yield from drag([(int(x), (top + bottom) // 2) for x in across])
    found["painted"] = float((grey(image) > 0.3).mean())
    report["mask"] = found
    view()[1].tag_redraw()
    yield 2.0
    shot(screen(), "mask")
    press("ctrl+z")
    yield 1.5
    settings = bpy.context.scene.sabi
    image = bpy.data.images[settings.layers[0].masks[0].source]
    found["undone"] = float((grey(image) > 0.3).mean())
    with in_view():
        bpy.ops.object.mode_set(mode="OBJECT")
        bpy.ops.sabi.mask_remove()


def overlays() -> Steps:
    yield from overlay("overlay")


def overlays_again() -> Steps:
    """After a preview has exchanged the images, and a black mask has come and gone."""
    yield from overlay("overlay again")


def overlay(name: str) -> Steps:
    """Coverage looked at on the object itself, and put away."""
    thing = bpy.data.objects[report["object"]]
    own = [slot.material.name for slot in thing.material_slots]
    with in_view():
        bpy.ops.sabi.overlay_show("EXEC_DEFAULT", mark="1 coverage")
    yield 8.0  # shaders compile
    view()[1].tag_redraw()
    yield 1.0
    shot(screen(), name)
    shown = [slot.material.name for slot in thing.material_slots]
    with in_view():
        bpy.ops.sabi.overlay_hide()
    yield 0.5
    report[name] = {"shown": shown, "own": own, "after": [slot.material.name for slot in thing.material_slots]}


def assets() -> Steps:
    """The recipe saved as an asset, found in the asset browser, chosen with the mouse."""
    _, area, _ = view()
    bpy.ops.sabi.recipe_publish("EXEC_DEFAULT", name="From the Window")
    area.ui_type = "ASSETS"
    yield 2.0
    area.spaces.active.params.asset_library_reference = "Sabi"
    area.tag_redraw()
    yield 4.0
    window = bpy.context.window_manager.windows[0]
    pane = next(region for region in area.regions if region.type == "WINDOW")
    left, top, _, _ = rectangle(pane)
    subprocess.run(["xdotool", "mousemove", str(left + 60), str(top + 50), "click", "1"], check=True)
    yield 0.5
    subprocess.run(["xdotool", "mousemove", str(left + 400), str(top + 400)], check=True)  # a tooltip would cover it
    yield 1.5
    shot(screen(), "assets")
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane):
        asset = getattr(bpy.context, "asset", None)
        text = addon("asset_operators").chosen(bpy.context)
        bpy.context.scene.sabi.layers.clear()
        if text:
            bpy.ops.sabi.recipe_from_asset(recipe_json=text)
    layers = [layer.effect for layer in bpy.context.scene.sabi.layers]
    report["assets"] = {"chosen": asset.name if asset else "", "layers": layers, "pane": rectangle(pane)}
    area.ui_type = "VIEW_3D"
    yield 1.0


def instances() -> Steps:
    """Two cubes over one mesh, painted once; their ages differ, in EEVEE."""
    _, area, region = view()
    bpy.ops.mesh.primitive_cube_add(size=1)
    first = bpy.context.object
    first.data.materials.append(bpy.data.materials.new("Cubes"))
    if not first.data.materials[0].node_tree:
        first.data.materials[0].use_nodes = True
    second = first.copy()
    bpy.context.collection.objects.link(second)
    second.location.x = 1.5
    first["sabi_age"], second["sabi_age"] = -0.8, 0.8
    for other in bpy.context.scene.objects:
        other.select_set(other in (first, second))
        other.hide_set(other not in (first, second))
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", effect="rust", age=0.5, size=512, instances=True)
    yield from wait_for_work()
    work = addon("work").current()
    with in_view():
        area.spaces.active.region_3d.view_rotation = Vector((0.0, -1.0, 0.2)).to_track_quat("Z", "Y")
        bpy.ops.view3d.view_selected()
    area.tag_redraw()
    yield 1.5
    at = [location_3d_to_region_2d(region, area.spaces.active.region_3d, thing.location) for thing in (first, second)]
    left, _, _, bottom = rectangle(region)
    middles = [[int(left + place.x), int(bottom - place.y)] for place in at]
    until = time.monotonic() + 60.0
    while time.monotonic() < until:  # grey while shaders compile
        area.tag_redraw()
        yield 2.0
        seen = screen()
        if max(int(np.ptp(seen[y - 40 : y + 40, x - 40 : x + 40].mean(axis=(0, 1)))) for x, y in middles) > 16:
            break
    shot(seen, "instances")
    report["instances"] = {
        "said": work.outcome.message if work.outcome else str(work.error.for_artist),
        "materials": len({thing.material_slots[0].material.name for thing in (first, second)}),
        "middles": middles,
    }
    for other in bpy.context.scene.objects:
        other.hide_set(other in (first, second))
    yield 0.5


PARTS = (
    open_model,
    frames_without_sabi,
    install,
    open_panel,
    escape_while_baking,
    escape_while_painting,
    weather,
    undo_and_redo,
    overlays,
    live_preview,
    paint_mask,
    overlays_again,
    assets,
    weather_textured,
    weather_tiled,
    instances,
    weather_frame,
)


def scenario() -> Steps:
    yield 1.0
    begin = time.monotonic()
    for part in PARTS:
        if "parts" not in REQUEST or part.__name__ in REQUEST["parts"].split(","):
            print(f"{time.monotonic() - begin:.0f} s: {part.__name__}", flush=True)
            yield from part()
    report["entries_ms"] = entries.in_ms()


def main() -> None:
    bpy.context.preferences.view.show_splash = False
    steps = scenario()

    def tick() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            report["finished"] = True
        except Exception:
            report["failed"] = traceback.format_exc()
            subprocess.run(["import", "-window", "root", str(OUT / "failed.png")], check=False)
        entries.let_go_of_handlers()
        (OUT / "report.json").write_text(json.dumps(report, indent=1, default=str))
        bpy.context.preferences.use_preferences_save = False
        bpy.ops.wm.quit_blender()
        return None

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)


main()
