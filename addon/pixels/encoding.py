# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoding as steps of a piece of work, by whichever backend is in use."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from ...backend.protocol.errors import SceneError
from ...backend.protocol.file_names import has_token
from ...backend.protocol.map_files import FileFormat, Layout, MapExport
from ..preferences import service, service_settings
from ..progress import Progress
from .encode_job import EncodeJob, Piece


def export_of(engine: str, file_format: str, depth: str, pattern: str) -> MapExport:
    """The export that properties of these names describe. Raises BadFile as MapExport does."""
    return MapExport(Layout[engine], FileFormat[file_format], 0 if depth == "AUTO" else int(depth), pattern)


def check_pattern_for(objects: Sequence[object], pattern: str) -> None:
    """Raises SceneError where a pattern gives the maps of several objects one name."""
    if len(objects) > 1 and not has_token(pattern, "object"):
        raise SceneError(
            f"The pattern '{pattern}' gives the maps of {len(objects)} objects one name.", "Put {object} into it."
        )


def encoding(
    pieces: Sequence[Piece], export: MapExport, overwrite: bool = False
) -> Generator[Progress, None, list[dict[str, Path]]]:
    """Steps that end with each piece's files by name. Raises what EncodeJob raises, with no file written."""
    chosen = service_settings()
    job = EncodeJob(lambda: service.connect(chosen), pieces, export, overwrite)
    return (yield from job.steps(service.doubt))
