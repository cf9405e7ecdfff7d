# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheet: per style a row of ages, another seed, other bases, the threshold and the thick layer, beside the photo."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw

from . import composite
from .data import effects, textures
from .data.batches import over
from .painting import Brush, at_age, smooth_exposure

AGES = (0.3, 0.5, 0.75, 1.0)
CELL, LABEL = 256, 14
RED = (0.55, 0.04, 0.03)


def draw(brush: Brush, folder: Path, path: Path, size: int = textures.SIZE, cell: int = CELL) -> None:
    """Writes one PNG; cells show the middle of `size` texels at full resolution."""
    at, rows = folder / "textures", []
    titles = [
        *(f"age {a}" for a in AGES),
        "seed 2, 0.6",
        "held base, 0.6",
        "held base, 0.6",
        "red paint, roughness",
        "threshold",
        "thick",
        "photograph",
    ]
    for effect, photographs in effects.TRAINING.items():
        for photograph in (p for p in photographs if p.style in brush.card.styles[effect]):
            rows.append((f"{effect} / {photograph.style}", row(brush, at, effect, photograph, size)))
    image = Image.new("RGB", (cell * len(titles), (cell + LABEL) * len(rows)))
    pen = ImageDraw.Draw(image)
    for y, (name, cells) in enumerate(rows):
        for x, (title, picture) in enumerate(zip(titles, cells, strict=True)):
            top = (size - cell) // 2
            pixels = (
                (picture[:, top : top + cell, top : top + cell].clamp(0, 1) * 255)
                .round()
                .byte()
                .permute(1, 2, 0)
                .numpy()
            )
            image.paste(Image.fromarray(pixels), (x * cell, y * (cell + LABEL) + LABEL))
            pen.text((x * cell + 2, y * (cell + LABEL)), f"{name}: {title}" if x == 0 else title, fill="white")
    image.save(path)


def row(brush: Brush, at: Path, effect: str, photograph: effects.Photograph, size: int) -> list[torch.Tensor]:
    """The cells of one style, [3,size,size] each."""
    paint = flat_base(RED, size)
    held = [torch.from_numpy(textures.surface_of(at / name))[None] for name in effects.SHOWN_CLEAN]
    own = textures.plate(photograph, at / photograph.folder)
    first = held[0] if not own.over_own_base else torch.from_numpy(own.base)[None]
    style, exposure, noise = brush.style(effect, photograph.style), smooth_exposure(size, 1), brush.noise(size, 1)
    painted = brush.paint(first, exposure, style, noise)
    cells = [at_age(painted, first, exposure, age)[0][0, :3] for age in AGES]
    cells.append(at_age(brush.paint(first, exposure, style, brush.noise(size, 2)), first, exposure, 0.6)[0][0, :3])
    cells += [at_age(brush.paint(base, exposure, style, noise), base, exposure, 0.6)[0][0, :3] for base in held]
    red = at_age(brush.paint(paint, exposure, style, noise), paint, exposure, 0.6)[0][0]
    half = size // 2
    cells.append(torch.cat([red[:3, :, :half], red[3:4, :, half:].expand(3, -1, -1)], 2))
    cells.append(painted[0, :1].expand(3, -1, -1))
    full = composite.layer_at(painted, torch.ones_like(exposure))
    cells.append(composite.to_srgb(full[0, :3]))
    photographed, area = torch.from_numpy(own.photograph), torch.from_numpy(own.area)
    cells.append((photographed if own.over_own_base else over(held[0][0], photographed, area, own.look))[:3])
    return cells


def flat_base(colour: tuple[float, float, float], size: int) -> torch.Tensor:
    return torch.tensor([*colour, 0.4, 0.0, 0.5])[None, :, None, None].expand(1, 6, size, size).contiguous()
