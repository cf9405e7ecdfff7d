# SPDX-License-Identifier: GPL-3.0-or-later
"""A module of a kit follows the recipe, and all that show the same tile with it: small at first, with its own exposure alone."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import bpy

from ..backend.protocol.errors import BackendError, Cancelled, SabiError, SceneError
from ..backend.protocol.recipe import Recipe
from ..backend.protocol.surface import ColorSpace
from . import kits, work
from .nodes import exchange, freshness, material, on_object
from .pixels import images
from .pixels.kept import Kept
from .progress import Progress
from .recipe import masks
from .recipe.effects import in_words
from .surface.capture import CapturedObject
from .surface.capture_settings import CaptureSettings
from .surface.kit_capture import ShapeCapture, TileCapture, TilePreviewCapture
from .surface.tile import Laid
from .weathering import Target, capture_settings, capturing, load, loaded, looked, paint


class KitPreview:
    """A tile and its modules, known by one of them. `whole`, once captured, tells whether the tile itself needs no bake."""

    whole = True

    def __init__(self, target: Target) -> None:
        self._target = target
        self._tile = Target(0, "")  # the material
        self._laid: Laid | None = None
        self._small: CapturedObject | None = None
        self._large: CapturedObject | None = None
        self._shapes: dict[int, CapturedObject] = {}  # by their objects' numbers
        self._states: dict[int, Mapping[str, str]] = {}

    def capture(self, scene: bpy.types.Scene, recipe: Recipe) -> Generator[Progress, None, None]:
        """The tile, small, and the shape of the module that was chosen. Raises SceneError where it shows another tile by now."""
        made = self._material()
        self._tile = Target(made.session_uid, made.name)
        self._laid = yield from kits.lying(self._wearers(), self._tile.session_uid, recipe.frame)
        settings = _settings(scene, recipe)
        capture = TilePreviewCapture(bpy.context, self._target.find(), self._material(), self._laid, settings)
        self._small = yield from capturing(capture)
        self.whole = capture.whole
        with work.holding():
            yield from self._shape(self._target, settings)
        for tree in exchange.trees(self._target.find()):
            shown = {node.uv_map for node in on_object.every_node(tree) if node.bl_idname == "ShaderNodeUVMap"}
            if shown != {self._small.uv_map, self._shapes[self._target.session_uid].uv_map}:
                raise SceneError(
                    f"The UV map that '{self._target.name}' is rendered with is another now.", "Weather it again."
                )

    def small(self, recipe: Recipe, folder: Path) -> Generator[Progress, None, exchange.Made]:
        live = masks.without(kits.of_tile(recipe, self._small.surface), ["IMAGE"])  # their nodes are live
        found = (yield from paint(self._tile, self._small, live, folder)).painted
        paths = yield from kits.exposed(self._shapes[self._target.session_uid].surface, recipe, folder)
        shown = exchange.small_images(self._tile.name, found.layers)
        own = [exchange.small_image(f"{self._target.name} preview exposure", path, True) for path in paths]
        return exchange.Made(replace(recipe, networks=found.recipe.networks), shown, {self._target.session_uid: own})

    def capture_whole(self, scene: bpy.types.Scene, recipe: Recipe) -> Generator[Progress, None, None]:
        """The tile at its own size, and every module's shape; one that cannot be captured any more keeps its exposure."""
        settings = _settings(scene, recipe)
        capture = TileCapture(bpy.context, self._target.find(), self._material(), self._laid, settings)
        self._large = yield from capturing(capture)
        for wearer in self._wearers():
            try:
                self._states[wearer.session_uid] = yield from looked(wearer)
                yield from self._shape(wearer, settings)
            except (BackendError, Cancelled):
                raise
            except SabiError:
                self._states.pop(wearer.session_uid, None)

    def paint_whole(self, recipe: Recipe, folder: Path, kept: Kept) -> Generator[Progress, None, exchange.Made]:
        own = kits.of_tile(recipe, self._large.surface)
        ready = yield from paint(self._tile, self._large, own, folder)
        yield from load(ready, kept)
        marks = exchange.marks(ready.painted.layers)
        made = dict(zip(marks, (loaded(uid, self._tile.name) for uid in kept.blocks), strict=True))
        effects = [in_words(layer.effect.value) for layer in recipe.shown.layers]
        names = {made[mark].name: f"{self._tile.name} {_named(mark, effects)}" for mark in marks}
        exposures: dict[int, list[int]] = {}
        for wearer in self._wearers():
            if wearer.session_uid not in self._states:
                continue
            beside = folder / f"{wearer.session_uid}"
            beside.mkdir()
            for path in (yield from kits.exposed(self._shapes[wearer.session_uid].surface, recipe, beside)):
                image = images.open_file(path, f"{wearer.name} exposure", ColorSpace.DATA)
                kept.image(image)
                images.read_texels(image)
                exposures.setdefault(wearer.session_uid, []).append(image.session_uid)
                names[image.name] = f"{wearer.name} exposure"
        found = {uid: [loaded(block, self._tile.name) for block in blocks] for uid, blocks in exposures.items()}
        shown = {mark: loaded(uid, self._tile.name) for mark, uid in zip(marks, kept.blocks, strict=False)}
        return exchange.Made(replace(recipe, networks=ready.painted.recipe.networks), shown, found, names)

    def note(self) -> None:
        for uid, state in self._states.items():
            with suppress(SceneError):
                freshness.keep(Target(uid, "").find(), dict(state))

    def _shape(self, wearer: Target, settings: CaptureSettings) -> Generator[Progress, None, None]:
        if wearer.session_uid not in self._shapes:
            capture = ShapeCapture(bpy.context, wearer.find(), settings)
            self._shapes[wearer.session_uid] = yield from capturing(capture)

    def _wearers(self) -> list[Target]:
        return [Target.of(obj) for obj in exchange.together(self._target.find())]

    def _material(self) -> bpy.types.Material:
        """The tile's. Raises SceneError where the module wears several, or none any more."""
        obj = self._target.find()
        worn = [made for made in on_object.materials(obj) if on_object.whole(on_object.group_node(made))]
        found = {material.original_of(made) for made in worn}
        if len(found) != 1:
            raise SceneError(f"'{obj.name}' shows other tiles by now.", "Weather it again.")
        return found.pop()


def _settings(scene: bpy.types.Scene, recipe: Recipe) -> CaptureSettings:
    return capture_settings(scene, recipe)._replace(masks=())  # they stay as they are


def _named(mark: str, effects: list[str]) -> str:
    """`1 Rust thin` for `1 thin`."""
    number, channel = mark.split()
    return f"{number} {effects[int(number) - 1]} {channel}"
