# SPDX-License-Identifier: GPL-3.0-or-later
"""A time-lapse on disk: one input painted once, its ages as a numbered sequence, with a sidecar that says how.

The sidecar, `timelapse.sabi.json`, is there before the first frame: a run that was cut short goes on from the frames that are
whole, and only where input, recipe, settings and ages are those of the sidecar.
"""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO

from .files import read_assets, read_frame
from .files.assets import Asset
from .files.frame import RenderedFrame
from .files.image import read_image, writable_suffix, write_image
from .files.photograph import Photograph, read_still, still_of
from .files.write import Target, in_encoding_of, targets_of, write_target
from .items import SIDECAR, Engine, Kind, Progress, Settings, digest, kind_asked, read_files, remembered
from .protocol.age_curve import AgeCurve
from .protocol.errors import BadFile, FileExists, SabiError
from .protocol.recipe import Recipe, recipe_from_dict
from .protocol.surface import Map, Surface
from .protocol.whole import WholeFiles
from .weathering.passes import inspect
from .weathering.pipeline import Ageing

NAME = f"timelapse{SIDECAR}"
VERSION = 1
WRITERS = 2  # frames that are written at a time
SHARE = 20  # frames that take about as long as painting, for the progress alone


@dataclass(frozen=True)
class Lapse:
    """Which frames, and the age at each."""

    curve: AgeCurve
    frames: range

    @property
    def ages(self) -> tuple[float, ...]:
        return self.curve.ages(self.frames)


@dataclass(frozen=True)
class Made:
    """A time-lapse in its folder. `names` are those of a frame's files, `{frame}` in the place of its number, the picture first.

    `kept` counts the frames that an earlier run had made; `seconds` are the painting's and the mean of the new frames'.
    """

    folder: Path
    names: tuple[str, ...]
    frames: range
    kept: int = 0
    warnings: tuple[str, ...] = ()
    painting_seconds: float = 0.0
    frame_seconds: float = 0.0

    def files(self, frame: int) -> list[Path]:
        return [self.folder / numbered(name, frame) for name in self.names]


@dataclass(frozen=True)
class Source:
    """One surface of the input, and how a weathered one is written: `write(temporary, name, weathered)`."""

    surface: Surface
    wanted: tuple[str, ...]
    names: Callable[[Surface], list[str]]
    write: Callable[[Path, str, Surface], None]


def folder_of(path: Path, settings: Settings) -> Path:
    """Where the frames of an input go: `steel.png` -> `steel_timelapse/`."""
    stem = path.resolve().name if path.is_dir() else re.sub(r"[._]?<UDIM>", "", path.stem)
    return settings.out or path.resolve().parent / f"{stem}_timelapse"


def numbered(name: str, frame: int) -> str:
    return name.replace("{frame}", f"{frame:04}")


def make_timelapse(
    path: Path, recipe: Recipe, lapse: Lapse, settings: Settings, engine: Engine, progress: Progress
) -> Made:
    """Paints an input once and writes each frame, every layer at the frame's age. Raises SabiError's children.

    Each frame's files appear whole and together. Files that another time-lapse, or anything else, has left in the folder are
    never touched unless `settings.overwrite`.
    """
    kind = kind_asked(path, settings)
    if kind is Kind.MODEL:
        raise BadFile(
            f"{path.name} is a model, whose age is animated in Blender.",
            "Weather it there, set keyframes on the ages of its layers, and render.",
        )
    if settings.export is not None:
        raise BadFile("A time-lapse has the maps of its input, not an engine's.", "Leave --maps out.")
    if settings.photograph is not None and settings.photograph.down is not None:
        recipe = replace(recipe, frame=replace(recipe.frame, gravity=settings.photograph.down.gravity))
    folder, ages = folder_of(path, settings), lapse.ages
    if folder.is_file():
        raise FileExists(f"{folder} is a file; frames need a folder.", "Choose another --out.")
    asked = {
        "sabi_timelapse": VERSION,
        "kind": kind.value,
        "input": {"name": path.name, "sha256": digest(path)},
        "settings": remembered(settings),
        "first": lapse.frames.start,
        "ages": list(ages),
    }
    said = read_sidecar(folder)
    earlier = None if settings.overwrite else _same(said, asked, recipe)
    if earlier is None and not settings.overwrite and folder.is_dir() and any(folder.iterdir()):
        what = "another time-lapse" if said else "other files"
        raise FileExists(f"{folder} holds {what}.", "Choose another --out, or give --overwrite.")
    made = Made(folder, (), lapse.frames)
    missing = list(lapse.frames)
    if earlier is not None:
        made = replace(made, names=tuple(earlier["files"]), warnings=tuple(earlier["warnings"]))
        missing = [frame for frame in lapse.frames if not all(map(_whole, made.files(frame)))]
        recipe = recipe_from_dict(earlier["recipe"])  # by the networks that painted the frames that are there
        if not missing:
            return replace(made, kept=len(lapse.frames))
    began = time.monotonic()
    sources, noticed = _sources(path, kind, settings)
    oldest, share = recipe.at_age(max(ages)), SHARE / (SHARE + len(missing))
    ageings: list[Callable[[Recipe], Surface]] = []
    warnings, networks = list(noticed), dict(recipe.networks)
    for number, source in enumerate(sources):
        told = partial(_painting, progress, share / len(sources), number)
        if kind is Kind.PHOTOGRAPH:
            painting, ageing = engine.paint_photograph(source.surface, oldest, told)
        else:
            painting = engine.paint(source.surface, oldest, told)
            surface = source.surface.with_maps(painting.masks)
            ageing = Ageing(surface, oldest, painting.layers, wanted=source.wanted)
        ageings.append(ageing)
        warnings += painting.warnings
        networks = painting.networks
    recipe = replace(recipe, networks=networks)
    names = [source.names(ageing(oldest)) for source, ageing in zip(sources, ageings, strict=True)]
    painted = time.monotonic()
    made = replace(made, names=tuple(name for some in names for name in some), warnings=tuple(dict.fromkeys(warnings)))
    read = {file.resolve() for file in read_files(path, settings)}
    if taken := [file for frame in made.frames for file in made.files(frame) if file.resolve() in read]:
        raise FileExists(
            f"{taken[0]} is the input itself.", "Choose another name: Sabi never writes over what it reads."
        )
    if earlier is None:
        _begin(
            made,
            said,
            {**asked, "recipe": json.loads(recipe.to_json()), "files": made.names, "warnings": made.warnings},
        )
    written = _Written(folder, progress, share, len(missing))
    with written.pool:
        for frame in missing:
            aged = recipe.at_age(lapse.curve.at(frame))
            surfaces = [ageing(aged) for ageing in ageings]
            written.add(frame, list(zip(sources, names, surfaces, strict=True)))
        written.finish()
    each = (time.monotonic() - painted) / len(missing)
    return replace(made, kept=len(lapse.frames) - len(missing), painting_seconds=painted - began, frame_seconds=each)


