# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files for tests, and assets weathered in the plainest way."""

from __future__ import annotations

import numpy as np
import OpenImageIO

from sabi.backend.files import write_asset
from sabi.backend.protocol.surface import Map
from sabi.backend.protocol.whole import WholeFiles


def noise(height=24, width=32, channels=3, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "u":
        return rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype, endpoint=True)
    return rng.random((height, width, channels)).astype(dtype)


def save(path, array, **attributes):
    kinds = {"uint8": "uint8", "uint16": "uint16", "float16": "half", "float32": "float"}
    spec = OpenImageIO.ImageSpec(array.shape[1], array.shape[0], array.shape[2], kinds[array.dtype.name])
    spec.attribute("oiio:UnassociatedAlpha", 1)
    for name, value in attributes.items():
        spec.attribute(name, value)
    out = OpenImageIO.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    assert out.write_image(array)
    assert out.close()
    out.geterror()
    return path


def weathered(asset, amount=40):
    """The asset's surface with the upper left quarter of every material map changed."""
    changed = {}
    for name, map_ in asset.surface.maps.items():
        if name in ("albedo", "roughness", "metallic", "normal", "height"):
            array = map_.array.copy()
            part = array[: array.shape[0] // 2, : array.shape[1] // 2]
            part[:] = part // 2 if array.dtype.kind == "u" else part * array.dtype.type(0.5)
            changed[name] = Map(array, map_.color_space)
    return asset.surface.with_maps(changed)


def write(asset, surface, target, overwrite=False, **options):
    with WholeFiles(overwrite) as files:
        return write_asset(asset, surface, target, files, **options)
