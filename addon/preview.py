# SPDX-License-Identifier: GPL-3.0-or-later
"""A weathered object follows the recipe while it is changed: small images first, whole ones when the recipe rests.

Only the images that its node groups show are exchanged: nodes, animation and materials stay as they are. Where a preview ends
before the whole images are there, by Cancel, an error or other work, what the object had shown comes back.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import bpy

from ..backend.protocol.errors import Cancelled, SabiError, SceneError
from ..backend.protocol.opacity import EVEN, OPAQUE
from ..backend.protocol.painted import CHANNELS, IS_DATA
from ..backend.protocol.recipe import Layer, Recipe
from ..backend.protocol.surface import ColorSpace
from . import freshness, images, mask_wiring, masks, material, on_object, strokes, units, work
from .capture import Capture, CapturedObject
from .kept import Kept
from .preview_capture import PreviewCapture
from .progress import Progress
from .properties import recipe_of
from .weathering import Target, capture_settings, capturing, image_names, load, loaded, looked, paint

T = TypeVar("T")
REST = 0.4  # seconds without a change until the whole images are painted


@dataclass(frozen=True)
class Shown:
    """What an object shows: the recipe, and its images by `1 thin` and so on, known by their session's number."""

    recipe: Recipe
    images: Mapping[str, int]

    @staticmethod
    def of(obj: bpy.types.Object) -> Shown | None:
        """None where that cannot be told: it is not weathered, or by an older Sabi, or in tiles, or as a module of a kit."""
        applied = on_object.weathered(obj)
        if applied is None:
            return None
        found: dict[str, int] = {}
        for tree in _trees(obj):
            nodes = on_object.painted_nodes(tree)
            if any(on_object.MODULE in node for node in tree.nodes):
                return None
            one = all(node.image is not None and node.image.source != "TILED" for node in nodes.values())
            if not one or len(nodes) != len(CHANNELS) * len(applied.layers):
                return None
            found |= {mark: node.image.session_uid for mark, node in nodes.items()}
        try:
            return Shown(Recipe.from_json(applied.recipe_json), found)
        except SabiError:
            return None


def can_follow(shown: Shown | None, recipe: Recipe) -> bool:
    """Whether the object's layers are those of the recipe: the same effects, in the same order."""

    def effects(of: Recipe) -> list[object]:
        return [layer.effect for layer in of.shown.layers]

    return shown is not None and effects(shown.recipe) == effects(recipe)


def begin(scene: int, session_uid: int, following: bool = False) -> work.Work | None:
    """Has an object take over the recipe of a scene, by work that gives way where that is to be painted and none is `following`.

    None where there is nothing to paint, or where it cannot follow: its layers are others, or its material is not its alone.
    """
    obj = next((obj for obj in bpy.data.objects if obj.session_uid == session_uid), None)
    if obj is None:
        return None
    try:
        recipe = _recipe(scene)
        if settle(obj, recipe) or following or not can_follow(Shown.of(obj), recipe):
            return None
        if (
            on_object.OVERLAY in obj
            or not mask_wiring.can_show(obj, recipe)
            or any(map(strokes.painted_on, _painted(obj)))
        ):
            return None  # Weather captures what is missing, and carries strokes on
    except SabiError:
        return None  # a style's code is half written, all layers are hidden, ...: Weather tells
    if any(material.is_shared(made, obj) for made in on_object.materials(obj)):
        return None
    return work.start("Preview", follow(Target.of(obj), scene), gives_way=True)


def settle(obj: bpy.types.Object, recipe: Recipe) -> bool:
    """Takes over what only nodes do, such as ages. Returns False, with nothing done, where painting is needed for the recipe."""
    shown = Shown.of(obj)
    if not can_follow(shown, recipe) or _painting(shown.recipe) != _painting(recipe):
        return False
    if not mask_wiring.can_show(obj, recipe):
        return False
    _take_over(obj, replace(recipe, networks=shown.recipe.networks))
    return True


