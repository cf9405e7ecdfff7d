# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of somebody's own photographs of one effect -> plates: texture sets, or plain photographs, with masks or without.

Images that lie in the folder itself teach one style, named as the folder; each folder in it teaches another, named as that.
What belongs together is told by the names, as `sabi weather` reads them: `wall_albedo.jpg`, `wall_rough.jpg` and
`wall_mask.png` are one set, `wall.jpg` alone is a photograph. A mask (white where it is weathered), or what `sabi degree`
wrote (`wall_degree.png`), says where the photograph shows its base.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from ...backend.files.assets import seems_to_wrap
from ...backend.files.image import IMAGE_SUFFIXES, read_image
from ...backend.protocol.errors import BadFile
from ...backend.protocol.surface import Map
from ...backend.protocol.texture_names import read_name
from ...backend.weathering.colour import to_srgb
from .batches import Plates, variants
from .effects import Area, Photograph
from .textures import SIZE, plate_of

MAPS = ("albedo", "roughness", "metallic", "height", "mask")
BASES = 8  # made-up clean surfaces, where there are no textures
ASSUMED = {
    "roughness": "roughness 0.85 where it is weathered",
    "metallic": "metallic 0",
    "height": "height from luminance",
    "mask": "weathered all over, laid over clean surfaces by procedure (`sabi degree` makes masks)",
}  # of a photograph that lacks the map


@dataclass(frozen=True)
class Set:
    """One photograph with what belongs to it. `places`: map -> its file and channel (None: all of it)."""

    name: str
    places: dict[str, tuple[Path, int | None]]

    @property
    def files(self) -> list[Path]:
        return sorted({path for path, _ in self.places.values()})


def styles_in(folder: Path) -> dict[str, list[Set]]:
    """Style -> its sets, in alphabetical order. Raises BadFile where there are none, or where one has no photograph."""
    if not folder.is_dir():
        raise BadFile(f"{folder} is not a folder.", "Give a folder of photographs of the effect.")
    found = {style_name(folder): sets_in(folder)}
    for inner in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        found[style_name(inner)] = found.get(style_name(inner), []) + sets_in(inner)
    found = {style: sets for style, sets in found.items() if sets}
    if not found:
        known = ", ".join(sorted(suffix[1:] for suffix in IMAGE_SUFFIXES))
        raise BadFile(f"{folder} holds no photographs.", f"Known types: {known}; each folder in it teaches one style.")
    return found


def style_name(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_") or "plain"


def sets_in(folder: Path) -> list[Set]:
    """The sets among a folder's images. A lone image is a photograph, whatever its name says."""
    grouped: dict[tuple[str, int | None], dict[str, tuple[Path, int | None]]] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.name[0] != "."):
        stem, degree = re.subn(r"[_.-]degree$", "", path.stem)
        named = read_name(stem)
        maps = ("mask",) if degree else named.maps or ("albedo",)
        group = grouped.setdefault((stem if degree else named.set_name, None if degree else named.tile), {})
        for channel, name in enumerate(maps):
            if name in MAPS:
                group.setdefault(name, (path, channel if len(maps) > 1 else None))
    sets = []
    for (name, _), places in grouped.items():
        if "albedo" not in places and len({path for path, _ in places.values()}) == 1:
            places = {"albedo": (next(iter(places.values()))[0], None)}
        if "albedo" not in places and places:
            files = ", ".join(sorted(path.name for path, _ in places.values()))
            raise BadFile(f"{folder} has no photograph to {files}.", "Name it as they are, with albedo at the end.")
        if places:
            sets.append(Set(name or style_name(folder), places))
    return sets


def plates_of(effect: str, folder: Path, clean: dict[str, np.ndarray], runs: bool, seed: int) -> Plates:
    """Plates of all styles in a folder, to be laid on `clean` where the photographs do not show their base.

    `runs`: the photographs stand upright and show which way is down.
    """
    styles, plates = [], []
    for style, sets in styles_in(folder).items():
        made = []
        for one in sets:
            maps, wraps = read_set(one)
            photograph = Photograph(
                style,
                one.name,
                Area.MASK if "mask" in maps else Area.GROWN,
                runs=runs,
                height=(0.04, 0.5),
                height_map="height" in maps,
                grain=(30, 9, 2.5),
                softness=0.3,
            )
            made += [plate_of(photograph, maps, seed + i, wraps) for i in range(variants(photograph))]
        styles.append((effect, photograph))
        plates.append(made)
    return Plates(styles, plates, clean)


