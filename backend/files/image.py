# SPDX-License-Identifier: GPL-3.0-or-later
"""One image file to one array and back, at the depth it is stored in. The only user of OpenImageIO's readers and writers."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import OpenImageIO

from ..protocol.errors import BadFile, BadSurface, DiskFull
from ..protocol.surface import check_size

IMAGE_SUFFIXES = frozenset(
    [".png", ".jpg", ".jpeg", ".tif", ".tiff", ".exr", ".tga", ".bmp", ".hdr", ".webp", ".dpx", ".psd"]
)
LOSSY_SUFFIXES = frozenset((".jpg", ".jpeg", ".webp"))
_READ_ONLY_SUFFIXES = frozenset((".psd",))  # OpenImageIO reads them but cannot write them
_LOSSY_COMPRESSION = ("dwaa", "dwab", "b44", "b44a", "pxr24", "jpeg", "lossy")
_ROWS = 256  # a whole number of blocks in every compression of EXR
_PNG_FILTER_SUB = 16  # libpng's number for it
_DTYPES = {"uint8": np.uint8, "uint16": np.uint16, "half": np.float16, "float": np.float32, "double": np.float32}
_OIIO_TYPES = {
    np.dtype(np.uint8): "uint8",
    np.dtype(np.uint16): "uint16",
    np.dtype(np.float16): "half",
    np.dtype(np.float32): "float",
}
_DEPTHS = {  # what a format can hold, the finest first
    ".png": ("uint16", "uint8"),
    ".jpg": ("uint8",),
    ".jpeg": ("uint8",),
    ".webp": ("uint8",),
    ".tga": ("uint8",),
    ".bmp": ("uint8",),
    ".dpx": ("uint16", "uint8"),
    ".exr": ("float", "half"),
    ".hdr": ("float",),
    ".tif": ("float", "half", "uint16", "uint8"),
    ".tiff": ("float", "half", "uint16", "uint8"),
}


def open_image(path: Path) -> OpenImageIO.ImageInput:
    """An open reader whose size is within the limits. Raises BadFile (missing, empty, not an image), TooLarge."""
    if not path.is_file():
        raise BadFile(f"{path} is {'a folder' if path.is_dir() else 'missing'}.", "Check the path.")
    try:
        if path.stat().st_size == 0:
            raise BadFile(f"{path} is empty.", "Export or render it again.")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise BadFile(f"{path} may not be read: {error.strerror}.", "Check the file's permissions.") from None
    config = OpenImageIO.ImageSpec()
    config.attribute("oiio:UnassociatedAlpha", 1)  # colours as stored, not multiplied by alpha
    source = OpenImageIO.ImageInput.open(readable_name(path), config)
    if source is None:
        raise BadFile(
            f"{path} cannot be read as an image.",
            f"OpenImageIO says: {OpenImageIO.geterror().strip() or 'unknown format'}.",
        )
    spec = source.spec()
    if spec.width < 1 or spec.height < 1 or spec.nchannels < 1:
        raise BadSurface(f"{path} has no texels.", "Export or render it again.")
    try:
        check_size(spec.height, spec.width)
        if spec.depth > 1:
            raise BadSurface(f"{path} is a volume, not an image.", "Save one of its slices as an image.")
    except Exception:
        source.close()
        raise
    return source


def read_pixels(source: OpenImageIO.ImageInput, path: Path) -> np.ndarray:
    """All texels [H, W, C] of the part the reader stands at, in their stored type. Raises BadFile, BadSurface."""
    spec = source.spec()
    kind = str(spec.format)
    if kind not in _DTYPES:
        raise BadSurface(
            f"{path} holds texels of type {kind}.", "Save it with 8 or 16 bit integers, half or single floats."
        )
    pixels = np.empty((spec.height, spec.width, spec.nchannels), _DTYPES[kind])
    for rows, band in read_bands(source, path, "float" if kind == "double" else kind):
        pixels[rows] = band
    return pixels


def read_bands(source: OpenImageIO.ImageInput, path: Path, kind: str) -> Iterator[tuple[slice, np.ndarray]]:
    """The part's texels as OpenImageIO's type `kind`, some rows at a time (a tiled part at once). Raises BadFile."""
    spec, where = source.spec(), source.current_subimage()
    height = _ROWS if spec.tile_width == 0 else spec.height
    for top in range(0, spec.height, height):
        rows = slice(top, min(top + height, spec.height))
        if spec.tile_width:
            band = source.read_image(where, 0, 0, spec.nchannels, OpenImageIO.TypeDesc(kind))
        else:
            ends = spec.y + rows.start, spec.y + rows.stop
            band = source.read_scanlines(where, 0, *ends, 0, 0, spec.nchannels, OpenImageIO.TypeDesc(kind))
        if band is None or source.has_error:
            said = (source.geterror() or OpenImageIO.geterror()).strip() or "nothing"
            raise BadFile(f"{path} is damaged or cut short.", f"OpenImageIO says: {said.splitlines()[0]}.")
        yield rows, band.reshape(rows.stop - rows.start, spec.width, spec.nchannels)


def read_image(path: Path) -> tuple[np.ndarray, OpenImageIO.ImageSpec]:
    """A single image: texels [H, W, C], row 0 at the top, and what the file says of them."""
    source = open_image(path)
    try:
        return read_pixels(source, path), source.spec()
    finally:
        source.close()


def read_upright(path: Path) -> tuple[np.ndarray, OpenImageIO.ImageSpec]:
    """As `read_image`, turned as the camera says that it was held (Exif's Orientation); what is said of them is turned too."""
    pixels, stored = read_image(path)
    spec = OpenImageIO.ImageSpec(stored)
    orientation = spec.getattribute("Orientation")
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
        spec.width, spec.height = spec.height, spec.width
        spec.full_width, spec.full_height = spec.full_height, spec.full_width
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation is not None:
        spec.attribute("Orientation", 1)
    return np.ascontiguousarray(pixels), spec


def is_turned(spec: OpenImageIO.ImageSpec) -> bool:
    """Whether a camera says that it was not held as the picture is stored."""
    return spec.getattribute("Orientation") not in (None, 1)


def image_size(path: Path) -> tuple[int, int]:
    """Height and width, from the file's head alone. Raises as `open_image`."""
    source = open_image(path)
    try:
        return source.spec().height, source.spec().width
    finally:
        source.close()


def camera_of(path: Path) -> str:
    """The camera that an image says it was taken with (Exif's Make and Model); empty for none. Raises as `open_image`."""
    source = open_image(path)
    try:
        told = (source.spec().getattribute(name) for name in ("Make", "Model"))
        return " ".join(word for name in told if name for word in str(name).split())
    finally:
        source.close()


def readable_name(path: Path) -> str:
    """The path as OpenImageIO takes it. Raises BadFile for bytes that are no text."""
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise BadFile(f"The name of {path} is not UTF-8.", "Rename the file, or its folder.") from None
    return name


def writable_suffix(suffix: str) -> str:
    """The suffix to write what was read from `suffix`: lossy formats become PNG, since they would change every texel."""
    return ".png" if suffix.lower() in LOSSY_SUFFIXES | _READ_ONLY_SUFFIXES else suffix


def write_image(
    path: Path, pixels: np.ndarray, like: OpenImageIO.ImageSpec | None = None, *, quick: bool = False
) -> None:
    """Writes texels [H, W, C] in the type they have, or the nearest that the format holds; attributes come from `like`.

    `quick` presses a PNG less hard, in a sixth of the time: for frames by the hundred.
    Raises DiskFull, BadFile. Meant for temporary names: a failure leaves a damaged file.
    """
    spec = spec_for(path, pixels, like)
    if quick:
        spec.attribute("png:compressionLevel", 1)
        spec.attribute("png:filter", _PNG_FILTER_SUB)  # otherwise libpng tries all five on every row
    raw = pixels.nbytes
    if path.suffix.lower() in LOSSY_SUFFIXES and shutil.disk_usage(path.parent).free < raw:
        raise DiskFull(
            f"The disk is full: {path.parent} has no room for {raw >> 20} MB."
        )  # libjpeg ends the process instead
    target = OpenImageIO.ImageOutput.create(readable_name(path))
    if target is None:
        OpenImageIO.geterror()
        raise BadFile(f"Images of type '{path.suffix}' cannot be written.", "Choose png, exr or tif.")
    write_parts(target, path, [(spec, iter([pixels]))])


def write_parts(
    target: OpenImageIO.ImageOutput, path: Path, parts: list[tuple[OpenImageIO.ImageSpec, Iterator[np.ndarray]]]
) -> None:
    """Writes one or more parts (subimages), each in bands of rows from the top, and closes. Raises DiskFull, BadFile."""
    specs = [spec for spec, _ in parts]
    opened = target.open(str(path), specs[0]) if len(specs) == 1 else target.open(str(path), specs)
    done = opened
    for index, (spec, bands) in enumerate(parts):
        if index and done:
            done = target.open(str(path), spec, "AppendSubimage")
        top = spec.y
        for band in bands:
            if not done:
                break
            if spec.tile_width or len(band) == spec.height:
                done = target.write_image(np.ascontiguousarray(band))
            else:
                done = target.write_scanlines(top, top + len(band), 0, np.ascontiguousarray(band))
            top += len(band)
    if opened:
        done = target.close() and done
    said = "\n".join(line for line in target.geterror().splitlines() if "Exif data" not in line).strip()
    if done and not said:
        return
    free = shutil.disk_usage(path.parent).free
    needed = sum(spec.image_bytes() for spec in specs)
    if re.search(r"space|could only write|Failed to write pixel data|Write error", said) or free < needed:
        raise DiskFull(f"The disk is full: {path.parent} has no room for the result.")
    words = said.splitlines()[0] if said else "nothing"
    raise BadFile(f"The image could not be written to {path.parent}.", f"OpenImageIO says: {words}.")


def spec_for(path: Path, pixels: np.ndarray, like: OpenImageIO.ImageSpec | None) -> OpenImageIO.ImageSpec:
    """What a file at `path` with these texels [H, W, C] is told of itself, lossless, attributes from `like`. Raises BadFile."""
    height, width, channels = pixels.shape
    depth = depth_for(path.suffix, pixels.dtype)
    if like is None:
        spec = OpenImageIO.ImageSpec(width, height, channels, depth)
    else:
        spec = OpenImageIO.ImageSpec(like)
        spec.set_format(OpenImageIO.TypeDesc(depth))
        if spec.nchannels != channels:
            spec.nchannels = channels
            spec.channelnames = ("Y",) if channels == 1 else ("R", "G", "B", "A")[:channels]
            spec.alpha_channel = 3 if channels == 4 else -1
    if like is None or path.suffix.lower() not in (
        ".tif",
        ".tiff",
    ):  # which says of itself whether colours are multiplied
        spec.attribute("oiio:UnassociatedAlpha", 1)
    keep_exact(spec)
    return spec


def keep_exact(spec: OpenImageIO.ImageSpec) -> None:
    """Replaces a lossy compression by a lossless one, so that texels that are not weathered stay as they are."""
    if str(spec.getattribute("compression") or "").split(":")[0].lower() in _LOSSY_COMPRESSION:
        spec.attribute("compression", "zip")


def depth_for(suffix: str, dtype: np.dtype) -> str:
    """OpenImageIO's name of the type to store `dtype` as; raises BadFile for formats that cannot be written."""
    wanted = _OIIO_TYPES[np.dtype(dtype)]
    known = _DEPTHS.get(suffix.lower())
    if known is None:
        raise BadFile(
            f"Images of type '{suffix}' cannot be written.", f"Choose one of {', '.join(s[1:] for s in _DEPTHS)}."
        )
    return wanted if wanted in known else known[0]
