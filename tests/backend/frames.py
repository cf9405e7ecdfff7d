# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered frames whose every pass is known in closed form, and EXR files of them in the layouts of Blender 4.x and 5.x."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenImageIO

from sabi.backend.protocol.surface import ColorSpace, Map, Space, Surface

SHORT = {
    "Diffuse Color": "DiffCol",
    "Diffuse Direct": "DiffDir",
    "Diffuse Indirect": "DiffInd",
    "Glossy Color": "GlossCol",
    "Glossy Direct": "GlossDir",
    "Glossy Indirect": "GlossInd",
    "Object Index": "IndexOB",
}
DATA = ("Position", "Normal", "Object Index", "Depth")


@dataclass(frozen=True)
class Scene:
    """A ball over a floor, seen from the front without perspective; `albedo`, `metallic` are the ball's."""

    size: int = 64
    albedo: tuple[float, float, float] = (0.2, 0.3, 0.6)
    metallic: float = 0.0

    def passes(self) -> dict[str, np.ndarray]:
        """float32 [H, W, C] by Blender 5's names; Combined is exactly the sum of the others."""
        n = self.size
        y, x = np.mgrid[1 : -1 : n * 1j, -1 : 1 : n * 1j].astype(np.float32)
        radius = np.sqrt(x * x + y * y)
        ball, floor = radius < 0.6, (radius >= 0.6) & (y < -0.2)
        front = np.sqrt(np.clip(0.36 - x * x - y * y, 0, None))
        normal = np.zeros((n, n, 3), np.float32)
        normal[ball] = (np.stack([x, -front, y], -1) / 0.6)[ball]
        normal[floor] = (0, 0, 1)
        position = np.zeros_like(normal)
        position[ball] = np.stack([x, -front, y + 1], -1)[ball]
        position[floor] = np.stack([x, y * 3, np.zeros_like(x)], -1)[floor]
        diffuse, gloss = np.zeros_like(normal), np.zeros_like(normal)
        diffuse[ball] = np.array(self.albedo) * (1 - self.metallic) * 0.935
        gloss[ball] = np.array(self.albedo) * self.metallic + 0.04 * (1 - self.metallic)
        diffuse[floor], gloss[floor] = (0.4, 0.38, 0.35), 0.04
        light = light_from(normal)
        seen = (diffuse > 0).astype(np.float32)
        passes = {
            "Diffuse Color": diffuse,
            "Diffuse Direct": 0.75 * light * seen,
            "Diffuse Indirect": 0.25 * light * seen,
            "Glossy Color": gloss,
            "Glossy Direct": np.where(gloss > 0, 0.3 + normal[..., 2:] ** 2, 0).astype(np.float32),
            "Glossy Indirect": np.where(gloss > 0, 0.1, 0).astype(np.float32),
            "Position": position,
            "Normal": normal,
            "Object Index": np.where(ball, 3, np.where(floor, 1, 0))[..., None].astype(np.float32),
        }
        sky = np.where((ball | floor)[..., None], 0, np.float32(0.05))
        return {"Combined": np.concatenate([combine(passes) + sky, np.ones((n, n, 1), np.float32)], -1), **passes}

    def surface(self, dtype: type = np.float32, **changes: np.ndarray) -> Surface:
        """The frame as `read_frame` gives it, with the mask over the ball."""
        p = {**self.passes(), **changes}

        def colour(array: np.ndarray) -> Map:
            return Map(np.ascontiguousarray(array[..., :3]).astype(dtype), ColorSpace.LINEAR)

        return Surface(
            {
                "combined": colour(p["Combined"]),
                "diffuse_colour": colour(p["Diffuse Color"]),
                "diffuse_light": colour(p["Diffuse Direct"] + p["Diffuse Indirect"]),
                "glossy_colour": colour(p["Glossy Color"]),
                "glossy_light": colour(p["Glossy Direct"] + p["Glossy Indirect"]),
                "position": Map(p["Position"]),
                "world_normal": Map(p["Normal"]),
                "object_mask": Map((p["Object Index"] == 3).astype(np.float32)),
            },
            Space.IMAGE,
        )


