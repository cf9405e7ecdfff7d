# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs for the harmonizer: a real photograph, and the same with a part of it disturbed as a careless composite is.

Ranges of a disturbance, of which two to four are drawn at once: gain 0.55 to 1.8 and white balance 0.75 to 1.33 a channel
(on linear light), gamma 0.6 to 1.65, saturation 0.4 to 1.6, contrast 0.65 to 1.5 about the part's mean (on sRGB), and statistics
(mean and deviation of each channel) of a part of another photograph, taken over by 0.3 to 0.8. Parts are two in three smooth
blobs, else segments of the photograph (Felzenszwalb), of 4 to 50 % of it.

Of a scene that was rendered under two lights the part is taken from the picture in the other light: no disturbance is drawn.

Photographs are few: in training, environment maps of the training's lights are looked at from their middle too, and half of all
pictures, drawn at random, are first as a whole `varied`, as another camera or another hour might have taken them.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.segmentation import felzenszwalb

from ...backend.files.image import read_image
from ...backend.weathering.colour import to_linear, to_srgb
from ...backend.weathering.delight import exposure
from ..data import textures
from ..data.materials import Split, split_of
from ..shading import renders

SIZE = 256
HELD_OUT = 4  # every fourth file, in the order of their names, is kept out of training
AREA = (0.04, 0.5)
VIEWS, VIEW = 6, 128  # of an environment map, and texels a side of each


@dataclass(frozen=True)
class Photograph:
    """uint8 [H, W, 3], its segments [H, W] at the same size, and what the manifest says of it; `relit` in another light.

    A rendered scene is in no manifest.
    """

    pixels: np.ndarray
    segments: np.ndarray
    said: dict[str, str]
    relit: np.ndarray | None = None


