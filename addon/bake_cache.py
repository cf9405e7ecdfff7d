# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured maps, kept on disk while Blender runs and memory-mapped: a second recipe bakes nothing, and memory holds no copies."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import bpy
import numpy as np

from ..backend.protocol.surface import ColorSpace, Map

LIMIT = 8 << 30  # bytes on disk; the captures used longest ago go first

_folder: Path | None = None
_order: list[str] = []  # keys, the one used last at the end


def store(key: str, maps: Mapping[str, Map]) -> dict[str, Map]:
    """Keeps maps under a key and returns them memory-mapped; where the disk cannot take them, as they are."""
    place = _place() / key
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name, map_ in maps.items():
            np.save(place / f"{name}.{map_.color_space.value}.npy", map_.array)
    except OSError:
        shutil.rmtree(place, ignore_errors=True)
        return dict(maps)
    _touch(key)
    _make_room()
    return load(key) or dict(maps)


def load(key: str) -> dict[str, Map] | None:
    """The maps kept under a key, or None."""
    if key not in _order:
        return None
    maps = {}
    try:
        for path in sorted((_place() / key).glob("*.npy")):
            name, space = path.stem.split(".")
            maps[name] = Map(np.load(path, mmap_mode="r"), ColorSpace(space))
    except (OSError, ValueError):
        maps = {}
    if not maps:
        _order.remove(key)
        return None
    _touch(key)
    return maps


def clear() -> None:
    """Forgets everything and removes the files."""
    global _folder
    _order.clear()
    if _folder is not None:
        shutil.rmtree(_folder, ignore_errors=True)
        _folder = None


def _place() -> Path:
    """Blender removes its session's folder when it ends; where there is none, one of our own."""
    global _folder
    if _folder is None or not _folder.exists():
        _folder = Path(tempfile.mkdtemp(prefix="sabi-captured-", dir=bpy.app.tempdir or None))
        _order.clear()
    return _folder


def _touch(key: str) -> None:
    if key in _order:
        _order.remove(key)
    _order.append(key)


def _make_room() -> None:
    sizes = {key: sum(file.stat().st_size for file in (_place() / key).glob("*.npy")) for key in _order}
    while sum(sizes.values()) > LIMIT and len(_order) > 1:
        oldest = _order.pop(0)
        sizes.pop(oldest)
        shutil.rmtree(_place() / oldest, ignore_errors=True)