def light_from(normal: np.ndarray) -> np.ndarray:
    """Diffuse light that second-order harmonics describe exactly: brighter and bluer from above, warm from the side."""
    x, _, z = np.moveaxis(normal, -1, 0)
    strength = 0.6 + 0.3 * z + 0.1 * x + 0.1 * x * z
    return (strength[..., None] * np.array([1.0, 0.95, 0.9]) + 0.05 * z[..., None] * np.array([0.0, 0.0, 1.0])).astype(
        np.float32
    )


def combine(p: dict[str, np.ndarray]) -> np.ndarray:
    return p["Diffuse Color"] * (p["Diffuse Direct"] + p["Diffuse Indirect"]) + p["Glossy Color"] * (
        p["Glossy Direct"] + p["Glossy Indirect"]
    )


def write_frame_4(path: Path, passes: dict[str, np.ndarray], *, half: bool = True, layer: str = "ViewLayer") -> None:
    """One part, channels `ViewLayer.DiffCol.R`: colours in halves, data in floats, as Blender 4.x writes it."""
    names, formats, channels = [], [], []
    for name, array in passes.items():
        for c, letter in enumerate(_letters(name, array)):
            names.append(f"{layer}.{SHORT.get(name, name)}.{letter}")
            formats.append("half" if half and name not in DATA else "float")
            channels.append(array[..., c])
    height, width = channels[0].shape
    spec = OpenImageIO.ImageSpec(width, height, len(names), "float")
    spec.channelnames = tuple(names)
    spec.channelformats = tuple(OpenImageIO.TypeDesc(f) for f in formats)
    _stamp(spec)
    out = OpenImageIO.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    assert out.write_image(np.stack(channels, -1).astype(np.float32))
    assert out.close()


def write_frame_5(path: Path, passes: dict[str, np.ndarray], *, half: bool = True, layer: str = "ViewLayer") -> None:
    """A part a pass, channels `ViewLayer.Diffuse Color.R`, as Blender 5.x writes it."""
    specs, arrays = [], []
    for name, array in passes.items():
        kind = "half" if half and name not in DATA else "float"
        spec = OpenImageIO.ImageSpec(array.shape[1], array.shape[0], array.shape[2], kind)
        spec.channelnames = tuple(f"{layer}.{name}.{letter}" for letter in _letters(name, array))
        spec.attribute("oiio:subimagename", f"{layer}.{name}")
        if not specs:
            _stamp(spec)
        specs.append(spec)
        arrays.append(array.astype(np.float16 if kind == "half" else np.float32))
    out = OpenImageIO.ImageOutput.create(str(path))
    assert out.open(str(path), specs)
    for index, (spec, array) in enumerate(zip(specs, arrays, strict=True)):
        assert not index or out.open(str(path), spec, "AppendSubimage")
        assert out.write_image(np.ascontiguousarray(array))
    assert out.close()


def _letters(name: str, array: np.ndarray) -> str:
    return ("XYZW" if name in DATA else "RGBA")[: array.shape[2]]


def by_cycles(path: Path) -> None:
    """Has a frame of one part say that Cycles rendered it."""
    source = OpenImageIO.ImageInput.open(str(path))
    spec, pixels = source.spec(), source.read_image("float")
    source.close()
    spec.attribute("cycles.ViewLayer.samples", "1")
    out = OpenImageIO.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    assert out.write_image(pixels)
    assert out.close()


def _stamp(spec: OpenImageIO.ImageSpec) -> None:
    spec.attribute("BlenderMultiChannel", "Blender V2.55.1 and newer")
    spec.attribute("RenderTime", "00:00.02")
    spec.attribute("compression", "zip")