def read_photographs(folder: Path, held_out: bool, longest: int = 512) -> list[Photograph]:
    """Photographs of `folder`/photos, one side of the split. Raises FileNotFoundError where there are none."""
    with open(folder / "photos" / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["id"])
    chosen = [row for number, row in enumerate(rows) if (number % HELD_OUT == HELD_OUT - 1) == held_out]
    found = []
    for row in chosen:
        path = folder / "photos" / f"{row['id']}.jpg"
        with Image.open(path) as image:
            small = image.convert("RGB")
        small.thumbnail((longest, longest), Image.Resampling.BOX)
        pixels = np.asarray(small).copy()
        said = {"image": f"photos/{row['id']}", "source_path": f"{row['id']}.jpg"}
        said |= {name: row[name] for name in ("source_repository", "licence")}
        said["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(Photograph(pixels, _segments(pixels), said))
    return found


def read_scenes(folder: Path, split: Split = Split.TRAIN) -> list[Photograph]:
    """The shading network's scenes of one side of its split, each twice: in either light, the other one's picture beside it."""
    found = []
    for path in renders.pairs_in(folder, split):
        pair = renders.read(path)
        lit = [_encoded(image.astype(np.float32)) for image in pair.image]
        segments = _segments(_encoded(pair.albedo[0].astype(np.float32)))  # of one material, whatever the light
        found += [Photograph(lit[a], segments, {}, lit[b]) for a, b in ((0, 1), (1, 0))]
    return found


def read_environments(folder: Path) -> list[Photograph]:
    """Views of the environment maps in `folder`/hdri that belong to the training, `VIEWS` of each, each exposed by itself.

    None where the folder has no manifest of them.
    """
    found = []
    there = [path.stem for path in (folder / "hdri").glob("*.hdr")]  # as the scenes split them
    for said in textures.provenance_of_lights(folder, split_of(there, Split.TRAIN)):
        path = folder / f"{said['image']}.hdr"
        around, rng = read_image(path)[0], np.random.default_rng(int(said["sha256"][:8], 16))
        for number in range(VIEWS):
            turn = 2 * np.pi * (number + rng.uniform(-0.3, 0.3)) / VIEWS
            seen = _view(around, turn, rng.uniform(-0.5, 0.3), np.tan(rng.uniform(0.6, 0.9)))
            pixels = _encoded(seen)
            found.append(Photograph(pixels, _segments(pixels), said))
    return found


def _view(around: np.ndarray, turn: float, tilt: float, half: float) -> np.ndarray:
    """[VIEW, VIEW, 3] of what is `around` [H, W, 3], by latitude and longitude; radians, and half the picture at distance 1."""
    across = np.linspace(-half, half, VIEW)
    x, up = np.meshgrid(across, -across)
    ahead, up = np.cos(tilt) - np.sin(tilt) * up, np.sin(tilt) + np.cos(tilt) * up
    height, width = around.shape[:2]
    columns = (np.arctan2(x, ahead) + turn) / (2 * np.pi) * width
    rows = (0.5 - np.arctan2(up, np.hypot(x, ahead)) / np.pi) * height
    places = np.stack([rows.clip(0, height - 1), columns % width])
    return np.stack(
        [ndimage.map_coordinates(c, places, order=1, mode="grid-wrap") for c in np.moveaxis(around, -1, 0)], -1
    )


def _encoded(linear: np.ndarray) -> np.ndarray:
    return np.rint(255 * to_srgb(linear * exposure(linear))).astype(np.uint8)


def _segments(pixels: np.ndarray) -> np.ndarray:
    return felzenszwalb(pixels, scale=300, sigma=0.8, min_size=pixels.size // 600)


def draw_pair(
    photographs: Sequence[Photograph], rng: np.random.Generator, size: int = SIZE, vary: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """composite and truth, float32 [S, S, 3] in sRGB 0..1, and the mask [S, S, 1] of what was disturbed.

    `vary`: half of them, drawn at random, are first varied as a whole.
    """
    while True:
        photograph = photographs[rng.integers(len(photographs))]
        truth, segments, relit = _crop(photograph, rng, size)
        mask = _blob(rng, size) if rng.random() < 2 / 3 else _segment(segments, rng)
        if AREA[0] < mask.mean() < AREA[1]:
            break
    if relit is not None:
        return truth + mask * (relit - truth), truth, mask
    if vary and rng.random() < 0.5:
        truth = varied(truth, rng)
    other = photographs[rng.integers(len(photographs))].pixels[::4, ::4].reshape(-1, 3) / np.float32(255)
    part = truth[mask[..., 0] > 0.5]
    changed = disturb(truth, part, other, rng)
    return truth + mask * (changed - truth), truth, mask


def disturb(image: np.ndarray, part: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The whole image disturbed as is said above; `part` [N, 3] are the texels it is meant for, `other` another's."""
    draws = {
        "gain": lambda x: to_srgb(to_linear(x) * np.float32(np.exp(rng.uniform(np.log(0.55), np.log(1.8))))),
        "balance": lambda x: to_srgb(
            to_linear(x) * np.exp(rng.uniform(np.log(0.75), np.log(1.33), 3)).astype(np.float32)
        ),
        "gamma": lambda x: x ** np.float32(np.exp(rng.uniform(np.log(0.6), np.log(1.65)))),
        "saturation": lambda x: _about(x, x.mean(-1, keepdims=True), rng.uniform(0.4, 1.6)),
        "contrast": lambda x: _about(x, part.mean(0), rng.uniform(0.65, 1.5)),
        "statistics": lambda x: x + np.float32(rng.uniform(0.3, 0.8)) * (_matched(x, part, other, rng) - x),
    }
    names = rng.permutation(list(draws))[: rng.integers(2, 5)]
    for name in names:
        image = np.clip(draws[name](image), 0, 1).astype(np.float32)
    return image


def varied(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another exposure (0.7 to 1.4), white balance (0.85 to 1.18), gamma (0.8 to 1.25) and saturation (0.6 to 1.3)."""
    image = to_srgb(to_linear(image) * _factor(rng, 1.4) * _factor(rng, 1.18, 3)).clip(0, 1) ** _factor(rng, 1.25)
    return np.clip(_about(image, image.mean(-1, keepdims=True), rng.uniform(0.6, 1.3)), 0, 1).astype(np.float32)


def _factor(rng: np.random.Generator, most: float, count: int = 1) -> np.ndarray:
    """[count], each between 1 / most and most, as likely below 1 as above."""
    return np.exp(rng.uniform(-np.log(most), np.log(most), count)).astype(np.float32)


def _about(x: np.ndarray, middle: np.ndarray, factor: float) -> np.ndarray:
    return middle + (x - middle) * np.float32(factor)


def _matched(x: np.ndarray, part: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    begin = rng.integers(max(len(other) // 2, 1))
    theirs = other[begin : begin + max(len(other) // 2, 1)]
    ratio = np.clip((theirs.std(0) + 0.02) / (part.std(0) + 0.02), 0.5, 2)
    return (x - part.mean(0)) * ratio + theirs.mean(0)


def _crop(
    photograph: Photograph, rng: np.random.Generator, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The same part of the picture, of its segments and of the picture in another light."""
    height, width = photograph.pixels.shape[:2]
    side = int(min(height, width) * rng.uniform(0.55, 1))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    box = slice(top, top + side), slice(left, left + side)
    across = slice(None, None, -1 if rng.random() < 0.5 else 1)

    def cut(pixels: np.ndarray) -> np.ndarray:
        picture = Image.fromarray(pixels[box]).resize((size, size), Image.Resampling.BILINEAR)
        return (np.asarray(picture, np.float32) / 255)[:, across].copy()

    rows = np.arange(size) * side // size
    segments = photograph.segments[box][np.ix_(rows, rows)][:, across]
    return cut(photograph.pixels), segments, None if photograph.relit is None else cut(photograph.relit)


def _blob(rng: np.random.Generator, size: int) -> np.ndarray:
    coarse = rng.standard_normal((size // 16, size // 16))
    field = ndimage.zoom(ndimage.gaussian_filter(coarse, rng.uniform(1.5, 3)), 16, order=1)
    inside = ndimage.label(field > np.quantile(field, 1 - rng.uniform(0.06, 0.5)))[0]
    largest = np.bincount(inside.ravel())[1:].argmax() + 1
    return _soft(inside == largest, rng)


def _segment(segments: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    chosen = segments == segments[rng.integers(len(segments)), rng.integers(len(segments))]
    return _soft(chosen, rng)


def _soft(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return ndimage.gaussian_filter(mask.astype(np.float32), rng.uniform(0.3, 1.5))[..., None]


def draw_sheet(folder: Path, path: Path, count: int = 12, side: int = 160) -> Path:
    """A picture of pairs as training sees them, a row each: composite, truth, mask."""
    kinds = [read_photographs(folder, held_out=False), read_environments(folder)]
    kinds, sheet = [kind for kind in kinds if kind], Image.new("RGB", (6 * side, count // 2 * side))
    for number in range(count):
        for column, part in enumerate(
            draw_pair(kinds[number % len(kinds)], np.random.default_rng(number), side, vary=True)
        ):
            shown = Image.fromarray(np.rint(255 * np.broadcast_to(part, (side, side, 3))).astype(np.uint8))
            sheet.paste(shown, ((number % 2 * 3 + column) * side, number // 2 * side))
    sheet.save(path)
    return path
