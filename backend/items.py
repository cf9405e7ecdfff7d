# SPDX-License-Identifier: GPL-3.0-or-later
"""One thing on disk weathered to disk: an image, a folder of PBR maps, a rendered frame or a model, with a sidecar that says how.

What the command line does for one input and a farm for thousands; prints nothing and knows no terminal.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any, Protocol

from .files import IMAGE_SUFFIXES, read_assets, read_frame, write_asset, write_frame
from .files.assets import tiles_of, title_of
from .files.export import next_version, write_export
from .files.frame import is_frame
from .files.image import LOSSY_SUFFIXES, camera_of, image_size, writable_suffix
from .files.photograph import read_still, write_stages, write_still
from .models import MODEL_SUFFIXES, weather_model
from .networks.registry import Networks
from .protocol.client import Client, JobResult
from .protocol.errors import BadFile, BadRecipe, FileExists, SabiError
from .protocol.file_names import Named, has_token
from .protocol.map_files import MapExport
from .protocol.painted import PaintedLayer
from .protocol.photograph import asked_to_harmonize
from .protocol.recipe import Recipe, recipe_from_dict
from .protocol.rules import Rules
from .protocol.still import Down, Still
from .protocol.surface import CHANNELS, Map, Surface
from .protocol.whole import WholeFiles
from .server.spool import Spool
from .weathering.material_masks import material_masks
from .weathering.passes import inspect
from .weathering.pipeline import Weathered, paint_photograph, weather

SIDECAR = ".sabi.json"
SIDECAR_VERSION = 1
Progress = Callable[[str, float], None]


class Kind(Enum):
    IMAGE = "image"
    FOLDER = "folder"
    FRAME = "frame"
    MODEL = "model"
    PHOTOGRAPH = "photograph"


@dataclass(frozen=True)
class Photographed:
    """That an image is a photograph of things in their light: what of it weathers, which way is down (the recipe's where None),
    and the folder for what is made on the way."""

    still: Still
    mask: Path | None = None
    down: Down | None = None
    stages: Path | None = None

    @property
    def remembered(self) -> dict[str, object]:
        still = self.still
        return {
            "harmonize": still.harmonize,
            "material": still.material.value if still.material else None,
            "at": [list(place) for place in still.clicks] or None,
            "mask": None if self.mask is None else digest(self.mask),
            "down": self.down.value if self.down else None,
        }


@dataclass(frozen=True)
class Settings:
    """How to weather items: where results go, how files are read and written, and what runs the networks.

    `out` is a folder (or, for one item that is an image, a file); None puts results beside their input. `suffix` asks for another
    image format. `width` is how many metres a texture spans on the object, `height` how many lie between black and white of a
    height map, `unit` how many one unit of a frame's positions is. `server` is the address of a Sabi server; without one the
    networks run in this process. `texels` is the side of a model's new textures, 0 for what its own have; with `shared_tiles`
    what repeats over several of its objects is painted once. `export` writes maps as engines want them in place of files like the
    input's. `photograph` says that images are photographs, None that they are textures. `harmonize` is for rendered frames: what
    weathered is brought nearer to the colours of the rest. `directx` says how normal maps are, None to read it off their names.
    `read` is what was read besides the items: like them it is never written over.
    """

    out: Path | None = None
    overwrite: bool = False
    suffix: str = ""
    export: MapExport | None = None
    directx: bool | None = None
    width: float = 2.0
    height: float = 0.02
    unit: float = 1.0
    wrap: tuple[bool, bool] | None = None
    new_maps: bool = True
    object_name: str = ""
    object_index: int | None = None
    view_layer: str = ""
    texels: int = 0
    shared_tiles: bool = False
    photograph: Photographed | None = None
    harmonize: bool = False
    device: str | None = None
    threads: int | None = None
    server: str = ""
    token: str = ""
    blender_python: str = ""
    read: tuple[Path, ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        """What tells the add-on's process what runs the networks."""
        asked = {
            "SABI_SERVER": self.server,
            "SABI_TOKEN": self.token,
            "SABI_DEVICE": self.device or "",
            "SABI_THREADS": str(self.threads or ""),
        }
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True)
class Written:
    """What became of an item. `networks` are those that were used, name -> sha256.

    `objects` are a model's materials with what rules give them; where they give nothing, nothing is written.
    """

    paths: tuple[Path, ...]
    networks: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    objects: tuple[Mapping[str, Any], ...] = ()

    @property
    def left(self) -> bool:
        """Whether no rule takes anything of the item."""
        return not self.paths


