# SPDX-License-Identifier: GPL-3.0-or-later
"""How close a layer with an exemplar comes to photographs that no network was trained on: one JSON line.

The left half of a photograph is the exemplar, the right half, which nothing has seen, is what it is compared with. Two figures
of tools/texture_score.py: of the look alone, laid on a plane; and of composites, in which both halves lie over the same clean
base by the same coverage that the painter gave. What the left half itself scores is what no method can be asked to surpass.
"""

from __future__ import annotations

import csv
import time
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..backend.networks.registry import Networks
from ..backend.photographed.exemplar import exemplar_of
from ..backend.protocol.recipe import Effect, Exposure, Layer, Recipe
from ..backend.protocol.surface import ColorSpace, Map, Surface
from ..backend.weathering.composite import coverage_map
from ..backend.weathering.exemplar import look_of
from ..backend.weathering.pipeline import weather
from .data import effects, textures
from .evaluation import texture_score

HALF = textures.SIZE // 2
DENSITY = 512.0  # texels to the metre, of the photograph and of what it is laid on
BASE = "concrete_clean/concrete004"  # unseen in training, as all of effects.HELD_CLEAN
AGE = 0.7
SCORES = ("look", "composite", "other_half")


def unseen(folder: Path) -> dict[str, str]:
    """Weathered textures that no style was trained on -> another one of their class that was not either. `folder`: data."""
    trained = {photograph.folder for photographs in effects.TRAINING.values() for photograph in photographs}
    classes = defaultdict(list)
    with (folder / "textures" / "manifest.csv").open() as lines:
        for row in csv.DictReader(lines):
            if row["weathered"] == "1" and row["id"] not in trained:
                classes[row["class"]].append(row["id"])
    return {
        name: names[(i + 1) % len(names)]
        for names in classes.values()
        if len(names) > 1
        for i, name in enumerate(names)
    }


def evaluate(networks: Networks, folder: Path, *, patches: int = 256, count: int = 0) -> dict:
    """Figures of every unseen texture, or of `count` spread over them; the median and the worst of each score.

    `seconds` is the longest time from file to style. The texture that scores are scaled by is another of the same class.
    """
    pairs = list(unseen(folder).items())
    pairs = pairs[:: max(1, len(pairs) // count)][:count] if count else pairs
    found = {name: figures(networks, folder, name, other, patches) for name, other in pairs}
    summary: dict = {"textures": found, "seconds": max(one["seconds"] for one in found.values())}
    for score in SCORES:
        values = [one[score] for one in found.values()]
        summary[score] = {"median": round(float(np.median(values)), 4), "worst": max(values)}
    return summary


def figures(networks: Networks, folder: Path, name: str, other: str, patches: int) -> dict:
    at = folder / "textures"
    picture, another = (textures.needed(at / texture, "albedo") for texture in (name, other))
    base = np.moveaxis(textures.surface_of(at / BASE)[:3], 0, -1)
    left, right = picture[:, :HALF], picture[:, HALF:]
    look, coverage, seconds = laid(networks, left, base)
    score = lambda real, fake, apart: texture_score(  # noqa: E731
        folder, [tensor(real)], [tensor(fake)], [tensor(apart)], patches
    )
    over = lambda values: base * (1 - coverage) + np.concatenate([values] * 2, axis=1) * coverage  # noqa: E731
    of_look = score(right, look, another)
    return {
        "look": of_look["score"],
        "spectrum_db": of_look["spectrum_error_db"],
        "composite": score(
            over(right), base * (1 - coverage) + look * coverage, base * (1 - coverage) + another * coverage
        )["score"],
        "other_half": score(right, left, another)["score"],
        "seconds": round(seconds, 2),
    }


def laid(networks: Networks, picture: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """A picture [h, w, 3] as an exemplar on a plane [H, W, 3] of the same texels, sRGB-encoded in 0..1.

    Gives the look where it is thick [H, W, 3], coverage [H, W, 1] at AGE, and the seconds from file to style.
    """
    surface = Surface({"albedo": Map(np.rint(base * 255).astype(np.uint8), ColorSpace.SRGB)}, texels_per_metre=DENSITY)
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "photograph.png"
        Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(path)
        began = time.perf_counter()
        exemplar = exemplar_of(path, width=picture.shape[1] / DENSITY)
        layer = Layer(Effect.RUST, AGE, exposure=Exposure(noise=1.0), exemplar=exemplar)
        look_of(layer)
        seconds = time.perf_counter() - began
    result = weather(surface, Recipe((layer,)), networks=networks)
    coverage = coverage_map(surface, layer, result.layers[0]).reshape(*base.shape[:2], 1)
    return result.layers[0].thick[..., :3] / np.float32(255), coverage, seconds


def tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 0)))