def follow(target: Target, scene: int) -> work.Steps:
    """Steps that have the object show the recipe of a scene, known by its session's number, as it is and as it becomes.

    They end when it shows whole images of it, or small ones where those would have to be baked for. Raises Cancelled where the
    layers are no longer the object's.
    """
    before = Shown.of(target.find())
    folder = Path(tempfile.mkdtemp(prefix="sabi-"))
    captured: CapturedObject | None = None
    whole, ended, round_ = True, False, 0
    try:
        while True:
            recipe, round_ = _recipe(scene), round_ + 1
            if not can_follow(before, recipe) or not mask_wiring.can_show(target.find(), recipe):
                raise Cancelled
            try:
                if _painting(recipe) != _painting(before.recipe):
                    if captured is None:
                        captured, whole = yield from _captured(target, scene, recipe)
                    small = masks.without(recipe, ["IMAGE"])  # their nodes are live
                    steps = paint(target, captured, small, folder / f"{round_}")
                    painted = (yield from _while_wanted(steps, recipe, scene)).painted
                    made = _small_images(target.name, painted.layers)
                    _exchange(target.find(), made, replace(recipe, networks=painted.recipe.networks), before)
                    yield from _while_wanted(_rest(), recipe, scene)
                    if whole:
                        yield from _whole(target, recipe, scene, folder / f"{round_} whole", before)
                elif Shown.of(target.find()) != before:
                    _put_back(target.find(), before)
                settle(target.find(), _recipe(scene))
            except _ChangedError:
                continue
            ended = True
            _remove(before.images.values())
            work.undo_step("Weather")
            return work.Outcome(f"Weathered {target.name}" if whole else "Shown small: press Weather for whole images")
    finally:
        if not ended and before is not None:
            _put_back(_find(target), before)
        shutil.rmtree(folder, ignore_errors=True)


class _ChangedError(Exception):
    """The scene's recipe is no longer the one that is painted."""


def _while_wanted(steps: Generator[Progress, None, T], recipe: Recipe, scene: int) -> Generator[Progress, None, T]:
    """Steps for a recipe that are closed when another is wanted; then raises _ChangedError."""
    try:
        while True:
            if _painting(_recipe(scene)) != _painting(recipe):
                raise _ChangedError
            try:
                progress = next(steps)
            except StopIteration as stop:
                return stop.value
            yield progress
    finally:
        steps.close()


def _captured(target: Target, scene: int, recipe: Recipe) -> Generator[Progress, None, tuple[CapturedObject, bool]]:
    capture = PreviewCapture(bpy.context, target.find(), capture_settings(_scene(scene), recipe))
    captured = yield from capturing(capture)
    maps = {node.uv_map for tree in _trees(target.find()) for node in tree.nodes if node.bl_idname == "ShaderNodeUVMap"}
    if maps != {captured.uv_map}:
        raise SceneError(f"The UV map that '{target.name}' is rendered with is another now.", "Weather it again.")
    return captured, capture.whole


def _rest() -> Generator[Progress, None, None]:
    until = time.monotonic() + REST
    while time.monotonic() < until:
        yield Progress("Previewed", 1.0)


def _whole(target: Target, recipe: Recipe, scene: int, folder: Path, before: Shown) -> Generator[Progress, None, None]:
    """The images as Weather makes them, in place of the small ones."""
    with work.holding():
        capture = Capture(bpy.context, target.find(), capture_settings(_scene(scene), recipe))
        state = yield from looked(target)
        captured = yield from capturing(capture)
    kept = Kept()
    try:
        ready = yield from _while_wanted(paint(target, captured, recipe, folder), recipe, scene)
        yield from _while_wanted(load(ready, kept), recipe, scene)
        made = dict(zip(_marks(ready.painted.layers), (loaded(uid, target.name) for uid in kept.blocks), strict=True))
        _exchange(target.find(), made, ready.painted.recipe, before)
        freshness.keep(target.find(), state)
        kept.stays()
    finally:
        kept.discard()
    _remove(before.images.values())
    for image, name in zip(made.values(), image_names(ready), strict=False):
        image.name = name  # free now


def _small_images(name: str, layers: tuple[dict[str, Path], ...]) -> dict[str, bpy.types.Image]:
    """Loaded and packed at once: they are small."""
    made: dict[str, bpy.types.Image] = {}
    try:
        for mark, (channel, path) in zip(_marks(layers), ((c, f[c]) for f in layers for c in CHANNELS), strict=True):
            space = ColorSpace.DATA if IS_DATA[channel] else ColorSpace.SRGB
            image = made[mark] = images.load_png(path, f"{name} preview {mark}", space)
            image[material.IMAGE] = True
            images.pack(image)
    except BaseException:
        _remove([image.session_uid for image in made.values()])
        raise
    return made


