# SPDX-License-Identifier: GPL-3.0-or-later
"""What is captured of a kit: the tile of a material, once, and of each module no more than its shape, small."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import bpy
import numpy as np
from mathutils import Matrix

from ...backend.protocol.recipe import FrameMode
from ...backend.protocol.surface import Map, Surface
from .. import work
from . import bake_cache, channels, preview_capture, rest, stage, tile, uvs
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
        self._uv_map = uvs.render_uv(obj.data)

    def _capture(self) -> Generator[Step, object, CapturedObject]:
        found = yield from self._find_tile(tile.size_of(self._material, self.settings.size))
        return (yield from self._finish_tile(found))

    def _find_tile(self, size: tuple[int, int]) -> Generator[Step, object, _FoundTile]:
        """What is known of the tile at a size, width and height, without baking."""
        look = yield from self._look([self._material], size)
        parts = ("tile", self._uv_map, self._laid, look)
        key = hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
        return _FoundTile(size, key, bake_cache.load(key))

    def _finish_tile(self, found: _FoundTile) -> Generator[Step, object, CapturedObject]:
        baked, (width, height) = found.baked, found.size
        if baked is None:
            with stage.stage(self._scene) as place:
                self.stage = "Baking"
                fresh = yield from self._bake_tile(place, found.size)
                baked = yield lambda: bake_cache.store(found.key, fresh)
        maps = dict(baked.maps)
        if self._laid.down is not None:
            down = np.array(self._laid.down, np.float32) * np.float32(found.size)
            down /= np.linalg.norm(down)
            maps["down"] = Map(np.broadcast_to(down, (height, width, 2)).copy())
        surface = Surface(
            maps,
            wrap=(True, True),
            texels_per_metre=self._laid.texels_per_metre(found.size),
            height_scale=baked.height_scale,
            name=self._material.name,
        )
        notes = tuple(channels.notes(self._material))
        return CapturedObject(surface, found.key, self._uv_map, None, (self._material.name,), notes)

    def _bake_tile(self, place: stage.Stage, size: tuple[int, int]) -> Generator[Step, object, bake_cache.Baked]:
        made, uv_map = self._material, self._uv_map
        still = _square(place, made, uv_map, self._laid.square_metres**0.5 / self._unit)
        rested = rest.Place(Matrix(), rest.place_of(self._obj, self._unit).rest, self._unit)
        passes = Passes(Subject(place, still, rested, uv_map, UVs(uv_map, uv_map), size, False), [made])
        maps = yield from passes.material(np.ones(size[::-1], bool))
        height_scale, found = passes.height_scale, (yield from passes.height())
        if found is not None:
            maps["height"], height_scale = found
        return bake_cache.Baked(maps, height_scale)


@dataclass(frozen=True)
class _FoundTile:
    """A tile's size, what names its maps, and these where they are cached."""

    size: tuple[int, int]
    key: str
    baked: bake_cache.Baked | None


class TilePreviewCapture(TileCapture):
    """A tile of at most preview_capture.SIDE texels a side: of every so manyth texel where a whole one is cached, else baked so.

    Work that bakes holds its place. `whole` tells, at the end, whether a whole one bakes nothing.
    """

    whole = False

    def _capture(self) -> Generator[Step, object, CapturedObject]:
        most = preview_capture.SIDE
        found = yield from self._find_tile(tile.size_of(self._material, self.settings.size))
        self.whole = found.baked is not None or max(found.size) <= most
        with ExitStack() as held:
            if found.baked is None:
                held.enter_context(work.holding())
            if not self.whole:
                found = yield from self._find_tile(tile.size_of(self._material, most))
            captured = yield from self._finish_tile(found)
        step = -(-max(found.size) // most)
        surface = captured.surface
        maps = yield lambda: {name: preview_capture.thinned(map_, step) for name, map_ in surface.maps.items()}
        fewer = (surface.texels_per_metre or 0.0) / step
        return replace(captured, surface=replace(surface, maps=maps, texels_per_metre=fewer))


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
            look += [[tuple(row) for row in rest.world_of(self._obj)], neighbours(self._layer)]
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
