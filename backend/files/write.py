# SPDX-License-Identifier: GPL-3.0-or-later
"""Weathered surfaces as files: the same formats, depths and channel layouts as what was read; all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import OpenImageIO

from ..protocol.errors import BadFile
from ..protocol.surface import ColorSpace, Map, Space, Surface
from ..protocol.texture_names import read_name
from ..protocol.whole import WholeFiles
from ..weathering import colour
from .assets import Asset, Assignment, flip_green
from .image import IMAGE_SUFFIXES, read_image, writable_suffix, write_image

MATERIAL_MAPS = ("albedo", "roughness", "metallic", "normal", "height", "alpha")
Reader = Callable[[Path], tuple[np.ndarray, OpenImageIO.ImageSpec]]


def write_surface(surface: Surface, destination: Path | str, *, overwrite: bool = False) -> list[Path]:
    """Writes a surface that has no files of its own and returns the paths.

    `destination` with an image's suffix takes the albedo (of a frame the combined picture, of a photograph that with its
    alpha) alone, else it is a folder that gets `albedo.png`, `roughness.png` and so on; float maps become EXR. Raises FileExists,
    DiskFull, BadFile; then nothing is written.
    """
    destination = Path(destination)
    main = "combined" if surface.space is not Space.TEXTURE and "combined" in surface else "albedo"
    if destination.suffix.lower() in IMAGE_SUFFIXES:
        targets = {main: destination}
    else:
        names = [name for name in (*MATERIAL_MAPS, main) if name in surface]
        targets = {
            name: destination / f"{name}{'.exr' if surface[name].array.dtype.kind == 'f' else '.png'}" for name in names
        }
    with WholeFiles(overwrite) as files:
        for name, path in targets.items():
            pixels = in_encoding_of(path, surface[name])
            if path == destination and surface.space is Space.PHOTOGRAPH and "alpha" in surface:
                pixels = np.concatenate([pixels, in_encoding_of(path, surface["alpha"])], axis=2)
            files.add(path, partial(write_image, pixels=pixels, like=None))
    return list(targets.values())


@dataclass(frozen=True)
class Target:
    """One file of a weathered asset: its name, the maps it holds and where, and the file that it is written anew from.

    `source` is None for a map that the asset did not have.
    """

    name: str
    places: Mapping[str, Assignment]
    source: Path | None = None


def targets_of(asset: Asset, weathered: Surface, *, suffix: str = "", new_maps: bool = True) -> list[Target]:
    """The files that a weathered asset consists of, the albedo's first. For `suffix` and `new_maps` see `write_asset`."""
    by_file: dict[Path, dict[str, Assignment]] = {}
    for name in ("albedo", *asset.files):
        if name in MATERIAL_MAPS and name in weathered:
            by_file.setdefault(asset.files[name].path, {})[name] = asset.files[name]
    targets = [
        Target(source.with_suffix(suffix or writable_suffix(source.suffix)).name, places, source)
        for source, places in by_file.items()
    ]
    if new_maps:
        albedo = asset.files["albedo"].path
        for name in MATERIAL_MAPS:
            if name in weathered and name not in asset.files and _says_something(name, weathered[name]):
                called = _sibling(albedo, name, asset.tile, suffix or writable_suffix(albedo.suffix))
                targets.append(Target(called, {name: Assignment(albedo, ())}))
    return targets


def write_asset(
    asset: Asset,
    weathered: Surface,
    destination: Path,
    files: WholeFiles,
    *,
    suffix: str = "",
    new_maps: bool = True,
) -> list[Path]:
    """Adds an asset's weathered files to `files` and returns where they will be.

    Every file that holds a material map is written again: only texels that weathering changed get new values, all others are
    the file's own bytes. A destination with an image's suffix takes the albedo's file alone; a folder takes all, under their own
    names, and with `new_maps` also maps that the asset did not have. `suffix` (".exr") asks for another format.
    """
    single = destination.suffix.lower() in IMAGE_SUFFIXES
    targets = targets_of(asset, weathered, suffix=suffix, new_maps=new_maps and not single)
    written = []
    for target in targets[:1] if single else targets:
        path = destination if single else destination / target.name
        files.add(path, partial(write_target, target=target, old=asset.surface, new=weathered))
        written.append(path)
    return written


def write_target(
    path: Path, target: Target, old: Surface, new: Surface, *, read: Reader = read_image, quick: bool = False
) -> None:
    """Writes one file at `path`. `read` gives the texels of a source, to be changed; `quick` takes more room for less time."""
    if target.source is not None:
        _write_back(path, target.source, target.places, old, new, read, quick)
        return
    (name,) = target.places
    write_image(path, in_encoding_of(path, new[name]), None, quick=quick)


