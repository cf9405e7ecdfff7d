# SPDX-License-Identifier: GPL-3.0-or-later
"""Each effect on eight clean textures that training has not seen: does it answer to what it lies on, and does it show?

Where the data has no eight textures of a kind, those that there are come in other paints, alloys or stains.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from skimage import color

from .data import textures
from .painting import Brush, at_age, smooth_exposure

AGE = 0.6
CELL, LABEL = 256, 14
CLEAN_SHARE = 0.25  # of a cell, at its left, that shows the base alone
Colour = tuple[float, float, float]


class Kind(Enum):
    """What becomes of a texture that takes another colour."""

    AS_IT_IS = "as it is"
    PAINTED = "painted"  # the colour with the texture's own light and dark, no metal, half gloss
    ALLOY = "alloy"  # metal of this colour
    STAINED = "stained"  # each texel tinted


@dataclass(frozen=True)
class Base:
    """A clean texture of the data folder, `colour` sRGB-encoded in 0..1."""

    texture: str
    kind: Kind = Kind.AS_IT_IS
    colour: Colour = (1, 1, 1)

    def maps(self, at: Path) -> torch.Tensor:
        """[1,6,S,S] as the painter takes them; `at` is the folder of the textures."""
        maps = torch.from_numpy(textures.surface_of(at / self.texture)).float()
        if self.kind is Kind.AS_IT_IS:
            return maps[None]
        colour = torch.tensor(self.colour)[:, None, None]
        if self.kind is Kind.STAINED:
            maps[:3] *= colour
        else:
            light = maps[:3].mean(0)
            maps[:3] = (colour * (1 + 0.5 * (light - light.mean()))).clamp(0, 1)
            maps[4] = float(self.kind is Kind.ALLOY)
        if self.kind is Kind.PAINTED:
            maps[3] = 0.4
        return maps[None]


def plain(*names: str) -> tuple[Base, ...]:
    return tuple(Base(name) for name in names)


METAL = plain(
    *("metal_clean/metal006", "metal_clean/metal", "metal_clean/metal003", "metal_clean/metal032"),
    *("metal_clean/metal009", "metal_clean/metalplates006", "metal_clean/aluminium"),
    "painted_metal_clean/painted_metal_shutter",
)
PAINTED = (
    Base("painted_metal_clean/painted_metal_shutter"),
    *(
        Base(name, Kind.PAINTED, colour)
        for name, colour in (
            ("metal_clean/metal003", (0.70, 0.12, 0.10)),
            ("metal_clean/metal006", (0.16, 0.42, 0.24)),
            ("metal_clean/metal032", (0.14, 0.25, 0.52)),
            ("metal_clean/corrugatedsteel002", (0.90, 0.88, 0.82)),
            ("metal_clean/metal009", (0.85, 0.62, 0.10)),
            ("metal_clean/metalplates006", (0.10, 0.10, 0.11)),
            ("metal_clean/metal", (0.55, 0.72, 0.74)),
        )
    ),
)
COPPER = (
    Base("copper_clean/metal058a"),
    *(
        Base(name, Kind.ALLOY, colour)
        for name, colour in (
            ("metal_clean/metal003", (0.95, 0.64, 0.54)),
            ("metal_clean/metal006", (0.80, 0.50, 0.38)),
            ("metal_clean/metal032", (0.91, 0.78, 0.42)),
            ("metal_clean/metal009", (0.62, 0.42, 0.26)),
            ("metal_clean/metalplates006", (0.72, 0.45, 0.33)),
            ("metal_clean/metal", (0.45, 0.27, 0.19)),
            ("metal_clean/aluminium", (0.93, 0.86, 0.66)),
        )
    ),
)
MASONRY = plain(
    *("concrete_clean/concrete004", "concrete_clean/concrete010", "concrete_clean/facade"),
    *("plaster_wallpaper/beige_wall_002", "brick_clean/brick_wall_003", "brick_clean/bricks010"),
    *("stone_clean/marble006", "stone_clean/onyx"),
)
OUTDOORS = plain(
    *("dirt_ground/ground32", "concrete_clean/concrete_floor", "concrete_clean/facade", "brick_clean/brick_wall_003"),
    *("paving_tile/ground_0036", "stone_clean/marble006", "wood_clean/wood26", "metal_clean/metal006"),
)
ANYTHING = plain(
    *("concrete_clean/concrete004", "metal_clean/metal032", "plaster_wallpaper/beige_wall_002"),
    *("brick_clean/bricks010", "wood_clean/wood_table_worn", "ceramic_tile/tiles036"),
    *("painted_metal_clean/painted_metal_shutter", "leather/leather26"),
)
WOOD = tuple(
    Base(name, Kind.STAINED, colour)
    for name in ("wood_clean/wood26", "wood_clean/wood_table_worn")
    for colour in ((1, 1, 1), (0.55, 0.5, 0.5), (1, 0.68, 0.5), (0.8, 0.95, 1))
)
BASES: dict[str, tuple[Base, ...]] = {
    "rust": METAL,
    "peeling_paint": PAINTED,
    "moss": OUTDOORS,
    "dirt": ANYTHING,
    "scratches": PAINTED,
    "patina": COPPER,
    "pitting": METAL,
    "stains": MASONRY,
    "cracks": MASONRY,
    "erosion": MASONRY,
    "greyed_wood": WOOD,
}


def draw(brush: Brush, folder: Path, path: Path) -> dict[str, dict[str, float]]:
    """Writes one PNG, a row an effect, its styles in turn. Gives for each cell how far what is weathered is from its base.

    That is the median distance in Lab (CIE 1976) of texels that are covered by more than a half: what is under 5 hardly shows.
    """
    at, shown = folder / "textures", {name: BASES.get(name, ANYTHING) for name in brush.card.styles}
    image = Image.new("RGB", (CELL * max(map(len, shown.values())), (CELL + LABEL) * len(shown)))
    pen = ImageDraw.Draw(image)
    figures: dict[str, dict[str, float]] = {}
    for row, (effect, bases) in enumerate(shown.items()):
        styles, y = list(brush.card.styles[effect]), row * (CELL + LABEL)
        for column, base in enumerate(bases):
            style, x = styles[column % len(styles)], column * CELL
            pixels, distance = cell(brush, base.maps(at), effect, style, column)
            image.paste(Image.fromarray(pixels), (x, y + LABEL))
            words = (effect, style, base.texture.split("/")[1], base.kind.value if base.colour != (1, 1, 1) else "")
            pen.text((x + 2, y + 1), " ".join(word for word in words if word), fill="white")
            figures.setdefault(effect, {})[f"{column + 1} {style} on {base.texture}"] = distance
    image.save(path)
    return figures


def cell(brush: Brush, base: torch.Tensor, effect: str, style: str, seed: int) -> tuple[np.ndarray, float]:
    """The middle of a weathered texture [CELL, CELL, 3] uint8, its left part still clean, and the distance of `draw`."""
    exposure = smooth_exposure(textures.SIZE, seed)
    painted = brush.paint(base, exposure, brush.style(effect, style), brush.noise(textures.SIZE, seed))
    maps, cover = at_age(painted, base, exposure, AGE)
    before, after = (np.moveaxis(m[0, :3].clamp(0, 1).numpy(), 0, -1) for m in (base, maps))
    covered = cover[0, 0].numpy() > 0.5
    apart = np.linalg.norm(color.rgb2lab(before) - color.rgb2lab(after), axis=-1)[covered]
    top = (textures.SIZE - CELL) // 2
    picture = after[top : top + CELL, top : top + CELL].copy()
    clean = round(CELL * CLEAN_SHARE)
    picture[:, :clean] = before[top : top + CELL, top : top + clean]
    picture[:, clean] = 1
    return np.rint(picture * 255).astype(np.uint8), round(float(np.median(apart)), 1) if apart.size else 0.0
