# SPDX-License-Identifier: GPL-3.0-or-later
"""Surfaces: aligned maps of one asset or one frame, as both hosts and every stage see them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np

from .errors import BadSurface, MissingMap, TooLarge
from .mask_names import MASKS

MAX_SIDE = 16384
MAX_TEXELS = 8192 * 8192
DTYPES = (np.uint8, np.uint16, np.float16, np.float32)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)

# Every map a surface may have, with the channel counts it is allowed. Passes of a frame keep Blender's short names.
CHANNELS: dict[str, tuple[int, ...]] = {
    "albedo": (3,),
    "roughness": (1,),
    "metallic": (1,),
    "normal": (3,),
    "height": (1,),
    "alpha": (1,),
    "position": (3,),
    "world_normal": (3,),
    "ambient_occlusion": (1,),
    "curvature": (1,),
    "down": (2,),
    "texels_per_metre": (1,),
    "island_mask": (1,),
    "object_mask": (1,),
    "mask": (1,),
    "shading": (3,),
    "residual": (3,),
    "combined": (3,),
    "diffuse_colour": (3,),
    "diffuse_light": (3,),  # DiffDir + DiffInd
    "glossy_colour": (3,),
    "glossy_light": (3,),  # GlossDir + GlossInd
    "white_diffuse": (3,),
    "bare": (3,),  # a photograph's albedo before it weathers
    "recomposed": (3,),  # a photograph weathered and not harmonized
}


class Space(Enum):
    """What the rows and columns of a surface are: UV space of an asset, or a camera's view, with passes or without any."""

    TEXTURE = "texture"
    IMAGE = "image"
    PHOTOGRAPH = "photograph"


class ColorSpace(Enum):
    """What the numbers of a map are."""

    SRGB = "srgb"  # encoded with the sRGB curve
    LINEAR = "linear"  # scene-linear, Rec.709 primaries
    DATA = "data"  # not a colour


@dataclass(frozen=True)
class Map:
    """One array [H, W, C], row 0 at the top, in the type it was stored in. Integers span 0..1 over their range."""

    array: np.ndarray
    color_space: ColorSpace = ColorSpace.DATA

    def __post_init__(self) -> None:
        array = self.array
        if array.dtype not in DTYPES:
            raise BadSurface(
                f"A map of type {array.dtype} is not supported.", "Use 8 or 16 bit integers, half or single floats."
            )
        if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
            raise BadSurface(f"A map of shape {array.shape} is not [height, width, channels].")
        if 0 in array.shape:
            raise BadSurface("A map has no texels.", "The image is empty or its file could not be read.")
        check_size(array.shape[0], array.shape[1])

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.array.shape[0], self.array.shape[1]

    def floats(self, window: tuple[slice, slice] = (slice(None), slice(None))) -> np.ndarray:
        """A window as float32, integers scaled to 0..1; encoding is kept. Take windows, not whole maps."""
        part = self.array[window]
        if part.dtype.kind == "u":
            return part.astype(np.float32) * np.float32(1 / np.iinfo(part.dtype).max)
        return part.astype(np.float32)


@dataclass(frozen=True)
class Surface:
    """Aligned maps of one asset (`TEXTURE`, UV space), of one frame (`IMAGE`, camera space) or a photograph (`PHOTOGRAPH`).

    `position` (metres) and `world_normal` are in the object's rest space; `pose`, a row-major 4x4, takes both to the world.
    `wrap` says whether rows and columns continue at the opposite border. `texels_per_metre` is used where there is neither
    a map of that name nor `position`. `height_scale` is the metres between 0 and 1 of `height` (0.5 is flush).
    Raises BadSurface for unknown names, wrong channel counts, maps of different sizes, no maps; `check_values` looks for NaN.
    """

    maps: Mapping[str, Map]
    space: Space = Space.TEXTURE
    wrap: tuple[bool, bool] = (False, False)
    pose: tuple[float, ...] = IDENTITY
    texels_per_metre: float = 512.0
    height_scale: float = 0.01
    name: str = "surface"
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.maps:
            raise BadSurface("The surface has no maps.")
        for name, map_ in self.maps.items():
            allowed = CHANNELS.get("mask" if name.startswith(MASKS) else name)
            if allowed is None:
                raise BadSurface(f"'{name}' is not the name of a map.", "Known maps: " + ", ".join(CHANNELS) + ".")
            if map_.array.shape[2] not in allowed:
                raise BadSurface(f"The {name} map has {map_.array.shape[2]} channels instead of {allowed[0]}.")
        sizes = {map_.size for map_ in self.maps.values()}
        if len(sizes) > 1:
            listed = ", ".join(f"{n} {m.size[1]}x{m.size[0]}" for n, m in sorted(self.maps.items()))
            raise BadSurface(f"The maps have different sizes: {listed}.", "Give all maps one size.")
        if len(self.pose) != 16 or not np.isfinite(self.pose).all():
            raise BadSurface("The surface's pose is not a 4x4 matrix.")
        for name in ("texels_per_metre", "height_scale"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise BadSurface(f"The surface's {name} must be a number above 0, not {value}.")

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return next(iter(self.maps.values())).size

    def __contains__(self, name: str) -> bool:
        return name in self.maps

    def __getitem__(self, name: str) -> Map:
        try:
            return self.maps[name]
        except KeyError:
            raise MissingMap(name) from None

    def with_maps(self, maps: Mapping[str, Map]) -> Surface:
        """A surface with these maps added or replaced."""
        return replace(self, maps={**self.maps, **maps})

    def check_values(self, rows: int = 256) -> None:
        """Raises BadSurface where a float map holds NaN or infinity; reads a band of rows at a time."""
        for name, map_ in self.maps.items():
            if map_.array.dtype.kind == "f":
                for band in _bands(map_.array, rows):
                    if not np.isfinite(band).all():
                        raise BadSurface(
                            f"The {name} map holds NaN or infinite values.",
                            "Repair it: such texels often come from a division by zero in a shader.",
                        )


def check_size(height: int, width: int) -> None:
    """Raises TooLarge beyond the limits, before anything is allocated."""
    if height > MAX_SIDE or width > MAX_SIDE or height * width > MAX_TEXELS:
        raise TooLarge(
            f"{width} x {height} texels are more than Sabi takes ({MAX_SIDE} a side, {MAX_TEXELS >> 20} megatexels in all)."
        )


def _bands(array: np.ndarray, rows: int) -> Iterable[np.ndarray]:
    return (array[top : top + rows] for top in range(0, array.shape[0], rows))
