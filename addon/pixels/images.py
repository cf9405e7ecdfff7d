# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's images to maps and back: row order, colour space, depth, packing, UDIM tiles.

What `image.pixels` means (measured, 4.2 to 5.2): an image of bytes gives what is stored, encoded in its own colour space; an
image of floats (every 16-bit file is one) gives scene-linear values, unless its colour space is data. Row 0 is the bottom.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Color

from ...backend.protocol.errors import BadFile, BadSurface, DiskFull, is_disk_full
from ...backend.protocol.surface import ColorSpace, Map
from . import reading
from .reading import Read, Step, file_of

UDIM = "<UDIM>"  # in a path: the place of the tiles' numbers
INTEGER_FORMATS = ("PNG", "TIFF", "JPEG2000", "DPX")  # a float image of these holds 16-bit integers


@dataclass(frozen=True)
class Pixels:
    """What Blender held of one image when it was read, untouched: the one copy that needs the main thread.

    `to_map` is numpy alone and may run in any thread.
    """

    raw: np.ndarray  # float32, [H, W, channels], bottom row first
    depth: int  # bits: 8 and 16 are integers over 0..1, 32 floats
    color_space: ColorSpace  # of the values in `raw`
    to_rec709: np.ndarray  # 3x3, from the file's scene-linear primaries; for linear colour
    name: str = "image"

    def to_map(self, channels: tuple[int, ...] = (0, 1, 2)) -> Map:
        """These channels as a map in the type they were stored in: uint8, uint16, float16 where that is exact, else float32.

        Raises BadSurface for NaN and infinity.
        """
        picked = self.raw[::-1, :, [min(channel, self.raw.shape[2] - 1) for channel in channels]]
        if (
            self.color_space is ColorSpace.LINEAR
            and len(channels) == 3
            and not np.array_equal(self.to_rec709, np.eye(3))
        ):
            picked = (picked @ self.to_rec709.T).astype(np.float32)
        if self.depth == 8:
            return Map(np.rint(picked * np.float32(255)).astype(np.uint8), self.color_space)
        if not np.isfinite(picked).all():
            raise BadSurface(
                f"The image '{self.name}' holds NaN or infinite values.",
                "Render or export it again: such texels often come from a division by zero.",
            )
        if self.depth == 16:
            scaled = picked * np.float32(65535)
            whole = np.rint(scaled)
            if np.abs(scaled - whole).max() < 0.1 and whole.min() >= 0 and whole.max() <= 65535:
                return Map(whole.astype(np.uint16), self.color_space)
        with np.errstate(over="ignore"):
            half = picked.astype(np.float16)
        exact = np.array_equal(half.astype(np.float32), picked)
        return Map(half if exact else np.ascontiguousarray(picked), self.color_space)


def encode_srgb(linear: np.ndarray) -> np.ndarray:
    """The sRGB curve, IEC 61966-2-1, of values clipped to 0..1; float32."""
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.power(linear, 1 / 2.4) - 0.055).astype(np.float32)


def decode_srgb(encoded: np.ndarray) -> np.ndarray:
    """The sRGB curve the other way: scene-linear values."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def read(image: bpy.types.Image, channels: tuple[int, ...] = (0, 1, 2)) -> Map:
    """The image as a map. Raises BadFile when it is missing on disk, empty, or in a colour space Sabi cannot tell."""
    return grab(image).to_map(channels)


def blank(count: int) -> np.ndarray:
    """[count] float32 whose memory is there already: where the system has to find it first, a copy takes ten times as long.

    numpy alone: for any thread.
    """
    return np.full(count, 0, np.float32)


def grabbing(image: bpy.types.Image) -> Generator[Step, object, Pixels]:
    """`grab` in steps, for a window: files are read by Blender's job and memory is found in a thread. Raises as `read`."""
    check(image)
    there = reading.facts(image)
    count = there.size[0] * there.size[1] * there.channels
    memory = yield lambda: blank(count)
    if image.has_data and not _as_stored(image):
        return grab(image, memory)
    with reading.twin(image) as twin:
        if _as_stored(image):
            twin.colorspace_settings.name = data_name()
        yield Read(twin)
        return grab(image, memory, twin)