def read_sidecar(folder: Path) -> dict[str, Any] | None:
    """What a folder's sidecar says, when it is a time-lapse's and names files of that folder alone; else None."""
    try:
        said = json.loads((folder / NAME).read_text(encoding="utf-8"))
        recipe_from_dict(said["recipe"])
        names, ages, warnings = said["files"], said["ages"], said["warnings"]
        sound = (
            said["sabi_timelapse"] == VERSION
            and isinstance(said["first"], int)
            and isinstance(names, list)
            and names
            and isinstance(ages, list)
            and all(isinstance(age, int | float) and 0 <= age <= 1 for age in ages)
            and all(isinstance(warning, str) for warning in warnings)
            and all("{frame}" in name and re.split(r"[/\\]", name) == [name] for name in names)
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SabiError):
        return None
    return said if sound else None


def _same(said: dict[str, Any] | None, asked: dict[str, Any], recipe: Recipe) -> dict[str, Any] | None:
    """The sidecar, where it is of this very input, recipe, settings and ages."""
    if said is None or any(said.get(key) != value for key, value in asked.items()):
        return None
    made_with = recipe_from_dict(said["recipe"])
    networks = recipe.networks or made_with.networks
    return said if replace(made_with, networks=networks) == replace(recipe, networks=networks) else None


def _begin(made: Made, said: dict[str, Any] | None, sidecar: dict[str, Any]) -> None:
    """Takes away what the new time-lapse replaces, and writes its sidecar."""
    stale = {made.folder / name for frame in made.frames for name in (numbered(n, frame) for n in made.names)}
    if said is not None:
        count = range(said["first"], said["first"] + len(said["ages"]))
        stale |= {made.folder / numbered(name, frame) for frame in count for name in said["files"]}
    for path in sorted(stale):
        path.unlink(missing_ok=True)
    with WholeFiles(overwrite=True) as files:
        files.add_text(made.folder / NAME, json.dumps(sidecar, indent=2) + "\n")


def _whole(path: Path) -> bool:
    """Whether a frame's file is there and can be read to its end."""
    if not path.is_file():
        return False
    try:
        read_image(path)
    except SabiError:
        return False
    return True


class _Written:
    """Frames on their way to the disk, WRITERS at a time, while the next one ages; `progress` is told in their order."""

    def __init__(self, folder: Path, progress: Progress, share: float, count: int) -> None:
        self.pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="sabi-frames")
        self._folder, self._progress, self._share, self._count = folder, progress, share, count
        self._done, self._pending = 0, deque[tuple[int, Future[None]]]()

    def add(self, frame: int, parts: Sequence[tuple[Source, Sequence[str], Surface]]) -> None:
        """Begins to write a frame. Raises what an earlier one could not be written for."""
        if len(self._pending) == WRITERS:
            self._wait()
        self._pending.append((frame, self.pool.submit(self._write, frame, parts)))

    def finish(self) -> None:
        while self._pending:
            self._wait()

    def _wait(self) -> None:
        frame, future = self._pending.popleft()
        future.result()
        self._done += 1
        self._progress(f"frame {frame}", self._share + (1 - self._share) * self._done / self._count)

    def _write(self, frame: int, parts: Sequence[tuple[Source, Sequence[str], Surface]]) -> None:
        with WholeFiles(overwrite=True) as files:  # what is there is this time-lapse's own, and not whole
            for source, names, surface in parts:
                for name in names:
                    files.add(self._folder / numbered(name, frame), partial(_write, source, name, surface))


