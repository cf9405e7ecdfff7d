# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs in Blender as exemplars of a layer: reduced, encoded and kept in the layer's text, so that the file can go."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import bpy
import numpy as np

from ...backend.protocol.errors import BadFile
from ...backend.protocol.exemplar import MAPS, MOST_BYTES, Exemplar, as_picture, kept_size
from ...backend.protocol.surface import ColorSpace, Map
from ...backend.protocol.texture_names import channels_in, read_name, same_set
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
        pixels = _cut(pixels, chosen)
    name, digest = _origin(image)
    picture = _picture(_resized(pixels, *kept_size(*pixels.shape[:2])))
    return Exemplar(picture, width=width, name=name, sha256=digest, part=chosen)


def exemplar_in(
    path: Path, part: Sequence[int] | None = None, width: float = EXEMPLAR_WIDTH, with_maps: bool = True
) -> Exemplar:
    """A photograph's file, or a folder of a texture's maps, as an exemplar; Blender holds the images that it held before.

    `with_maps` takes the other maps of a folder, and of a file that is named an albedo those of its set that lie beside it.
    Raises BadFile, BadSurface, BadRecipe.
    """
    photograph, maps = _set_at(path)
    with _opened(photograph) as image:
        wide, high = image.size
        exemplar = exemplar_of(image, part, width)
    found = {name: _map(*maps[name], (high, wide), exemplar.part) for name in MAPS if with_maps and name in maps}
    return replace(exemplar, maps=found)


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


def _set_at(path: Path) -> tuple[Path, dict[str, tuple[Path, int]]]:
    """The photograph that a path stands for, and the file and channel of each map that comes with it."""
    folder = path if path.is_dir() else path.parent
    try:
        there = sorted(
            f for f in folder.iterdir() if f.suffix.lower() in bpy.path.extensions_image and f.name[0] != "."
        )
    except OSError:
        there = []
    albedos = [file for file in there if read_name(file.stem).maps == ("albedo",)]
    if folder == path:
        if not albedos:
            raise BadFile(
                f"{path} has no albedo.", "Choose a photograph, or name one image albedo, basecolor or diffuse."
            )
        return albedos[0], channels_in(there)
    return path, channels_in(same_set(path, there)) if path in albedos else {}


@contextmanager
def _opened(path: Path) -> Iterator[bpy.types.Image]:
    """Raises BadFile. An image that Blender had not is gone afterwards."""
    before = set(bpy.data.images)
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError:
        raise BadFile(f"{path} cannot be read as an image.", "Choose a photograph.") from None
    try:
        yield image
    finally:
        if image not in before:
            bpy.data.images.remove(image)


def _map(path: Path, channel: int, size: tuple[int, int], part: Part | None) -> str:
    """The picture of a map that lies with a photograph of this size (height, width), of the same part and as many texels."""
    with _opened(path) as image:
        values = images.read(image, (channel,)).floats()
    if part is not None:
        if values.shape[:2] != size:
            raise BadFile(f"{path} is not of the albedo's size.", "Leave the part out, or turn Maps Beside It off.")
        values, size = _cut(values, part), (part[3], part[2])
    return _picture(_resized(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8), *kept_size(*size)))


def _cut(pixels: np.ndarray, part: Part) -> np.ndarray:
    x, y, wide, high = part
    return pixels[y : y + high, x : x + wide]


def _origin(image: bpy.types.Image) -> tuple[str, str]:
    """What the photograph's file is called, and its sha256 where it is there or packed."""
    path = file_of(image)
    if image.packed_file is not None:
        data: bytes | None = image.packed_file.data
    else:
        data = path.read_bytes() if path is not None and path.is_file() else None
    return path.name if path is not None and path.name else image.name, hashlib.sha256(data).hexdigest() if data else ""


def _resized(pixels: np.ndarray, high: int, wide: int) -> np.ndarray:
    """uint8 [H, W, C] at another size: means, of whole texels where many become one; copies where one becomes many."""
    for axis, kept in ((0, high), (1, wide)):
        size = pixels.shape[axis]
        if kept > size:
            pixels = pixels.take(np.arange(kept) * size // kept, axis)
        elif kept < size:
            edges = np.linspace(0, size, kept + 1).round().astype(int)
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
