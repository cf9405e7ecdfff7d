# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of weathered objects written as engines want them, in a folder of the artist's choice, with a sidecar that says how."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.protocol.errors import BadFile, SceneError
from ...backend.protocol.file_names import Named, has_token
from ...backend.protocol.map_files import Layout, MapExport
from .. import work
from ..nodes.provenance import Provenance, provenance
from ..pixels.encode_job import UDIM, Piece, Said, with_ending
from ..pixels.encoding import encoding
from ..surface.capture import CapturedObject
from ..surface.shown import ShownCapture, painted_on
from ..weathering import Target, capturing, share
from .exported_look import SIDECAR

SIDECAR_VERSION = 1
CAPTURE_SHARE = 0.8  # of the time it takes, as the progress bar has it
OCCLUDED = (Layout.PLAIN, Layout.UNREAL, Layout.UNITY)  # layouts that hold ambient occlusion


@dataclass(frozen=True)
class Destination:
    """Where the maps of an export go. With `overwrite` files of the same names are replaced."""

    folder: str  # as Blender writes paths: // is that of the .blend
    export: MapExport
    overwrite: bool = False

    @property
    def path(self) -> Path:
        """Raises BadFile where // leads nowhere."""
        if self.folder.startswith("//") and not bpy.data.filepath:
            raise BadFile("The .blend has no folder yet.", "Save it first, or choose another folder for the maps.")
        if not self.folder.strip():
            raise BadFile("There is no folder to export to.", "Choose one, such as //textures.")
        return Path(bpy.path.abspath(self.folder))


def export_objects(objects: Sequence[bpy.types.Object], to: Destination, size: int = 0) -> work.Steps:
    """Steps that bake these weathered or flattened objects as they look and write their maps, all of them or none.

    Nothing in the .blend changes. `size` 0 takes that of the painted images. Raises SceneError where names would be the same,
    FileExists where files are there already; a pattern with {version} goes on to the next instead.
    """
    folder, export = to.path, to.export
    if len(objects) > 1 and not has_token(export.pattern, "object"):
        raise SceneError(
            f"The pattern '{export.pattern}' gives the maps of {len(objects)} objects one name.",
            "Put {object} into it.",
        )
    targets, sources = [Target.of(obj) for obj in objects], [provenance(obj) for obj in objects]
    painted = [painted_on(obj, size) for obj in objects]
    pieces = []
    for index, (target, on) in enumerate(zip(targets, painted, strict=True)):
        capture = ShownCapture(
            bpy.context, target.find(), on, deep=export.dtype.itemsize > 1, occlusion=export.layout in OCCLUDED
        )
        part = CAPTURE_SHARE / len(targets)
        captured = yield from share(capturing(capture), index * part, (index + 1) * part)
        pieces.append(_piece(target.name, captured, sources[index], folder, export))
    _check_names(pieces)
    yield from share(encoding(pieces, export, to.overwrite), CAPTURE_SHARE, 1.0)
    said = targets[0].name if len(targets) == 1 else f"{len(targets)} objects"
    return work.Outcome(f"Exported the maps of {said} to {folder}")


def _piece(name: str, captured: CapturedObject, source: Provenance, folder: Path, export: MapExport) -> Piece:
    maps = captured.surface.maps
    named = Named(name, "_".join(captured.materials[:1]), source.title, max(captured.surface.size))
    files = [file.name for file in export.files(maps)]
    version = named.next_version(export.pattern, [*files, "maps"], folder)
    paths = {file: folder / named.path(export.pattern, file, version) for file in files}
    beside = folder / named.path(export.pattern, "maps", version)
    sidecar = beside.with_name(beside.name + SIDECAR)
    height, width = captured.surface.size
    tiled = f".{UDIM}" if captured.tiles else ""
    report = {
        "sabi_maps": SIDECAR_VERSION,
        "object": name,
        "materials": list(captured.materials),
        "uv_map": captured.uv_map,
        "size": [width, height],
        "tiles": [tile.number for tile in captured.tiles],
        "version": version if has_token(export.pattern, "version") else None,
        "input": {"blend": bpy.path.basename(bpy.data.filepath), "digest": source.input},
        "recipe": json.loads(source.recipe.to_json()) if source.recipe is not None else None,
        "export": export.describe(maps),
        "images": {file: _relative(with_ending(path, tiled, export), sidecar) for file, path in paths.items()},
        "files": [_relative(path, sidecar) for path in _written(paths, captured, export)],
    }
    return Piece(maps, paths, captured.tiles, Said(sidecar, json.dumps(report, indent=2) + "\n"))


def _relative(path: Path, sidecar: Path) -> str:
    return Path(os.path.relpath(path, sidecar.parent)).as_posix()


def _written(paths: Mapping[str, Path], captured: CapturedObject, export: MapExport) -> list[Path]:
    endings = [f".{tile.number}" for tile in captured.tiles] or [""]
    return [with_ending(path, ending, export) for path in paths.values() for ending in endings]


def _check_names(pieces: Sequence[Piece]) -> None:
    """Raises SceneError where two objects' files would have one name: names may differ in what no file system takes."""
    paths = [path for piece in pieces for path in piece.paths.values()]
    names = [str(path).lower() for path in paths]
    twice = next((path for path, name in zip(paths, names, strict=True) if names.count(name) > 1), None)
    if twice is not None:
        raise SceneError(f"Two files would be called {twice.name}.", "Rename one of the objects.")