def _write(source: Source, name: str, weathered: Surface, temporary: Path) -> None:
    source.write(temporary, name, weathered)


def _painting(progress: Progress, share: float, number: int, stage: str, fraction: float) -> None:
    progress(stage, share * (number + fraction))


def _sources(path: Path, kind: Kind, settings: Settings) -> tuple[list[Source], Sequence[str]]:
    """The input's surfaces, and what a person should know of them."""
    if kind is Kind.FRAME:
        frame = read_frame(
            path,
            layer=settings.view_layer,
            object_name=settings.object_name,
            object_index=settings.object_index,
            unit=settings.unit,
        )
        return [_of_frame(frame, settings)], inspect(frame.surface, frame.passes)
    if kind is Kind.PHOTOGRAPH:
        asked = settings.photograph
        assert asked is not None
        given = read_still(path, asked.still, width=settings.width, mask=asked.mask)
        return [_of_photograph(path, given, settings)], given.warnings
    assets = read_assets(
        path, width_metres=settings.width, wrap=settings.wrap, height_scale=settings.height, directx=settings.directx
    )
    single = kind is Kind.IMAGE
    return [_of_asset(asset, settings, single) for asset in assets], [w for asset in assets for w in asset.warnings]


def _of_frame(frame: RenderedFrame, settings: Settings) -> Source:
    """The picture alone, not its passes: scene-linear in EXR, else encoded as sRGB without a view transform."""

    def write(temporary: Path, name: str, weathered: Surface) -> None:
        parts = [weathered[n].array.astype(np.float32) for n in ("combined", "alpha") if n in weathered]
        if temporary.suffix.lower() not in (".exr", ".hdr", ".tif", ".tiff"):
            parts[0] = np.clip(parts[0], 0, 1)
            encoded = in_encoding_of(temporary, replace(weathered["combined"], array=parts[0]))
            parts = [encoded, *(in_encoding_of(temporary, Map(part)) for part in parts[1:])]
        write_image(temporary, np.concatenate(parts, axis=2), None, quick=True)

    name = f"{frame.path.stem}.{{frame}}{settings.suffix or '.exr'}"
    return Source(frame.surface, ("albedo",), lambda _: [name], write)


def _of_photograph(path: Path, given: Photograph, settings: Settings) -> Source:
    """The picture, as `sabi weather --photograph` would write it."""

    def write(temporary: Path, name: str, weathered: Surface) -> None:
        pixels, spec = still_of(given, weathered, temporary)
        write_image(temporary, pixels, spec, quick=True)

    name = f"{path.stem}.{{frame}}{settings.suffix or writable_suffix(path.suffix)}"
    return Source(given.surface, (), lambda _: [name], write)


def _of_asset(asset: Asset, settings: Settings, single: bool) -> Source:
    """The files that `sabi weather` would write, one set a frame; of a single image its picture alone."""
    targets: dict[str, Target] = {}
    read = _Kept()

    def names(oldest: Surface) -> list[str]:
        for target in targets_of(asset, oldest, suffix=settings.suffix, new_maps=settings.new_maps and not single):
            stem, _, suffix = target.name.rpartition(".")
            targets[f"{stem}.{{frame}}.{suffix}"] = target
        return list(targets)

    def write(temporary: Path, name: str, weathered: Surface) -> None:
        write_target(temporary, targets[name], asset.surface, weathered, read=read, quick=True)

    wanted = ("albedo",) if single else ("albedo", "roughness", "metallic", "normal", "height")
    return Source(asset.surface, wanted, names, write)


class _Kept:
    """read_image, once a file: each call gives a copy of the texels, to be changed."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[np.ndarray, OpenImageIO.ImageSpec]] = {}

    def __call__(self, path: Path) -> tuple[np.ndarray, OpenImageIO.ImageSpec]:
        if path not in self._read:
            self._read[path] = read_image(path)
        pixels, spec = self._read[path]
        return pixels.copy(), spec


def frames_of(said: dict[str, Any], folder: Path) -> Iterator[tuple[float, Path]]:
    """(age, picture) of the frames of a time-lapse that are there, by its sidecar as `read_sidecar` gives it."""
    for index, age in enumerate(said["ages"]):
        path = folder / numbered(said["files"][0], said["first"] + index)
        if path.is_file():
            yield float(age), path