def _marks(layers: tuple[dict[str, Path], ...]) -> list[str]:
    return [f"{number} {name}" for number in range(1, len(layers) + 1) for name in CHANNELS]


def _exchange(obj: bpy.types.Object, made: Mapping[str, bpy.types.Image], recipe: Recipe, keep: Shown) -> None:
    """Has the object show these images; those they replace go, but for what it showed at first."""
    replaced: list[int] = []
    for tree in _trees(obj):
        nodes = on_object.painted_nodes(tree)
        if set(nodes) != set(made):
            raise SceneError(f"The layers of '{obj.name}' were changed meanwhile.", "Weather it again.")
        for mark, node in nodes.items():
            if node.image is not None and node.image != made[mark]:
                replaced.append(node.image.session_uid)
            node.image = made[mark]
    _take_over(obj, recipe)
    _remove(set(replaced) - set(keep.images.values()))


def _put_back(obj: bpy.types.Object | None, before: Shown) -> None:
    """Whatever of it is still there."""
    there = {image.session_uid: image for image in bpy.data.images}
    found = {mark: there[uid] for mark, uid in before.images.items() if uid in there}
    if obj is not None and found.keys() == before.images.keys() and Shown.of(obj) not in (None, before):
        _exchange(obj, found, before.recipe, before)


def _take_over(obj: bpy.types.Object, recipe: Recipe) -> None:
    """Notes the recipe on the object's groups; live sockets follow where the recipe's values have changed."""
    applied = on_object.weathered(obj)
    shown = Recipe.from_json(applied.recipe_json)
    if _wiring(shown) != _wiring(recipe):
        mask_wiring.show(obj, recipe)
    unit = units.of_object(obj)
    for old, new, sockets in zip(shown.shown.layers, recipe.shown.layers, applied.layers, strict=True):
        before = on_object.live_values(old, unit)
        for name, value in on_object.live_values(new, unit).items():
            if value != before[name] and name in sockets:
                sockets[name].default_value = value
    for tree in _trees(obj):
        tree[on_object.RECIPE] = recipe.to_json(indent=None)


def _painting(recipe: Recipe) -> tuple[object, ...]:
    """All that painted images hang on."""

    def still(layer: Layer) -> Layer:
        return replace(layer, age=0.5, opacity=1.0, relief=0.0, channels=OPAQUE, curve=EVEN).with_masks(())

    return recipe.frame, tuple(map(still, recipe.shown.layers))


def _wiring(recipe: Recipe) -> list[tuple[object, ...]]:
    """What of a recipe is nodes inside the groups."""
    return [(layer.stack, layer.curve) for layer in recipe.shown.layers]


def _painted(obj: bpy.types.Object) -> list[bpy.types.Image]:
    return [node.image for tree in _trees(obj) for node in on_object.painted_nodes(tree).values() if node.image]


def _recipe(scene: int) -> Recipe:
    return recipe_of(_scene(scene).sabi)


def _scene(session_uid: int) -> bpy.types.Scene:
    for scene in bpy.data.scenes:
        if scene.session_uid == session_uid:
            return scene
    raise SceneError("The scene was deleted.", "Its recipe is gone with it.")


def _find(target: Target) -> bpy.types.Object | None:
    return next((obj for obj in bpy.data.objects if obj.session_uid == target.session_uid), None)


def _trees(obj: bpy.types.Object) -> Iterator[bpy.types.NodeTree]:
    nodes = (on_object.group_node(made) for made in on_object.materials(obj))
    yield from dict.fromkeys(node.node_tree for node in nodes if on_object.whole(node))


def _remove(session_uids) -> None:  # type: ignore[no-untyped-def]
    """Images that nothing uses any more."""
    gone = set(session_uids)
    bpy.data.batch_remove(
        [
            image
            for image in bpy.data.images
            if image.session_uid in gone and image.users == 0 and material.IMAGE in image
        ]
    )
