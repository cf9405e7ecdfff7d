# SPDX-License-Identifier: GPL-3.0-or-later
"""A photographed texture -> a plate: photograph, weathered area, degrees and base, all at the painter's scale.

The weathered area comes from the set's own maps, from marked colours, or is grown; smoothed over several features it is
the degree (the local amount); the base is the clean part, filled in under the weathered one.
"""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage, spatial
from skimage import color

from .effects import DRAWN, PLAIN, Area, Look, Photograph

SIZE = 512  # texels a side of every plate: the scale the painter is trained at
MAPS = 6  # albedo 3 sRGB-encoded, roughness, metallic, height
BASE_ROUGHNESS = 0.5
BACKBONE = {
    "name": "MobileNetV2 1.0 224, ImageNet (tf2_mobilenet_v2_1.0_224_ptq.tflite)",
    "source_repository": "google-coral/test_data",
    "licence": "Apache-2.0",
    "use": "features that the losses compare; no part of the network",
}


@dataclass(frozen=True)
class Plate:
    """Arrays [C, SIZE, SIZE] float32 in 0..1. photograph and base have `MAPS` channels, area 1, degrees one a width.

    `over_own_base`: whether the photograph shows its base; a grown one shows nothing but the weathering. `look`: what is still
    to be done to it. `wraps`: whether opposite borders continue each other.
    """

    photograph: np.ndarray
    area: np.ndarray
    degrees: np.ndarray
    base: np.ndarray
    over_own_base: bool
    runs: bool
    look: Look
    wraps: bool = True


def data_folder(given: str | None = None) -> Path:
    """The folder with textures/ and backbone/: as given, else SABI_DATA, else ../shared/data beside the checkout."""
    root = Path(__file__).resolve().parents[2]
    folder = Path(given or os.environ.get("SABI_DATA") or root.parent / "shared" / "data")
    if not (folder / "textures").is_dir():
        raise FileNotFoundError(f"{folder} has no textures/; name the data folder by --data or SABI_DATA")
    return folder


def needed(folder: Path, name: str) -> np.ndarray:
    """As `read`; raises FileNotFoundError where the set lacks the map."""
    values = read(folder, name)
    if values is None:
        raise FileNotFoundError(f"{folder} has no {name} map")
    return values


def read_all(folder: Path) -> dict[str, np.ndarray]:
    """The maps of a texture folder that plates are made of, as `read`; raises FileNotFoundError where it has no albedo."""
    found = {name: read(folder, name) for name in ("roughness", "metallic", "height")}
    return {"albedo": needed(folder, "albedo")} | {name: values for name, values in found.items() if values is not None}


def read(folder: Path, name: str) -> np.ndarray | None:
    """One map [SIZE, SIZE], or [SIZE, SIZE, 3] for albedo, float32 in 0..1; None where the set lacks it."""
    found = sorted(p for p in folder.iterdir() if p.stem == name)
    if not found:
        return None
    image: Image.Image = Image.open(found[0])
    if name == "albedo":
        image = image.convert("RGB")
    scale = 65535 if image.mode.startswith("I") else 255
    image = image.convert("F") if image.mode not in ("L", "RGB") else image
    values = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS), np.float32) / scale
    return values if name == "albedo" or values.ndim == 2 else values[..., 0]


def surface_of(folder: Path) -> np.ndarray:
    """A clean texture as base maps [MAPS, SIZE, SIZE]; constants where the set lacks a map."""
    albedo, roughness, metallic = needed(folder, "albedo"), read(folder, "roughness"), read(folder, "metallic")
    flat = lambda value: np.full((SIZE, SIZE), value, np.float32)  # noqa: E731
    roughness = flat(BASE_ROUGHNESS) if roughness is None else roughness
    metallic = flat(0) if metallic is None else metallic
    return np.stack([*np.moveaxis(albedo, -1, 0), roughness, metallic, flat(0.5)]).clip(0, 1)


def smooth(values: np.ndarray, width: float) -> np.ndarray:
    """Gaussian over the last two axes, wrapping."""
    return ndimage.gaussian_filter(values, (0,) * (values.ndim - 2) + (width, width), mode="wrap")


