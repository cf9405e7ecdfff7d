# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs on disk as exemplars of a recipe, and an exemplar's pictures as arrays."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
import OpenImageIO

from ..files.image import image_size, read_image, read_upright, write_parts
from ..protocol.errors import BadFile, BadRecipe, BadSurface
from ..protocol.exemplar import LONGEST, MAPS, MOST_BYTES, SHORTEST, Exemplar, as_picture, image_bytes, kept_size
from ..protocol.texture_names import channels_in
from ..protocol.words import EXEMPLAR_WIDTH
from ..weathering.colour import to_srgb
from .files import images_in, photograph_in

Part = tuple[int, int, int, int]
_QUALITIES = (92, 85, 75)  # of JPEG, until it is small enough


def exemplar_of(
    path: Path | str, part: Part | None = None, width: float = EXEMPLAR_WIDTH, source: str = "", licence: str = ""
) -> Exemplar:
    """A photograph, or a folder of a texture's maps, or the part x, y, width, height of it, as an exemplar `width` metres wide.

    Any depth: grey is spread to colour, alpha left out, NaN black. Raises BadFile, BadSurface, TooLarge, BadRecipe.
    """
    path = Path(path)
    photograph = photograph_in(path)
    pixels = _cut(_colour(photograph), part, photograph)
    maps = {
        name: _cut(pixels_, part, photograph) for name, pixels_ in (_maps(path, part) if path.is_dir() else {}).items()
    }
    return Exemplar(
        _encoded(pixels),
        width=width,
        name=photograph.name,
        sha256=hashlib.sha256(photograph.read_bytes()).hexdigest(),
        part=part,
        source=source,
        licence=licence,
        maps={name: _encoded(map_) for name, map_ in maps.items()},
    )


def pictures(exemplar: Exemplar) -> dict[str, np.ndarray]:
    """`albedo` [h, w, 3], sRGB-encoded, and the maps that there are [h, w, 1]: float32 in 0..1, of one size. Raises BadRecipe."""
    albedo = _decoded(exemplar.picture)
    found = {"albedo": np.repeat(albedo[..., :1], 3, axis=2) if albedo.shape[2] < 3 else albedo[..., :3]}
    for name, picture in exemplar.maps.items():
        map_ = _decoded(picture)[..., :1]
        if map_.shape[:2] != albedo.shape[:2]:
            raise BadRecipe(f"The exemplar's {name} map is not of its picture's size.", "Make the exemplar anew.")
        found[name] = map_
    return found


def _colour(path: Path) -> np.ndarray:
    pixels, spec = read_upright(path)
    if pixels.shape[2] > 4:
        raise BadSurface(f"{path} has {pixels.shape[2]} channels, not those of a photograph.", "Save it as RGB.")
    pixels = pixels[..., :3] if pixels.shape[2] >= 3 else np.repeat(pixels[..., :1], 3, axis=2)
    if str(spec.format) in ("uint8", "uint16"):
        return pixels
    return to_srgb(np.nan_to_num(pixels.astype(np.float32), posinf=1.0, neginf=0.0))


def _maps(folder: Path, part: Part | None) -> dict[str, np.ndarray]:
    """The maps beside a folder's albedo that an exemplar keeps: [H, W, 1] each."""
    size, found = _colour(photograph_in(folder)).shape[:2], {}
    for name, (path, channel) in channels_in(images_in(folder)).items():
        if name in MAPS:
            pixels, _ = read_image(path)
            if pixels.shape[2] <= channel:
                raise BadSurface(
                    f"{path} has {pixels.shape[2]} channels; a packed map has three.",
                    "Save it with three, or name it for the one map it holds.",
                )
            if pixels.shape[:2] != size and part is not None:
                raise BadSurface(
                    f"{path} is not of the albedo's size.", "Leave the part out, or give maps of one size."
                )
            found[name] = _resized(np.nan_to_num(pixels[..., channel : channel + 1]), *size)
    return found


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """[H, W, C] at another size, float32, integers over their range; as it is where it has that size."""
    if pixels.shape[:2] == (height, width):
        return pixels
    image = OpenImageIO.ImageBuf(np.ascontiguousarray(pixels))
    roi = OpenImageIO.ROI(0, width, 0, height, 0, 1, 0, pixels.shape[2])
    image = OpenImageIO.ImageBufAlgo.resize(image, "box", roi=roi)
    return np.asarray(image.get_pixels(OpenImageIO.FLOAT), np.float32).reshape(height, width, pixels.shape[2])


def _cut(pixels: np.ndarray, part: Part | None, path: Path) -> np.ndarray:
    if part is None:
        return pixels
    x, y, wide, high = part
    height, width = pixels.shape[:2]
    if min(x, y) < 0 or min(wide, high) < 1 or x + wide > width or y + high > height:
        raise BadFile(
            f"The part {x},{y},{wide},{high} does not lie in {path.name}, which has {width} x {height} texels.",
            "A part is x,y,width,height in texels from the upper left corner.",
        )
    return pixels[y : y + high, x : x + wide]


def _encoded(pixels: np.ndarray) -> str:
    """[H, W, C] reduced to what is kept, as a JPEG."""
    high, wide = kept_size(*pixels.shape[:2])
    image = OpenImageIO.ImageBuf(np.ascontiguousarray(_resized(pixels, high, wide)))
    small = np.asarray(image.get_pixels(OpenImageIO.UINT8), np.uint8).reshape(high, wide, pixels.shape[2])
    with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
        path = Path(folder) / "exemplar.jpg"
        for quality in _QUALITIES:
            spec = OpenImageIO.ImageSpec(wide, high, pixels.shape[2], "uint8")
            spec.attribute("Compression", f"jpeg:{quality}")
            spec.attribute("jpeg:subsampling", "4:4:4")
            write_parts(OpenImageIO.ImageOutput.create(str(path)), path, [(spec, iter([small]))])
            if path.stat().st_size <= MOST_BYTES:
                break
        return as_picture(path.read_bytes())


def _decoded(picture: str) -> np.ndarray:
    """[h, w, C] float32 in 0..1. What is too large is refused before its texels are read. Raises BadRecipe."""
    data = image_bytes(picture)
    with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
        path = Path(folder) / ("exemplar.png" if data.startswith(b"\x89PNG") else "exemplar.jpg")
        path.write_bytes(data)
        try:
            height, width = image_size(path)
            if max(height, width) > LONGEST or min(height, width) < SHORTEST:
                raise BadRecipe(
                    f"The exemplar's picture has {width} x {height} texels.",
                    f"It must have {SHORTEST} to {LONGEST} a side. Make it anew with --exemplar, or in the panel.",
                )
            pixels, _ = read_image(path)
        except (BadFile, BadSurface):
            raise BadRecipe(
                "The exemplar's picture is damaged.", "Make it anew with --exemplar, or in the panel."
            ) from None
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
