# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs in Blender as exemplars of a layer: reduced, encoded and kept in the layer's text, so that the file can go."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

from ...backend.protocol.errors import BadFile
from ...backend.protocol.exemplar import MOST_BYTES, Exemplar, as_picture, kept_size
from ...backend.protocol.surface import ColorSpace, Map
from ...backend.protocol.words import EXEMPLAR_WIDTH
from ..photographs.degree_marks import encoded, marks_of, marks_on
from ..pixels import images
from ..pixels.reading import file_of

Part = tuple[int, int, int, int]
_QUALITIES = (92, 85, 75)  # of JPEG, until it is small enough


def exemplar_of(image: bpy.types.Image, part: Sequence[int] | None = None, width: float = EXEMPLAR_WIDTH) -> Exemplar:
    """An image, or the part x, y, width, height of it from the upper left, as an exemplar.

    Raises BadFile where it cannot be read or has no such part, BadRecipe where it is too small for a texture.
    """
    pixels = encoded(images.read(image))
    chosen: Part | None = None
    if part is not None:
        x, y, wide, high = chosen = (int(part[0]), int(part[1]), int(part[2]), int(part[3]))
        if min(x, y) < 0 or min(wide, high) < 1 or x + wide > pixels.shape[1] or y + high > pixels.shape[0]:
            raise BadFile(
                f"The part {x},{y},{wide},{high} does not lie in '{image.name}', which has {pixels.shape[1]} x "
                f"{pixels.shape[0]} texels.",
                "A part is x, y, width and height in texels from the upper left corner.",
            )
        pixels = pixels[y : y + high, x : x + wide]
    name, digest = _origin(image)
    return Exemplar(_picture(_reduced(pixels)), width=width, name=name, sha256=digest, part=chosen)


def marked_part(photograph: bpy.types.Image) -> Part | None:
    """What is painted red on the marks of a photograph: the rectangle around it. None where nothing is."""
    marks = marks_of(photograph)
    if marks is None:
        return None
    painted = marks_on(encoded(images.read(photograph)), images.read(marks).array)
    red, green, blue = (painted[..., channel].astype(int) for channel in range(3))
    rows, columns = np.nonzero((painted[..., 3] > 0) & (red > 128) & (green < red // 2) & (blue < red // 2))
    if not len(rows):
        return None
    top, left = int(rows.min()), int(columns.min())
    return left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top


def _origin(image: bpy.types.Image) -> tuple[str, str]:
    """What the photograph's file is called, and its sha256 where it is there or packed."""
    path = file_of(image)
    if image.packed_file is not None:
        data: bytes | None = image.packed_file.data
    else:
        data = path.read_bytes() if path is not None and path.is_file() else None
    return path.name if path is not None and path.name else image.name, hashlib.sha256(data).hexdigest() if data else ""


def _reduced(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] at the size that is kept: means, of whole texels where many become one."""
    high, wide = kept_size(*pixels.shape[:2])
    for axis, kept in ((0, high), (1, wide)):
        edges = np.linspace(0, pixels.shape[axis], kept + 1).round().astype(int)
        if kept != pixels.shape[axis]:
            sums = np.add.reduceat(pixels, edges[:-1], axis=axis, dtype=np.float32)
            shape = [1, 1, 1]
            shape[axis] = kept
            pixels = sums / np.diff(edges).reshape(shape).astype(np.float32)
    return np.rint(pixels).astype(np.uint8)


def _picture(pixels: np.ndarray) -> str:
    image = images.write(Map(pixels, ColorSpace.SRGB), "sabi exemplar")
    try:
        with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
            path = Path(folder) / "exemplar.jpg"
            image.file_format = "JPEG"
            for quality in _QUALITIES:
                image.save(filepath=str(path), quality=quality)
                data = path.read_bytes()
                if len(data) <= MOST_BYTES:
                    break
            return as_picture(data)
    finally:
        bpy.data.images.remove(image)
