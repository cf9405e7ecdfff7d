# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps on their way into image files: the backend encodes them, and they are put in place together. No bpy in here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...backend.protocol.client import Client
from ...backend.protocol.map_files import MapExport
from ...backend.protocol.surface import Map
from ...backend.protocol.tiles import Tile
from ...backend.protocol.whole import WholeFiles
from ..jobs import Job
from ..progress import Progress

UDIM = "<UDIM>"


@dataclass(frozen=True)
class Said:
    """A text file that says what the others are, put in place after them."""

    path: Path
    text: str


@dataclass(frozen=True)
class Piece:
    """One object's maps, and where each file of the export shall be: by its name, without a suffix.

    Maps that are an atlas of `tiles` become a file a tile, with its number behind the name.
    """

    maps: Mapping[str, Map]
    paths: Mapping[str, Path]
    tiles: Sequence[Tile] = ()
    said: Said | None = None


class EncodeJob(Job[list[dict[str, Path]]]):
    """The files of each piece by name, all of them or none; a path has <UDIM> where it stands for a file a tile.

    Existing files are refused (FileExists) unless `overwrite`.
    """

    def __init__(
        self, connect: Callable[[], Client], pieces: Sequence[Piece], export: MapExport, overwrite: bool = False
    ) -> None:
        self._pieces, self._export, self._overwrite = pieces, export, overwrite
        super().__init__(connect)

    def _work(self) -> list[dict[str, Path]]:
        client = self._connect()
        todo = [
            (number, name, tile)
            for number, piece in enumerate(self._pieces)
            for name in piece.paths
            for tile in piece.tiles or (None,)
        ]
        with WholeFiles(self._overwrite) as files:
            for done, (number, name, tile) in enumerate(todo):
                self._check_stop()
                self._tell(Progress("Writing the images", done / len(todo)))
                piece = self._pieces[number]
                encoded = client.encoded(_cut(piece.maps, name, self._export, tile), name, self._export)
                path = with_ending(piece.paths[name], f".{tile.number}" if tile else "", self._export)
                files.add(path, lambda temporary, encoded=encoded: _write(temporary, encoded))
            for piece in self._pieces:
                if piece.said is not None:
                    files.add_text(piece.said.path, piece.said.text)
            self._check_stop()
        return [
            {n: with_ending(p, f".{UDIM}" if piece.tiles else "", self._export) for n, p in piece.paths.items()}
            for piece in self._pieces
        ]

    def _abandon(self) -> None:
        """One image more, perhaps, which nobody waits for."""


def with_ending(path: Path, tile: str, export: MapExport) -> Path:
    return path.with_name(f"{path.name}{tile}{export.suffix}")


def _cut(maps: Mapping[str, Map], name: str, export: MapExport, tile: Tile | None) -> dict[str, Map]:
    """The maps that a file holds, of one tile where there are tiles."""
    file = next(file for file in export.files(maps) if file.name == name)
    wanted = {name: maps[name] for name in file.maps if name in maps}
    if tile is None:
        return wanted
    return {n: Map(np.ascontiguousarray(m.array[tile.window]), m.color_space) for n, m in wanted.items()}


def _write(path: Path, encoded: memoryview) -> None:
    path.write_bytes(encoded)
