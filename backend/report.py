# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in folders of results, as a person would be shown it: a batch's items, time-lapses, the demo.

Everything is read off the sidecars beside the results; a sidecar names files of its own folder or none.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .dry_run import small_copy
from .files import IMAGE_SUFFIXES, read_assets, read_frame
from .items import SIDECAR, SIDECAR_VERSION, Engine, Kind, Settings, digest, input_files, kind_of
from .picture import data_address, main_image, picture_of, screen
from .protocol.errors import BadFile, SabiError
from .protocol.recipe import Recipe, recipe_from_dict
from .timelapse import NAME as TIMELAPSE
from .timelapse import frames_of, read_sidecar
from .weathering.colour import to_srgb
from .weathering.pipeline import Ageing

DEMO = f"demo{SIDECAR}"
DEMO_VERSION = 1
TURNING = "turntable.webp"
MAP_SIDE = 224  # texels a side of the small pictures
PAINTED_SIDE = 1024  # texels a side of the copy that ages are painted on, where the input is larger
MOST_FRAMES = 9  # of a time-lapse
MOST_MAPS = 24


@dataclass(frozen=True)
class Picture:
    """A picture inside its own address, and the file that it shows, where there is one. `missing` says why there is none."""

    address: str = ""
    file: Path | None = None
    missing: str = ""


@dataclass(frozen=True)
class Exhibit:
    """One thing before and after. `frames` are its ages, the last of them as it was written; `before` may be unknown."""

    name: str
    before: Picture | None = None
    frames: tuple[tuple[float, Picture], ...] = ()
    maps: tuple[tuple[str, Picture], ...] = ()
    turning: Picture | None = None
    facts: tuple[tuple[str, str], ...] = ()
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Showing:
    """How large pictures are, how many ages are painted between none and what was written, and where inputs are looked for.

    `inputs` are folders, beside that of the result; `asked` is the input by a file that became of it (a batch's lines).
    """

    side: int = 768
    ages: int = 5
    inputs: tuple[Path, ...] = ()
    asked: Mapping[Path, Path] = field(default_factory=dict)


def exhibits(roots: Sequence[Path], showing: Showing, engine: Engine | None) -> Iterator[Exhibit]:
    """What lies in the folders, in order; without an engine no ages are painted. Damaged results are exhibits with a note.

    Raises BadFile at once for what is no folder.
    """
    for root in roots:
        if not root.is_dir():
            raise BadFile(f"{root} is {'a file' if root.exists() else 'missing'}.", "Name a folder that holds results.")
    return _walk(roots, showing, engine)


def _walk(roots: Sequence[Path], showing: Showing, engine: Engine | None) -> Iterator[Exhibit]:
    for root in roots:
        for name, folders, files in os.walk(root):
            folders.sort()
            folder = Path(name)
            if DEMO in files or {"before.png", "age-1.00.png"} <= set(files):
                folders.clear()
                yield _demo(folder, showing)
                continue
            if TIMELAPSE in files and (said := read_sidecar(folder)):
                yield _timelapse(folder, said, showing)
            for file in sorted(files):
                if file.endswith(SIDECAR) or file == SIDECAR[1:]:
                    exhibit = _item(folder / file, root, showing, engine)
                    if exhibit:
                        yield exhibit


