# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a file: 8 bits, as a screen shows it, no larger than asked for."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import OpenImageIO

from .files import IMAGE_SUFFIXES, read_frame
from .files.frame import is_frame
from .files.image import read_image, read_upright, write_image
from .protocol.errors import BadFile
from .protocol.texture_names import read_name
from .sheet import shrunk
from .weathering.colour import to_srgb

QUALITY = 88  # of JPEG


def main_image(files: Sequence[Path]) -> Path:
    """Of an asset's files the one whose picture stands for it: the albedo, else the first image. Raises BadFile."""
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        raise BadFile("There is no image among the files.", "Check that they are where they were written.")
    return next((file for file in images if "albedo" in read_name(file.stem).maps), images[0])


def picture_of(file: Path, side: int, *, photograph: bool = False) -> np.ndarray:
    """uint8 [H, W, 3], at most `side` texels on its longer side; of a rendered frame what was rendered. Raises as read_image.

    A photograph is turned as its camera was held; a texture lies as it is stored, which is how UVs know it.
    """
    if is_frame(file):
        return screen(to_srgb(read_frame(file).surface["combined"].floats()[..., :3]), side)
    pixels, _ = read_upright(file) if photograph else read_image(file)
    return screen(to_srgb(pixels[..., :3].astype(np.float32)) if pixels.dtype.kind == "f" else pixels, side)


def screen(pixels: np.ndarray, side: int) -> np.ndarray:
    """Encoded texels [H, W, C] of any type as uint8 [H, W, 3], shrunk to `side`; what is no number is black."""
    if pixels.dtype.kind == "f":
        pixels = np.clip(np.nan_to_num(pixels), 0, 1)
    small = shrunk(pixels[..., : 3 if pixels.shape[2] >= 3 else 1], side)
    if small.dtype != np.uint8:
        most = np.iinfo(small.dtype).max if small.dtype.kind == "u" else 1
        small = np.rint(np.clip(small / most, 0, 1) * 255)
    return np.ascontiguousarray(np.broadcast_to(small, (*small.shape[:2], 3)).astype(np.uint8))


def data_address(picture: np.ndarray) -> str:
    """A picture, uint8 [H, W, 3], inside its own address, for pages that load nothing: data:image/jpeg;base64,..."""
    spec = OpenImageIO.ImageSpec(picture.shape[1], picture.shape[0], 3, "uint8")
    spec.attribute("Compression", f"jpeg:{QUALITY}")
    with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
        file = Path(folder) / "picture.jpg"
        write_image(file, picture, spec)
        return f"data:image/jpeg;base64,{base64.b64encode(file.read_bytes()).decode()}"
