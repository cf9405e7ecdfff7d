# SPDX-License-Identifier: GPL-3.0-or-later
"""What the names of texture files say: which map a file holds, which UDIM tile, which set it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Words as texture libraries and exporters write them (Poly Haven, ambientCG, Substance, Quixel, Blender, glTF).
# Two words in a row are tried before one; a packed file names a map a channel.
_ROLES: dict[tuple[str, ...], tuple[str, ...]] = {
    **{
        (w,): ("albedo",)
        for w in ["albedo", "basecolor", "basecolour", "diff", "diffuse", "color", "colour", "col", "bc"]
    },
    **{("base", w): ("albedo",) for w in ("color", "colour", "col")},
    **{("diffuse", w): ("albedo",) for w in ("color", "colour")},
    **{(w,): ("roughness",) for w in ["roughness", "rough", "rgh"]},
    **{(w,): ("metallic",) for w in ["metallic", "metalness", "metal", "mtl"]},
    **{(w,): ("normal",) for w in ["normal", "normals", "nor", "nrm", "norm"]},
    **{(w, "gl"): ("normal",) for w in ["normal", "nor", "nrm", "norm"]},
    **{(w, "dx"): ("normal_dx",) for w in ["normal", "nor", "nrm", "norm"]},
    **{(w, "opengl"): ("normal",) for w in ["normal", "nor", "nrm", "norm"]},
    **{(w, "directx"): ("normal_dx",) for w in ["normal", "nor", "nrm", "norm"]},
    **{(w,): ("height",) for w in ["height", "disp", "displacement", "bump"]},
    **{(w,): ("ambient_occlusion",) for w in ["ao", "occlusion", "ambientocclusion"]},
    ("ambient", "occlusion"): ("ambient_occlusion",),
    **{(w,): ("alpha",) for w in ["opacity", "alpha", "transparency"]},
    **{(w,): ("ambient_occlusion", "roughness", "metallic") for w in ("arm", "orm")},
    ("occlusion", "roughness", "metallic"): ("ambient_occlusion", "roughness", "metallic"),
    ("metallic", "roughness"): ("", "roughness", "metallic"),  # glTF's own packing
    ("mask",): ("mask",),
}
_LONGEST = max(len(words) for words in _ROLES)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+[a-zA-Z]*")
_TILE = re.compile(r"^(.*?)[._ -]?(1[0-9]{3})$")


@dataclass(frozen=True)
class NamedFile:
    """What a file's name says. `maps` names a map a channel ("" skips one); empty when no word is known."""

    maps: tuple[str, ...]
    set_name: str
    tile: int | None = None


def read_name(stem: str) -> NamedFile:
    """`brushed_steel_nor_dx_2k.1002` -> maps ("normal_dx",), set_name "brushed_steel_2k", tile 1002.

    The last known word counts, so that `metal_plate_diff` is an albedo, and only words such as `2k` may follow it, so that
    `metal_01` names no map.
    """
    tile = None
    if (match := _TILE.match(stem)) and 1001 <= (number := int(match[2])) <= 1999 and match[1]:
        stem, tile = match[1], number
    words = [(m.group(), m.span()) for m in _WORD.finditer(stem)]
    lowered = [word.lower() for word, _ in words]
    for end in range(len(words), 0, -1):
        for length in range(min(_LONGEST, end), 0, -1):
            maps = _ROLES.get(tuple(lowered[end - length : end]))
            if maps and (end == len(words) or all(_is_detail(w) for w in lowered[end:])):
                begin, after = words[end - length][1][0], words[end - 1][1][1]
                rest = (stem[:begin].rstrip("_-. ") + stem[after:]).strip("_-. ")
                return NamedFile(maps, rest, tile)
    return NamedFile((), stem, tile)


def same_set(file: Path, files: Iterable[Path]) -> list[Path]:
    """Those of `files` that are of one texture set and tile with a file, without itself."""
    named = read_name(file.stem)
    found = []
    for other in files:
        theirs = read_name(other.stem)
        if other != file and (theirs.set_name, theirs.tile) == (named.set_name, named.tile):
            found.append(other)
    return found


def channels_in(files: Iterable[Path]) -> dict[str, tuple[Path, int]]:
    """Map -> the file that holds it and in which channel, as names say. A file of its own goes before a packed one."""
    found: dict[str, tuple[Path, int]] = {}
    for file in files:
        maps = read_name(file.stem).maps
        for channel, name in enumerate(maps):
            if name and (name not in found or len(maps) == 1):
                found[name] = file, channel
    return found


def _is_detail(word: str) -> bool:
    """Words that may follow the map's: a resolution, a format, a version."""
    return bool(re.fullmatch(r"\d{3,}|\d+k|png|jpg|jpeg|exr|tif|tiff|srgb|linear|raw|v\d+", word))
