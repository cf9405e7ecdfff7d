# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps packed into the files that other programs want, and encoded."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..protocol.errors import MissingMap
from ..protocol.map_files import MapExport, MapFile
from ..protocol.surface import ColorSpace, Map
from ..weathering import colour
from .image import spec_for, write_image

_ROWS = 256
_COMPRESSION = {".webp": "lossless", ".tif": "zip", ".exr": "zip"}


def pack(maps: Mapping[str, Map], file: MapFile, export: MapExport) -> np.ndarray:
    """A file's texels [H, W, C] in the type and encoding that the export asks for.

    Values that need no conversion keep every bit. Raises MissingMap where none of the file's maps is there.
    """
    there = [maps[name] for name in file.maps if name in maps]
    if not there:
        raise MissingMap(file.maps[0])
    height, width = there[0].size
    space, dtype = export.space_of(file), export.dtype
    packed = np.empty((height, width, len(file.channels)), dtype)
    for index, channel in enumerate(file.channels):
        source = maps.get(channel.map)
        if source is None:
            packed[..., index] = colour.store(np.full(1, channel.otherwise, np.float32), dtype)[0]
            continue
        wanted = space if channel.map == "albedo" else ColorSpace.DATA
        for top in range(0, height, _ROWS):
            rows = slice(top, top + _ROWS)
            band = source.array[rows, :, min(channel.index, source.array.shape[2] - 1)]
            packed[rows, :, index] = _converted(band, source.color_space, wanted, dtype, channel.inverted)
    return packed


def write_packed(path: Path, pixels: np.ndarray) -> None:
    """Writes packed texels without loss; WebP, which has no grey, gets it thrice. Raises DiskFull, BadFile."""
    if path.suffix == ".webp" and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    spec = spec_for(path, pixels, None)
    if path.suffix in _COMPRESSION:
        spec.attribute("compression", _COMPRESSION[path.suffix])
    write_image(path, pixels, spec)


def encoded(maps: Mapping[str, Map], file: MapFile, export: MapExport) -> np.ndarray:
    """The bytes of the image file, as a U8 array. Raises as `pack` and `write_packed`."""
    with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
        path = Path(folder, f"map{export.suffix}")
        write_packed(path, pack(maps, file, export))
        return np.fromfile(path, np.uint8)


def _converted(band: np.ndarray, space: ColorSpace, wanted: ColorSpace, dtype: np.dtype, inverted: bool) -> np.ndarray:
    if band.dtype == dtype and (space is wanted or wanted is ColorSpace.DATA):
        if not inverted:
            return band
        if dtype.kind == "u":
            return np.iinfo(dtype).max - band
    values = Map(band[..., None]).floats()[..., 0]
    if space is ColorSpace.LINEAR and wanted is ColorSpace.SRGB:
        values = colour.to_srgb(values)
    elif space is ColorSpace.SRGB and wanted is ColorSpace.LINEAR:
        values = colour.to_linear(values)
    return colour.store(1 - values if inverted else values, dtype)
