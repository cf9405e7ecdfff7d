# SPDX-License-Identifier: GPL-3.0-or-later
"""Peak memory: of the backend for 8192 x 8192 texels, of Blender for an object with three layers at 4096 x 4096."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sabi.backend.protocol.photograph import photograph
from sabi.backend.protocol.recipe import PRESETS, Recipe
from sabi.backend.protocol.spawn import start
from sabi.backend.protocol.still import Still
from sabi.backend.protocol.surface import ColorSpace, Map, Surface


def anonymous(pid: int) -> int:
    """Bytes of anonymous memory a process has in RAM."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no RssAnon")


def large(side: int) -> Surface:
    """A textured sheet 8 metres wide, position and all, whose arrays take no memory of this process worth speaking of."""
    u = np.linspace(0, 8, side, dtype=np.float16)
    position = np.zeros((side, side, 3), np.float16)
    position[..., 0] = u
    position[..., 2] = u[::-1, None]
    normal = np.zeros((side, side, 3), np.float16)
    normal[..., 1] = -1
    albedo = np.random.default_rng(0).integers(80, 120, (side, side, 3), np.uint8)
    grey = np.full((side, side, 1), 128, np.uint8)
    return Surface(
        {
            "albedo": Map(albedo, ColorSpace.SRGB),
            "roughness": Map(grey),
            "metallic": Map(np.zeros_like(grey)),
            "position": Map(position),
            "world_normal": Map(normal),
            "ambient_occlusion": Map(grey),
            "curvature": Map(grey),
        }
    )


def test_backend(benchmark, recipe: Callable[[Surface], Recipe]) -> None:
    """One layer on 8192 x 8192 through a real backend process."""
    surface = large(8192)
    benchmark.extra_info["figures"] = {"backend_peak_gb": peak_gb(benchmark, surface, recipe(surface))}


def test_backend_with_a_photograph(benchmark, recipe: Callable[[Surface], Recipe]) -> None:
    """One layer on a photograph of 8192 x 8192, its middle under a mask, harmonized, through a real backend process."""
    side = 8192
    grain = np.random.default_rng(0).integers(80, 120, (side, side, 3), np.uint8)
    mask = np.zeros((side, side, 1), np.uint8)
    mask[side // 8 : -side // 8, side // 8 : -side // 8] = 255
    picture, more = Map(grain, ColorSpace.SRGB), {"object_mask": Map(mask)}
    surface = photograph(picture, Still(harmonize=True), width=8.0, more=more)
    benchmark.extra_info["figures"] = {"photograph_peak_gb": peak_gb(benchmark, surface, recipe(surface))}


def peak_gb(benchmark, surface: Surface, recipe: Recipe) -> float:
    """Of the anonymous memory of a backend process that weathers once; what the spool holds is the disk's."""
    highest, done = 0, threading.Event()

    def watch(pid: int) -> None:
        nonlocal highest
        while not done.wait(0.05):
            highest = max(highest, anonymous(pid))

    with start(device="cpu") as backend:
        assert backend.process is not None
        watcher = threading.Thread(target=watch, args=(backend.process.pid,))
        watcher.start()
        try:
            benchmark.pedantic(backend.client.weather, (surface, recipe), rounds=1)
        finally:
            done.set()
            watcher.join()
    return highest / 1e9


CUBE = """
import sys, bpy
bpy.ops.wm.read_factory_settings()
shader = bpy.data.objects["Cube"].data.materials[0].node_tree.nodes["Principled BSDF"]
shader.inputs["Base Color"].default_value = (0.1, 0.3, 0.3, 1)
bpy.ops.wm.save_as_mainfile(filepath=sys.argv[-1])
"""


def test_blender(benchmark, tmp_path: Path) -> None:
    """A cube weathered with three layers at 4096 x 4096 by the extension's own operators, images beside the .blend."""
    cube, out = tmp_path / "cube.blend", tmp_path / "out"
    subprocess.run([sys.executable, "-c", CUBE, str(cube)], check=True, stdout=subprocess.DEVNULL)
    recipe = PRESETS / "old_painted_steel.json"
    command = [sys.executable, "-m", "sabi.addon.headless", str(cube), "--recipe", str(recipe), "--out", str(out)]
    peak = 0

    def weather() -> None:
        nonlocal peak
        with subprocess.Popen([*command, "--texels", "4096"], stdout=subprocess.DEVNULL) as blender:
            while blender.poll() is None:
                peak = max(peak, high_water(blender.pid))
                threading.Event().wait(0.05)
        assert blender.returncode == 0

    benchmark.pedantic(weather, rounds=1)
    grown = sum(f.stat().st_size for f in out.rglob("*") if f.suffix in (".blend", ".png")) - cube.stat().st_size
    benchmark.extra_info["figures"] = {"blender_peak_gb": peak / 1e9, "blend_growth_mb": grown / 1e6}


def high_water(pid: int) -> int:
    """Bytes a process had in RAM at most, 0 once it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)
