# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps as other programs want them: which files there are, what each channel of them holds, and how they are stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from .errors import BadFile
from .file_names import check_pattern
from .surface import ColorSpace, Map
from .words import DEFAULT_PATTERN


class Layout(Enum):
    """For whom maps are laid out. Normals are OpenGL's (green up) in all but Unreal's."""

    PLAIN = "plain"  # a map a file
    UNREAL = "unreal"  # occlusion, roughness and metallic in one file; DirectX normals
    UNITY = "unity"  # HDRP's mask map: metallic, occlusion, detail, smoothness
    GLTF = "gltf"  # roughness in green and metallic in blue


class FileFormat(Enum):
    """Image formats that hold a map without loss, by their suffix."""

    PNG = "png"
    TIFF = "tif"
    EXR = "exr"
    WEBP = "webp"


Choice = TypeVar("Choice", Layout, FileFormat)
DEPTHS = {FileFormat.PNG: (8, 16), FileFormat.TIFF: (8, 16), FileFormat.EXR: (16,), FileFormat.WEBP: (8,)}


@dataclass(frozen=True)
class Channel:
    """What one channel of a file holds: a channel of a map, or `otherwise` where the surface has no such map."""

    map: str
    index: int = 0
    otherwise: float = 0.0
    inverted: bool = False

    def said(self, maps: Collection[str]) -> str:
        """`roughness`, `1 - roughness`, `normal.1`, or the number that stands where there is no map."""
        if self.map not in maps:
            return f"{self.otherwise:g}"
        of = f"{self.map}.{self.index}" if self.map in ("albedo", "normal") else self.map
        return f"1 - {of}" if self.inverted else of


@dataclass(frozen=True)
class MapFile:
    """One file: what takes the place of {map} in its name, and its channels. `picture` marks colours, all else is data."""

    name: str
    channels: tuple[Channel, ...]
    picture: bool = False

    @property
    def maps(self) -> tuple[str, ...]:
        """The maps that it is made of, each once."""
        return tuple(dict.fromkeys(channel.map for channel in self.channels if channel.map))


@dataclass(frozen=True)
class MapExport:
    """How maps are to be written. Raises BadFile for a depth that the format does not have, and for a pattern of no use.

    `bits` 0 takes what the format has first: 8, in EXR 16 (half floats, colours scene-linear).
    """

    layout: Layout = Layout.PLAIN
    format: FileFormat = FileFormat.PNG
    bits: int = 0
    pattern: str = DEFAULT_PATTERN

    def __post_init__(self) -> None:
        check_pattern(self.pattern)
        if self.bits and self.bits not in DEPTHS[self.format]:
            can = " or ".join(map(str, DEPTHS[self.format]))
            raise BadFile(
                f"{self.format.name} holds {can} bits a channel, not {self.bits}.",
                "Choose another depth, or PNG or TIFF, which hold 8 and 16.",
            )
        if self.layout is Layout.UNITY and self.format is FileFormat.WEBP:
            raise BadFile(
                "WebP loses a mask map's metallic and occlusion wherever its smoothness is 0.",
                "Choose PNG, TIFF or EXR.",
            )

    @property
    def suffix(self) -> str:
        return f".{self.format.value}"

    @property
    def dtype(self) -> np.dtype:
        if self.format is FileFormat.EXR:
            return np.dtype(np.float16)
        return np.dtype(np.uint16 if self.bits == 16 else np.uint8)

    def space_of(self, file: MapFile) -> ColorSpace:
        """How the values of a file are encoded."""
        if not file.picture:
            return ColorSpace.DATA
        return ColorSpace.LINEAR if self.format is FileFormat.EXR else ColorSpace.SRGB

    def files(self, maps: Collection[str]) -> tuple[MapFile, ...]:
        """The files of a surface with these maps: without those that would hold nothing of it, and alpha where it has one."""
        found = []
        for file in _LAYOUTS[self.layout]:
            if set(file.maps) & set(maps) - {"alpha"}:
                kept = tuple(c for c in file.channels if c.map != "alpha" or "alpha" in maps)
                found.append(replace(file, channels=kept))
        return tuple(found)

    def describe(self, maps: Collection[str]) -> dict[str, Any]:
        """What a sidecar says of the files: for whom they are, and which map each channel holds."""
        return {
            "layout": self.layout.value,
            "format": self.format.value,
            "bits": self.bits or DEPTHS[self.format][0],
            "pattern": self.pattern,
            "normals": "directx" if self.layout is Layout.UNREAL else "opengl",
            "channels": {file.name: [channel.said(maps) for channel in file.channels] for file in self.files(maps)},
        }


def layout_named(name: str) -> Layout:
    """Raises BadFile for a name that no layout has."""
    return _named(Layout, name, "a way to lay out maps")


def format_named(name: str) -> FileFormat:
    """`png`, `.PNG`, `tiff`; raises BadFile for a format that maps are not exported in."""
    plain = name.lower().lstrip(".")
    return _named(FileFormat, {"tiff": "tif"}.get(plain, plain), "a format that maps are exported in")


def solid(maps: Mapping[str, Map]) -> Mapping[str, Map]:
    """The maps without an alpha that says nothing."""
    if "alpha" not in maps:
        return maps
    array = maps["alpha"].array
    top = np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1
    return maps if bool((array < top).any()) else {name: m for name, m in maps.items() if name != "alpha"}


def _named(kind: type[Choice], name: str, what: str) -> Choice:
    try:
        return kind(name)
    except ValueError:
        known = ", ".join(choice.value for choice in kind)
        raise BadFile(f"'{name}' is not {what}.", f"Choose {known}.") from None


def _colours(name: str) -> MapFile:
    return MapFile(name, (*(Channel("albedo", i) for i in range(3)), Channel("alpha", otherwise=1.0)), picture=True)


def _normals(name: str, directx: bool = False) -> MapFile:
    return MapFile(name, tuple(Channel("normal", i, 0.5 if i < 2 else 1.0, directx and i == 1) for i in range(3)))


def _one(name: str, map_: str) -> MapFile:
    return MapFile(name, (Channel(map_),))


_OCCLUSION, _ROUGHNESS, _METALLIC = (
    Channel("ambient_occlusion", 0, 1.0),
    Channel("roughness", 0, 0.5),
    Channel("metallic"),
)
_LAYOUTS = {
    Layout.PLAIN: (
        _colours("albedo"),
        _one("roughness", "roughness"),
        _one("metallic", "metallic"),
        _normals("normal"),
        _one("height", "height"),
        _one("occlusion", "ambient_occlusion"),
    ),
    Layout.UNREAL: (
        _colours("BaseColor"),
        MapFile("ORM", (_OCCLUSION, _ROUGHNESS, _METALLIC)),
        _normals("Normal", directx=True),
        _one("Height", "height"),
    ),
    Layout.UNITY: (
        _colours("BaseMap"),
        # The detail mask lets a detail map act everywhere, as it does where a material has no mask map.
        MapFile("MaskMap", (_METALLIC, _OCCLUSION, Channel("", otherwise=1.0), replace(_ROUGHNESS, inverted=True))),
        _normals("NormalMap"),
        _one("HeightMap", "height"),
    ),
    Layout.GLTF: (
        _colours("baseColor"),
        MapFile("metallicRoughness", (Channel("", otherwise=1.0), _ROUGHNESS, _METALLIC)),
        _normals("normal"),
    ),
}