def grab(image: bpy.types.Image, into: np.ndarray | None = None, twin: bpy.types.Image | None = None) -> Pixels:
    """One copy of an image's pixels. Raises as `read`. Of a tiled image this is the first tile: use `read_tile`.

    `into` is a `blank` of as many values as the image has, for where the main thread shall not wait for memory; `twin` has been
    read in place of the image, as `grabbing` does.
    """
    check(image)
    there, space = reading.facts(image), color_space(image)
    if space is None and there.is_float:
        space = ColorSpace.LINEAR  # Blender brings floats of whatever colour space to scene-linear
    if space is None:
        raise BadFile(
            f"The image '{image.name}' is in the colour space {image.colorspace_settings.name}.",
            f"Set its colour space to {srgb_name()}, or to {data_name()} where it holds no colours.",
        )
    if _as_stored(image) and twin is None:
        return Pixels(_raw_as_stored(image, into), 16, space, scene_to_rec709(), image.name)
    raw = _raw(twin or image, into)
    if not there.is_float:
        return Pixels(raw, 8, space, scene_to_rec709(), image.name)
    if _as_stored(image):
        return Pixels(raw, 16, space, scene_to_rec709(), image.name)
    whole = there.file_format in INTEGER_FORMATS and image.source == "FILE" and space is ColorSpace.DATA
    return Pixels(raw, 16 if whole else 32, _as_float(space), scene_to_rec709(), image.name)


def _as_stored(image: bpy.types.Image) -> bool:
    """Whether an image's values are those of its 16-bit file; Blender's way to scene-linear loses their last bits."""
    there = reading.facts(image)
    whole = there.is_float and there.file_format in INTEGER_FORMATS and image.source == "FILE"
    return whole and color_space(image) is ColorSpace.SRGB and not image.is_dirty


def _as_float(space: ColorSpace) -> ColorSpace:
    """Floats of colours are always scene-linear, whatever their file's encoding."""
    return ColorSpace.LINEAR if space is ColorSpace.SRGB else space


def _raw(image: bpy.types.Image, into: np.ndarray | None = None) -> np.ndarray:
    width, height = image.size
    values = np.empty(width * height * image.channels, np.float32) if into is None else into
    image.pixels.foreach_get(values)
    return values.reshape(height, width, image.channels)


def _raw_as_stored(image: bpy.types.Image, into: np.ndarray | None) -> np.ndarray:
    """The encoded values of a 16-bit file, of which a twin is read as data."""
    twin = image.copy()
    try:
        twin.colorspace_settings.name = data_name()
        return _raw(twin, into)
    finally:
        bpy.data.images.remove(twin)


def check(image: bpy.types.Image) -> None:
    """Raises BadFile when the image has no pixels to read, saying why."""
    if image.type in ("RENDER_RESULT", "COMPOSITING"):
        raise BadFile(
            f"Blender lends nobody the texels of the {image.name}.",
            "Save it (Image > Save As) and open the file, or use Weather Frame in the 3D view's sidebar.",
        )
    if image.source in ("SEQUENCE", "MOVIE"):
        raise BadFile(
            f"The image '{image.name}' is a sequence of pictures.",
            "Sabi weathers stills: choose Single Image in the node's Source, or remove it from the material.",
        )
    if min(reading.facts(image).size) > 0:
        return
    path = file_of(image)
    if path is not None and not path.exists() and image.packed_file is None:
        raise BadFile(
            f"The image '{image.name}' is missing on disk ({path}).",
            "Find it with File > External Data > Find Missing Files, or remove it from the material.",
        )
    raise BadFile(f"The image '{image.name}' has no pixels.", "Its file is empty or damaged: replace it.")


def color_space(image: bpy.types.Image) -> ColorSpace | None:
    """How the values in the image's file are encoded; None when it is neither the file's sRGB, nor linear, nor data."""
    settings = image.colorspace_settings
    if settings.is_data:
        return ColorSpace.DATA
    if settings.name == srgb_name():
        return ColorSpace.SRGB
    return ColorSpace.LINEAR if settings.name == linear_name() else None