def failures(lines: Path) -> tuple[dict[Path, Path], list[tuple[str, str]]]:
    """Of a batch's JSON lines: the input by each file written, and (item, why) of what failed. Raises BadFile."""
    asked, failed = {}, []
    try:
        for line in lines.read_text(encoding="utf-8").splitlines():
            if not line.strip():
                continue
            said = json.loads(line)
            asked.update({Path(name).resolve(): Path(said["item"]) for name in said.get("files", ())})
            if said["status"] == "failed":
                failed.append((str(said["item"]), f"{said['error']['message']} {said['error']['hint']}".strip()))
    except OSError as error:
        raise BadFile(f"{lines} may not be read: {error.strerror}.", "Check the path.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadFile(f"{lines} does not hold the lines of `sabi batch`.", "Keep its standard output.") from None
    return asked, failed


def _item(sidecar: Path, root: Path, showing: Showing, engine: Engine | None) -> Exhibit | None:
    """A weathered image, folder, frame or model; None where the sidecar is another's."""
    try:
        said = json.loads(sidecar.read_text(encoding="utf-8"))
        if said["sabi_item"] != SIDECAR_VERSION:
            return None
        name, kind = Path(str(said["input"]["name"])).name, Kind(said["kind"])
        recipe = recipe_from_dict(said["recipe"]) if "recipe" in said else None
        files = [_inside(sidecar.parent, str(part)) for part in said["files"]]
        notes = [str(warning) for warning in said["warnings"]]
        settings = _settings(said["settings"])
        digested = str(said["input"]["sha256"])
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        SabiError,
    ) as error:
        if isinstance(error, KeyError) and error.args == ("sabi_item",):
            return None
        return Exhibit(sidecar.name, notes=(f"This sidecar cannot be read: {error}.",))
    shown = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    facts = [("Recipe", recipe.title if recipe else "by rules"), ("Kind", kind.value)]
    if recipe:
        facts.append(("Layers", ", ".join(f"{layer.effect.value} {layer.age:g}" for layer in recipe.shown.layers)))
    below = sidecar.parent.relative_to(root) if sidecar.parent != root and kind is Kind.IMAGE else Path()
    exhibit = Exhibit((below / name).as_posix(), facts=tuple(facts), files=tuple(f for f in files if f not in shown))
    if not shown:
        return replace(exhibit, notes=(*notes, "Nothing of it is an image."))
    after = shown[0] if kind is Kind.PHOTOGRAPH else main_image(shown)
    several = [file for file in shown if file != after or len(shown) > 1]
    exhibit = replace(exhibit, maps=tuple((file.stem, _picture(file, MAP_SIDE)) for file in several[:MOST_MAPS]))
    written = _picture(after, showing.side)
    frames: tuple[tuple[float, Picture], ...] = ((_oldest(recipe), written),)
    before = None
    if kind is not Kind.MODEL:
        try:
            source = _input(name, digested, files, sidecar, root, showing)
            still = kind is Kind.PHOTOGRAPH  # its ages are not those of a texture
            before = _picture(main_image(list(input_files(source))), showing.side, photograph=still)
            if engine and recipe and showing.ages > 1 and not (still or before.missing or written.missing):
                between = _ages(source, kind, recipe, settings, showing, engine)
                frames = ((0.0, before), *between, *frames)
        except SabiError as error:
            notes.append(error.for_artist)
    return replace(exhibit, before=before, frames=frames, notes=tuple(dict.fromkeys(notes)))


def _ages(
    source: Path, kind: Kind, recipe: Recipe, settings: Settings, showing: Showing, engine: Engine
) -> Iterator[tuple[float, Picture]]:
    """The ages between none and what the recipe says, painted once on a copy that is no larger than PAINTED_SIDE."""
    with tempfile.TemporaryDirectory(prefix="sabi-") as name:
        copy = small_copy(source, kind, Path(name), PAINTED_SIDE)
        if kind is Kind.FRAME:
            frame = read_frame(
                copy,
                layer=settings.view_layer,
                object_name=settings.object_name,
                object_index=settings.object_index,
                unit=settings.unit,
            )
            surface, wanted = frame.surface, "combined"
        else:
            assets = read_assets(
                copy,
                width_metres=settings.width,
                wrap=settings.wrap,
                height_scale=settings.height,
                directx=settings.directx,
            )
            surface, wanted = assets[0].surface, "albedo"
        painting = engine.paint(surface, recipe, lambda stage, fraction: None)
        ageing = Ageing(surface.with_maps(painting.masks), recipe, painting.layers, wanted=("albedo",))
        for step in range(1, showing.ages - 1):
            share = step / (showing.ages - 1)
            layers = tuple(replace(layer, age=layer.age * share) for layer in recipe.layers)
            map_ = ageing(replace(recipe, layers=layers))[wanted]
            pixels = to_srgb(map_.array[..., :3].astype("f4")) if map_.array.dtype.kind == "f" else map_.array
            yield _oldest(recipe) * share, Picture(data_address(screen(pixels, showing.side)))


def _oldest(recipe: Recipe | None) -> float:
    """The age of what was written: the greatest of its layers'."""
    return max((layer.age for layer in recipe.shown.layers), default=0.0) if recipe else 1.0


