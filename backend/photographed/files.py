# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs, painted marks and sets of maps on disk, of any size and depth, onto the grid that degree is found on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import OpenImageIO

from ..files.image import IMAGE_SUFFIXES, is_turned, open_image, read_bands, read_upright
from ..protocol.errors import BadFile, BadSurface
from ..protocol.texture_names import channels_in, read_name, same_set
from ..weathering.colour import to_srgb
from .degree import Grid
from .maps import TELLING
from .marks import Marks

_Result = TypeVar("_Result")
_KINDS = {"uint8": "uint8", "uint16": "uint16", "half": "half"}  # all else is read as single floats


def photograph_in(path: Path) -> Path:
    """The picture that a path stands for: itself, or the albedo of a folder of maps. Raises BadFile."""
    if not path.is_dir():
        return path
    found = [file for file in images_in(path) if read_name(file.stem).maps == ("albedo",)]
    if not found:
        raise BadFile(
            f"{path} has no albedo.", "Name the photograph itself, or one image albedo, basecolor or diffuse."
        )
    return found[0]


def read_photograph(path: Path) -> tuple[np.ndarray, Grid, bool]:
    """The cells of a picture [h, w, 3], sRGB-encoded; its grid; and whether it holds more than 8 bits.

    Grey is spread to three channels, alpha is left out. Raises BadFile, BadSurface, TooLarge.
    """
    return _with_bands(path, _read_photograph)


def read_marks(path: Path, grid: Grid) -> Marks:
    """Painted marks. Raises BadSurface unless the picture is as large as the grid's, and has marks."""

    def marks(spec: OpenImageIO.ImageSpec, bands: Iterator[np.ndarray]) -> Marks:
        if (spec.height, spec.width) != (grid.height, grid.width):
            raise BadSurface(
                f"{path} has {spec.width} x {spec.height} texels, the photograph {grid.width} x {grid.height}.",
                "Paint the marks on an image of the photograph's size.",
            )
        if spec.nchannels not in (3, 4):
            raise BadSurface(f"{path} has no colours.", "Red marks what is weathered, green what is clean.")
        return grid.painted_marks(bands)

    return _with_bands(path, marks)


def read_maps(photograph: Path, cells: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The maps that tell degree, each [h, w] as `cells` says, from the images beside a photograph that are of one set with it."""
    maps: dict[str, np.ndarray] = {}
    for name, (path, channel) in channels_in(same_set(photograph, images_in(photograph.parent))).items():
        if name in TELLING:
            found = _with_bands(path, _read_cells)
            if found.shape[2] <= channel:
                raise BadSurface(
                    f"{path} has {found.shape[2]} channels; a packed map has three.",
                    "Save it with three, or name it for the one map it holds.",
                )
            rows, columns = ((np.arange(n) * m) // n for n, m in zip(cells, found.shape[:2], strict=True))
            maps[name] = found[rows[:, None], columns, channel]
    return maps


def images_in(folder: Path) -> list[Path]:
    """The images of a folder by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))


def _with_bands(path: Path, use: Callable[[OpenImageIO.ImageSpec, Iterator[np.ndarray]], _Result]) -> _Result:
    """What `use` makes of what is said of a picture and of its rows; of one that a camera turned, upright, in one piece."""
    source = open_image(path)
    try:
        spec = source.spec()
        if is_turned(spec):
            pixels, spec = read_upright(path)
            return use(spec, iter([pixels]))
        kind = _KINDS.get(str(spec.format), "float")
        return use(spec, (band for _, band in read_bands(source, path, kind)))
    finally:
        source.close()


def _read_cells(spec: OpenImageIO.ImageSpec, bands: Iterator[np.ndarray]) -> np.ndarray:
    return Grid(spec.height, spec.width).pooled(bands)


def _read_photograph(spec: OpenImageIO.ImageSpec, bands: Iterator[np.ndarray]) -> tuple[np.ndarray, Grid, bool]:
    if spec.nchannels > 4:
        raise BadSurface(
            f"The picture has {spec.nchannels} channels, not those of a photograph.", "Save it as RGB or as greyscale."
        )
    grid = Grid(spec.height, spec.width)
    picture = grid.pooled(band[..., :3] if spec.nchannels >= 3 else band[..., :1] for band in bands)
    picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    encoded = str(spec.format) in ("uint8", "uint16")
    return picture if encoded else to_srgb(picture), grid, str(spec.format) != "uint8"
