# SPDX-License-Identifier: GPL-3.0-or-later
"""A place to bake on that leaves the scene as it was.

The stage is a view layer and a collection of Sabi's own in the artist's scene (the scene itself, because Esc stops a bake only
while it belongs to the scene that the window shows). What is baked is a copy linked there alone: the artist's selection, active
object, visibility, modes, materials and nodes are never touched, so that there is nothing about them to restore.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import bpy
from bpy.app.handlers import persistent

from ...backend.protocol.errors import SceneError

TEMPORARY = "sabi_temporary"  # on a scene that is gone when what it is for ends
BEFORE = "sabi_before"  # on the stage's collection: the scene's settings before it
STAGE = ".sabi stage"  # names of everything temporary begin with a dot, which hides it from most lists

# Scene settings of Cycles that a bake of data must not inherit.
CYCLES = {
    "device": "CPU",  # no kernels to compile for bakes of a second, and the same texels on every machine
    "use_adaptive_sampling": False,
    "use_denoising": False,
    "sample_clamp_direct": 0.0,
    "sample_clamp_indirect": 0.0,
    "time_limit": 0.0,
    "seed": 0,
    "use_animated_seed": False,
    "texture_limit_render": "OFF",
    "use_layer_samples": "IGNORE",
    "samples": 1,
}


class Saved:
    """Settings changed for a while: `set` remembers what was there, `restore` puts it back, last change first.

    Owners are known by their data-block and the path in it, and looked up again: another file may have taken their place.
    """

    def __init__(self) -> None:
        self._before: list[tuple[bpy.types.bpy_struct, str, str, object]] = []

    def set(self, owner: bpy.types.bpy_struct, name: str, value: object) -> None:
        if hasattr(owner, name):
            self.keep(owner, name)
            setattr(owner, name, value)

    def keep(self, owner: bpy.types.bpy_struct, name: str) -> None:
        """Remembers what will be changed by other means."""
        block = owner.id_data
        at_top = block is None or block == owner
        self._before.append((block or owner, "" if at_top else owner.path_from_id(), name, getattr(owner, name)))

    def restore(self) -> None:
        while self._before:
            block, path, name, value = self._before.pop()
            with suppress(ReferenceError, ValueError, TypeError):  # gone: deleted, renamed, or another file was opened
                setattr(block.path_resolve(path) if path else block, name, value)

    def of(self, block: bpy.types.ID) -> str:
        """What is remembered of one data-block, as JSON, for `sweep`."""
        return json.dumps([[path, name, value] for owner, path, name, value in self._before if owner == block])


class Stage:
    """Where bakes happen: made by `stage`, gone when it ends."""

    def __init__(self, scene: bpy.types.Scene, layer: bpy.types.ViewLayer, collection: bpy.types.Collection) -> None:
        self.scene, self.layer, self.collection = scene, layer, collection

    def add(self, obj: bpy.types.Object) -> None:
        """Puts a copy on the stage in place of those before, which stand where it does and would occlude it."""
        for other in self.collection.objects:
            other.hide_render = True
        self.collection.objects.link(obj)

    def evaluated(self, obj: bpy.types.Object) -> bpy.types.Object:
        """An object of the stage as its modifiers leave it."""
        self.layer.update()
        return obj.evaluated_get(self.layer.depsgraph)


@contextmanager
def stage(
    scene: bpy.types.Scene, neighbours: bpy.types.ViewLayer | None = None, hidden: bpy.types.Object | None = None
) -> Iterator[Stage]:
    """A stage in `scene`; every setting, view layer, object, material, image and group made for it is gone afterwards.

    With `neighbours` the objects of that view layer are on the stage too, but `hidden`. Raises SceneError when Cycles, which
    bakes, is switched off.
    """
    saved = Saved()
    before = survey()
    _live.append(scene)
    try:
        try:
            saved.set(scene.render, "engine", "CYCLES")
        except TypeError:
            raise SceneError(
                "Cycles is switched off, and only Cycles can bake.",
                "Enable Cycles Render Engine in Preferences > Add-ons.",
            ) from None
        for name, value in CYCLES.items():
            saved.set(scene.cycles, name, value)
        saved.set(scene.render.bake, "view_from", "ABOVE_SURFACE")
        saved.set(scene.render, "use_lock_interface", False)
        collection = bpy.data.collections.new(STAGE)
        collection[BEFORE] = saved.of(scene)
        scene.collection.children.link(collection)
        for layer in scene.view_layers:
            layer.layer_collection.children[collection.name].exclude = True
        layer = scene.view_layers.new(STAGE)
        for child in layer.layer_collection.children:
            if child.collection != collection:
                show_like(child, neighbours and neighbours.layer_collection.children.get(child.name))
        if neighbours is not None and hidden is not None:
            saved.set(hidden, "hide_render", True)
        yield Stage(scene, layer, collection)
    finally:
        with suppress(ValueError):
            _live.remove(scene)
        if _alive(scene):
            wait_until_writable(scene)
            _remove_layers(scene)
            remove_temporary(before)
        saved.restore()


_live: list[bpy.types.Scene] = []


def wait_until_writable(scene: bpy.types.Scene, seconds: float = 2.0) -> None:
    """Waits while Blender forbids changes: it does so everywhere for moments, while a preview's engine starts in a thread."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            scene.render.stamp_note_text = scene.render.stamp_note_text
        except AttributeError:
            time.sleep(0.002)  # lets the other thread go on
        else:
            return