def _write_back(
    target: Path,
    source: Path,
    places: Mapping[str, Assignment],
    old: Surface,
    new: Surface,
    read: Reader,
    quick: bool,
) -> None:
    """The source's texels with those replaced that differ between the old and the new surface."""
    pixels, spec = read(source)
    if pixels.shape[2] <= 2 and "albedo" in places:  # grey weathers to colour
        pixels = np.concatenate([np.repeat(pixels[..., :1], 3, axis=2), pixels[..., 1:]], axis=2)
    like = spec if target.suffix.lower() == source.suffix.lower() else None
    for name, place in places.items():
        before, after = old[name], new[name]
        array = _as_type(after, before.color_space, pixels.dtype)
        array = flip_green(array) if place.flip_green else array
        changed = (
            np.ones(before.size, bool)
            if after.array.shape != before.array.shape
            else (after.array != before.array).any(axis=2)
        )
        channels = (0, 1, 2) if name == "albedo" else _channels_in(pixels, place, name)
        for index, channel in enumerate(channels):
            pixels[..., channel][changed] = array[..., min(index, array.shape[2] - 1)][changed]
    space = old["albedo"].color_space if "albedo" in places else ColorSpace.DATA
    if like is None and target.suffix.lower() in (".exr", ".hdr") and pixels.dtype.kind == "u":
        pixels = _to_linear(pixels, space)
    elif like is None and target.suffix.lower() not in (".exr", ".hdr", ".tif", ".tiff") and pixels.dtype.kind == "f":
        pixels = _to_integers(pixels, space)
    write_image(target, pixels, like, quick=quick)


def _channels_in(pixels: np.ndarray, place: Assignment, name: str) -> tuple[int, ...]:
    return (
        (pixels.shape[2] - 1,)
        if name == "alpha" and len(place.channels) == 1 and pixels.shape[2] in (2, 4)
        else place.channels
    )


def _says_something(name: str, map_: Map) -> bool:
    """Whether a map that the asset did not have is more than one flat value (an alpha of 1 says nothing)."""
    array = map_.array
    return bool((array != array[:1, :1]).any()) or name == "roughness"


def _sibling(albedo: Path, name: str, tile: int | None, suffix: str) -> str:
    """What a new map is called beside `steel_albedo.png`: `steel_roughness.png`."""
    named = read_name(albedo.stem)
    stem = named.set_name or ("" if named.maps else albedo.stem)
    return "_".join(filter(None, (stem, name))) + (f".{tile}" if tile else "") + suffix


def _as_type(map_: Map, space: ColorSpace, dtype: np.dtype) -> np.ndarray:
    """A map's values in the encoding and the type that a file has."""
    if map_.array.dtype == dtype and map_.color_space is space:
        return map_.array
    values = map_.floats()
    if map_.color_space is ColorSpace.LINEAR and space is ColorSpace.SRGB:
        values = colour.to_srgb(values)
    elif map_.color_space is ColorSpace.SRGB and space is ColorSpace.LINEAR:
        values = colour.to_linear(values)
    return colour.store(values, dtype)


def in_encoding_of(path: Path, map_: Map) -> np.ndarray:
    """A map's texels in what the format at `path` is expected to hold: EXR and HDR scene-linear floats, others encoded."""
    if path.suffix.lower() in (".exr", ".hdr"):
        return _to_linear(map_.array, map_.color_space)
    return _to_integers(map_.array, map_.color_space) if map_.array.dtype.kind == "f" else map_.array


def _to_linear(array: np.ndarray, space: ColorSpace) -> np.ndarray:
    if array.dtype.kind == "f":
        return array
    if alpha := _alpha_of(array, space):
        return np.concatenate(
            [_to_linear(array[..., :-alpha], space), _to_linear(array[..., -alpha:], ColorSpace.DATA)], 2
        )
    return colour.decode(array, space).astype(np.float16 if array.dtype == np.uint8 else np.float32)


def _to_integers(array: np.ndarray, space: ColorSpace) -> np.ndarray:
    if alpha := _alpha_of(array, space):
        parts = _to_integers(array[..., :-alpha], space), _to_integers(array[..., -alpha:], ColorSpace.DATA)
        return np.concatenate(parts, axis=2)
    values = array.astype(np.float32)
    return colour.store(colour.to_srgb(values) if space is ColorSpace.LINEAR else values, np.dtype(np.uint16))


def _alpha_of(array: np.ndarray, space: ColorSpace) -> int:
    """How many channels at the end of colours are none: alpha has no curve."""
    return 0 if space is ColorSpace.DATA else max(array.shape[2] - 3, 0) if array.shape[2] > 2 else array.shape[2] - 1


def check_suffix(suffix: str) -> str:
    """`png` or `.png` as `.png`; raises BadFile for a format that cannot be written."""
    suffix = "." + suffix.lower().lstrip(".")
    if suffix not in IMAGE_SUFFIXES:
        raise BadFile(
            f"'{suffix[1:]}' is not an image format Sabi writes.", "Choose png, tif, exr, tga, bmp, jpg, webp or hdr."
        )
    return suffix
