# SPDX-License-Identifier: GPL-3.0-or-later
"""What the segmenter sees, as pictures: the worst of a test set, its confusion, and a batch of what it is taught from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ...backend.protocol.materials import MATERIALS
from ...backend.weathering.segment import COLOURS, coloured
from ..data.scenes import shares_of
from .batches import Batch
from .evaluation import Seen

CELL, LABEL, LEGEND, WORST = 192, 14, 130, 12


def draw_worst(seen: list[Seen], path: Path, count: int = WORST) -> None:
    """Picture, truth (black where not known) and answer of the pictures with the lowest mIoU, two to a row."""
    worst = sorted(seen, key=lambda one: one.miou)[:count]
    rows = [
        (
            f"mIoU {one.miou:.2f}, {_named(one.truth)}",
            (_picture(one.picture), _told(one.truth), coloured(one.answer)),
        )
        for one in worst
    ]
    _sheet(rows, path)


def draw_batch(batch: Batch, path: Path) -> None:
    """Crops as they are learnt from: picture, materials (black where not known), objects (red) and degree (green), else grey."""
    rows = []
    for picture, shares, objects, degree in zip(*(v.numpy() for v in vars(batch).values()), strict=True):
        materials = shares.argmax(0)
        likeliest = coloured(materials) * (shares.sum(0) > 0.5)[..., None]
        known = np.stack([np.where(v < 0, 0.5, v) for v in (objects, degree, 0 * degree)], -1)
        cells = (_picture(np.moveaxis(picture, 0, -1)), likeliest, _picture(known))
        rows.append((_named(materials), cells))
    _sheet(rows, path)


def draw_confusion(confusion: np.ndarray, path: Path, side: int = 40) -> None:
    """Rows the truth, columns the answer, per cent of a row's texels."""
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    count, left = len(MATERIALS), 120
    image = Image.new("RGB", (left + side * count, left + side * count), "white")
    pen = ImageDraw.Draw(image)
    for i, material in enumerate(MATERIALS):
        pen.text((4, left + side * i + side // 3), material.value, fill="black")
        across = Image.new("RGB", (left - 8, LABEL), "white")
        ImageDraw.Draw(across).text((0, 0), material.value, fill="black")
        image.paste(across.rotate(90, expand=True), (left + side * i + side // 3, 4))
        for j in range(count):
            share = shares[i, j]
            at = (left + side * j, left + side * i)
            shade = int(255 * (1 - share))
            pen.rectangle((*at, at[0] + side - 1, at[1] + side - 1), fill=(shade, shade, 255))
            if share >= 0.005:
                pen.text(
                    (at[0] + 10, at[1] + side // 3), f"{100 * share:.0f}", fill="white" if share > 0.5 else "black"
                )
    image.save(path)


def draw_curve(figures: Mapping[str, Any], path: Path) -> None:
    """mIoU over milliseconds a picture, of evaluation.figures: the levels, joined, and `auto`."""
    automatic = figures["auto"]
    points = dict(zip(("1", "2", "3"), zip(figures["milliseconds"], figures["miou"], strict=True), strict=True))
    points["auto"] = (automatic["time_share"] * figures["milliseconds"][-1], automatic["miou"])
    wide, high, edge = 480, 320, 40
    image = Image.new("RGB", (wide, high), "white")
    pen = ImageDraw.Draw(image)
    longest = 1.15 * max(milliseconds for milliseconds, _ in points.values())
    place = lambda x, y: (edge + (wide - 2 * edge) * x / longest, high - edge - (high - 2 * edge) * y)  # noqa: E731
    pen.line([place(0, 1), place(0, 0), place(longest, 0)], "black")
    for tenth in range(0, 11, 2):
        pen.text((8, place(0, tenth / 10)[1] - 6), f"{tenth / 10:.1f}", fill="black")
    for step in range(1, 5):
        at = longest * step / 4
        pen.text((place(at, 0)[0] - 12, high - edge + 6), f"{at:.0f} ms", fill="black")
    pen.line([place(*points[name]) for name in ("1", "2", "3")], (70, 100, 190), 2)
    for name, point in points.items():
        x, y = place(*point)
        pen.ellipse((x - 3, y - 3, x + 3, y + 3), fill="black")
        pen.text((x + 5, y - 16), f"{name}: {point[1]:.2f}", fill="black")
    image.save(path)


def _sheet(rows: Sequence[tuple[str, tuple[np.ndarray, ...]]], path: Path) -> None:
    wide, high = 3 * CELL, CELL + LABEL
    image = Image.new("RGB", (2 * wide + LEGEND, max(high * -(-len(rows) // 2), LABEL * len(MATERIALS))))
    pen = ImageDraw.Draw(image)
    for n, (title, cells) in enumerate(rows):
        x, y = n % 2 * wide, n // 2 * high
        pen.text((x + 2, y + 1), title[:90], fill="white")
        for i, cell in enumerate(cells):
            shown = Image.fromarray(cell).resize((CELL - 2, CELL - 2), Image.Resampling.NEAREST)
            image.paste(shown, (x + i * CELL, y + LABEL))
    for i, material in enumerate(MATERIALS):
        pen.rectangle((2 * wide + 4, i * LABEL + 2, 2 * wide + 14, i * LABEL + 12), fill=COLOURS[material])
        pen.text((2 * wide + 18, i * LABEL + 1), material.value, fill="white")
    image.save(path)


def _picture(values: np.ndarray) -> np.ndarray:
    return (values.clip(0, 1) * 255).round().astype(np.uint8)


def _told(materials: np.ndarray) -> np.ndarray:
    known = materials < len(MATERIALS)
    return coloured(np.where(known, materials, 0)) * known[..., None]


def _named(materials: np.ndarray) -> str:
    shares = shares_of(materials)
    return ", ".join(MATERIALS[i].value for i in np.argsort(-shares) if shares[i])
