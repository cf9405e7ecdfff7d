# SPDX-License-Identifier: GPL-3.0-or-later
"""A weathered object follows the recipe while it is changed: small images first, whole ones when the recipe rests.

Only the images that its node groups show are exchanged. Where a preview ends before the whole images are there, by Cancel, an
error or other work, what the object had shown comes back. A module of a kit takes all that show the same tile with it.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

import bpy

from ..backend.protocol.errors import Cancelled, SabiError, SceneError
from ..backend.protocol.merging import merged_count
from ..backend.protocol.recipe import Recipe
from . import work
from .kit_preview import KitPreview
from .nodes import freshness, material, on_object
from .nodes.exchange import (
    Made,
    Shown,
    can_follow,
    can_show,
    exchange,
    marks,
    painted,
    painting,
    put_back,
    remove,
    small_images,
    take_over,
    together,
    trees,
)
from .pixels import strokes
from .pixels.kept import Kept
from .progress import Progress
from .recipe import masks
from .recipe.conversion import recipe_for
from .surface.capture import Capture, CapturedObject
from .surface.preview_capture import PreviewCapture
from .weathering import Target, capture_settings, capturing, image_names, load, loaded, looked, paint

T = TypeVar("T")
REST = 0.4  # seconds without a change until the whole images are painted


def begin(scene: int, session_uid: int, following: bool = False) -> work.Work | None:
    """Has an object take over the recipe of a scene, by work that gives way where that is to be painted and none is `following`.

    None where there is nothing to paint, or where it cannot follow: its layers are others, or its material is not its alone.
    """
    obj = next((obj for obj in bpy.data.objects if obj.session_uid == session_uid), None)
    if obj is None:
        return None
    try:
        recipe = _recipe(scene, obj)
        if settle(obj, recipe) or following or not can_follow(Shown.of(obj), recipe):
            return None
        if on_object.OVERLAY in obj or not can_show(obj, recipe) or any(map(strokes.painted_on, painted(obj))):
            return None  # Weather captures what is missing, and carries strokes on
    except SabiError:
        return None  # a style's code is half written, all layers are hidden, ...: Weather tells
    if any(material.is_shared(made, one) for one in together(obj) for made in on_object.materials(one)):
        return None
    return work.start("Preview", follow(Target.of(obj), scene), gives_way=True)


def settle(obj: bpy.types.Object, recipe: Recipe) -> bool:
    """Takes over what only nodes do, such as ages. Returns False, with nothing done, where painting is needed for the recipe."""
    shown = Shown.of(obj)
    if not can_follow(shown, recipe) or painting(shown.recipe) != painting(recipe) or not can_show(obj, recipe):
        return False
    for one in together(obj):
        take_over(one, replace(recipe, networks=shown.recipe.networks))
    return True


def follow(target: Target, scene: int) -> work.Steps:
    """Steps that have the object show the recipe of a scene, known by its session's number, as it is and as it becomes.

    They end when it shows whole images of it, or small ones where those would have to be baked for. Raises Cancelled where the
    layers are no longer the object's.
    """
    before = Shown.of(target.find())
    folder = Path(tempfile.mkdtemp(prefix="sabi-"))
    one: _Preview = KitPreview(target) if before is not None and before.exposures else _ObjectPreview(target)
    captured, ended, round_ = False, False, 0

    def wanted() -> Recipe:
        return _recipe(scene, target.find())

    try:
        while True:
            recipe, round_ = wanted(), round_ + 1
            if not can_follow(before, recipe) or not can_show(target.find(), recipe):
                raise Cancelled
            try:
                if painting(recipe) != painting(before.recipe):
                    if not captured:
                        yield from one.capture(_scene(scene), recipe)
                        captured = True
                    made = yield from _while_wanted(one.small(recipe, folder / f"{round_}"), recipe, wanted)
                    exchange(target.find(), made, before)
                    yield from _while_wanted(_rest(), recipe, wanted)
                    if one.whole:
                        yield from _whole(
                            one, target, recipe, _scene(scene), wanted, folder / f"{round_} whole", before
                        )
                elif Shown.of(target.find()) != before:
                    put_back(target.find(), before)
                settle(target.find(), wanted())
            except _ChangedError:
                continue
            ended = True
            remove(before.blocks)
            work.undo_step("Weather")
            whole = one.whole or painting(recipe) == painting(before.recipe)
            return work.Outcome(f"Weathered {target.name}" if whole else "Shown small: press Weather for whole images")
    finally:
        if not ended and before is not None:
            put_back(_find(target), before)
        shutil.rmtree(folder, ignore_errors=True)


class _Preview(Protocol):
    """How a kind of object is previewed. `whole`, once captured, tells whether whole images need no bake."""

    whole: bool

    def capture(self, scene: bpy.types.Scene, recipe: Recipe) -> Generator[Progress, None, None]: ...

    def small(self, recipe: Recipe, folder: Path) -> Generator[Progress, None, Made]: ...

    def capture_whole(self, scene: bpy.types.Scene, recipe: Recipe) -> Generator[Progress, None, None]: ...

    def paint_whole(self, recipe: Recipe, folder: Path, kept: Kept) -> Generator[Progress, None, Made]: ...

    def note(self) -> None:
        """What the objects were when the whole was captured, for telling later what has changed."""


def _whole(
    one: _Preview,
    target: Target,
    recipe: Recipe,
    scene: bpy.types.Scene,
    wanted: Callable[[], Recipe],
    folder: Path,
    before: Shown,
) -> Generator[Progress, None, None]:
    """The images as Weather makes them, in place of the small ones."""
    with work.holding():
        yield from one.capture_whole(scene, recipe)
    kept = Kept()
    try:
        made = yield from _while_wanted(one.paint_whole(recipe, folder, kept), recipe, wanted)
        exchange(target.find(), made, before)
        one.note()
        kept.stays()
    finally:
        kept.discard()
    remove(before.blocks)
    made.rename()  # free now


class _ObjectPreview:
    """An object with images of its own."""

    whole = True

    def __init__(self, target: Target) -> None:
        self._target = target
        self._small: CapturedObject | None = None
        self._large: CapturedObject | None = None
        self._state: Mapping[str, str] = {}

    def capture(self, scene: bpy.types.Scene, recipe: Recipe) -> Generator[Progress, None, None]:
        target = self._target
        capture = PreviewCapture(bpy.context, target.find(), capture_settings(scene, recipe))
        self._small = yield from capturing(capture)
        self.whole = capture.whole
        nodes = [node for tree in trees(target.find()) for node in on_object.every_node(tree)]
        if {node.uv_map for node in nodes if node.bl_idname == "ShaderNodeUVMap"} != {self._small.uv_map}:
            raise SceneError(f"The UV map that '{target.name}' is rendered with is another now.", "Weather it again.")

    def small(self, recipe: Recipe, folder: Path) -> Generator[Progress, None, Made]:
        many = merged_count(recipe.shown) > 0
        live = recipe if many else masks.without(recipe, ["IMAGE"])  # their nodes are live, but those of merged layers
        found = (yield from paint(self._target, self._small, live, folder)).painted
        shown = small_images(self._target.name, found.layers, many)
        return Made(replace(recipe, networks=found.recipe.networks), shown)

    def capture_whole(self, scene: bpy.types.Scene, recipe: Recipe) -> Generator[Progress, None, None]:
        capture = Capture(bpy.context, self._target.find(), capture_settings(scene, recipe))
        self._state = yield from looked(self._target)
        self._large = yield from capturing(capture)

    def paint_whole(self, recipe: Recipe, folder: Path, kept: Kept) -> Generator[Progress, None, Made]:
        ready = yield from paint(self._target, self._large, recipe, folder)
        yield from load(ready, kept)
        made = [loaded(uid, self._target.name) for uid in kept.blocks]
        names = {image.name: name for image, name in zip(made, image_names(ready), strict=False)}
        return Made(ready.painted.recipe, dict(zip(marks(ready.painted.layers), made, strict=True)), names=names)

    def note(self) -> None:
        freshness.keep(self._target.find(), dict(self._state))


class _ChangedError(Exception):
    """The scene's recipe is no longer the one that is painted."""


def _while_wanted(
    steps: Generator[Progress, None, T], recipe: Recipe, wanted: Callable[[], Recipe]
) -> Generator[Progress, None, T]:
    """Steps for a recipe that are closed when another is wanted; then raises _ChangedError."""
    try:
        while True:
            if painting(wanted()) != painting(recipe):
                raise _ChangedError
            try:
                progress = next(steps)
            except StopIteration as stop:
                return stop.value
            yield progress
    finally:
        steps.close()


def _rest() -> Generator[Progress, None, None]:
    until = time.monotonic() + REST
    while time.monotonic() < until:
        yield Progress("Previewed", 1.0)


def _recipe(scene: int, obj: bpy.types.Object) -> Recipe:
    return recipe_for(_scene(scene).sabi, obj)


def _scene(session_uid: int) -> bpy.types.Scene:
    for scene in bpy.data.scenes:
        if scene.session_uid == session_uid:
            return scene
    raise SceneError("The scene was deleted.", "Its recipe is gone with it.")


def _find(target: Target) -> bpy.types.Object | None:
    return next((obj for obj in bpy.data.objects if obj.session_uid == target.session_uid), None)
