# SPDX-License-Identifier: GPL-3.0-or-later
"""The segmenter's scenes once more, each under two lights, with exact albedo, shading and residual from Cycles' passes.

    albedo   = DiffCol + w GlossCol         w = GlossCol / (DiffCol + GlossCol) by luminance: 1 on metal, near 0 on what is matte
    residual = (1 - w) GlossCol (GlossDir + GlossInd)       highlights
    shading  = (image - residual) / albedo

The image is the denoised one, DiffCol and GlossCol have no noise; so albedo x shading + residual is the image, exactly.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy import ndimage

from ..data import scenes
from ..data.materials import Split
from .pictures import Pair, luminance

LIGHTS = 2
LEAST_KNOWN = 0.4  # of the picture: a scene that shows less of surfaces with an albedo is drawn again
DARKEST = 0.02  # of an albedo that a shading can be told from
QUIET = 5  # texels a side of the median that takes the noise out of highlights
MOST_RESIDUAL = 0.95  # of what a texel shows


@dataclass(frozen=True)
class Order(scenes.Order):
    """OUT/train and OUT/held get NNNNN.npz, a Pair each."""

    side: int = 160
    samples: int = 16
    passes: ClassVar[bool] = True

    def picture(self, number: int) -> Path:
        return self.folder / f"{number:05d}.npz"

    def whole(self, number: int) -> Path:
        return self.picture(number)

    def write(self, stage: Any, number: int) -> None:
        for attempt in range(scenes.TRIES):
            with tempfile.TemporaryDirectory() as scratch:
                shots = stage.shoot_lit(self.rng(number, attempt), Path(scratch) / "frame.exr", LIGHTS)
            pair = pair_of(shots)
            if pair.known.mean() > LEAST_KNOWN:
                break
        path = self.picture(number)
        with open(path.with_suffix(".tmp"), "wb") as file:
            np.savez_compressed(file, **{name: half(values) for name, values in vars(pair).items()})
        os.replace(path.with_suffix(".tmp"), path)


def pair_of(shots: list[dict[str, np.ndarray]]) -> Pair:
    """Of the passes of one scene under each light (stage.passes)."""
    first = shots[0]
    diffuse, glossy = first["diffuse_colour"], first["glossy_colour"]
    share = luminance(glossy) / np.maximum(luminance(diffuse) + luminance(glossy), 1e-6)
    albedo = diffuse + share * glossy
    residuals = []
    for shot in shots:
        gloss = (1 - share) * glossy * (shot["glossy_direct"] + shot["glossy_indirect"])
        quiet = ndimage.median_filter(gloss, (QUIET, QUIET, 1))
        residuals.append(np.minimum(quiet, MOST_RESIDUAL * shot["combined"]))
    solid = ndimage.binary_erosion(first["solid"], np.ones((3, 3)), border_value=1)  # its outline mixes with the sky
    known = solid & (albedo.max(-1) > DARKEST) & (first["transmission_colour"].max(-1) < DARKEST)
    return Pair(
        np.stack([shot["combined"] for shot in shots]), np.stack([albedo] * len(shots)), np.stack(residuals), known
    )


def half(values: np.ndarray) -> np.ndarray:
    return values if values.dtype == bool else values.clip(0, 6e4).astype(np.float16)


def read(path: Path) -> Pair:
    with np.load(path) as kept:
        return Pair(**{name: kept[name] for name in kept.files})


def pairs_in(folder: Path, split: Split) -> list[Path]:
    """Those that are whole, in order."""
    return sorted((folder / split.value).glob("*.npz"))
