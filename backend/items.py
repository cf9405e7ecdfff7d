# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing on disk weathered to disk: an image, a folder of PBR maps, a rendered frame or a model, with a sidecar that says how.

What the command line does for one input and a farm for thousands; prints nothing and knows no terminal.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Protocol

from .files import IMAGE_SUFFIXES, read_assets, read_frame, write_asset, write_frame
from .files.frame import is_frame
from .files.image import writable_suffix
from .models import MODEL_SUFFIXES, weather_model
from .networks.registry import Networks
from .protocol.client import Client
from .protocol.errors import BadFile, FileExists, SabiError
from .protocol.recipe import Recipe, recipe_from_dict
from .protocol.surface import Surface
from .protocol.whole import WholeFiles
from .weathering.passes import inspect
from .weathering.pipeline import weather

SIDECAR = ".sabi.json"
SIDECAR_VERSION = 1
Progress = Callable[[str, float], None]


class Kind(Enum):
    IMAGE = "image"
    FOLDER = "folder"
    FRAME = "frame"
    MODEL = "model"


@dataclass(frozen=True)
class Settings:
    """How to weather items: where results go, how files are read and written, and what runs the networks.

    `out` is a folder (or, for one item that is an image, a file); None puts results beside their input. `suffix` asks for another
    image format. `width` is how many metres a texture spans on the object, `height` how many lie between
    black and white of a height map. `server` is the address of a Sabi server; without
    one the networks run in this process. `texels` is the side of a model's new textures, 0 for what its own have.
    """

    out: Path | None = None
    overwrite: bool = False
    suffix: str = ""
    width: float = 2.0
    height: float = 0.02
    wrap: tuple[bool, bool] | None = None
    new_maps: bool = True
    object_name: str = ""
    object_index: int | None = None
    view_layer: str = ""
    texels: int = 0
    device: str | None = None
    threads: int | None = None
    server: str = ""
    token: str = ""
    blender_python: str = ""


@dataclass(frozen=True)
class Written:
    """What became of an item. `recipe` names the networks that were used."""

    paths: tuple[Path, ...]
    recipe: Recipe
    warnings: tuple[str, ...] = ()
    skipped: bool = False
    seconds: float = 0.0


class WeatheredSurface(Protocol):
    """What an engine gives back."""

    @property
    def surface(self) -> Surface: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...


class Engine:
    """What runs the networks for one item after another: this process, or a server. Networks are loaded at their first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._networks: Networks | None = None
        self._client = Client(settings.server, settings.token or None) if settings.server else None

    def __call__(self, surface: Surface, recipe: Recipe, progress: Progress) -> tuple[WeatheredSurface, dict[str, str]]:
        """The weathered surface, and name -> sha256 of the networks that painted it. Raises SabiError's children."""
        if self._client is not None:
            answer = self._client.weather(
                surface, recipe, progress=lambda now: progress(now.stage, now.fraction), part="surface"
            )
            return answer, dict(answer.networks)
        if self._networks is None:
            self._networks = Networks.load(device=self._settings.device, threads=self._settings.threads)
        done = weather(surface, recipe, networks=self._networks, progress=progress)
        return done, dict(done.recipe.networks)


def kind_of(path: Path) -> Kind:
    """What an input is, by its suffix and for EXR by its contents. Raises BadFile for what Sabi does not weather."""
    if path.is_dir():
        return Kind.FOLDER
    suffix = path.suffix.lower()
    if suffix in MODEL_SUFFIXES:
        return Kind.MODEL
    if "<UDIM>" in path.name:
        return Kind.IMAGE
    if not path.exists():
        raise BadFile(f"{path} is missing.", "Check the path.")
    if suffix not in IMAGE_SUFFIXES:
        known = sorted(s[1:] for s in IMAGE_SUFFIXES | MODEL_SUFFIXES)
        raise BadFile(f"{path} is nothing Sabi weathers.", f"Known types: {', '.join(known)}, and folders of maps.")
    return Kind.FRAME if is_frame(path) else Kind.IMAGE


def destination(path: Path, kind: Kind, settings: Settings) -> Path:
    """Where an item's result goes: `steel.png` -> `steel_weathered.png`, `maps/` -> `maps_weathered/`."""
    folder = path.resolve().parent
    if kind is Kind.FOLDER:
        name = f"{path.resolve().name}_weathered"
    elif kind is Kind.MODEL:
        name = f"{path.stem}_weathered"
    else:
        suffix = path.suffix if kind is Kind.FRAME else settings.suffix or writable_suffix(path.suffix)
        stem, udim = re.subn(r"[._]?<UDIM>", "", path.stem)
        name = f"{stem}_weathered{'' if udim else suffix}"
    if settings.out is None:
        return folder / name
    single = (
        settings.out.suffix.lower() in IMAGE_SUFFIXES and kind in (Kind.IMAGE, Kind.FRAME) and not settings.out.is_dir()
    )
    return settings.out if single else settings.out / name


def sidecar_of(target: Path) -> Path:
    """`steel_weathered.png.sabi.json` beside a file, `sabi.json` inside a folder."""
    return target.with_name(target.name + SIDECAR) if target.suffix.lower() in IMAGE_SUFFIXES else target / SIDECAR[1:]


