# SPDX-License-Identifier: GPL-3.0-or-later
"""From objects to weathered objects: capture, the backend, then all of them wired at once, as steps of one piece of work.

Nothing in the file changes before the last step. Between steps the artist may delete, rename or edit anything, so objects
are known by their session's number and looked up again.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypeVar

import bpy

from ..backend.protocol.errors import BackendError, Cancelled, SabiError, SceneError
from ..backend.protocol.map_files import MapExport
from ..backend.protocol.merging import MERGED_IS_DATA, merged_count, uneven, wired
from ..backend.protocol.painted import CHANNELS, IS_DATA
from ..backend.protocol.recipe import Recipe
from ..backend.protocol.surface import ColorSpace, Map
from ..backend.protocol.tiles import Tile
from . import units, work
from .jobs import PaintedFiles, PaintJob
from .nodes import freshness, mask_wiring, material, on_object
from .nodes.groups import Groups
from .nodes.instances import Variation, vary
from .nodes.layer_nodes import PaintedImages
from .pixels import images, reading, strokes
from .pixels.encode_job import EncodeJob, Piece
from .pixels.kept import Kept
from .preferences import service, service_settings
from .progress import Progress
from .recipe import masks, merged
from .recipe.conversion import own_seed
from .recipe.effects import in_words
from .surface import digests, timing
from .surface.capture import Capture, CapturedObject, CaptureSettings, output_size
from .surface.channels import used_images

T = TypeVar("T")
_painting = timing.Rate(12.0)  # seconds for a million texels of one layer; two cores
MANY_FACES = 100_000
_MASKS = "masks {}"
CAPTURE_SHARE = 0.4  # of the time an object takes, as the progress bar has it


@dataclass(frozen=True)
class Target:
    """An object that may be renamed or deleted while work goes on, and which of its materials are meant ("" for all)."""

    session_uid: int
    name: str
    materials: str = ""

    @staticmethod
    def of(obj: bpy.types.Object, materials: str = "") -> Target:
        return Target(obj.session_uid, obj.name, materials)

    def find(self) -> bpy.types.Object:
        """Raises SceneError when it is gone."""
        for obj in bpy.data.objects:
            if obj.session_uid == self.session_uid:
                return obj
        raise SceneError(f"'{self.name}' was deleted while Sabi weathered it.", "Its result was dropped.")


@dataclass(frozen=True)
class Ready:
    """An object's result, waiting for the others'."""

    target: Target
    captured: CapturedObject
    painted: PaintedFiles
    state: Mapping[str, str]  # of the object as it was captured
    duplicates: tuple[tuple[Target, Mapping[str, str]], ...] = ()  # that show the same, and their states
    varied: bool = False  # instances may differ


def capture_settings(scene: bpy.types.Scene, recipe: Recipe, size: int = 0) -> CaptureSettings:
    """How to capture for a recipe; `size` 0 takes the scene's choice."""
    chosen = 0 if scene.sabi.size == "AUTO" else int(scene.sabi.size)
    return CaptureSettings(size=size or chosen, mode=recipe.frame.mode, masks=masks.captured(recipe))


def estimate(objects: Sequence[bpy.types.Object], layers: int, settings: CaptureSettings) -> float:
    """Seconds that weathering these objects is likely to take, from what was measured here; 0 where that cannot be told.

    It cannot where an object cannot be weathered, where Blender has not read its textures yet, or where the size hangs on the
    area of many faces, because panels ask, and must not wait.
    """
    total = 0.0
    for obj in objects:
        by_area = not settings.size and not textures(obj)
        if None in map(reading.known, textures(obj)) or (by_area and len(obj.data.polygons) > MANY_FACES):
            return 0.0
        with suppress(SabiError):
            size = output_size(obj, settings)
            total += timing.seconds(size) + _painting.seconds * timing.megatexels(size) * layers
    return total


