# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheets, a row a style, beside its photograph.

`draw`: ages, another seed, other bases, the threshold and the thick layer. `draw_degrees`: three degrees of three seeds.
`draw_plain`: the same over plain colours, without photographs or anything else of the data.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw

from . import composite
from .data import effects, textures
from .data.batches import over
from .painting import Brush, at_age, smooth_exposure

AGES = (0.3, 0.5, 0.75, 1.0)
DEGREES, SEEDS = (0.3, 0.6, 0.95), (1, 2, 3)
STEEL, PAINT, STONE = (0.58, 0.6, 0.62, 0.4, 1.0), (0.2, 0.42, 0.45, 0.45, 0.0), (0.62, 0.6, 0.55, 0.8, 0.0)
COPPER, SOIL, WOOD = (0.72, 0.42, 0.3, 0.35, 1.0), (0.42, 0.37, 0.32, 0.9, 0.0), (0.42, 0.26, 0.15, 0.7, 0.0)
PLAIN = {  # albedo, roughness, metallic
    "rust": STEEL,
    "peeling_paint": PAINT,
    "moss": SOIL,
    "scratches": PAINT,
    "patina": COPPER,
    "pitting": STEEL,
    "greyed_wood": WOOD,
}  # all else on STONE
Rows = list[tuple[str, list[torch.Tensor]]]
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
    for effect, photograph in shown(brush):
        rows.append((f"{effect} / {photograph.style}", row(brush, at, effect, photograph, size)))
    write(rows, titles, path, size, cell)


def draw_degrees(brush: Brush, folder: Path, path: Path, size: int = textures.SIZE, cell: int = CELL) -> None:
    """Writes one PNG: the degree is the same everywhere, so that all shapes are the painter's own."""
    at, rows = folder / "textures", []
    titles = [f"degree {degree}, seed {seed}" for degree in DEGREES for seed in SEEDS] + ["photograph"]
    for effect, photograph in shown(brush):
        own = textures.plate(photograph, at / photograph.folder)
        held = torch.from_numpy(textures.surface_of(at / effects.HELD_CLEAN[effect][0]))
        base = torch.from_numpy(own.base) if own.over_own_base else held
        style, exposure = brush.style(effect, photograph.style), torch.full((1, 1, size, size), 0.5)
        painted = [brush.paint(base[None], exposure, style, brush.noise(size, seed)) for seed in SEEDS]
        cells = [composite.weathered(p, base[None], exposure * 2 * d)[0][0, :3] for d in DEGREES for p in painted]
        rows.append((f"{effect} / {photograph.style}", [*cells, photographed(own, held)]))
    write(rows, titles, path, size, cell)


def draw_plain(brush: Brush, path: Path, size: int = 384, columns: int = 2) -> None:
    """Writes one PNG at half the resolution, styles in `columns`: degrees to the right, three seeds each; a grain on the base."""
    cell, groups = size // 3, []
    grain = 0.01 * torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(0))
    for effect, style in ((effect, style) for effect, named in brush.card.styles.items() for style in named):
        *colour, roughness, metallic = PLAIN.get(effect, STONE)
        base = torch.tensor([*colour, roughness, metallic, 0.5])[None, :, None, None].expand(1, 6, size, size).clone()
        base[:, :3] += grain
        code, exposure = brush.style(effect, style), torch.full((1, 1, size, size), 0.5)
        painted = [brush.paint(base, exposure, code, brush.noise(size, seed)) for seed in SEEDS]
        cells = [composite.weathered(p, base, exposure * 2 * d)[0][0, :3] for d in DEGREES for p in painted]
        halves = [torch.nn.functional.avg_pool2d(c[:, : 2 * cell, : 2 * cell].clamp(0, 1), 2) for c in cells]
        groups.append((f"{effect} / {style}".replace("_", " "), torch.cat(halves, 2)))
    high, width = -(-len(groups) // columns), cell * len(DEGREES) * len(SEEDS)
    image = Image.new("RGB", (columns * (width + LABEL) - LABEL, high * (cell + LABEL)))
    pen = ImageDraw.Draw(image)
    for i, (name, picture) in enumerate(groups):
        x, y = i // high * (width + LABEL), i % high * (cell + LABEL)
        pixels = (picture * 255).round().byte().permute(1, 2, 0).numpy()
        image.paste(Image.fromarray(pixels), (x, y + LABEL))
        pen.text((x + 2, y), name, fill="white", font_size=12)
    image.save(path)


def shown(brush: Brush) -> list[tuple[str, effects.Photograph]]:
    """The styles that training has a photograph for and the painter knows."""
    return [
        (effect, photograph)
        for effect, photograph in effects.styles()
        if photograph.style in brush.card.styles.get(effect, {})
    ]


def photographed(plate: textures.Plate, base: torch.Tensor) -> torch.Tensor:
    """A plate's photograph [3,S,S], over the base [6,S,S] where it shows none of its own."""
    photograph, area = torch.from_numpy(plate.photograph), torch.from_numpy(plate.area)
    return (photograph if plate.over_own_base else over(base, photograph, area, plate.look))[:3]


def write(rows: Rows, titles: list[str], path: Path, size: int, cell: int) -> None:
    """The middle `cell` texels of each picture, named by its row and its column."""
    image = Image.new("RGB", (cell * len(titles), (cell + LABEL) * len(rows)))
    pen = ImageDraw.Draw(image)
    top = (size - cell) // 2
    for y, (name, cells) in enumerate(rows):
        for x, (title, picture) in enumerate(zip(titles, cells, strict=True)):
            middle = picture[:, top : top + cell, top : top + cell].clamp(0, 1) * 255
            pixels = middle.round().byte().permute(1, 2, 0).numpy()
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
    cells.append(photographed(own, held[0][0]))
    return cells


def flat_base(colour: tuple[float, float, float], size: int) -> torch.Tensor:
    return torch.tensor([*colour, 0.4, 0.0, 0.5])[None, :, None, None].expand(1, 6, size, size).contiguous()
