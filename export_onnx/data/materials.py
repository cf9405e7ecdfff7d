# SPDX-License-Identifier: GPL-3.0-or-later
"""Which material each texture of the data folder is of, and which textures, models and lights are held out of training."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np

from ...backend.protocol.materials import Material

HELD_SEED = 2019  # of what is held out: one choice for all trainings, so that their figures compare
HELD_SHARE = 0.25
UNKNOWN = 255  # in place of a material's channel

CLASSES: dict[str, Material] = {
    "asphalt": Material.OTHER,
    "asphalt_cracked": Material.OTHER,
    "brick_clean": Material.BRICK,
    "brick_worn": Material.BRICK,
    "ceramic_tile": Material.OTHER,
    "concrete_clean": Material.CONCRETE,
    "copper_clean": Material.METAL,
    "copper_patina": Material.METAL,
    "corroded_metal": Material.METAL,
    "cracked_concrete": Material.CONCRETE,
    "dirt_ground": Material.SOIL,
    "dirty_metal": Material.METAL,
    "dirty_plaster_concrete": Material.CONCRETE,
    "fabric": Material.FABRIC,
    "grass_foliage": Material.FOLIAGE,
    "leather": Material.LEATHER,
    "metal_clean": Material.METAL,
    "moss": Material.FOLIAGE,
    "painted_metal_clean": Material.PAINTED_SURFACE,
    "painted_wood_worn": Material.PAINTED_SURFACE,
    "paving_tile": Material.OTHER,
    "peeling_paint_rust": Material.PAINTED_SURFACE,
    "plaster_wallpaper": Material.PAINTED_SURFACE,
    "rust": Material.METAL,
    "rust_on_steel": Material.METAL,
    "sand_gravel": Material.SOIL,
    "scratched_paint": Material.PAINTED_SURFACE,
    "stained_concrete": Material.CONCRETE,
    "stone_clean": Material.STONE,
    "stone_weathered": Material.STONE,
    "wood_clean": Material.WOOD,
    "wood_weathered": Material.WOOD,
}  # of the manifest's classes; those that show two materials at once, or none, are left out


class Split(Enum):
    TRAIN = "train"
    HELD = "held"


@dataclass(frozen=True)
class Texture:
    """One photographed texture. `owner`: whose repository it was found in, the nearest the manifest comes to its maker."""

    name: str
    material: Material
    weathered: bool
    owner: str


def textures_of(folder: Path, split: Split) -> list[Texture]:
    """Of every material, clean and weathered, some owners' textures are held out; where one has most of them, single ones are."""
    with (folder / "textures" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        known = [
            Texture(
                row["id"], CLASSES[row["class"]], row["weathered"] == "1", row["source_repository"].partition("/")[0]
            )
            for row in csv.DictReader(file)
            if row["class"] in CLASSES
        ]
    held: set[str] = set()
    for material in Material:
        held |= _held([texture for texture in known if texture.material is material])
    return [texture for texture in known if (texture.name in held) == (split is Split.HELD)]


def _held(textures: list[Texture]) -> set[str]:
    """Of one material: an owner is held out whole while clean or weathered ones lack, if of both at least half are left."""
    rng = np.random.default_rng(HELD_SEED)
    kinds = [{t.name for t in textures if t.weathered == weathered} for weathered in (False, True)]
    owned = {owner: {t.name for t in textures if t.owner == owner} for owner in {t.owner for t in textures}}
    held: set[str] = set()
    for owner in rng.permutation(sorted(owned)):
        more = held | owned[owner]
        lacking = any(owned[owner] & kind and len(held & kind) < HELD_SHARE * len(kind) for kind in kinds)
        if lacking and all(len(more & kind) <= len(kind) / 2 for kind in kinds):
            held = more
    for kind in kinds:
        lacks = int(np.ceil(HELD_SHARE * len(kind))) - len(held & kind)
        if len(kind) > 1 and lacks > 0:
            held |= set(rng.permutation(sorted(kind - held))[:lacks])
    return held


def split_of(names: Iterable[str], split: Split) -> list[str]:
    """The training's, or the held, part of models or lights by name."""
    order = [str(name) for name in np.random.default_rng(HELD_SEED).permutation(sorted(names))]
    held = int(np.ceil(HELD_SHARE * len(order)))
    return sorted(order[:held] if split is Split.HELD else order[held:])
