# SPDX-License-Identifier: GPL-3.0-or-later
"""A contact sheet: small pictures side by side, a few words below each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO

from .files.image import write_image

SIDE = 192  # texels a side that a picture may have
CAPTION, GAP, LETTER = 46, 12, 12  # pixels
MOST_ACROSS = 6
GROUND, INK, FAINT = 30, 230, 140  # of 255


@dataclass(frozen=True)
class Cell:
    """A picture, uint8 [H, W, 3] with at most SIDE texels a side, or None; a name; and what is said of it."""

    picture: np.ndarray | None
    name: str
    said: str


def contact_sheet(cells: Sequence[Cell], path: Path) -> None:
    """Writes the sheet, in the format of the path's suffix. Raises BadFile, DiskFull."""
    across = min(max(len(cells), 1), MOST_ACROSS)
    down = max(math.ceil(len(cells) / across), 1)
    wide, high = SIDE + GAP, SIDE + CAPTION + GAP
    sheet = np.full((GAP + down * high, GAP + across * wide, 3), GROUND, np.uint8)
    corners = [(GAP + (n // across) * high, GAP + (n % across) * wide) for n in range(len(cells))]
    for cell, (top, left) in zip(cells, corners, strict=True):
        if cell.picture is not None:
            height, width = cell.picture.shape[:2]
            y, x = top + (SIDE - height) // 2, left + (SIDE - width) // 2
            sheet[y : y + height, x : x + width] = cell.picture
    drawn = OpenImageIO.ImageBuf(np.ascontiguousarray(sheet))
    for cell, (top, left) in zip(cells, corners, strict=True):
        _write(drawn, cell.name, left, top + SIDE + 16, INK)
        _write(drawn, cell.said, left, top + SIDE + 34, FAINT)
    write_image(path, np.asarray(drawn.get_pixels(OpenImageIO.UINT8), np.uint8))


def shrunk(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """[H, W, C] in its type, with at most so many texels on its longer side."""
    height, width, channels = pixels.shape
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    low, high = max(round(width * scale), 1), max(round(height * scale), 1)
    roi = OpenImageIO.ROI(0, low, 0, high, 0, 1, 0, channels)
    small = OpenImageIO.ImageBufAlgo.resize(OpenImageIO.ImageBuf(np.ascontiguousarray(pixels)), "box", roi=roi)
    values = np.asarray(small.get_pixels(OpenImageIO.FLOAT), np.float32)
    if pixels.dtype.kind == "f":
        return values.astype(pixels.dtype)
    return np.rint(values * np.iinfo(pixels.dtype).max).astype(pixels.dtype)


def _write(sheet: OpenImageIO.ImageBuf, text: str, x: int, y: int, grey: int) -> None:
    """As much of the text as a cell is wide."""
    shown = text
    while shown and OpenImageIO.ImageBufAlgo.text_size(shown, LETTER).width > SIDE:
        shown = shown[:-2] + "…" if shown.endswith("…") else shown[:-1] + "…"
    if shown:
        OpenImageIO.ImageBufAlgo.render_text(sheet, x, y, shown, LETTER, "", (grey / 255,) * 3)