def weather_item(path: Path, recipe: Recipe, settings: Settings, engine: Engine, progress: Progress) -> Written:
    """Weathers one item and writes its result and sidecar, all or nothing. Raises SabiError's children."""
    began = time.monotonic()
    kind = kind_of(path)
    target = destination(path, kind, settings)
    sidecar = sidecar_of(target)
    if sidecar.exists() and not settings.overwrite:
        raise FileExists(f"{path} is weathered already: {sidecar} exists.")
    with WholeFiles(settings.overwrite) as files:
        if kind is Kind.MODEL:
            paths, warnings, networks = _weather_model(path, target, recipe, settings, progress)
        else:
            weather_one = _weather_frame if kind is Kind.FRAME else _weather_images
            paths, warnings, networks = weather_one(path, target, recipe, settings, engine, files, progress)
        used = replace(recipe, networks=networks)
        report = {
            "sabi_item": SIDECAR_VERSION,
            "kind": kind.value,
            "input": {"name": path.name, "sha256": digest(path)},
            "settings": _remembered(settings),
            "recipe": json.loads(used.to_json()),
            "files": [p.relative_to(sidecar.parent).as_posix() for p in paths],
            "warnings": warnings,
            "seconds": round(time.monotonic() - began, 3),
        }
        files.add_text(sidecar, json.dumps(report, indent=2) + "\n")
    return Written((*paths, sidecar), used, tuple(warnings), seconds=time.monotonic() - began)


def already_done(path: Path, recipe: Recipe, settings: Settings) -> Written | None:
    """What an earlier run wrote, when its sidecar tells of this very input and recipe and its files are still there."""
    try:
        target = destination(path, kind_of(path), settings)
        sidecar = sidecar_of(target)
        said = json.loads(sidecar.read_text(encoding="utf-8"))
        if said["settings"] != _remembered(settings):
            return None
        made_with = recipe_from_dict(said["recipe"])
        paths = tuple(sidecar.parent / name for name in said["files"])
        same = replace(made_with, networks=recipe.networks) == recipe and said["sabi_item"] == SIDECAR_VERSION
        if same and all(p.exists() for p in paths) and said["input"]["sha256"] == digest(path):
            return Written((*paths, sidecar), made_with, tuple(said["warnings"]), skipped=True)
    except (OSError, ValueError, KeyError, TypeError, SabiError):
        return None
    return None


def _remembered(settings: Settings) -> dict[str, object]:
    """Those settings that change what a result looks like."""
    return {
        "format": settings.suffix,
        "width": settings.width,
        "height": settings.height,
        "wrap": None if settings.wrap is None else list(settings.wrap),
        "object": settings.object_name,
        "object_index": settings.object_index,
        "view_layer": settings.view_layer,
        "texels": settings.texels,
    }


def digest(path: Path) -> str:
    """sha256 of an input: of a file's bytes, or of the names and bytes of a folder's images and a UDIM set's tiles."""
    hasher = hashlib.sha256()
    for file in input_files(path):
        if not path.is_file():
            hasher.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                hasher.update(block)
    return hasher.hexdigest()


def input_files(path: Path) -> Iterator[Path]:
    """The files that an input consists of, in order."""
    if path.is_dir():
        yield from (p for p in sorted(path.iterdir()) if p.is_file() and p.suffix.lower() in IMAGE_SUFFIXES)
    elif "<UDIM>" in path.name:
        yield from sorted(path.parent.glob(path.name.replace("<UDIM>", "[0-9][0-9][0-9][0-9]")))
    else:
        yield path


def _weather_images(
    path: Path, target: Path, recipe: Recipe, settings: Settings, engine: Engine, files: WholeFiles, progress: Progress
) -> tuple[list[Path], list[str], dict[str, str]]:
    assets = read_assets(path, width_metres=settings.width, wrap=settings.wrap, height_scale=settings.height)
    paths: list[Path] = []
    warnings: list[str] = []
    networks: dict[str, str] = {}
    for number, asset in enumerate(assets):
        done, networks = engine(asset.surface, recipe, _part_of(progress, number, len(assets)))
        paths += write_asset(asset, done.surface, target, files, suffix=settings.suffix, new_maps=settings.new_maps)
        warnings += [w for w in (*asset.warnings, *done.warnings) if w not in warnings]
    if path.suffix.lower() in (".jpg", ".jpeg", ".webp") and not settings.suffix:
        warnings.append(
            f"Written as PNG: {path.suffix[1:].upper()} would change every texel, also those that are not weathered."
        )
    return paths, warnings, networks


def _part_of(progress: Progress, number: int, count: int) -> Progress:
    return lambda stage, fraction: progress(stage, (number + fraction) / count)


def _weather_frame(
    path: Path, target: Path, recipe: Recipe, settings: Settings, engine: Engine, files: WholeFiles, progress: Progress
) -> tuple[list[Path], list[str], dict[str, str]]:
    frame = read_frame(
        path, layer=settings.view_layer, object_name=settings.object_name, object_index=settings.object_index
    )
    noticed = inspect(frame.surface, frame.passes)
    done, networks = engine(frame.surface, recipe, progress)
    files.add(target, lambda temporary: write_frame(frame, done.surface, temporary))
    return [target], list(dict.fromkeys((*noticed, *done.warnings))), networks


def _weather_model(
    path: Path, target: Path, recipe: Recipe, settings: Settings, progress: Progress
) -> tuple[list[Path], list[str], dict[str, str]]:
    options = ["--texels", str(settings.texels)] if settings.texels else []
    options += ["--object", settings.object_name] if settings.object_name else []
    environment = {
        "SABI_SERVER": settings.server,
        "SABI_TOKEN": settings.token,
        "SABI_DEVICE": settings.device or "",
        "SABI_THREADS": str(settings.threads or ""),
    }
    answer = weather_model(
        path,
        target,
        recipe,
        python=settings.blender_python,
        options=options,
        environment={name: value for name, value in environment.items() if value},
        overwrite=settings.overwrite,
        progress=progress,
    )
    return list(answer.files), list(answer.warnings), dict(answer.networks)
