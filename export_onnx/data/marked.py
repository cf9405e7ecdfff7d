# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs marked by hand: polygons within which a material is known, and whether it is of an object."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .marks import MARKS, SIDE, Mark
from .materials import UNKNOWN, Split

HELD_OUT = (
    4  # every fourth photograph, in the order of their names, is kept out of training: the harmonizer's choice, too
)
LONGEST = 384  # texels along the longer side


@dataclass(frozen=True)
class Photograph:
    """picture [H,W,3] uint8; materials [H,W] uint8, UNKNOWN outside of the marks; objects [H,W] float32, 1, 0, or -1 there.

    `said`: where it comes from and its licence, as the manifest has it.
    """

    picture: np.ndarray
    materials: np.ndarray
    objects: np.ndarray
    said: dict[str, str]


def read_photographs(data: Path, split: Split, longest: int = LONGEST) -> list[Photograph]:
    """Those of `data`/photos on one side of the split; of the unmarked nothing is known. None where there is no such folder."""
    manifest = data / "photos" / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["id"])
    found = []
    for number, row in enumerate(rows):
        if (number % HELD_OUT == HELD_OUT - 1) != (split is Split.HELD):
            continue
        path = data / "photos" / f"{row['id']}.jpg"
        with Image.open(path) as image:
            small = image.convert("RGB")
        small.thumbnail((longest, longest), Image.Resampling.BOX)
        materials, objects = labels(MARKS.get(row["id"], ()), small.height, small.width)
        said = {"image": f"photos/{row['id']}", "source_path": path.name}
        said |= {name: row[name] for name in ("source_repository", "licence")}
        said["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(Photograph(np.asarray(small).copy(), materials, objects, said))
    return found


def labels(marks: tuple[Mark, ...], height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Materials [h,w] uint8 and objects [h,w] float32 of a picture; later marks lie over earlier ones."""
    materials, objects = Image.new("L", (width, height), UNKNOWN), Image.new("F", (width, height), -1)
    scale = max(height, width) / SIDE
    for mark in marks:
        corners = [(x * scale, y * scale) for x, y in mark.corners]
        channel = UNKNOWN if mark.material is None else mark.material.channel
        ImageDraw.Draw(materials).polygon(corners, channel)
        ImageDraw.Draw(objects).polygon(corners, -1 if mark.of_object is None else float(mark.of_object))
    return np.asarray(materials).copy(), np.asarray(objects).copy()
