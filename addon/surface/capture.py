# SPDX-License-Identifier: GPL-3.0-or-later
"""An object of the scene to a surface: UVs seen to, textures read where they fit, everything else baked, all of it cached.

`Capture` is one object's capture: blocking (`run`), or in steps between which a window stays awake (`start`, `poll`, `cancel`).
What the scene and the object had before, they have afterwards, whatever happens.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.protocol.errors import Cancelled, SceneError, TooLarge
from ...backend.protocol.recipe import FrameMode
from ...backend.protocol.surface import Map, Surface
from ...backend.protocol.tiles import Tile, to_text
from .. import units
from ..nodes import joins
from ..pixels import reading
from . import bake, bake_cache, channels, looks, mesh_masks, rest, stage, timing, upstream, uvs
from .atlas import Atlas, atlas, image_tiles
from .channels import UVs
from .passes import Passes, Subject
from .sizes import DEFAULT, LARGEST, CaptureSettings, estimate, output_size

VERSION = 2  # of what a capture gives: raise it when that changes, so that no cache mixes both


@dataclass(frozen=True)
class CapturedObject:
    """A surface of one object. `second_uv` is for `uvs.attach` when results are applied; None where `uv_map` is there already."""

    surface: Surface
    key: str
    uv_map: str
    second_uv: np.ndarray | None
    materials: tuple[str, ...]
    warnings: tuple[str, ...] = ()
    tiles: tuple[Tile, ...] = ()  # of `uv_map`, where the surface is an atlas of them
    slots: tuple[int, ...] = ()  # of materials that the object shows; empty for those that its own faces use


@dataclass(frozen=True)
class _Unwrapped:
    """Which UV map the surface lies in, and Sabi's own where the artist's cannot carry it."""

    uv_map: str
    second: np.ndarray | None
    warnings: tuple[str, ...]
    tiles: tuple[Tile, ...] = ()  # `second` is an atlas of the artist's tiles, for the capture alone


@dataclass(frozen=True)
class _Found:
    """What can be told of a capture without baking: what names it, and its maps where they are cached."""

    size: tuple[int, int]
    shape: str
    shown: rest.Shown
    materials: Sequence[bpy.types.Material]
    look: list[object]
    unwrapped: _Unwrapped | None
    baked: bake_cache.Baked | None
    tiles: Atlas | None


_unwrapped: dict[str, _Unwrapped] = {}  # by shape
_Step = bake.Bake | reading.Step
_Steps = Generator[_Step, object, CapturedObject]


class Capture:
    """The capture of one object. Raises SceneError or BadFile at once, with nothing touched, for what cannot be captured."""

    def __init__(self, context: bpy.types.Context, obj: bpy.types.Object, settings: CaptureSettings = DEFAULT) -> None:
        check(obj)
        mesh_masks.check(obj, settings.masks)
        if settings.size > LARGEST:
            raise TooLarge(f"{settings.size} texels a side are more than Sabi captures.")
        self.settings = settings
        self.stage = "Looking"
        self.captured: CapturedObject | None = None
        self._obj = obj
        self._scene = context.scene
        self._layer = context.view_layer
        self._unit = units.of_scene(self._scene)
        self._seconds = estimate(obj, settings)
        self._began = time.monotonic()
        self._steps: _Steps | None = None
        self._pending: bake.BakeJob | reading.ReadJob | Future | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._cancelled = False
        self._interval = sys.getswitchinterval()

    def run(self) -> CapturedObject:
        """Captures and returns when done."""
        steps = self._capture()
        result: object = None
        try:
            while True:
                step = steps.send(result)
                result = step.run() if isinstance(step, (bake.Bake, reading.Read)) else step()
        except StopIteration as stop:
            self.captured = stop.value
            return stop.value
        except ReferenceError as error:
            raise _gone() from error
        finally:
            steps.close()

    def start(self) -> None:
        """Begins a capture that `poll` carries on; bakes run as Blender's own jobs, conversions in a thread."""
        self._began = time.monotonic()
        self._thread = ThreadPoolExecutor(1, "sabi-capture")
        self._steps = self._capture()
        self._advance(None)

    def poll(self) -> bool:
        """True when `captured` is there. Raises what went wrong, Cancelled after Esc; everything has been put back then."""
        if self._steps is None:
            if self.captured is not None:
                return True
            raise Cancelled()
        try:
            if isinstance(self._pending, (bake.BakeJob, reading.ReadJob)):
                if not self._pending.poll():
                    return False
                self._pending.close()
                result = None
            else:
                if not self._pending.done():
                    return False
                result = self._pending.result()
            if self._cancelled:
                raise Cancelled()
        except BaseException:
            self._end()
            raise
        self._advance(result)
        return self._steps is None

    def cancel(self) -> None:
        """Ends the capture. A bake in flight is left to end by itself (Esc ends it); then everything is put back."""
        if self._steps is None or self._cancelled:
            return
        self._cancelled = True
        if isinstance(self._pending, bake.BakeJob) and bpy.app.is_job_running("OBJECT_BAKE"):
            bpy.app.timers.register(self._wait_for_bake, first_interval=0.1, persistent=True)
        else:
            self._end()

    @property
    def fraction(self) -> float:
        """How far it is, by the estimate; below 1 until it is done."""
        if self.captured is not None:
            return 1.0
        return min((time.monotonic() - self._began) / max(self._seconds, 0.1), 0.98)

    def _wait_for_bake(self) -> float | None:
        if self._steps is not None and bpy.app.is_job_running("OBJECT_BAKE"):
            return 0.1
        self._end()
        return None

    def _advance(self, result: object) -> None:
        try:
            stage.wait_until_writable(self._scene)
            # No other thread's engine shall start between two changes, which forbids the second. Nor shall a bake end while a
            # panel is drawn: changes would be forbidden for ever, since Blender notes that for all threads at once.
            sys.setswitchinterval(1.0)
            step = self._steps.send(result)
            if isinstance(step, (bake.Bake, reading.Read)):
                self._pending = step.start(_window(self._scene))
            else:
                self._pending = self._thread.submit(step)
        except StopIteration as stop:
            self.captured = stop.value
            self._end()
        except ReferenceError as error:
            self._end()
            raise _gone() from error
        except BaseException:
            self._end()
            raise
        finally:
            if not isinstance(self._pending, bake.BakeJob):
                sys.setswitchinterval(self._interval)

    def _end(self) -> None:
        steps, self._steps = self._steps, None
        if isinstance(self._pending, (bake.BakeJob, reading.ReadJob)):
            self._pending.close()
        self._pending = None
        sys.setswitchinterval(self._interval)
        if steps is not None:
            steps.close()
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def _capture(self) -> _Steps:
        """What there is to do, one bake or one piece of numpy at a time."""
        tiles = atlas(self._obj, image_tiles(channels.check(self._obj)), self.settings.size)
        if tiles is not None and (yield tiles.overlaps):
            tiles = None
        size = output_size(self._obj, self.settings) if tiles is None else tiles.size
        return (yield from self._finish((yield from self._find(size, tiles))))

    def _find(self, size: tuple[int, int], tiles: Atlas | None = None) -> Generator[_Step, object, _Found]:
        """What is known of a capture of this size without baking."""
        shape, shown = yield from self._seen()
        if tiles is not None:
            shape += to_text(tiles.tiles)
        if not shown.slots and shown.foreign:
            raise SceneError(
                f"The modifiers of '{self._obj.name}' give it the material '{shown.foreign[0]}', which is in none of its slots.",
                "Put it into a slot of the object and assign it there, or apply them: Object > Convert > Mesh.",
            )
        materials = channels.check(self._obj, shown.slots)
        look = yield from self._look(materials, size)
        unwrapped = _unwrapped.get(shape)
        baked = bake_cache.load(_key(shape, look, unwrapped)) if unwrapped else None
        return _Found(size, shape, shown, materials, look, unwrapped, baked, tiles)

    def _seen(self) -> Generator[_Step, object, tuple[str, rest.Shown]]:
        """The digest of the object's shape and what it shows of materials; of what is hidden by a copy that is not."""
        obj, depsgraph = self._obj, self._layer.depsgraph
        if not rest.unseen(obj):
            shape = rest.digest(obj, depsgraph)
            yield _let_draw  # the mesh that modifiers make is read once more
            return shape, rest.shown(obj, depsgraph)
        with stage.stage(self._scene) as place:
            mesh = rest.still_copy(place, obj).data
            return rest.digest(obj, depsgraph, modelled=False) + rest.mesh_digest(mesh), rest.shown_by(obj, mesh)

    def _finish(self, found: _Found) -> _Steps:
        obj, settings, size, shape = self._obj, self.settings, found.size, found.shape
        began, unwrapped, baked = time.monotonic(), found.unwrapped, found.baked
        if baked is None:
            scene_mode = settings.mode is FrameMode.SCENE
            with stage.stage(self._scene, self._layer if scene_mode else None, obj) as place:
                yield _let_draw
                if unwrapped is None:
                    unwrapped = _unwrapped[shape] = yield from _unwrap(place, obj, found.tiles)
                key = _key(shape, found.look, unwrapped)
                baked = bake_cache.load(key)
                if baked is None:
                    self.stage = "Baking"
                    fresh = yield from self._bake(place, unwrapped, size)
                    baked = yield lambda: bake_cache.store(key, fresh)
                    timing.learn(size, time.monotonic() - began)
        masks = (yield from self._masks(unwrapped, size)) if settings.masks else {}
        pose = rest.place_of(obj, self._unit).pose
        surface = Surface({**baked.maps, **masks}, pose=pose, height_scale=baked.height_scale, name=obj.name)
        key = _key(shape, found.look, unwrapped)
        names = tuple(material.name for material in found.materials)
        notes = [note for material in found.materials for note in channels.notes(material)]
        notes += [_FOREIGN.format(foreign, obj.name) for foreign in found.shown.foreign]
        uv_map, second = unwrapped.uv_map, unwrapped.second
        if unwrapped.tiles:
            uv_map, second = uvs.render_uv(obj.data), None
        warnings = (*unwrapped.warnings, *notes)
        return CapturedObject(surface, key, uv_map, second, names, warnings, unwrapped.tiles, found.shown.slots)

    def _bake(
        self, place: stage.Stage, unwrapped: _Unwrapped, size: tuple[int, int]
    ) -> Generator[_Step, object, bake_cache.Baked]:
        subject = self._subject(place, unwrapped, size)
        yield _let_draw
        passes = Passes(subject, worn(self._obj, subject.still))
        yield _let_draw
        maps = yield from passes.maps()
        return bake_cache.Baked(maps, passes.height_scale)

    def _masks(self, unwrapped: _Unwrapped, size: tuple[int, int]) -> Generator[_Step, object, dict[str, Map]]:
        """Masks that lie on the mesh: quickly baked, and not kept, since they are painted between two captures."""
        with stage.stage(self._scene, None, self._obj) as place:
            bare = Passes(self._subject(place, unwrapped, size), [None] * max(len(self._obj.material_slots), 1))
            return (yield from bare.masks(self.settings.masks))

    def _subject(self, place: stage.Stage, unwrapped: _Unwrapped, size: tuple[int, int]) -> Subject:
        still = rest.still_copy(place, self._obj, unwrapped.second)
        own = UVs(unwrapped.uv_map if unwrapped.second is None else "", uvs.render_uv(self._obj.data))
        scene_mode = self.settings.mode is FrameMode.SCENE
        return Subject(place, still, rest.place_of(self._obj, self._unit), unwrapped.uv_map, own, size, scene_mode)

    def _look(
        self, materials: Sequence[bpy.types.Material], size: tuple[int, int]
    ) -> Generator[_Step, object, list[object]]:
        """All that a capture depends on besides shape and UVs, the same in whatever session or file it is."""
        look: list[object] = [VERSION, bpy.app.version, size, self.settings.mode.value, self._unit]
        for material in materials:
            look.append((yield from looks.digest(material)))
        if self.settings.mode is FrameMode.SCENE or any(map(looks.sees_place, materials)):
            look.append([tuple(row) for row in rest.world_of(self._obj)])
        if self.settings.mode is FrameMode.SCENE:
            look.append(neighbours(self._layer))
        return look