def srgb_name() -> str:
    """What this file's OCIO configuration calls the space of 8-bit colour (its role default_byte)."""
    return _role()


def linear_name() -> str:
    """What this file's OCIO configuration calls scene-linear (its role default_float)."""
    return _role(float_buffer=True)


def data_name() -> str:
    """What this file's OCIO configuration calls values that are not colour (its role data)."""
    return _role(is_data=True)


def _role(**how: bool) -> str:
    probe = bpy.data.images.new(".sabi role", 1, 1, **how)
    try:
        return probe.colorspace_settings.name
    finally:
        bpy.data.images.remove(probe)


def scene_to_rec709() -> np.ndarray:
    """3x3 from the configuration's scene-linear primaries to Rec.709; exactly the identity when they are the same."""
    columns = [Color(axis).from_scene_linear_to_rec709_linear() for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    matrix = np.array(columns, np.float64).T
    return np.eye(3) if np.abs(matrix - np.eye(3)).max() < 1e-5 else matrix


def set_color_space(image: bpy.types.Image, space: ColorSpace) -> None:
    """Gives the image the configuration's own name for `space`."""
    names = {ColorSpace.SRGB: srgb_name, ColorSpace.LINEAR: linear_name, ColorSpace.DATA: data_name}
    image.colorspace_settings.name = names[space]()


def load_png(path: str | os.PathLike, name: str, space: ColorSpace, *, channel_packed: bool = True) -> bpy.types.Image:
    """As `open_file`, with the texels read. Raises BadFile when they cannot be."""
    image = open_file(path, name, space, channel_packed=channel_packed)
    read_texels(image)
    return image


def open_file(path: str | os.PathLike, name: str, space: ColorSpace, *, channel_packed: bool = True) -> bpy.types.Image:
    """A new image of Blender's from a file the backend wrote, never one that is loaded already; its texels are not read yet.

    With `channel_packed` alpha is a channel of its own and does not touch the colours. A path with <UDIM> gives a tiled image.
    Raises BadFile when it is missing.
    """
    path = Path(path)
    tiled = UDIM in path.name
    files = files_of(path)
    if not files or not files[0].is_file():
        raise BadFile(f"The image {path.name} is missing on disk.", "The backend may have been stopped: weather again.")
    image = bpy.data.images.load(str(files[0]), check_existing=False)
    if tiled:
        image.source = "TILED"  # finds the other tiles
    image.name = name
    set_color_space(image, space)
    image.alpha_mode = "CHANNEL_PACKED" if channel_packed else "STRAIGHT"
    return image


def read_texels(image: bpy.types.Image) -> None:
    """Has Blender read an image's texels now, not when it is first drawn. Raises BadFile, with the image removed."""
    if min(image.size) == 0:
        name = image.name
        bpy.data.images.remove(image)
        raise BadFile(f"The image {name} is damaged.", "Weather again.")


def pack(image: bpy.types.Image) -> None:
    """Keeps the image inside the .blend and forgets the file it came from."""
    image.pack()
    image.filepath_raw = ""


def pack_again(image: bpy.types.Image) -> None:
    """Keeps what was painted on a packed image inside the .blend. Tiles are told apart by their paths there: they need some."""
    if image.source != "TILED":
        image.pack()
        return
    before = image.filepath_raw
    for tile in image.tiles:
        tuple(tile.size)  # is read: packing would forget a tile that was not
    image.filepath_raw = f"//{bpy.path.clean_name(image.name)}.{UDIM}.png"
    image.pack()
    image.filepath_raw = before


def save_beside(image: bpy.types.Image, folder: str = "//sabi") -> Path:
    """Copies a loaded image's file into a folder beside the .blend, under a name that is free, and points the image at it.

    The file is there whole or not at all. Raises BadFile when the .blend was never saved or the folder cannot be written.
    """
    if folder.startswith("//") and not bpy.data.filepath:
        raise BadFile("The .blend has no folder yet.", "Save it first, or choose to pack the images.")
    source = file_of(image)
    target_folder = Path(bpy.path.abspath(folder))
    try:
        target_folder.mkdir(parents=True, exist_ok=True)
        target = _free_name(target_folder, bpy.path.clean_name(image.name), source.suffix)
        numbers = [str(tile.number) for tile in image.tiles] if image.source == "TILED" else []
        if numbers:
            target = target.with_name(f"{target.stem}.{UDIM}{target.suffix}")
        for number in numbers or [""]:
            _copy(Path(str(source).replace(UDIM, number)), Path(str(target).replace(UDIM, number)))
    except OSError as error:
        said = f"The image '{image.name}' could not be saved in {target_folder}: {error.strerror}."
        hint = "choose in the preferences to pack the images."
        raise (
            DiskFull(said, f"Free some space, or {hint}")
            if is_disk_full(error)
            else BadFile(said, f"Check the folder's permissions, or {hint}")
        ) from error
    relative = bpy.data.filepath and folder.startswith("//")
    image.filepath = bpy.path.relpath(str(target)) if relative else str(target)
    return target


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all."""
    partial = target.with_name(target.name + ".part")
    try:
        shutil.copyfile(source, partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _free_name(folder: Path, stem: str, suffix: str) -> Path:
    """A name under which there is neither a file nor a set of tiles."""
    stems = (f"{stem}{number}" for number in ("", *(f"_{n}" for n in range(2, 10000))))
    free = (s for s in stems if not (folder / f"{s}{suffix}").exists() and not any(folder.glob(f"{s}.[12]???{suffix}")))
    return folder / f"{next(free)}{suffix}"


def files_of(path: Path) -> list[Path]:
    """The file, or those of the tiles where the path has <UDIM>."""
    return sorted(path.parent.glob(path.name.replace(UDIM, "[12]???"))) if UDIM in path.name else [path]


def write(map_: Map, name: str) -> bpy.types.Image:
    """A new, packed image of these values: bytes stay bytes, all else becomes floats. One channel becomes grey, alpha is 1."""
    height, width, channels = map_.array.shape
    as_float = map_.array.dtype != np.uint8
    image = bpy.data.images.new(
        name,
        width,
        height,
        alpha=channels in (2, 4),
        float_buffer=as_float,
        is_data=map_.color_space is ColorSpace.DATA,
    )
    if not as_float:
        set_color_space(image, map_.color_space)
    values = map_.floats()[::-1]
    if as_float and map_.color_space is ColorSpace.SRGB:
        values = decode_srgb(values)
    rgba = np.ones((height, width, 4), np.float32)
    rgba[..., :3] = values[..., :3] if channels >= 3 else values[..., :1]
    if channels in (2, 4):
        rgba[..., 3] = values[..., -1]
    image.pixels.foreach_set(rgba.reshape(-1))
    image.update()
    image.pack()
    return image


def tiles(image: bpy.types.Image) -> dict[int, Path]:
    """The files of a tiled image by UDIM number; empty for any other. Raises BadFile when they are packed."""
    path = file_of(image)
    if image.source != "TILED" or path is None:
        return {}
    if image.packed_files:
        raise BadFile(
            f"The tiles of '{image.name}' are packed into the .blend.",
            "Unpack them: File > External Data > Unpack Resources.",
        )
    return {tile.number: Path(str(path).replace("<UDIM>", str(tile.number))) for tile in image.tiles}


def read_tile(image: bpy.types.Image, number: int, channels: tuple[int, ...] = (0, 1, 2)) -> Map:
    """One tile of a tiled image, read from its own file: `image.pixels` knows only the first. Raises BadFile as `read`."""
    files = tiles(image)
    if number not in files or not files[number].is_file():
        raise BadFile(
            f"Tile {number} of '{image.name}' is missing on disk.", "Find it, or remove the tile from the image's list."
        )
    single = bpy.data.images.load(str(files[number]), check_existing=False)
    try:
        single.colorspace_settings.name = image.colorspace_settings.name
        single.alpha_mode = image.alpha_mode
        return read(single, channels)
    finally:
        bpy.data.images.remove(single)
