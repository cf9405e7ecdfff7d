# SPDX-License-Identifier: GPL-3.0-or-later
"""Kits: many objects that repeat one tile. The tile is painted once, whole and wrapping, and all show the same images.

Where it weathers on each module is a small image of the module's own, in a UV map that no two faces share: its exposure. The node
group puts both together (growth.shared_exposure), so age stays live, and fifty modules cost one painting.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import bpy

from ..backend.protocol.errors import BackendError, Cancelled, SabiError, SceneError
from ..backend.protocol.painted import CHANNELS
from ..backend.protocol.recipe import Exposure, Frame, Layer, Recipe
from ..backend.protocol.surface import ColorSpace, Surface
from . import units, work
from .jobs import ExposureJob, PaintedFiles
from .kit_choice import worn_tiles
from .nodes import freshness, mask_wiring, material, on_object
from .nodes.growth_nodes import Module
from .nodes.layer_nodes import PaintedImages
from .pixels import images, reading, strokes
from .pixels.kept import Kept
from .preferences import service, service_settings
from .progress import Progress
from .recipe import masks, merged
from .recipe.effects import in_words
from .surface import tile, uvs
from .surface.capture_settings import CaptureSettings
from .surface.kit_capture import ShapeCapture, TileCapture
from .weathering import (
    STAYS,
    Ready,
    Target,
    capturing,
    load,
    load_masks,
    loaded,
    looked,
    mask_images,
    outcome,
    packed_masks,
    paint,
    reading_images,
    share,
    textures,
)

TILES_SHARE = 0.6  # of the time that a kit takes, as the progress bar has it
RELIEF = ("normal", "height")


@dataclass
class _Tile:
    """A material that modules repeat, by its session's number: who wears it, and what was painted of it."""

    session_uid: int
    wearers: list[Target] = field(default_factory=list)
    ready: Ready | None = None
    kept: Kept = field(default_factory=Kept)

    def find(self) -> bpy.types.Material:
        """Raises SceneError when it is gone."""
        for made in bpy.data.materials:
            if made.session_uid == self.session_uid:
                return made
        raise SceneError("A material was removed while Sabi weathered it.", "Weather its objects again.")


@dataclass(frozen=True)
class _Shape:
    """A module that is ready: its shape, and the files of its exposure."""

    ready: Ready
    exposures: tuple[Path, ...]
    kept: Kept


def weather_kit(
    objects: Sequence[bpy.types.Object], recipe: Recipe, settings: CaptureSettings, materials: str = ""
) -> work.Steps:
    """Steps that weather these objects as modules of kits, one painting for each material, in one undo step.

    As weather_objects in everything else. Raises SceneError, where it is the only one, for a material that does not repeat, and
    for masks of materials: modules find their masks in UV maps of their own, a tile its materials in its own.
    """
    yield from reading_images(lambda: mask_images(recipe))
    masks.check(recipe)
    masks.packed(recipe)
    merged.refuse(recipe, "Shared tiles")
    if masks.seen(recipe):
        raise SceneError(
            "Shared tiles have no masks of materials.", "Weather without Shared Tiles, or choose other masks."
        )
    folder = Path(tempfile.mkdtemp(prefix="sabi-"))
    failed: list[SabiError] = []
    shapes: list[_Shape] = []
    tiles: dict[int, _Tile] = {}
    try:
        targets = _worn(objects, materials, tiles, failed)
        for index, one in enumerate(list(tiles.values())):
            begin, end = (TILES_SHARE * at / len(tiles) for at in (index, index + 1))
            try:
                yield from share(_paint(one, recipe, settings, folder / f"tile {index}"), begin, end)
            except (BackendError, Cancelled):
                raise
            except SabiError as error:
                failed.append(error)
                del tiles[one.session_uid]
        there = [target for target in targets if any(target in one.wearers for one in tiles.values())]
        networks = next((one.ready.painted.recipe.networks for one in tiles.values()), {})
        recipe = replace(recipe, networks=networks)
        for index, target in enumerate(there):
            begin, end = (TILES_SHARE + (1 - TILES_SHARE) * at / len(there) for at in (index, index + 1))
            try:
                shapes.append((yield from share(_shape(target, recipe, settings, folder / str(index)), begin, end)))
            except (BackendError, Cancelled):
                raise
            except SabiError as error:
                failed.append(error)
        for one in tiles.values():
            yield from load(one.ready, one.kept)
        for shape in shapes:
            yield from _load(shape)
        applied, stays = _apply_all(shapes, tiles, recipe, failed)
        if not applied:
            raise failed[0]
        work.undo_step("Weather")
        said = [
            *stays,
            *(w for one in tiles.values() for w in (*one.ready.captured.warnings, *one.ready.painted.warnings)),
        ]
        return outcome(applied, failed, said)
    finally:
        for kept in [*(one.kept for one in tiles.values()), *(shape.kept for shape in shapes)]:
            kept.discard()
        shutil.rmtree(folder, ignore_errors=True)


