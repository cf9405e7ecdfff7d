# SPDX-License-Identifier: GPL-3.0-or-later
"""What the painter leaves behind for one layer: three RGBA images of 8 bits, from which every age follows (growth.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .errors import BadSurface

# image -> its four channels, in the order they are packed. Colours are sRGB-encoded, `growth` is data.
CHANNELS: dict[str, tuple[str, str, str, str]] = {
    "thin": ("thin_red", "thin_green", "thin_blue", "roughness"),
    "thick": ("thick_red", "thick_green", "thick_blue", "metallic"),
    "growth": ("exposure", "threshold", "softness", "height"),
}
PACKED_EXPOSURES = 4  # layers whose exposures on a kit's module are the channels of one image, data
IS_DATA = {"thin": False, "thick": False, "growth": True}


@dataclass(frozen=True)
class PaintedLayer:
    """One layer painted for all ages. Each image is uint8 [H, W, 4], row 0 at the top.

    `thin`    RGB albedo at the layer's border, A roughness
    `thick`   RGB albedo where the layer is thick, A metallic
    `growth`  R exposure, G threshold (never 0), B softness, A height (128 is flush; metres = (h - 0.5) * 2 * layer.relief)
    """

    thin: np.ndarray
    thick: np.ndarray
    growth: np.ndarray

    def __post_init__(self) -> None:
        for name in CHANNELS:
            image = getattr(self, name)
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 4 or image.shape != self.thin.shape:
                raise BadSurface(f"A painted layer's {name} image has shape {image.shape} and type {image.dtype}.")

    @property
    def size(self) -> tuple[int, int]:
        """Height, width."""
        return self.thin.shape[0], self.thin.shape[1]

    def channel(self, name: str) -> np.ndarray:
        """One channel by its name in CHANNELS, uint8 [H, W], a view."""
        for image, names in CHANNELS.items():
            if name in names:
                view: np.ndarray = getattr(self, image)[..., names.index(name)]
                return view
        raise KeyError(name)

    def images(self) -> dict[str, np.ndarray]:
        """Image name (`thin`, `thick`, `growth`) -> uint8 [H, W, 4]."""
        return {name: getattr(self, name) for name in CHANNELS}

    @staticmethod
    def from_images(images: Mapping[str, np.ndarray]) -> PaintedLayer:
        """What `images` gave, as a layer; raises BadSurface when one is missing, or not uint8 [H, W, 4] of one size."""
        missing = [name for name in CHANNELS if name not in images]
        if missing:
            raise BadSurface(f"A painted layer lacks its {missing[0]} image.")
        return PaintedLayer(*(np.asarray(images[name]) for name in CHANNELS))
