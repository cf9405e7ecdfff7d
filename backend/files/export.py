# SPDX-License-Identifier: GPL-3.0-or-later
"""Weathered surfaces as the files that engines want, named by a pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from ..protocol.errors import MissingMap
from ..protocol.file_names import Named
from ..protocol.map_files import MapExport, MapFile, solid
from ..protocol.surface import CHANNELS, Map, Surface
from ..protocol.whole import WholeFiles
from .packing import pack, write_packed


def exported_maps(surface: Surface) -> Mapping[str, Map]:
    """The maps of a surface that an export may hold."""
    named = {name for file in MapExport().files(CHANNELS) for name in file.maps}
    return solid({name: map_ for name, map_ in surface.maps.items() if name in named})


def next_version(named: Named, export: MapExport, folder: Path) -> int:
    """The version whose files take nothing's place, whatever maps there will be."""
    return named.next_version(export.pattern, [file.name for file in export.files(CHANNELS)], folder)


def write_export(
    surface: Surface,
    named: Named,
    export: MapExport,
    folder: Path,
    files: WholeFiles,
    *,
    version: int = 1,
    tile: int | None = None,
) -> list[Path]:
    """Adds a surface's files to `files` and returns where they will be; those of a UDIM tile have its number in their names.

    Raises MissingMap where the surface has nothing that the layout holds, FileExists, DiskFull, BadFile.
    """
    maps = exported_maps(surface)
    found = export.files(maps)
    if not found:
        raise MissingMap("albedo")
    ending = (f".{tile}" if tile else "") + export.suffix
    paths = []
    for file in found:
        path = folder / f"{named.path(export.pattern, file.name, version)}{ending}"
        files.add(path, _writing(maps, file, export))
        paths.append(path)
    return paths


def _writing(maps: Mapping[str, Map], file: MapFile, export: MapExport) -> Callable[[Path], None]:
    return lambda temporary: write_packed(temporary, pack(maps, file, export))