def _worn(
    objects: Sequence[bpy.types.Object], pattern: str, tiles: dict[int, _Tile], failed: list[SabiError]
) -> list[Target]:
    """The objects that can be modules; notes in `tiles` what they wear, and in `failed` what keeps the others from it."""
    targets = []
    for obj in objects:
        try:
            found = worn_tiles(obj, pattern)
        except SabiError as error:
            failed.append(error)
            continue
        targets.append(Target.of(obj, pattern))
        for made in sorted(found, key=lambda made: made.name):
            tiles.setdefault(made.session_uid, _Tile(made.session_uid)).wearers.append(targets[-1])
    if not targets:
        raise failed[0]
    return targets


def _slots(obj: bpy.types.Object, pattern: str, session_uid: int) -> tuple[int, ...]:
    """The object's slots that wear a tile."""
    slots = material.named_slots(obj, material.used_slots(obj), pattern)
    worn = {slot: obj.material_slots[slot].material for slot in slots}
    return tuple(slot for slot, made in worn.items() if made and material.original_of(made).session_uid == session_uid)


def _there(targets: Sequence[Target]) -> Iterator[tuple[Target, bpy.types.Object]]:
    """Those that nobody has deleted meanwhile."""
    for target in targets:
        with suppress(SceneError):
            yield target, target.find()


def _paint(one: _Tile, recipe: Recipe, settings: CaptureSettings, folder: Path) -> Generator[Progress, None, None]:
    """Has a tile painted: its own relief says where on it weathering starts, the modules' shape all else."""
    yield from reading_images(lambda: [image for _, obj in _there(one.wearers) for image in textures(obj)])
    laid = yield from lying(one.wearers, one.session_uid, recipe.frame)
    left = next((obj for _, obj in _there(one.wearers)), None) or one.wearers[0].find()
    capture, name = TileCapture(bpy.context, left, one.find(), laid, settings), one.find().name
    captured = yield from share(capturing(capture), 0.0, 0.2)
    target, own = Target(one.session_uid, name), of_tile(recipe, captured.surface)
    one.ready = yield from share(paint(target, captured, own, folder), 0.2, 1.0)


def lying(wearers: Sequence[Target], material: int, frame: Frame) -> Generator[Progress, None, tile.Laid]:
    """How a material, known by its session's number, lies on those who wear it: an object a step, the rest in a thread."""
    found = []
    for target in wearers:
        for _, obj in _there([target]):
            found.append(tile.faces(obj, _slots(obj, target.materials, material), frame))
        yield Progress("Looking")
    if work.in_window():
        return (yield from reading.aside(lambda: tile.laid(found, frame), Progress("Looking")))
    return tile.laid(found, frame)


def of_tile(recipe: Recipe, surface: Surface) -> Recipe:
    """The recipe as a tile is painted with it: of exposure what the tile's own relief says, of masks the artist's images."""
    relief = any(name in surface for name in RELIEF)

    def own(layer: Layer) -> Layer:
        weights = {"edges": layer.exposure.edges, "cavities": layer.exposure.cavities} if relief else {}
        kept = Exposure(**weights, noise=0.0, contrast=layer.exposure.contrast, amount=layer.exposure.amount)
        return replace(layer, exposure=kept)

    recipe = masks.without(recipe, ["GROUP", "ATTRIBUTE"])
    return replace(recipe, layers=tuple(map(own, recipe.layers)))


def _shape(
    target: Target, recipe: Recipe, settings: CaptureSettings, folder: Path
) -> Generator[Progress, None, _Shape]:
    """A module's shape, and how readily it weathers under each layer; nothing is painted."""
    folder.mkdir(parents=True)
    state = yield from looked(target)
    captured = yield from share(capturing(ShapeCapture(bpy.context, target.find(), settings)), 0.0, 0.8)
    paths = yield from share(exposed(captured.surface, recipe, folder), 0.8, 1.0)
    return _Shape(Ready(target, captured, PaintedFiles((), recipe, ()), state), paths, Kept())


def exposed(shape: Surface, recipe: Recipe, folder: Path) -> Generator[Progress, None, tuple[Path, ...]]:
    """How readily a module of this shape weathers: images of PACKED_EXPOSURES layers each, in a folder that is there."""
    chosen = service_settings()
    job = ExposureJob(lambda: service.connect(chosen), shape, masks.without(recipe.shown), folder)
    return (yield from job.steps(service.doubt))


