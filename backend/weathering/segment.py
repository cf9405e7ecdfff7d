# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there, of what material, and how weathered already: the segmenter, as deep as is asked or needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..networks.registry import Networks
from ..protocol.errors import BadSurface, NetworkError
from ..protocol.materials import MATERIALS, Material, Quality

LEVELS = ("segmenter_1", "segmenter_2", "segmenter_3")  # each takes the picture, or the features of those before it
DEEPEST = {Quality.FAST: 1, Quality.BALANCED: 2, Quality.BEST: 3, Quality.AUTO: 3}
LEAST_CONFIDENT = 0.1  # of the texels: what they come to decides whether to look deeper


@dataclass(frozen=True)
class Segments:
    """Of a picture of h x w: `probabilities` [h,w,materials] that sum to 1; `objects`, whether something stands there rather than
    ground or sky, and `degree`, how weathered it is already, [h,w] in 0..1. `level`: how deep it was looked for."""

    probabilities: np.ndarray
    objects: np.ndarray
    degree: np.ndarray
    level: int

    @property
    def materials(self) -> np.ndarray:
        """The likeliest material of each texel, as its channel, uint8 [h,w]."""
        return self.probabilities.argmax(-1).astype(np.uint8)

    @property
    def confidence(self) -> float:
        """Of the least confident tenth of the texels: the most that any of them gives to a material."""
        return float(np.quantile(self.probabilities.max(-1), LEAST_CONFIDENT))

    def within(self, rows: slice, columns: slice) -> Segments:
        """Of a part of the picture."""
        probabilities, objects, degree = (of[rows, columns] for of in (self.probabilities, self.objects, self.degree))
        return Segments(probabilities, objects, degree, self.level)

    def share(self, *materials: Material) -> np.ndarray:
        """How much of each texel is of these materials [h,w], 0..1, soft."""
        return self.probabilities[..., [material.channel for material in materials]].sum(-1).clip(0, 1)


def segment(picture: np.ndarray, networks: Networks, quality: Quality = Quality.AUTO) -> Segments:
    """Of a picture [h,w,3] in 0..1, sRGB-encoded, of any size: the networks know pictures of some 256 texels best.

    Raises BadSurface where it is no such picture; NetworkError where there is no segmenter.
    """
    found: Segments | None = None
    for found in levels(picture, networks, DEEPEST[quality]):
        if quality is Quality.AUTO and found.confidence >= networks.newest(LEVELS[found.level - 1]).card.confident:
            break
    assert found is not None
    return found


def levels(picture: np.ndarray, networks: Networks, deepest: int = len(LEVELS)) -> Iterator[Segments]:
    """One answer a level, each going on from the one before; what is not asked for is not computed."""
    if picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
        raise BadSurface(f"A picture of shape {picture.shape} is not [height, width, 3].")
    absent = [name for name in LEVELS[:deepest] if name not in networks]
    if absent:
        raise NetworkError(
            f"There is no network '{absent[0]}': this Sabi cannot tell materials apart.",
            "Train one (README, The segmenter), or give masks.",
        )
    height, width = picture.shape[:2]
    multiple = networks.newest(LEVELS[0]).card.multiple
    below, beside = -height % multiple, -width % multiple
    padded = np.pad(np.nan_to_num(picture).clip(0, 1), ((0, below), (0, beside), (0, 0)), "edge")
    known = {"picture": np.ascontiguousarray(np.moveaxis(padded, -1, 0)[None], np.float32)}
    for number in range(1, deepest + 1):
        session = networks[LEVELS[number - 1]]
        known |= session.run({name: known[name] for name in session.card.inputs})
        materials, objects, degree = (known[name][0, :, :height, :width] for name in ("materials", "object", "degree"))
        yield Segments(np.moveaxis(materials, 0, -1), objects[0], degree[0], number)


def coloured(materials: np.ndarray) -> np.ndarray:
    """Channels [h,w] as the colours of COLOURS [h,w,3] uint8."""
    return np.array([COLOURS[material] for material in MATERIALS], np.uint8)[materials]


COLOURS: dict[Material, tuple[int, int, int]] = {
    Material.FABRIC: (214, 39, 140),
    Material.FOLIAGE: (44, 140, 44),
    Material.GLASS: (130, 230, 230),
    Material.LEATHER: (120, 60, 30),
    Material.METAL: (70, 100, 190),
    Material.PAPER: (245, 240, 200),
    Material.PLASTIC: (255, 215, 0),
    Material.STONE: (150, 150, 150),
    Material.WATER: (0, 70, 255),
    Material.WOOD: (200, 140, 70),
    Material.CONCRETE: (95, 95, 105),
    Material.BRICK: (190, 50, 40),
    Material.SOIL: (90, 75, 40),
    Material.PAINTED_SURFACE: (255, 127, 14),
    Material.SKY: (150, 200, 255),
    Material.OTHER: (60, 30, 80),
}
