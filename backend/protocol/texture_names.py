# SPDX-License-Identifier: GPL-3.0-or-later
"""What the names of texture files say: which map a file holds, which UDIM tile, which set it belongs to."""

from __future__ import annotations

import re
from dataclasses import dataclass

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


def _is_detail(word: str) -> bool:
    """Words that may follow the map's: a resolution, a format, a version."""
    return bool(re.fullmatch(r"\d{3,}|\d+k|png|jpg|jpeg|exr|tif|tiff|srgb|linear|raw|v\d+", word))