def weather_objects(
    objects: Sequence[bpy.types.Object],
    recipe: Recipe,
    settings: CaptureSettings,
    materials: str = "",
    instances: bool = False,
    differ: bool = False,
) -> work.Steps:
    """Steps that weather these objects and end in one undo step; with a pattern, only materials whose names match it.

    An object that cannot be weathered is left as it is and named in the message; raises its error when it is the only one.
    A backend that fails ends the work with nothing changed. With `instances` objects over one mesh are painted once, and differ
    by the attributes of instances.py, which they get where they have none. With `differ` each object has seeds of its own.
    """
    yield from reading_images(lambda: mask_images(recipe))
    masks.check(recipe)
    masks.packed(recipe)
    if instances:
        merged.refuse(recipe, "Instances that differ")
    alike = _duplicates(objects) if instances else [[obj] for obj in objects]
    targets = [[Target.of(obj, materials) for obj in same] for same in alike]
    folder = Path(tempfile.mkdtemp(prefix="sabi-"))
    ready: list[Ready] = []
    failed: list[SabiError] = []
    keeping: list[Kept] = []
    groups = Groups()
    try:
        for index, (target, *others) in enumerate(targets):
            begin, span = index / len(targets), 1 / len(targets)
            try:
                own = recipe.varied(own_seed(target.name)) if differ else recipe
                one = yield from share(_weather_one(target, own, settings, folder / str(index)), begin, begin + span)
                states = []
                for other in others:
                    states.append((other, (yield from looked(other))))
                ready.append(replace(one, duplicates=tuple(states), varied=instances))
            except (BackendError, Cancelled):
                raise
            except SabiError as error:
                failed.append(error)
        for result in ready:
            keeping.append(Kept())
            yield from load(result, keeping[-1])
            yield from load_masks(result, keeping[-1])
        for result, kept in zip(ready, keeping, strict=True):
            yield from _prepare(result, kept.blocks, groups)
        applied, stays = [], list[str]()
        for result, kept in zip(ready, keeping, strict=True):
            try:
                stays += _apply(result, kept.blocks, groups)
                applied.append(result)
                kept.stays()
            except SabiError as error:
                failed.append(error)
        if not applied:
            raise failed[0]
        work.undo_step("Weather")
        return outcome(applied, failed, [*stays, *merged.told(recipe)])
    finally:
        groups.discard()
        for kept in keeping:
            kept.discard()
        shutil.rmtree(folder, ignore_errors=True)


def _duplicates(objects: Sequence[bpy.types.Object]) -> list[list[bpy.types.Object]]:
    """Objects over the same mesh that wear the same, together."""
    found: dict[object, list[bpy.types.Object]] = {}
    for obj in objects:
        worn = tuple(slot.material and material.original_of(slot.material).session_uid for slot in obj.material_slots)
        alone = obj.session_uid if obj.modifiers else 0
        found.setdefault((obj.data.session_uid, worn, alone), []).append(obj)
    return list(found.values())


def _weather_one(
    target: Target, recipe: Recipe, settings: CaptureSettings, folder: Path
) -> Generator[Progress, None, Ready]:
    every = range(len(target.find().material_slots))
    if target.materials and not material.named_slots(target.find(), every, target.materials):
        raise SceneError(
            f"No material of '{target.name}' is called '{target.materials}'.",
            f"It has {', '.join(slot.name for slot in target.find().material_slots) or 'none'}.",
        )
    yield from reading_images(lambda: textures(target.find()))
    capture = Capture(bpy.context, target.find(), settings)
    state = yield from looked(target)
    captured = yield from share(capturing(capture), 0.0, CAPTURE_SHARE)
    ready = yield from share(paint(target, captured, recipe, folder), CAPTURE_SHARE, 1.0)
    return replace(ready, state=state)


def looked(target: Target) -> Generator[Progress, None, dict[str, str]]:
    """What the object is before it is captured, to tell later what has changed."""
    steps = digests.state(target.find(), aside=work.in_window())
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value
        yield Progress("Looking")


def paint(target: Target, captured: CapturedObject, recipe: Recipe, folder: Path) -> Generator[Progress, None, Ready]:
    """The backend's part: images of the recipe's layers in a new folder. Cancelled where it is closed."""
    folder.mkdir(parents=True)
    more, sent = {}, masks.without(recipe, ["IMAGE"])
    if (
        captured.second_uv is None and not captured.tiles
    ):  # else they lie in another UV map, and only the nodes know them
        more, sent = (yield from masks.read(recipe, captured.surface.size)), recipe
    else:
        masks.check_merged(recipe)
    chosen, sent = service_settings(), sent.shown
    job = PaintJob(lambda: service.connect(chosen), captured.surface, sent, folder, more, captured.tiles)
    began = time.monotonic()
    painted = yield from job.steps(service.doubt)
    megatexels = timing.megatexels(captured.surface.size)
    if megatexels >= timing.TELLING:
        _painting.learn((time.monotonic() - began) / (megatexels * len(sent.layers)))
    kept = replace(recipe, networks=painted.recipe.networks)
    return Ready(target, captured, replace(painted, recipe=kept), {})


def reading_images(find: Callable[[], list[bpy.types.Image]]) -> Generator[Progress, None, None]:
    """Finds out about images, one after the other, which who asks of their sizes would wait for. Only where a window waits."""
    while work.in_window() and (unread := [image for image in find() if reading.known(image) is None]):
        yield from reading.in_steps(reading.learn(unread[0]), Progress("Reading the textures"))


def mask_images(recipe: Recipe) -> list[bpy.types.Image]:
    found = map(masks.image, (mask.mask for layer in recipe.layers for mask in layer.stack))
    return [image for image in found if image is not None]


