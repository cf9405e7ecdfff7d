# SPDX-License-Identifier: GPL-3.0-or-later
"""The sRGB curve, by tables where values are integers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..protocol.surface import ColorSpace, Map

_FINE = (
    1 << 16
)  # steps of scene-linear light told apart when 8 bits are encoded: a 20th of a level where the curve is steepest


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Scene-linear 0..1 to the sRGB curve, float32; beyond it is clipped."""
    linear = np.clip(linear, 0, 1)
    curve = np.float32(1.055) * linear ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= np.float32(0.0031308), linear * np.float32(12.92), curve)


def to_linear(encoded: np.ndarray) -> np.ndarray:
    """The sRGB curve undone, float32."""
    encoded = np.asarray(encoded, np.float32)
    curve = ((np.maximum(encoded, 0) + np.float32(0.055)) * np.float32(1 / 1.055)) ** np.float32(2.4)
    return np.where(encoded <= np.float32(0.04045), encoded * np.float32(1 / 12.92), curve)


def decode(values: np.ndarray, color_space: ColorSpace) -> np.ndarray:
    """Stored colours as scene-linear float32; integers span 0..1."""
    if values.dtype.kind == "u":
        return _decoding(values.dtype.name, color_space is ColorSpace.SRGB).take(values)
    values = values.astype(np.float32)
    return to_linear(values) if color_space is ColorSpace.SRGB else values


def encode(linear: np.ndarray, like: Map) -> np.ndarray:
    """Scene-linear float32 as a map of `like`'s type and colour space stores it."""
    dtype, curved = like.array.dtype, like.color_space is ColorSpace.SRGB
    if dtype == np.uint8 and curved:
        index = np.clip(linear, 0, 1)
        index *= np.float32(_FINE - 1)
        index += np.float32(0.5)
        return _encoding().take(index.astype(np.uint16))
    if curved:
        linear = to_srgb(linear) if dtype.kind == "u" else _curve_beyond(linear)
    return store(linear, dtype)


def store(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values 0..1 in the type of a map: integers rounded and clipped over their range, floats as they are."""
    if dtype.kind != "u":
        return values.astype(dtype, copy=False)
    top = np.iinfo(dtype).max
    return np.clip(values * np.float32(top) + np.float32(0.5), 0, top).astype(dtype)


def _curve_beyond(linear: np.ndarray) -> np.ndarray:
    """The curve without a limit, for float maps that hold more than 1."""
    positive = np.maximum(linear, 0)
    curve = np.float32(1.055) * positive ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= np.float32(0.0031308), linear * np.float32(12.92), curve)


@lru_cache(maxsize=4)
def _decoding(dtype: str, curved: bool) -> np.ndarray:
    steps = np.arange(np.iinfo(dtype).max + 1, dtype=np.float32) / np.float32(np.iinfo(dtype).max)
    return to_linear(steps) if curved else steps


@lru_cache(maxsize=1)
def _encoding() -> np.ndarray:
    return np.rint(to_srgb(np.arange(_FINE, dtype=np.float32) / np.float32(_FINE - 1)) * 255).astype(np.uint8)
