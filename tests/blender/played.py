# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend that the test plays, for the add-on inside Blender: it paints synthetic layers at once, or does as it is told."""

from __future__ import annotations

import threading
import zlib
from contextlib import contextmanager

import numpy as np
from bl_ext.user_default.sabi.addon import preview, weathering
from bl_ext.user_default.sabi.addon.photographs import degree_marks
from bl_ext.user_default.sabi.addon.service import Service
from bl_ext.user_default.sabi.addon.surface.capture import CapturedObject
from bl_ext.user_default.sabi.backend.files.packing import encoded
from bl_ext.user_default.sabi.backend.protocol import client
from bl_ext.user_default.sabi.backend.protocol.errors import Cancelled
from bl_ext.user_default.sabi.backend.protocol.merging import merged_count
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map, Surface
from bl_ext.user_default.sabi.backend.weathering.merge import merge

from .painted_images import covering_layer, synthetic_layer


class PlayedBackend:
    """Stands for spawn.Backend and for its client. `hold` keeps jobs from ending; `fails_with` ends them so."""

    def __init__(self) -> None:
        self.client, self.process, self.pid, self.alive, self.log = self, self, 1, True, ""
        self.held, self.go, self.cancelled = False, threading.Event(), threading.Event()
        self.gone: set[str] = set()  # the jobs that were cancelled
        self.fails_with: Exception | None = None
        self.recipes: list = []
        self.tiles: tuple = ()
        self.surfaces: list = []
        self.files: list[memoryview] = []  # that it has encoded
        self.marked: list[np.ndarray] = []  # the marks on photographs
        self.starts, self.wired = 0, False
        self.whole = False  # paints as many texels as it is sent, all covered

    def __call__(self, *_asked: object, **_options: object) -> PlayedBackend:
        self.starts, self.alive = self.starts + 1, True
        return self

    def health(self, timeout: float | None = None) -> dict:
        return {"sabi": "0", "protocol": 1, "device": {"asked": "auto", "used": "cpu"}}

    def stop(self) -> None:
        self.alive = False

    def submit(self, surface, recipe, *, tiles=(), **how):
        self.recipes.append(recipe)
        self.wired = how.get("part") == "wired"
        self.tiles = tiles
        self.surfaces.append(surface)
        self.cancelled.clear()
        return f"{len(self.recipes)}"

    def events(self, job):
        yield client.Progress("paint rust", 0.5, 1, 9.0)
        while self.held and not self.go.wait(0.01):
            if job in self.gone:
                raise Cancelled
        if self.fails_with is not None:
            raise self.fails_with
        yield client.Progress("done", 1.0, 2, None, "done")

    def result(self, job, surface, **_how):
        count = len(self.recipes[-1].layers)
        made = [covering_layer(16) if self.tiles else synthetic_layer(index, 16) for index in range(count)]
        if self.whole:
            made = [covering_layer(max(surface.size))] * count
        maps = {}
        if self.wired and merged_count(self.recipes[-1]):
            grey = Surface({"albedo": Map(np.zeros((16, 16, 3), np.uint8), ColorSpace.SRGB)})
            shown = merge(surface if surface.size == grey.size else grey, self.recipes[-1], made)
            made, maps = shown.layers, shown.masks
        layers = [layer.images() for layer in made]
        pngs = {
            f"layer{i}.{name}{ending}": memoryview(png(array if tile is None else of_tile(array, tile)))
            for i, layer in enumerate(layers)
            for name, array in layer.items()
            for ending, tile in ({f".{tile.number}": tile for tile in self.tiles} or {"": None}).items()
        }
        return client.JobResult(surface.with_maps(maps), (), ("played",), {"painter": "0" * 64}, pngs)

    def encoded(self, maps, file, export):
        self.files.append(encoded(maps, next(found for found in export.files(maps) if found.name == file), export).data)
        return self.files[-1]

    def degree(self, photograph, marks, **_how):
        self.marked.append(marks)
        return np.zeros((*photograph.size, 1), np.uint8)

    def cancel(self, job):
        self.gone.add(job)
        self.cancelled.set()


@contextmanager
def played(monkeypatch):
    """A played backend in place of the real one; objects are captured as grey without baking."""
    backend = PlayedBackend()
    service = Service(backend)
    for module in (weathering, degree_marks):
        monkeypatch.setattr(module, "service", service)
    for module, name in ((weathering, "Capture"), (preview, "Capture"), (preview, "PreviewCapture")):
        monkeypatch.setattr(module, name, PlayedCapture)
    try:
        yield backend
    finally:
        service.stop()


class PlayedCapture:
    """Stands for capture.Capture, its checks included, and for PreviewCapture."""

    whole = True

    def __init__(self, _context, obj, _settings) -> None:
        weathering.material.surface_materials(obj)
        self.obj = obj

    def run(self) -> CapturedObject:
        surface = Surface({"albedo": Map(np.zeros((16, 16, 3), np.uint8), ColorSpace.SRGB)}, name=self.obj.name)
        return CapturedObject(surface, "", "UVMap", None, (), ())


def of_tile(array: np.ndarray, tile) -> np.ndarray:
    """A covering layer's image for a tile: of its size, and its red tells its number."""
    made = np.broadcast_to(array[:1, :1], (tile.height, tile.width, 4)).copy()
    if made[0, 0, 0] != 255:  # not growth, whose red is the exposure
        made[..., 0] = 10 * (tile.number - 1000)
    return made


def png(array: np.ndarray) -> bytes:
    """uint8 [H, W, 4] as a PNG file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in array)
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