def textures(obj: bpy.types.Object) -> list[bpy.types.Image]:
    materials = [slot.material for slot in obj.material_slots if slot.material is not None]
    return [image for material in materials if material.node_tree for image in used_images(material.node_tree)]


def share(steps: Generator[Progress, None, T], begin: float, end: float) -> Generator[Progress, None, T]:
    """Steps as a part of longer ones, from fraction `begin` to `end`."""
    try:
        while True:
            try:
                progress = next(steps)
            except StopIteration as stop:
                return stop.value
            yield progress._replace(fraction=begin + (end - begin) * progress.fraction)
    finally:
        steps.close()


def capturing(capture: Capture) -> Generator[Progress, None, CapturedObject]:
    """A capture as steps: blocking where there is no window; else in Blender's own bake jobs, which Esc stops."""
    if not work.in_window():
        yield Progress("Baking")
        return capture.run()
    try:
        capture.start()
        while not capture.poll():
            yield Progress(capture.stage, capture.fraction)
        assert capture.captured is not None
        return capture.captured
    finally:
        capture.cancel()


def load(ready: Ready, kept: Kept) -> Generator[Progress, None, None]:
    """Loads an object's images, one a step, and reads each in a step of its own: both are on the main thread."""
    names, said = iter(image_names(ready)), Progress("Loading the images", 1.0)
    lowest = MERGED_IS_DATA if merged_count(ready.painted.recipe.shown) else IS_DATA
    for number, files in enumerate(ready.painted.layers):
        is_data = IS_DATA if number else lowest
        for name in CHANNELS:
            space = ColorSpace.DATA if is_data[name] else ColorSpace.SRGB
            written = yield from reading.in_steps(strokes.written(files[name]), said)
            image = images.open_file(files[name], next(names), space)
            kept.image(image)
            strokes.note(image, written)
            yield said
            yield from reading.in_steps(reading.read(image), said)
            images.read_texels(loaded(kept.blocks[-1], ready.target.name))
            yield said


def packed_masks(ready: Ready) -> tuple[str, ...]:
    """The masks that the object's nodes find in images of Sabi's own."""
    captured = ready.captured
    return masks.packed(ready.painted.recipe, readable=captured.second_uv is None and not captured.tiles)


def load_masks(ready: Ready, kept: Kept) -> Generator[Progress, None, None]:
    """Masks in images of Sabi's own, behind the painted ones; packed, wherever those are kept."""
    names, captured, said = packed_masks(ready), ready.captured, Progress("Loading the images", 1.0)
    made = yield from masks.read(ready.painted.recipe, captured.surface.size, names)
    for number, start in enumerate(range(0, len(names), masks.PACKED), start=1):
        here = names[start : start + masks.PACKED]
        there = {**captured.surface.maps, **ready.painted.masks}
        found = [made.get(name, partial(there.__getitem__, name)) for name in here]
        together = yield from reading.in_steps(_together(found), said)
        with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
            file = yield from _encoded(together, captured.tiles, Path(folder))
            image = images.open_file(file, f"{ready.target.name} {_MASKS.format(number)}", ColorSpace.DATA)
            kept.block(image)
            images.pack(image)
        image[material.IMAGE] = True
        mask_wiring.note(image, here)
        yield said
        yield from reading.in_steps(reading.read(image), said)
        images.read_texels(loaded(kept.blocks[-1], ready.target.name))


def _together(makers: Sequence[Callable[[], Map]]) -> Generator[Callable[[], Map], Map, Map]:
    """The masks that these make as one map, in a step for another thread."""
    return (yield lambda: masks.together([make() for make in makers]))


def _encoded(map_: Map, tiles: Sequence[Tile], folder: Path) -> Generator[Progress, None, Path]:
    """A map of one or three channels as a PNG file, or one a tile, by the backend."""
    export = MapExport(bits=8 * map_.array.dtype.itemsize)
    name = (
        "roughness" if map_.array.shape[2] == 1 else "normal"
    )  # of the plain layout's files one that has these channels
    chosen = service_settings()
    piece = Piece({name: map_}, {name: folder / "masks"}, tiles)
    job = EncodeJob(lambda: service.connect(chosen), [piece], export)
    (files,) = yield from job.steps(service.doubt)
    return files[name]


def loaded(session_uid: int, owner: str) -> bpy.types.Image:
    """An image that was loaded for an object. Raises SceneError when it is gone."""
    for image in bpy.data.images:
        if image.session_uid == session_uid:
            return image
    raise SceneError(f"The images of '{owner}' were removed while Sabi loaded them.", "Weather it again.")


def image_names(ready: Ready) -> list[str]:
    """`Door 1 Rust thin` and so on, in the order in which images are loaded."""
    layers = enumerate(wired(ready.painted.recipe).layers, start=1)
    painted = [
        f"{ready.target.name} {number} {in_words(layer.effect.value)} {name}"
        for number, layer in layers
        for name in CHANNELS
    ]
    count = math.ceil(len(packed_masks(ready)) / masks.PACKED)
    return painted + [f"{ready.target.name} {_MASKS.format(number + 1)}" for number in range(count)]