def _input(name: str, digested: str, files: Sequence[Path], sidecar: Path, root: Path, showing: Showing) -> Path:
    """Where the input lies that the sidecar tells of, unchanged. Raises BadFile."""
    result = sidecar.parent if sidecar.name == SIDECAR[1:] or sidecar.name.startswith("v") else sidecar
    below = result.parent.relative_to(root) if result.parent.is_relative_to(root) else Path()
    asked = [showing.asked[file.resolve()] for file in files if file.resolve() in showing.asked][:1]
    places = [*asked, result.parent / name, *(folder / below / name for folder in showing.inputs)]
    changed = False
    for place in places:
        try:
            kind_of(place)
            if digest(place) == digested:
                return place
            changed = True
        except (SabiError, OSError):
            continue
    if changed:
        raise BadFile(f"{name} has changed since it was weathered.", "Weather it again to see it before and after.")
    raise BadFile(
        f"{name} was not found.", "Say with --inputs in which folder the inputs lie, to see it before and after."
    )


def _settings(said: Mapping[str, Any]) -> Settings:
    """Those of the settings a result was made with that say how its input is read."""
    wrap = said["wrap"]
    return Settings(
        width=float(said["width"]),
        height=float(said["height"]),
        unit=float(said["unit"]),
        wrap=None if wrap is None else (bool(wrap[0]), bool(wrap[1])),
        object_name=str(said["object"]),
        object_index=said["object_index"],
        view_layer=str(said["view_layer"]),
        directx=said["directx"],
    )


def _timelapse(folder: Path, said: Mapping[str, Any], showing: Showing) -> Exhibit:
    """Some of the frames, evenly; the first is what it was before."""
    found = list(frames_of(dict(said), folder))
    most = min(MOST_FRAMES, len(found))
    chosen = [found[round(k * (len(found) - 1) / max(most - 1, 1))] for k in range(most)]
    chosen.sort(key=lambda frame: frame[0])
    frames = tuple((age, _picture(file, showing.side)) for age, file in chosen)
    gone = len(said["ages"]) - len(found)
    notes = (*said["warnings"], *((f"{gone} of {len(said['ages'])} frames are missing.",) if gone else ()))
    facts = (("Recipe", recipe_from_dict(said["recipe"]).title), ("Frames", str(len(said["ages"]))))
    name = str(said.get("input", {}).get("name", folder.name)) if isinstance(said.get("input"), dict) else folder.name
    return Exhibit(name, frames[0][1] if frames else None, frames, facts=facts, notes=notes)


def _demo(folder: Path, showing: Showing) -> Exhibit:
    """What `make demo` wrote: renders at five ages, the painted maps, and what it says of itself."""
    try:
        said = json.loads((folder / DEMO).read_text(encoding="utf-8"))
        name = str(said["name"]) if said["sabi_demo"] == DEMO_VERSION else folder.name
        facts = tuple((str(key), str(value)) for key, value in said["facts"].items())
        maps = [_inside(folder, str(part)) for part in said["maps"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        name, facts, maps = folder.name, (), sorted((folder / "sabi").rglob("*.png"))
    ages = sorted((float(m[1]), f) for f in folder.iterdir() if (m := re.fullmatch(r"age-(\d\.\d+)\.png", f.name)))
    turning = folder / TURNING
    return Exhibit(
        name,
        _picture(folder / "before.png", showing.side),
        tuple((age, _picture(file, showing.side)) for age, file in ages),
        tuple((file.stem, _picture(file, MAP_SIDE)) for file in maps[:MOST_MAPS]),
        Picture(f"data:image/webp;base64,{b64encode(turning.read_bytes()).decode()}", turning)
        if turning.is_file()
        else None,
        facts,
        tuple(
            file
            for file in (folder / n for n in ("demo.blend", "contact-sheet.png", "turntable.png"))
            if file.is_file()
        ),
    )


def _picture(file: Path, side: int, *, photograph: bool = False) -> Picture:
    """A file's picture; never raises, for one bad file spoils no report."""
    try:
        return Picture(data_address(picture_of(file, side, photograph=photograph)), file)
    except SabiError as error:
        return Picture(file=file, missing=error.message)


def _inside(folder: Path, name: str) -> Path:
    """A file that a sidecar names. Raises ValueError for one that does not lie in its folder."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"it names {name}, which does not lie in its folder")
    return path