def temporary_scene(name: str) -> bpy.types.Scene:
    """A new scene; one that is saved meanwhile is taken away when the file is opened."""
    scene = bpy.data.scenes.new(name)
    scene[TEMPORARY] = True
    _live.append(scene)
    return scene


def remove_scene(scene: bpy.types.Scene) -> None:
    """Takes away what `temporary_scene` made, which may have been undone meanwhile."""
    _live[:] = [block for block in _live if block is not scene]
    if _alive(scene):
        bpy.data.scenes.remove(scene)


@persistent
def sweep(*_: object) -> None:
    """Takes away a stage or a scene that was saved in mid-work, or that undo has brought back, and puts settings right."""
    if any(map(_alive, _live)):
        return
    for scene in [scene for scene in bpy.data.scenes if TEMPORARY in scene]:
        if len(bpy.data.scenes) > 1:
            bpy.data.scenes.remove(scene)
    for scene in bpy.data.scenes:
        for collection in [child for child in scene.collection.children if BEFORE in child]:
            for path, name, value in json.loads(collection[BEFORE]):
                with suppress(ValueError, TypeError, AttributeError):
                    setattr(scene.path_resolve(path) if path else scene, name, value)
            _remove_layers(scene)
            remove_temporary({kind: set() for kind in KINDS})


def _occasions() -> tuple[list, ...]:
    return bpy.app.handlers.load_post, bpy.app.handlers.undo_post, bpy.app.handlers.redo_post


def register() -> None:
    for handlers in _occasions():
        handlers.append(sweep)


def unregister() -> None:
    for handlers in _occasions():
        handlers.remove(sweep)


def show_like(child: bpy.types.LayerCollection, like: bpy.types.LayerCollection | None) -> None:
    """Shows of a collection what another view layer shows of it; nothing when that has none."""
    child.exclude = like is None or like.exclude
    if not child.exclude:
        child.holdout, child.indirect_only = like.holdout, like.indirect_only
        for inner in child.children:
            show_like(inner, like.children.get(inner.name))


def _alive(block: bpy.types.bpy_struct) -> bool:
    """Whether a block is still there; loading another file or undoing takes them all away."""
    try:
        return bool(block.name)
    except ReferenceError:
        return False


KINDS = ("objects", "meshes", "materials", "node_groups", "images", "collections")


def survey() -> dict[str, set[int]]:
    """What data-blocks there are, for `remove_temporary` later."""
    return {kind: {block.session_uid for block in getattr(bpy.data, kind)} for kind in KINDS}


def _remove_layers(scene: bpy.types.Scene) -> None:
    for layer in [layer for layer in scene.view_layers if layer.name.startswith(STAGE)]:
        scene.view_layers.remove(layer)


def remove_temporary(before: dict[str, set[int]]) -> None:
    """Removes what has come since and bears Sabi's mark; what the artist made meanwhile does not."""
    mine = []
    for kind in KINDS:
        for block in getattr(bpy.data, kind):
            if block.session_uid not in before[kind] and (block.name.startswith(".sabi") or "sabi_temporary" in block):
                mine.append(block)
    bpy.data.batch_remove(mine)


def mark(block: bpy.types.ID) -> bpy.types.ID:
    """Marks a copied data-block as temporary: the stage takes it away when it ends."""
    block["sabi_temporary"] = True
    return block