def _let_draw() -> None:
    """Between two steps that each keep Blender long: the window draws."""


def _key(shape: str, look: Sequence[object], unwrapped: _Unwrapped) -> str:
    """Names the maps of a capture."""
    second = b"" if unwrapped.second is None else unwrapped.second.tobytes()
    parts = (shape, unwrapped.uv_map, hashlib.blake2b(second, digest_size=16).hexdigest(), look)
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _gone() -> SceneError:
    return SceneError("The object, or something it needs, was deleted while it was captured.", "Weather it again.")


def check(obj: bpy.types.Object) -> None:
    """Raises SceneError or BadFile, with the reason, for an object that cannot be captured."""
    if obj.type != "MESH":
        raise SceneError(f"'{obj.name}' is not a mesh.", "Convert it: Object > Convert > Mesh.")
    if obj.library is not None:
        raise SceneError(
            f"'{obj.name}' is linked from another file.", "Make it local: Object > Relations > Make Local > All."
        )
    if obj.data.library is not None:
        what = f"The mesh of '{obj.name}'"
        if obj.override_library is not None:
            what = f"'{obj.name}' is a library override, and its mesh"
        raise SceneError(
            f"{what} is linked from another file.",
            "Make the mesh local too: Object > Relations > Make Local > Selected Objects and Data.",
        )
    if obj.hide_render:
        raise SceneError(f"'{obj.name}' is hidden from renders.", "Enable its camera icon in the Outliner.")
    if obj.mode == "EDIT":
        obj.update_from_editmode()
    if not obj.data.polygons:
        made = any(modifier.type == "NODES" for modifier in obj.modifiers)
        hint = (
            "Its faces are made by nodes alone: apply them with Object > Convert > Mesh."
            if made
            else "Its mesh is empty."
        )
        raise SceneError(f"'{obj.name}' has no faces.", hint)
    if not obj.data.uv_layers:
        raise SceneError(f"'{obj.name}' has no UV map.", "Unwrap it: in Edit Mode choose UV > Smart UV Project.")
    rest.place_of(obj, 1.0)
    for material in channels.check(obj):
        upstream.check_textures(material)
        joins.check(material)