def _load(shape: _Shape) -> Generator[Progress, None, None]:
    """The module's own images: its exposure, and its masks behind them."""
    name = shape.ready.target.name
    for path in shape.exposures:
        image = images.open_file(path, f"{name} exposure", ColorSpace.DATA)
        shape.kept.image(image)
        yield Progress("Loading the images", 1.0)
        yield from reading.in_steps(reading.read(image), Progress("Loading the images", 1.0))
        images.read_texels(loaded(shape.kept.blocks[-1], name))
    yield from load_masks(shape.ready, shape.kept)


def _apply_all(
    shapes: Sequence[_Shape], tiles: Mapping[int, _Tile], recipe: Recipe, failed: list[SabiError]
) -> tuple[list[Ready], list[str]]:
    """Wires the modules; returns those that were, and what is to be said of the artist's strokes on tiles."""
    applied: list[Ready] = []
    stays: list[str] = []
    painted: dict[int, list[bpy.types.Image]] = {}
    effects = [in_words(layer.effect.value) for layer in recipe.shown.layers]
    for uid, one in tiles.items():
        made = [loaded(block, one.find().name) for block in one.kept.blocks]
        painted[uid] = _with_strokes(one, effects, made)
        stays += [STAYS.format(image.name) for image in painted[uid] if image not in made]
    for shape in shapes:
        try:
            _apply(shape, tiles, painted, recipe)
            applied.append(shape.ready)
            shape.kept.stays()
        except SabiError as error:
            failed.append(error)
    for uid, one in tiles.items():
        shown = [image for image in painted[uid] if image.users]
        if shown:
            spare = [loaded(block, "") for block in one.kept.blocks]
            bpy.data.batch_remove([image for image in spare if image not in painted[uid]])
            one.kept.stays()
        marks = [f"{number} {effect} {name}" for number, effect in enumerate(effects, start=1) for name in CHANNELS]
        for image, mark in zip(painted[uid] if shown else (), marks, strict=False):
            image.name = f"{one.find().name} {mark}"  # free now that what it replaces is gone
    return applied, stays


def _with_strokes(one: _Tile, effects: Sequence[str], made: Sequence[bpy.types.Image]) -> list[bpy.types.Image]:
    """The tile's new images with what was painted on those that its modules show now."""
    for target, obj in _there(one.wearers):
        for slot in _slots(obj, target.materials, one.session_uid):
            group = on_object.group_node(obj.material_slots[slot].material)
            if on_object.whole(group) and any(on_object.MODULE in node for node in group.node_tree.nodes):
                return strokes.carry_from(group, effects, made)
    return list(made)


def _apply(
    shape: _Shape, tiles: Mapping[int, _Tile], painted: Mapping[int, Sequence[bpy.types.Image]], recipe: Recipe
) -> None:
    """Wires one module. Raises SceneError, with nothing changed, where the object is not what it was."""
    ready = shape.ready
    obj, captured = ready.target.find(), ready.captured
    if captured.second_uv is None and captured.uv_map not in obj.data.uv_layers:
        raise SceneError(f"The UV map '{captured.uv_map}' of '{obj.name}' is gone.", "Weather it again.")
    own = [loaded(block, obj.name) for block in shape.kept.blocks]
    exposures, behind = own[: len(shape.exposures)], own[len(shape.exposures) :]
    held = {name: (behind[n // masks.PACKED], n % masks.PACKED) for n, name in enumerate(packed_masks(ready))}
    module = Module(tuple(exposures), captured.uv_map)
    paintings = []
    for uid, found in painted.items():
        slots = _slots(obj, ready.target.materials, uid)
        layers = [
            PaintedImages(
                *found[len(CHANNELS) * number : len(CHANNELS) * (number + 1)],
                in_words(layer.effect.value),
                layer.age,
                layer.opacity,
                layer.relief,
                mask_wiring.placed(layer, held),
                layer.channels,
                layer.curve,
                units.of_object(obj),
                layer.exposure.mean,
            )
            for number, layer in enumerate(recipe.shown.layers)
        ]
        if slots:
            paintings.append(material.Painting(slots, layers, uvs.render_uv(obj.data), True, module))
    if not paintings:
        raise SceneError(f"The materials of '{obj.name}' were changed while it was weathered.", "Weather it again.")
    material.apply(obj, paintings, recipe.to_json(indent=None), captured.second_uv)
    for worn in on_object.weathered(obj).materials:
        on_object.group_node(worn).node_tree[on_object.INPUT] = captured.key
    freshness.keep(obj, dict(ready.state))
    for image in exposures:
        image.name = f"{obj.name} exposure"  # free now
