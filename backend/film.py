# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames to a video by Blender's own encoder, in a Python that has bpy, as a process of its own: `python -m sabi.addon.film`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from .models import python_with_bpy, run_addon
from .protocol.errors import BadFile, FileExists
from .protocol.whole import WholeFiles

FILM = "sabi.addon.film"
VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".webm")


def check_video(path: Path, python: str, overwrite: bool) -> str:
    """What can be known before there are frames; the Python that will encode. Raises BadFile, FileExists, SceneError."""
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        known = ", ".join(suffix[1:] for suffix in VIDEO_SUFFIXES)
        raise BadFile(f"'{path.name}' is no video that Blender writes here.", f"Choose one of {known}.")
    if path.exists() and not overwrite:
        raise FileExists(f"{path} exists already.")
    return python_with_bpy(python, "Videos")


def encode(
    frames: Sequence[Path], path: Path, fps: float, python: str, progress: Callable[[str, float], None], overwrite: bool
) -> None:
    """Writes a video of image files, whole or not at all. Raises BadFile, FileExists, SceneError."""

    def write(temporary: Path) -> None:
        request = {"frames": [str(frame.resolve()) for frame in frames], "out": str(temporary.resolve()), "fps": fps}
        run_addon([python, "-m", FILM, json.dumps(request)], os.environ, progress)

    with WholeFiles(overwrite) as files:
        files.add(path, write)
