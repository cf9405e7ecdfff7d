# SPDX-License-Identifier: GPL-3.0-or-later
"""What is captured of a kit: the tile of a material, once, and of each module no more than its shape, small."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import bpy
import numpy as np
from mathutils import Matrix

from ..backend.protocol.recipe import FrameMode
from ..backend.protocol.surface import Map, Surface
from . import bake_cache, channels, rest, stage, tile
from .capture import VERSION, Capture, CapturedObject, neighbours
from .capture_settings import CaptureSettings
from .channels import UVs
from .passes import Passes, Step, Subject

SIDE = 256  # texels a side of a module's exposure: it is smooth


class TileCapture(Capture):
    """The tile of a material that an object wears, as a surface that wraps; it lies on objects as `laid` says."""

    def __init__(
        self,
        context: bpy.types.Context,
        obj: bpy.types.Object,
        material: bpy.types.Material,
        laid: tile.Laid,
        settings: CaptureSettings,
    ) -> None:
        super().__init__(context, obj, settings)
        self._material, self._laid = material, laid

    def _capture(self) -> Generator[Step, object, CapturedObject]:
        made, unit = self._material, self._unit
        uv_map = self._obj.data.uv_layers[0].name
        uv_map = next((layer.name for layer in self._obj.data.uv_layers if layer.active_render), uv_map)
        width, height = size = tile.size_of(made, self.settings.size)
        key = yield from self._look([made], size)
        with stage.stage(self._scene) as place:
            self.stage = "Baking"
            still = _square(place, made, uv_map, self._laid.square_metres**0.5 / unit)
            rested = rest.Place(Matrix(), rest.place_of(self._obj, unit).rest, unit)
            passes = Passes(Subject(place, still, rested, uv_map, UVs(uv_map, uv_map), size, False), [made])
            maps = yield from passes.material(np.ones((height, width), bool))
            found = yield from passes.height()
            if found is not None:
                maps["height"], passes.height_scale = found
        if self._laid.down is not None:
            down = np.array(self._laid.down, np.float32) * np.float32(size)
            down /= np.linalg.norm(down)
            maps["down"] = Map(np.broadcast_to(down, (height, width, 2)).copy())
        surface = Surface(
            maps,
            wrap=(True, True),
            texels_per_metre=self._laid.texels_per_metre(size),
            height_scale=passes.height_scale,
            name=made.name,
        )
        return CapturedObject(surface, repr(key), uv_map, None, (made.name,), tuple(channels.notes(made)))


class ShapeCapture(Capture):
    """A module's shape at SIDE texels a side, whatever it is made of, in its UV map or a second one; cached as captures are."""

    def _capture(self) -> Generator[Step, object, CapturedObject]:
        found = yield from self._find((SIDE, SIDE))
        return (yield from self._finish(found))

    def _bake(self, place, unwrapped, size):  # type: ignore[no-untyped-def]
        bare = [None] * max(len(self._obj.material_slots), 1)
        passes = Passes(self._subject(place, unwrapped, size), bare)
        maps, _ = yield from passes.shape()
        return bake_cache.Baked(maps, passes.height_scale)

    def _look(
        self, _materials: Sequence[bpy.types.Material], size: tuple[int, int]
    ) -> Generator[Step, object, list[object]]:
        look: list[object] = ["shape", VERSION, bpy.app.version, size, self.settings.mode.value, self._unit]
        if self.settings.mode is FrameMode.SCENE:
            look += [[tuple(row) for row in self._obj.matrix_world], neighbours(self._layer)]
        return look
        yield


def _square(place: stage.Stage, made: bpy.types.Material, uv_map: str, side: float) -> bpy.types.Object:
    """A square whose UV map of this name is the tile, as large as the tile is on the modules, in Blender's units."""
    mesh = stage.mark(bpy.data.meshes.new(".sabi tile"))
    corners = ((0, 0), (1, 0), (1, 1), (0, 1))
    mesh.from_pydata([(x * side, y * side, 0) for x, y in corners], [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name=uv_map, do_init=False)
    layer.uv.foreach_set("vector", np.array(corners, np.float32).reshape(-1))
    mesh.materials.append(made)
    mesh.update()
    still = stage.mark(bpy.data.objects.new(".sabi tile", mesh))
    place.add(still)
    return still