def smoothstep(low: float, high: float, x: np.ndarray) -> np.ndarray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def weathered_area(photograph: Photograph, maps: Mapping[str, np.ndarray], seed: int) -> np.ndarray:
    """[SIZE, SIZE] in 0..1: 1 where it is weathered. Raises KeyError where the set lacks the map that tells."""
    albedo = maps["albedo"]
    if photograph.area is Area.MASK:
        return smoothstep(0.25, 0.75, maps["mask"])
    if photograph.area is Area.METALLIC:
        return 1 - smoothstep(0.35, 0.65, maps["metallic"])
    if photograph.area is Area.ROUGHNESS:
        return smoothstep(0.48, 0.62, maps["roughness"])
    if photograph.area is Area.APART:
        lab = color.rgb2lab(albedo)
        return smoothstep(*photograph.apart, np.linalg.norm(lab - np.median(lab, (0, 1)), axis=-1))
    if photograph.area is Area.MARKS:
        lab = smooth(np.moveaxis(color.rgb2lab(albedo), -1, 0), 0.7)
        to_clean, to_weathered = (distance_to(marks, lab) for marks in (photograph.clean, photograph.weathered))
        return smoothstep(0.35, 0.65, to_clean / (to_clean + to_weathered + 1e-6))
    if photograph.area is Area.STREAKS:
        return smoothstep(0.06, 0.4, albedo.mean(-1))
    if photograph.area in (Area.NETWORK, Area.HAIRLINES):
        return cracked_area(photograph.area, seed)
    return grown_area(photograph, albedo, seed)


def distance_to(marks: Iterable[tuple[int, int, int]], lab: np.ndarray) -> np.ndarray:
    """Distance in Lab, lightness counting half, from each texel of [3, H, W] to the nearest mark."""
    points = [color.rgb2lab(np.array(m)[None, None] / 255)[0, 0] for m in marks]
    weight = np.array((0.5, 1, 1))[:, None, None]
    return np.min([np.linalg.norm((lab - p[:, None, None]) * weight, axis=0) for p in points], 0)


def grown_area(photograph: Photograph, albedo: np.ndarray, seed: int) -> np.ndarray:
    """Weathering laid by procedure: a smooth degree past a threshold of noise at several grains and of luminance."""
    rng = np.random.default_rng(seed)
    noise = lambda *width: standard(ndimage.gaussian_filter(rng.standard_normal((SIZE, SIZE)), width, mode="wrap"))  # noqa: E731
    stretch = 3.5 if photograph.runs else 1.0
    weights = np.linspace(1, 0.45, len(photograph.grain))
    field = sum(w * noise(g * stretch, g) for w, g in zip(weights, photograph.grain, strict=True))
    field = field - 0.5 * standard(albedo.mean(-1) - smooth(albedo.mean(-1), 24))
    threshold = field.ravel().argsort().argsort().reshape(field.shape) / field.size
    degree = photograph.full * (0.5 + 0.28 * noise(70, 60) + 0.1 * noise(28, 28))
    return smoothstep(0, photograph.softness, degree - threshold + photograph.softness / 2).astype(np.float32)


def cracked_area(kind: Area, seed: int) -> np.ndarray:
    """Lines two to five texels wide, wider where the degree is high, none where it is low: between cells, or where noise is 0."""
    rng = np.random.default_rng(seed)
    noise = lambda width: standard(smooth(rng.standard_normal((SIZE, SIZE)), width))  # noqa: E731
    degree = 0.5 + 0.3 * noise(60)
    y, x = np.mgrid[:SIZE, :SIZE] + np.stack([4 * noise(9) + 1.6 * noise(2.5), 4 * noise(9) + 1.6 * noise(2.5)])
    if kind is Area.NETWORK:
        points = rng.random((110, 2)) * SIZE
        tree = spatial.cKDTree(points, boxsize=SIZE)
        near, _ = tree.query(np.stack([y % SIZE, x % SIZE], -1), k=2)
        level = near[..., 1] - near[..., 0]
    else:
        level = noise(26) + 0.35 * noise(9)
        level = ndimage.map_coordinates(level, [y, x], order=1, mode="grid-wrap")
        degree = degree + 0.25 * noise(18) - 0.1
    slope = np.sqrt(smooth(np.square(np.gradient(level)).sum(0), 1.5))  # what bends the lines would widen them, too
    away = np.abs(level) / (slope + 0.01)
    width = 2.4 * smoothstep(0.3, 1.0, degree) * np.clip(1 + 0.3 * noise(6), 0.3, 2)
    return smoothstep(0, 1, width - away + 0.3 * np.minimum(width, 1)).astype(np.float32)


def standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


def plate(photograph: Photograph, folder: Path, seed: int = 0) -> Plate:
    """The plate of one texture folder. `seed` matters to grown ones alone."""
    return plate_of(photograph, read_all(folder), seed)


