# SPDX-License-Identifier: GPL-3.0-or-later
"""Painted layers without a backend: synthetic ones of any size, as images in Blender, and what the formula makes of them."""

from __future__ import annotations

import bpy
import numpy as np
from bl_ext.user_default.sabi.addon.nodes.layer_nodes import PaintedImages
from bl_ext.user_default.sabi.addon.nodes.material import IMAGE
from bl_ext.user_default.sabi.backend.protocol import growth
from bl_ext.user_default.sabi.backend.protocol.painted import PaintedLayer


def synthetic_layer(seed: int, size: int = 32, block: int = 4, threshold: tuple[int, int] = (1, 255)) -> PaintedLayer:
    """Random blocks of texels, so that a bake that samples a little beside the texel's centre still reads the same."""
    rng = np.random.default_rng(seed)
    cells = size // block

    def channels(*ranges: tuple[int, int]) -> np.ndarray:
        drawn = np.stack([rng.integers(low, high, (cells, cells)) for low, high in ranges], axis=-1).astype(np.uint8)
        return drawn.repeat(block, axis=0).repeat(block, axis=1)

    colours = [(0, 256)] * 4
    return PaintedLayer(channels(*colours), channels(*colours), channels((0, 256), threshold, (58, 154), (0, 256)))


def covering_layer(size: int = 32) -> PaintedLayer:
    """Covers every texel wholly at age 1: dark rust, roughness 0.9, no metal."""
    thin = np.full((size, size, 4), (90, 50, 30, 230), np.uint8)
    thick = np.full((size, size, 4), (120, 60, 20, 0), np.uint8)
    grown = np.full((size, size, 4), (255, 6, 58, 200), np.uint8)
    return PaintedLayer(thin, thick, grown)


def images_of(
    layer: PaintedLayer, label: str = "Rust", age: float = 0.5, opacity: float = 1.0, relief: float = 0.001
) -> PaintedImages:
    return PaintedImages(
        _image("thin", layer.thin, "sRGB"),
        _image("thick", layer.thick, "sRGB"),
        _image("growth", layer.growth, "Non-Color"),
        label,
        age,
        opacity,
        relief,
    )


def weathered_values(
    base: dict[str, np.ndarray], layers: list[PaintedLayer], age: float, opacity: float
) -> dict[str, np.ndarray]:
    """albedo (scene-linear), roughness, metallic and coverage of all layers by growth.py, over a base of the same names."""
    out = {**base, "coverage": np.zeros_like(base["roughness"])}
    for layer in layers:
        value = {
            name: layer.channel(name).astype(np.float32) / 255
            for name in ("exposure", "threshold", "softness", "roughness", "metallic")
        }
        depth = growth.depth(value["exposure"], value["threshold"], age)
        cover = growth.coverage(depth, value["softness"], opacity)
        thick = growth.key_position(depth)[..., None]
        albedo = linear(layer.thin[..., :3]) * (1 - thick) + linear(layer.thick[..., :3]) * thick
        out["albedo"] = out["albedo"] * (1 - cover[..., None]) + albedo * cover[..., None]
        for name in ("roughness", "metallic"):
            out[name] = out[name] * (1 - cover) + value[name] * cover
        out["coverage"] = 1 - (1 - out["coverage"]) * (1 - cover)
    return out


def linear(encoded: np.ndarray) -> np.ndarray:
    x = encoded.astype(np.float32) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _image(name: str, array: np.ndarray, color_space: str) -> bpy.types.Image:
    height, width = array.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True)
    image.colorspace_settings.name, image.alpha_mode = color_space, "CHANNEL_PACKED"
    image.pixels.foreach_set((array[::-1].astype(np.float32) / np.float32(255)).ravel())
    image.pack()
    image[IMAGE] = True
    return image