def worn(obj: bpy.types.Object, still: bpy.types.Object) -> list[bpy.types.Material | None]:
    """The materials of the still copy's slots, in whatever order modifiers have put them; None for those of no slot of `obj`."""
    own = {slot.material for slot in obj.material_slots}
    return [slot.material if slot.material in own else None for slot in still.material_slots]


def _unwrap(place: stage.Stage, obj: bpy.types.Object, tiles: Atlas | None) -> Generator[_Step, object, _Unwrapped]:
    """The artist's UV map where it can carry a texture, or tiles of it; else Sabi's, found on the object or made."""
    own = uvs.render_uv(obj.data)
    if tiles is not None:
        uvs.check_room(obj)
        warnings = (_SHRUNK.format(name=obj.name),) if tiles.shrunk else ()
        return _Unwrapped(uvs.SECOND_UV, tiles.corners, warnings, tiles.tiles)
    still = rest.still_copy(place, obj)
    yield _let_draw
    trouble = yield from _trouble(still, own)
    if not trouble:
        return _Unwrapped(own, None, ())
    warnings: tuple[str, ...] = ()
    if repeating := rest.repeats(obj):
        warnings = (
            f"The modifier {repeating} lays several faces of '{obj.name}' on one place of its texture: they weather alike. "
            "Apply it for faces that differ.",
        )
        trouble = yield from _trouble(rest.base_copy(place, obj), own)
        if not trouble:
            return _Unwrapped(own, None, warnings)
    uvs.check_room(obj)
    warnings = (f"The UVs of '{obj.name}' {trouble}: it gets a second UV map, '{uvs.SECOND_UV}'.", *warnings)
    base = rest.base_copy(place, obj)
    if base.data.uv_layers.get(uvs.SECOND_UV) is not None and not (yield from _trouble(base, uvs.SECOND_UV)):
        return _Unwrapped(uvs.SECOND_UV, uvs.coordinates(base.data, uvs.SECOND_UV), warnings)
    return _Unwrapped(uvs.SECOND_UV, uvs.unwrap(base, obj.name), warnings)


_FOREIGN = "Modifiers give faces of '{1}' the material '{0}', which is in none of its slots: it stays as it is."
_SHRUNK = "The tiles of '{name}' together are more texels than Sabi paints at once: it paints them smaller."


def _trouble(obj: bpy.types.Object, uv_map: str) -> Generator[_Step, object, str]:
    mesh = uvs.loops(obj.data, uv_map)
    return (yield lambda: uvs.inspect(mesh).trouble)


def neighbours(layer: bpy.types.ViewLayer) -> list[object]:
    """What stands around, as far as it tells one arrangement from another."""
    shown = [
        obj for obj in layer.objects if not obj.hide_render and obj.type in ("MESH", "CURVE", "SURFACE", "META", "FONT")
    ]
    return sorted(
        (obj.name, tuple(map(tuple, rest.world_of(obj))), len(getattr(obj.data, "vertices", ()))) for obj in shown
    )


def _window(scene: bpy.types.Scene) -> bpy.types.Window:
    """The window that shows the scene, where Esc is heard; else the first."""
    windows = list(bpy.context.window_manager.windows)
    return next((window for window in windows if window.scene == scene), windows[0])


def forget() -> None:
    """Drops every cached capture."""
    _unwrapped.clear()
    bake_cache.clear()