def plate_of(photograph: Photograph, maps: Mapping[str, np.ndarray], seed: int = 0, wraps: bool = True) -> Plate:
    """The plate of one set of maps [SIZE, SIZE] in 0..1, albedo [SIZE, SIZE, 3]. What it lacks is assumed as the table says."""
    albedo = maps["albedo"]
    area = weathered_area(photograph, maps, seed).astype(np.float32)
    roughness, metallic, height = (maps.get(n) for n in ("roughness", "metallic", "height"))
    own_base = photograph.area not in DRAWN
    if own_base:
        albedo = toned(albedo, area, photograph.look)
    clean = area < 0.1 if own_base else np.ones(area.shape, bool)
    flat = lambda value: np.full((SIZE, SIZE), value, np.float32)  # noqa: E731
    if photograph.roughness is not None or roughness is None:
        roughness = BASE_ROUGHNESS + area * ((photograph.roughness or 0.85) - BASE_ROUGHNESS)
    if metallic is None:
        metallic = flat(0)
    elif not own_base:
        metallic = 0 * metallic  # what is laid over a base is no metal
    if photograph.bare:
        metallic = area
    offset, gain = photograph.height
    relief = height if photograph.height_map and height is not None else albedo.mean(-1)
    level = relief[clean].mean() if photograph.height_map and own_base else relief[area > 0.5].mean()
    relief = 0.5 + (1 if photograph.height_map else area) * (offset * area + gain * (relief - level))
    stack = np.stack([*np.moveaxis(albedo, -1, 0), roughness, metallic, relief]).astype(np.float32).clip(0, 1)
    degrees = np.stack([smooth(area, w) for w in photograph.widths]) / photograph.full
    base = filled_in(stack, area) if own_base else stack
    look = PLAIN if own_base else photograph.look
    return Plate(stack, area[None], degrees.clip(0, 1), base, own_base, photograph.runs, look, wraps)


def toned(albedo: np.ndarray, area: np.ndarray, look: Look) -> np.ndarray:
    """Albedo [SIZE, SIZE, 3] whose weathered part is greyed, tinted and lifted: light of the paint lies on bare metal."""
    grey = albedo + look.fade * (albedo.mean(-1, keepdims=True) - albedo)
    return albedo + area[..., None] * ((grey * np.array(look.tint, np.float32) + look.lift).clip(0, 1) - albedo)


def filled_in(maps: np.ndarray, area: np.ndarray, width: float = 10.0) -> np.ndarray:
    """The clean part, its weathered holes filled by the mean of what is clean around them and by the clean part's own grain."""
    keep = (ndimage.gaussian_filter((area < 0.1).astype(np.float32), 1, mode="wrap") > 0.8).astype(np.float32)
    if keep.mean() < 0.01:
        return np.repeat(np.repeat(maps.mean((1, 2), keepdims=True), SIZE, 1), SIZE, 2)
    around = lambda w: smooth(maps * keep, w) / (smooth(keep, w) + 1e-4)  # noqa: E731
    trust = smoothstep(0.02, 0.2, smooth(keep, width))
    mean = around(4 * width) * (1 - trust) + around(width) * trust
    grain = (maps - mean) * keep
    rolls = [
        np.roll(grain * 1.0, shift, (1, 2))
        for shift in ((37, 91), (139, 53), (211, 177), (71, 263), (301, 19), (173, 333))
    ]
    masks = [
        np.roll(keep, shift, (0, 1)) for shift in ((37, 91), (139, 53), (211, 177), (71, 263), (301, 19), (173, 333))
    ]
    filling, filled = np.zeros_like(maps), np.zeros_like(keep)
    for roll, mask in zip(rolls, masks, strict=True):
        new = mask * (1 - filled)
        filling, filled = filling + roll * new, filled + new
    return (maps * keep + (mean + filling) * (1 - keep)).clip(0, 1).astype(np.float32)


def provenance(folder: Path, names: Iterable[str]) -> list[dict[str, str]]:
    """Of every named texture folder: the repository and path it came from, its licence, and the SHA-256 of its files."""
    with (folder / "textures" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    kept = ("source_repository", "source_path", "licence")
    return [
        {"image": name, **{k: rows[name][k] for k in kept}, "sha256": digest(folder, [name])}
        for name in sorted(set(names))
    ]


def provenance_of_lights(folder: Path, names: Iterable[str]) -> list[dict[str, str]]:
    """As `provenance`, of the environment maps that light scenes; none where the folder has no manifest of them."""
    manifest = folder / "hdri" / "manifest.csv"
    if not manifest.is_file():
        return []
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    kept = ("source_repository", "source_path", "licence")
    files = {name: folder / "hdri" / f"{name}.hdr" for name in sorted(set(names))}
    return [
        {
            "image": f"hdri/{name}",
            **{k: rows[name][k] for k in kept},
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for name, path in files.items()
    ]


def digest(folder: Path, names: Iterable[str]) -> str:
    """SHA-256 over the named texture folders' files, so that a card can say what made its weights."""
    total = hashlib.sha256()
    for name in sorted(names):
        for file in sorted((folder / "textures" / name).iterdir()):
            total.update(f"{name}/{file.name}".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