def read_set(one: Set) -> tuple[dict[str, np.ndarray], bool]:
    """The maps, the largest square in the middle of each brought to [SIZE, SIZE] in 0..1, and whether they wrap."""
    maps, wraps = {}, False
    for name, (path, channel) in one.places.items():
        pixels, _ = read_image(path)
        values = Map(pixels).floats()
        if name == "albedo":
            values = np.repeat(values[..., :1], 3, 2) if values.shape[2] < 3 else values[..., :3]
            values = values if pixels.dtype.kind == "u" else to_srgb(values)
            height, width = values.shape[:2]
            wraps = height == width and all(seems_to_wrap(Map(np.ascontiguousarray(values))))
        else:
            values = (
                values[..., channel or 0][..., None] if channel is not None else values[..., :3].mean(2, keepdims=True)
            )
        maps[name] = squared(values) if name == "albedo" else squared(values)[..., 0]
    return maps, wraps


def squared(values: np.ndarray) -> np.ndarray:
    """[H, W, C] -> [SIZE, SIZE, C]."""
    height, width, channels = values.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = values[top : top + side, left : left + side]
    resized = [
        np.asarray(Image.fromarray(cut[..., i].astype(np.float32)).resize((SIZE, SIZE), Image.Resampling.LANCZOS))
        for i in range(channels)
    ]
    return np.stack(resized, -1).clip(0, 1)


def assumptions(folder: Path) -> list[str]:
    """What a card must say of maps that no photograph taught: sentences by style."""
    said = []
    for style, sets in styles_in(folder).items():
        lacking = {name: sum(name not in one.places for one in sets) for name in ASSUMED}
        words = [f"{ASSUMED[name]} ({count} of {len(sets)})" for name, count in lacking.items() if count]
        if words:
            said.append(f"{style}: assumed, not measured: {', '.join(words)}")
    return said


def provenance(folder: Path, licence: str) -> list[dict[str, str]]:
    """Every file with its SHA-256, as `sabi licences` lists them."""
    return [
        {
            "image": f"{folder.resolve().name}/{path.relative_to(folder)}",
            "source_repository": "own photographs",
            "source_path": str(path.relative_to(folder)),
            "licence": licence,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in files_in(folder)
    ]


def files_in(folder: Path) -> Iterator[Path]:
    return (path for sets in styles_in(folder).values() for one in sets for path in one.files)


def made_up_bases(seed: int) -> dict[str, np.ndarray]:
    """Clean surfaces [6, SIZE, SIZE] without photographs: paint, stone and metal as colours with grain, for want of textures."""
    rng = np.random.default_rng((seed, 7))
    fields = {width: noise(rng, width) for width in (1, 3, 9, 30, 50)}
    field = lambda width: np.roll(fields[width], tuple(rng.integers(0, SIZE, 2)), (0, 1))  # noqa: E731
    bases = {}
    for i in range(BASES):
        grain = np.mean([field(width) for width in (1, 3, 9, 30)], 0) * 2
        colour = rng.uniform(0.1, 0.9, (3, 1, 1)) * (rng.random() * 0.6 + 0.4) + 0.2 * rng.random()
        albedo = colour + rng.uniform(0.01, 0.07) * grain + 0.02 * rng.standard_normal((3, 1, 1)) * field(50)
        roughness, metal = rng.uniform(0.3, 0.8) + 0.05 * field(9), np.full(grain.shape, float(i % 3 == 2))
        maps = np.concatenate([albedo, [roughness, metal, np.full(grain.shape, 0.5)]])
        bases[f"made_up_{i}"] = maps.clip(0, 1).astype(np.float32)
    return bases


def noise(rng: np.random.Generator, width: float) -> np.ndarray:
    """[SIZE, SIZE], wrapping, of unit variance."""
    values = ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), width, mode="wrap")
    return values / values.std()
