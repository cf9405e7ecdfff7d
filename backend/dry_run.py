# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch would do, item by item, without doing it; and how it would look, small."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .farm import Shard, below, clashes_of, look_of, under
from .files.image import read_image, read_upright, writable_suffix, write_image
from .items import Engine, Kind, Settings, destination, input_files, kind_asked, weather_item
from .models import MODEL_SUFFIXES, look_at_model
from .picture import main_image, picture_of
from .protocol.errors import SabiError
from .protocol.recipe import Recipe
from .protocol.rules import Rules
from .protocol.whole import explain
from .sheet import SIDE, Cell, shrunk

SMALL = 256  # texels a side of what is painted for a preview


@dataclass(frozen=True)
class Planned:
    """One item: where it would go and what it would get; for a model, by its objects and materials. Or why it would fail.

    `recipe` None leaves the item as it is. A model may have several, which stand in `objects` alone.
    """

    item: str
    destination: str = ""
    kind: str = ""
    rule: int | None = None
    recipe: str | None = None
    objects: tuple[Mapping[str, Any], ...] = ()
    error: dict[str, str] | None = None
    picture: np.ndarray | None = None  # uint8 [H, W, 3], sRGB

    def to_dict(self) -> dict[str, Any]:
        """One JSON line."""
        line: dict[str, Any] = {"item": self.item, "destination": self.destination, "kind": self.kind}
        if self.error:
            return {**line, "error": self.error}
        if self.kind == Kind.MODEL.value:
            return {**line, "objects": list(self.objects)}
        return {**line, "rule": self.rule, "recipe": self.recipe}

    def cell(self) -> Cell:
        """The item on a contact sheet."""
        told = [str(part["recipe"]) for part in self.objects if part["recipe"] is not None] or [self.recipe or ""]
        said = ", ".join(dict.fromkeys(filter(None, told))) or "left as it is"
        return Cell(self.picture, Path(self.item).name, self.error["message"] if self.error else said)


def plan(
    items: Iterable[tuple[Path, Path]], rules: Rules, settings: Settings, shard: Shard, engine: Engine | None = None
) -> Iterator[Planned]:
    """The shard's items, one by one; with an engine, pictures of them too. Models are opened in a Blender of their own."""
    items = list(items)
    clashing = clashes_of(items, rules, settings)
    for item, root in items:
        if shard.has(item, root):
            try:
                if item in clashing:
                    raise clashing[item]
                yield _planned(item, root, rules, settings, engine)
            except (SabiError, OSError) as said:
                error = said if isinstance(said, SabiError) else explain(said, item)
                kind = Kind.MODEL if item.suffix.lower() in MODEL_SUFFIXES else Kind.IMAGE
                target = destination(item, Kind.FOLDER if item.is_dir() else kind, under(settings, item, root))
                yield Planned(str(item), str(target), error=error.to_dict())


def _planned(item: Path, root: Path, rules: Rules, settings: Settings, engine: Engine | None) -> Planned:
    settings = under(settings, item, root)
    kind, look = kind_asked(item, settings), look_of(item, root, rules)
    said = Planned(str(item), str(destination(item, kind, settings)), kind.value)
    if kind is Kind.MODEL:
        table = rules.in_file(below(item, root))
        with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
            file = Path(folder) / "picture.png" if engine else None
            told = look_at_model(
                item,
                table,
                python=settings.blender_python,
                picture=file,
                options=["--shared-tiles"] if settings.shared_tiles and file else (),
                environment=settings.environment,
            )
            shown = read_image(file)[0][..., :3] if file else None
        return replace(said, objects=told.objects, picture=shown)
    rule = rules.in_file(below(item, root)).of_picture(item.name if item.is_dir() else item.stem)
    if rule is None or not isinstance(look, Recipe):
        shown = _albedo(list(input_files(item)), kind) if engine else None
        return replace(said, rule=rule.number if rule else None, picture=shown)
    shown = _painted(item, kind, look, settings, engine) if engine else None
    return replace(said, rule=rule.number, recipe=rule.called, picture=shown)


def _painted(item: Path, kind: Kind, recipe: Recipe, settings: Settings, engine: Engine) -> np.ndarray:
    """The item weathered as it would be, from a small copy; a frame in full, since its passes cannot be shrunk."""
    with tempfile.TemporaryDirectory(prefix="sabi-") as name:
        folder = Path(name)
        copy = small_copy(item, kind, folder / "in", SMALL)
        small = replace(settings, out=folder / "out", overwrite=True, export=None)
        if settings.photograph is not None and settings.photograph.mask is not None:
            mask = small_copy(settings.photograph.mask, kind, folder / "mask", SMALL)
            small = replace(small, photograph=replace(settings.photograph, mask=mask))
        written = weather_item(copy, recipe, small, engine, lambda stage, fraction: None)
        return _albedo(list(written.paths), kind)


def small_copy(item: Path, kind: Kind, folder: Path, side: int) -> Path:
    """The item in a new folder, its images no larger than `side`; a frame in full, since its passes cannot be shrunk."""
    copy = folder / item.name
    (copy if item.is_dir() else copy.parent).mkdir(parents=True, exist_ok=True)
    for file in input_files(item):
        target = copy / file.name if item.is_dir() else copy.parent / file.name
        if kind is Kind.FRAME:
            shutil.copyfile(file, target)
        else:
            pixels, _ = read_upright(file) if kind is Kind.PHOTOGRAPH else read_image(file)
            write_image(target.with_suffix(writable_suffix(target.suffix)), shrunk(pixels, side))
    if copy.exists() or "<UDIM>" in copy.name:
        return copy
    return copy.with_suffix(writable_suffix(copy.suffix))


def _albedo(files: list[Path], kind: Kind) -> np.ndarray:
    """The picture of an item, uint8 [H, W, 3], no larger than a cell."""
    shown = main_image([file for file in files if file.suffix != ".json"])
    return picture_of(shown, SIDE, photograph=kind is Kind.PHOTOGRAPH)