def _prepare(ready: Ready, blocks: Sequence[int], groups: Groups) -> Generator[Progress, None, None]:
    """Builds the groups of the object's layers, one a step. What cannot be weathered is left for `_apply` to say."""
    slots = ready.captured.slots
    with suppress(SceneError):
        slots = slots or material.used_slots(ready.target.find())
    for index, number in product(slots, range(len(wired(ready.painted.recipe).layers))):
        with suppress(SceneError):
            obj = ready.target.find()
            made, own = _found(ready, blocks)
            material.prepare(obj, _painting_of(ready, obj, made, own), index, number, groups)
        yield Progress("Loading the images", 1.0)


def _found(ready: Ready, blocks: Sequence[int]) -> tuple[list[bpy.types.Image], list[bpy.types.Image]]:
    """The painted images of an object's layers, and those of its masks. Raises SceneError when one is gone."""
    there = [loaded(uid, ready.target.name) for uid in blocks]
    count = len(CHANNELS) * len(wired(ready.painted.recipe).layers)
    return there[:count], there[count:]


def _painting_of(
    ready: Ready, obj: bpy.types.Object, painted: Sequence[bpy.types.Image], own: Sequence[bpy.types.Image]
) -> material.Painting:
    """What an object's materials are to show, of images of its layers and of its masks."""
    captured, found = ready.captured, iter(painted)
    packed = {name: (own[n // masks.PACKED], n % masks.PACKED) for n, name in enumerate(packed_masks(ready))}
    many = merged_count(ready.painted.recipe.shown) > 0
    layers = [
        PaintedImages(
            *(next(found) for _ in CHANNELS),
            in_words(layer.effect.value),
            layer.age,
            layer.opacity,
            layer.relief,
            mask_wiring.placed(layer, packed),
            layer.channels,
            layer.curve,
            units.of_object(obj),
            merged=many and number == 0,
            uneven=number == 0 and uneven(ready.painted.recipe),
        )
        for number, layer in enumerate(wired(ready.painted.recipe).layers)
    ]
    slots = material.named_slots(obj, captured.slots or material.used_slots(obj), ready.target.materials)
    variation = Variation.of(obj) if ready.varied else None
    return material.Painting(slots, layers, captured.uv_map, any(captured.surface.wrap), variation=variation)


def _apply(ready: Ready, blocks: Sequence[int], groups: Groups) -> list[str]:
    """Wires one object's layers, with these images, and the artist's strokes on them; returns what is to be said of those.

    Raises SceneError, with nothing changed, where the object is not what it was.
    """
    obj, captured = ready.target.find(), ready.captured
    if captured.second_uv is None and captured.uv_map not in obj.data.uv_layers:
        raise SceneError(f"The UV map '{captured.uv_map}' of '{obj.name}' is gone.", "Weather it again.")
    made, own = _found(ready, blocks)
    material.surface_materials(obj)  # raises before anything is changed
    effects = [in_words(layer.effect.value) for layer in wired(ready.painted.recipe).layers]
    chosen = strokes.carry_all(obj, effects, made)
    painting = _painting_of(ready, obj, chosen, own)
    others = [target.find() for target, _ in ready.duplicates]
    material.apply(obj, [painting], ready.painted.recipe.to_json(indent=None), captured.second_uv, others, groups)
    if others:
        vary([obj, *others])
    for other, (_, state) in zip(others, ready.duplicates, strict=True):
        freshness.keep(other, dict(state))
    for worn in on_object.weathered(obj).materials:
        on_object.group_node(worn).node_tree[on_object.INPUT] = captured.key
    freshness.keep(obj, dict(ready.state))
    bpy.data.batch_remove([image for image in made if image not in chosen])
    for image, name in zip((*chosen, *own), image_names(ready), strict=True):
        image.name = name  # free now that what it replaces is gone
    return [STAYS.format(image.name) for image in chosen if image.session_uid not in blocks]


STAYS = "'{}' was painted on and saved over what Sabi wrote: it stays as it is. Remove it from the file for a new one."


def outcome(ready: Sequence[Ready], failed: Sequence[SabiError], more: Sequence[str]) -> work.Outcome:
    names = [target.name for result in ready for target in (result.target, *(other for other, _ in result.duplicates))]
    said = names[0] if len(names) == 1 else f"{len(names)} objects"
    warnings = [warning for result in ready for warning in (*result.captured.warnings, *result.painted.warnings)]
    told = dict.fromkeys((*warnings, *more, *(error.for_artist for error in failed)))
    return work.Outcome(f"Weathered {said}", tuple(told), tuple(names))
