# SPDX-License-Identifier: GPL-3.0-or-later
"""Captured maps, kept on disk while Blender runs and memory-mapped: a second recipe bakes nothing, and memory holds no copies."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

from ...backend.protocol.surface import ColorSpace, Map

LIMIT = 8 << 30  # bytes on disk; the captures used longest ago go first
SCALE = "height_scale.json"

_folder: Path | None = None
_order: list[str] = []  # keys, the one used last at the end


@dataclass(frozen=True)
class Baked:
    """The maps of one capture, and the metres from 0 to 1 of its height."""

    maps: Mapping[str, Map]
    height_scale: float


def store(key: str, baked: Baked) -> Baked:
    """Keeps maps under a key and returns them memory-mapped; where the disk cannot take them, as they are."""
    place = _place() / key
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for name, map_ in baked.maps.items():
            np.save(place / f"{name}.{map_.color_space.value}.npy", map_.array)
        (place / SCALE).write_text(json.dumps(baked.height_scale))
    except OSError:
        shutil.rmtree(place, ignore_errors=True)
        return baked
    _touch(key)
    _make_room()
    return load(key) or baked


def load(key: str) -> Baked | None:
    """The maps kept under a key, or None."""
    if key not in _order:
        return None
    maps = {}
    try:
        for path in sorted((_place() / key).glob("*.npy")):
            name, space = path.stem.split(".")
            maps[name] = Map(np.load(path, mmap_mode="r"), ColorSpace(space))
        height_scale = float(json.loads((_place() / key / SCALE).read_text()))
    except (OSError, ValueError):
        maps = {}
    if not maps:
        _order.remove(key)
        return None
    _touch(key)
    return Baked(maps, height_scale)


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
