# SPDX-License-Identifier: GPL-3.0-or-later
"""A photograph on disk as a surface, and back: upright as its camera was held, at its own depth, all that did not weather kept.

Colours are sRGB's, or scene-linear where they are floats; a colour profile of another space is applied, and goes along.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import OpenImageIO

from ..protocol.errors import BadFile
from ..protocol.object_mask import mask_of
from ..protocol.photograph import photograph
from ..protocol.still import Still
from ..protocol.surface import ColorSpace, Map, Surface
from ..protocol.whole import WholeFiles
from ..weathering.photograph import STAGES
from .image import read_upright, write_image
from .profile import Colours, colours_of, like
from .write import in_encoding_of


@dataclass(frozen=True)
class Photograph:
    """`pixels` [H, W, 1..4] are the file's, turned upright as `spec` is; `surface` holds their colours.

    `warnings` are sentences for a person.
    """

    surface: Surface
    pixels: np.ndarray
    colours: Colours
    spec: OpenImageIO.ImageSpec
    suffix: str

    @property
    def warnings(self) -> tuple[str, ...]:
        return self.colours.warnings


def read_still(path: Path | str, still: Still, *, width: float, mask: Path | str | None = None) -> Photograph:
    """Raises BadFile, BadSurface, TooLarge."""
    path = Path(path)
    pixels, spec = read_upright(path)
    channels = pixels.shape[2]
    if channels > 4:
        raise BadFile(
            f"{path.name} has {channels} channels, not those of a photograph.", "Save it as RGB or as greyscale."
        )
    space = ColorSpace.SRGB if pixels.dtype.kind == "u" else ColorSpace.LINEAR
    colours = colours_of(path.name, pixels, spec)
    more = {"alpha": Map(np.ascontiguousarray(pixels[..., -1:]))} if channels in (2, 4) else {}
    if mask is not None:
        more["object_mask"] = read_mask(Path(mask))
    surface = photograph(Map(colours.seen, space), still, width=width, more=more, name=path.stem)
    return Photograph(surface, pixels, colours, spec, path.suffix.lower())


def read_mask(path: Path) -> Map:
    """The mask in an image of any depth, turned upright, [H, W, 1]; see `mask_of`. Raises BadFile, BadSurface, TooLarge."""
    pixels, _ = read_upright(path)
    return mask_of(Map(pixels))


def write_still(given: Photograph, aged: Surface, target: Path, files: WholeFiles) -> Path:
    """Adds the aged photograph to `files`."""
    pixels, spec = still_of(given, aged, target)
    files.add(target, partial(write_image, pixels=pixels, like=spec))
    return target


def still_of(given: Photograph, aged: Surface, target: Path) -> tuple[np.ndarray, OpenImageIO.ImageSpec | None]:
    """The aged photograph as `target` holds it, and attributes to keep; grey becomes colour only where something weathers."""
    before, after = given.surface["combined"], aged["combined"]
    pixels, colours = given.pixels, given.colours.back(after.array, target)
    if pixels.shape[2] == 3:
        pixels = colours
    elif pixels.shape[2] == 4 or not _alike(before.array, after.array):
        pixels = np.concatenate([colours, pixels[..., 3 if pixels.shape[2] == 4 else 1 :]], axis=2)
    same = target.suffix.lower() == given.suffix
    if not same:
        pixels = in_encoding_of(target, Map(pixels, before.color_space))
    return pixels, like(given.spec, pixels, same)


def write_stages(aged: Surface, stem: str, folder: Path, files: WholeFiles) -> list[Path]:
    """Adds what was made on the way, in order: `photo_1_mask.png` ... `photo_3_shading.exr`."""
    written = []
    for number, (stage, name) in enumerate(STAGES.items(), 1):
        map_ = aged[name]
        whole = map_.array.dtype.kind == "u" or map_.color_space is ColorSpace.DATA
        path = folder / f"{stem}_{number}_{stage}{'.png' if whole else '.exr'}"
        files.add(path, partial(write_image, pixels=np.ascontiguousarray(in_encoding_of(path, map_)), like=None))
        written.append(path)
    return written


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """np.array_equal, in rows."""
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