class WeatheredSurface(Protocol):
    """What an engine gives back."""

    @property
    def surface(self) -> Surface: ...

    @property
    def warnings(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Painting:
    """What an engine paints: the layers for all ages, sentences for a person, and name -> sha256 of the networks used.

    `masks` are those of materials that it found, which ageing needs beside the surface's own maps.
    """

    layers: tuple[PaintedLayer, ...]
    warnings: tuple[str, ...]
    networks: dict[str, str]
    masks: Mapping[str, Map] = field(default_factory=dict)


class Engine:
    """What runs the networks for one item after another: this process, or a server. Networks are loaded at their first use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._networks: Networks | None = None
        self._spool = Spool()
        self._client = Client(settings.server, settings.token or None) if settings.server else None

    def __call__(self, surface: Surface, recipe: Recipe, progress: Progress) -> tuple[WeatheredSurface, dict[str, str]]:
        """The weathered surface, and name -> sha256 of the networks that painted it. Raises SabiError's children."""
        if self._client is not None:
            answer = self._ask(surface, recipe, progress, "surface")
            return answer, dict(answer.networks)
        done = self._weather(surface, recipe, progress)
        return done, dict(done.recipe.networks)

    def paint(self, surface: Surface, recipe: Recipe, progress: Progress) -> Painting:
        """The layers for all ages. Raises SabiError's children."""
        if self._client is not None:
            answer = self._ask(surface, recipe, progress, "layers")
            return Painting(answer.layers, answer.warnings, dict(answer.networks), material_masks(answer.surface))
        done = self._weather(surface, recipe, progress)
        return Painting(done.layers, done.warnings, dict(done.recipe.networks), material_masks(done.surface))

    def paint_photograph(
        self, surface: Surface, recipe: Recipe, progress: Progress
    ) -> tuple[Painting, Callable[[Recipe], Surface]]:
        """The layers of a photograph, and what gives it at the ages of a recipe: by this process alone."""
        if self._client is not None:
            raise BadRecipe("A photograph's ages are made by this process, not by a server.", "Leave --server out.")
        done, at = paint_photograph(
            surface, recipe, networks=self._loaded(), progress=progress, allocate=self._spool.allocate
        )
        return Painting(done.layers, done.warnings, dict(done.recipe.networks)), at

    def _ask(self, surface: Surface, recipe: Recipe, progress: Progress, part: str) -> JobResult:
        assert self._client is not None
        return self._client.weather(surface, recipe, progress=lambda now: progress(now.stage, now.fraction), part=part)

    def _weather(self, surface: Surface, recipe: Recipe, progress: Progress) -> Weathered:
        return weather(surface, recipe, networks=self._loaded(), progress=progress, allocate=self._spool.allocate)

    def _loaded(self) -> Networks:
        if self._networks is None:
            self._networks = Networks.load(device=self._settings.device, threads=self._settings.threads)
        return self._networks


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


def kind_asked(path: Path, settings: Settings) -> Kind:
    """What an input is to be taken for. Raises BadFile, BadRecipe."""
    kind = kind_of(path)
    if settings.harmonize and kind is not Kind.FRAME:
        raise BadRecipe("--harmonize is for photographs and rendered frames.", "Add --photograph, or leave it out.")
    if settings.photograph is None:
        return kind
    if kind is not Kind.IMAGE or "<UDIM>" in path.name:
        raise BadFile(f"{path.name} is no photograph but a {kind.value}.", "Leave --photograph out.")
    return Kind.PHOTOGRAPH


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
        several = udim or (settings.export is not None and kind is Kind.IMAGE)
        name = f"{stem}_weathered{'' if several else suffix}"
    if settings.out is None:
        return folder / name
    single = (
        settings.out.suffix.lower() in IMAGE_SUFFIXES
        and (kind in (Kind.FRAME, Kind.PHOTOGRAPH) or (kind is Kind.IMAGE and settings.export is None))
        and not settings.out.is_dir()
    )
    return settings.out if single else settings.out / name


def clashes(items: Iterable[tuple[Path, Settings]]) -> dict[Path, BadRecipe]:
    """Those items whose result would go where that of an earlier one goes, and what to say of it."""
    taken: dict[Path, Path] = {}
    found: dict[Path, BadRecipe] = {}
    for path, settings in items:
        try:
            targets = [destination(path, kind_asked(path, settings), settings).resolve()]
        except (SabiError, OSError):  # which is said of the item itself
            continue
        if settings.photograph is not None and settings.photograph.stages is not None:
            targets.append(settings.photograph.stages.resolve() / f"{path.stem}_...")
        for target in targets:
            other = taken.setdefault(target, path)
            if other.resolve() != path.resolve():
                found[path] = BadRecipe(
                    f"{path} and {other} would both become {target.name} in {target.parent}.",
                    "Rename one of them, or weather them apart with another --out.",
                )
    return found


def sidecar_of(target: Path, version: int = 0) -> Path:
    """`steel_weathered.png.sabi.json` beside a file, `sabi.json` inside a folder, `v2.sabi.json` of a version of an export."""
    if version:
        return target / f"v{version}{SIDECAR}"
    return target.with_name(target.name + SIDECAR) if target.suffix.lower() in IMAGE_SUFFIXES else target / SIDECAR[1:]


def weather_item(path: Path, look: Recipe | Rules, settings: Settings, engine: Engine, progress: Progress) -> Written:
    """Weathers one item and writes its result and sidecar, all or nothing; rules are for models alone.

    Raises SabiError's children.
    """
    began = time.monotonic()
    kind = kind_asked(path, settings)
    target = destination(path, kind, settings)
    version = _next_version(path, kind, target, look, settings)
    sidecar = sidecar_of(target, version)
    if sidecar.exists() and not settings.overwrite:
        raise FileExists(f"{path} is weathered already: {sidecar} exists.")
    with WholeFiles(settings.overwrite, inputs=read_files(path, settings)) as files:
        if kind is Kind.MODEL:
            made = _weather_model(path, target, look, settings, progress)
            if made.left:
                return replace(made, seconds=time.monotonic() - began)
        elif kind is Kind.FRAME:
            assert isinstance(look, Recipe)
            made = _weather_frame(path, target, look, settings, engine, files, progress)
        elif kind is Kind.PHOTOGRAPH:
            assert isinstance(look, Recipe)
            made = _weather_photograph(path, target, look, settings, engine, files, progress)
        else:
            assert isinstance(look, Recipe)
            made = _weather_images(path, target, version, look, settings, engine, files, progress)
        report = {
            "sabi_item": SIDECAR_VERSION,
            "kind": kind.value,
            "input": {"name": path.name, "sha256": digest(path)},
            "settings": remembered(settings),
            **_said(look, made),
            "files": [p.relative_to(sidecar.parent).as_posix() for p in made.paths if p.is_relative_to(sidecar.parent)],
            "warnings": list(made.warnings),
            "seconds": round(time.monotonic() - began, 3),
        }
        files.add_text(sidecar, json.dumps(report, indent=2) + "\n")
    return replace(made, paths=(*made.paths, sidecar), seconds=time.monotonic() - began)


def already_done(path: Path, look: Recipe | Rules, settings: Settings) -> Written | None:
    """What an earlier run wrote, when its sidecar tells of this very input and look and its files are still there."""
    try:
        kind = kind_asked(path, settings)
        target = destination(path, kind, settings)
        version = _next_version(path, kind, target, look, settings)
        sidecar = sidecar_of(target, max(version - 1, 1) if version else 0)
        said = json.loads(sidecar.read_text(encoding="utf-8"))
        if said["settings"] != remembered(settings):
            return None
        if isinstance(look, Recipe):
            made_with = recipe_from_dict(said["recipe"])
            networks, same = made_with.networks, replace(made_with, networks=look.networks) == look
        else:
            networks, same = said["networks"], said["rules"] == json.loads(look.to_json())
        paths = tuple(sidecar.parent / name for name in said["files"])
        same = same and said["sabi_item"] == SIDECAR_VERSION
        if same and all(p.exists() for p in paths) and said["input"]["sha256"] == digest(path):
            objects = tuple(said.get("objects", ()))
            return Written((*paths, sidecar), networks, tuple(said["warnings"]), objects=objects)
    except (OSError, ValueError, KeyError, TypeError, SabiError):
        return None
    return None


def _said(look: Recipe | Rules, made: Written) -> dict[str, object]:
    """What a sidecar says of the look: the recipe with its networks, or the rules and what they gave to what."""
    if isinstance(look, Recipe):
        return {"recipe": json.loads(replace(look, networks=made.networks).to_json())}
    return {"rules": json.loads(look.to_json()), "networks": dict(made.networks), "objects": list(made.objects)}


def remembered(settings: Settings) -> dict[str, object]:
    """Those settings that change what a result looks like."""
    return {
        "format": settings.suffix,
        "width": settings.width,
        "height": settings.height,
        "unit": settings.unit,
        "wrap": None if settings.wrap is None else list(settings.wrap),
        "object": settings.object_name,
        "object_index": settings.object_index,
        "view_layer": settings.view_layer,
        "texels": settings.texels,
        "directx": settings.directx,
        "maps": None if settings.export is None else settings.export.describe(CHANNELS),
        **({"shared_tiles": True} if settings.shared_tiles else {}),
        **({"harmonize": True} if settings.harmonize else {}),
        **({} if settings.photograph is None else {"photograph": settings.photograph.remembered}),
    }


def _next_version(path: Path, kind: Kind, target: Path, look: Recipe | Rules, settings: Settings) -> int:
    """Of an export of images whose names have versions: the first that neither files nor sidecars have; else 0."""
    export = settings.export
    if isinstance(look, Rules) or export is None:
        return 0
    if kind not in (Kind.IMAGE, Kind.FOLDER) or not has_token(export.pattern, "version"):
        return 0
    sidecars = (re.fullmatch(r"v(\d+)" + re.escape(SIDECAR), found.name) for found in target.glob(f"v*{SIDECAR}"))
    told = max((int(match[1]) for match in sidecars if match), default=0)
    return max(told + 1, next_version(_named(path, look), export, target))


def _named(path: Path, recipe: Recipe) -> Named:
    """What the files of an export are called after."""
    return Named(title_of(path), title_of(path), recipe.title, max(max(image_size(file)) for file in input_files(path)))


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
        yield from tiles_of(path)
    else:
        yield path


def read_files(path: Path, settings: Settings) -> tuple[Path, ...]:
    """All that is read to weather an input: what it consists of, a photograph's mask, and what else was asked for."""
    mask = settings.photograph.mask if settings.photograph else None
    return (*input_files(path), *([] if mask is None else [mask]), *settings.read)


def _weather_images(
    path: Path,
    target: Path,
    version: int,
    recipe: Recipe,
    settings: Settings,
    engine: Engine,
    files: WholeFiles,
    progress: Progress,
) -> Written:
    assets = read_assets(
        path, width_metres=settings.width, wrap=settings.wrap, height_scale=settings.height, directx=settings.directx
    )
    paths: list[Path] = []
    warnings: list[str] = []
    networks: dict[str, str] = {}
    export, named = settings.export, _named(path, recipe)
    for number, asset in enumerate(assets):
        done, networks = engine(asset.surface, recipe, _part_of(progress, number, len(assets)))
        if export is not None:
            paths += write_export(done.surface, named, export, target, files, version=version, tile=asset.tile)
        else:
            paths += write_asset(asset, done.surface, target, files, suffix=settings.suffix, new_maps=settings.new_maps)
        warnings += [w for w in (*asset.warnings, *done.warnings) if w not in warnings]
    if path.is_file() and settings.wrap is None and export is None and (camera := camera_of(path)):
        warnings.append(
            f"{path.name} was taken with a camera ({camera}) and weathered as a texture: add --photograph where it shows "
            "things in their light."
        )
    if export is None:
        lossy = {p.suffix.lower() for p in paths} & LOSSY_SUFFIXES
        if lossy:
            warnings.append(f"{min(lossy)[1:].upper()} changes every texel, also those that are not weathered.")
        elif path.suffix.lower() in LOSSY_SUFFIXES and paths[0].suffix == ".png" and not settings.suffix:
            warnings.append(
                f"Written as PNG: {path.suffix[1:].upper()} would change every texel, also those that are not weathered."
            )
    return Written(tuple(paths), networks, tuple(warnings))


def _part_of(progress: Progress, number: int, count: int) -> Progress:
    return lambda stage, fraction: progress(stage, (number + fraction) / count)


def _weather_frame(
    path: Path, target: Path, recipe: Recipe, settings: Settings, engine: Engine, files: WholeFiles, progress: Progress
) -> Written:
    if settings.export is not None:
        raise BadFile(f"{path.name} is a rendered frame, which has no maps.", "Leave --maps out.")
    frame = read_frame(
        path,
        layer=settings.view_layer,
        object_name=settings.object_name,
        object_index=settings.object_index,
        unit=settings.unit,
    )
    noticed = inspect(frame.surface, frame.passes)
    done, networks = engine(
        asked_to_harmonize(frame.surface) if settings.harmonize else frame.surface, recipe, progress
    )
    files.add(target, lambda temporary: write_frame(frame, done.surface, temporary))
    return Written((target,), networks, tuple(dict.fromkeys((*noticed, *done.warnings))))


def _weather_photograph(
    path: Path, target: Path, recipe: Recipe, settings: Settings, engine: Engine, files: WholeFiles, progress: Progress
) -> Written:
    asked = settings.photograph
    assert asked is not None
    if settings.export is not None:
        raise BadFile(f"{path.name} is a photograph, which has no maps.", "Leave --maps or --photograph out.")
    given = read_still(path, asked.still, width=settings.width, mask=asked.mask)
    if asked.down is not None:
        recipe = replace(recipe, frame=replace(recipe.frame, gravity=asked.down.gravity))
    done, networks = engine(given.surface, recipe, progress)
    paths = [write_still(given, done.surface, target, files)]
    if asked.stages is not None:
        paths += write_stages(done.surface, path.stem, asked.stages, files)
    warnings = [*given.warnings, *done.warnings]
    if target.suffix.lower() in LOSSY_SUFFIXES:
        warnings.append(f"{target.suffix[1:].upper()} changes every texel, also those that are not weathered.")
    return Written(tuple(paths), networks, tuple(warnings))


def _weather_model(path: Path, target: Path, look: Recipe | Rules, settings: Settings, progress: Progress) -> Written:
    if path.resolve().is_relative_to(target.resolve()):
        raise FileExists(
            f"{path} lies in {target}, where its result would go.",
            "Choose another --out: Sabi never writes over what it reads.",
        )
    options = ["--texels", str(settings.texels)] if settings.texels else []
    options += ["--object", settings.object_name] if settings.object_name else []
    options += ["--shared-tiles"] if settings.shared_tiles else []
    if settings.export is not None:
        export = settings.export
        options += ["--maps", export.layout.value, "--format", export.format.value, "--bits", str(export.bits)]
        options += ["--name", export.pattern]
    if settings.directx is not None:
        options += ["--normals", "directx" if settings.directx else "opengl"]
    answer = weather_model(
        path,
        target,
        look,
        python=settings.blender_python,
        options=options,
        environment=settings.environment,
        overwrite=settings.overwrite,
        progress=progress,
    )
    return Written(answer.files, answer.networks, answer.warnings, objects=answer.objects)
