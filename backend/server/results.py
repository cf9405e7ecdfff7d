# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job leaves on the server: painted layers and the maps that changed, as raw arrays or as PNG files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import count
from pathlib import Path
from threading import Lock

import numpy as np
import OpenImageIO

from ..files.image import write_image
from ..protocol import wire
from ..protocol.mask_names import MATERIAL, MERGED
from ..protocol.painted import PACKED_EXPOSURES
from ..protocol.surface import Surface
from ..protocol.tiles import Tile
from ..threads import parallel
from ..weathering.pipeline import Weathered

PNG_FILTER_NONE = 8  # libpng's PNG_FILTER_NONE


class Encoding(Enum):
    """How the maps of a result travel."""

    RAW = "raw"
    PNG = "png"  # maps of 8 or 16 bits as the bytes of a PNG file; others, and masks of materials, stay raw arrays


class Part(Enum):
    """Which maps of a result are wanted."""

    ALL = "all"
    LAYERS = "layers"
    WIRED = "wired"  # the layers as a material shows them: where they are many, the lowest are merged into one
    SURFACE = "surface"
    EXPOSURES = "exposures"  # how readily the surface weathers under each layer; nothing is painted for it


@dataclass(frozen=True)
class ResultArrays:
    """Arrays by the names they travel under: `layer0.thin` and so on, `surface.albedo` and so on for maps that changed."""

    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, str]
    pngs: Mapping[str, np.ndarray] = field(default_factory=dict)

    @staticmethod
    def of(weathered: Weathered, given: Surface) -> ResultArrays:
        """The result of weathering `given`; maps that are still the given ones are not sent back."""
        changed = {
            name: map_
            for name, map_ in weathered.surface.maps.items()
            if name not in given or map_.array is not given[name].array
        }
        arrays = wire.layers_to_arrays(weathered.layers) | {f"surface.{n}": m.array for n, m in changed.items()}
        metadata = {
            "warnings": json.dumps(list(weathered.warnings)),
            "networks": json.dumps(dict(weathered.recipe.networks)),
            "height_scale": repr(float(weathered.surface.height_scale)),
            "color_spaces": json.dumps({n: m.color_space.value for n, m in changed.items()}),
        }
        return ResultArrays(arrays, metadata)

    @staticmethod
    def of_exposures(fields: Sequence[np.ndarray], warnings: Sequence[str]) -> ResultArrays:
        """Exposures of layers, uint8 [H, W] each, four to an image: `exposures0` and so on."""
        arrays = {}
        for number, start in enumerate(range(0, len(fields), PACKED_EXPOSURES)):
            packed = list(fields[start : start + PACKED_EXPOSURES])
            packed += [packed[-1]] * (PACKED_EXPOSURES - len(packed))
            arrays[f"exposures{number}"] = np.stack(packed, axis=-1)
        metadata = {
            "warnings": json.dumps(list(warnings)),
            "networks": "{}",
            "height_scale": "1.0",
            "color_spaces": "{}",
        }
        return ResultArrays(arrays, metadata)

    def only(self, part: Part) -> ResultArrays:
        """The result with this part of its arrays; the metadata stay whole. With layers go their masks."""
        starts: dict[Part, tuple[str, ...]] = {
            Part.ALL: ("",),
            Part.LAYERS: ("layer", f"surface.{MATERIAL}"),
            Part.WIRED: ("layer", f"surface.{MATERIAL}", f"surface.{MERGED}"),
            Part.SURFACE: ("surface.",),
            Part.EXPOSURES: ("exposures",),
        }
        return replace(
            self, arrays={name: array for name, array in self.arrays.items() if name.startswith(starts[part])}
        )

    def cut(self, tiles: Sequence[Tile]) -> ResultArrays:
        """With painted layers in tiles: `layer0.thin.1001` and so on in place of `layer0.thin`; as it is where there are none."""
        if not tiles:
            return self
        pieces = {
            f"{name}.{tile.number}": array[tile.window]
            for name, array in self.arrays.items()
            if name.startswith("layer")
            for tile in tiles
        }
        return replace(self, arrays={n: a for n, a in self.arrays.items() if not n.startswith("layer")} | pieces)

    def message(self, encoding: Encoding, part: Part) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Arrays and metadata to send; a PNG is a U8 array of its bytes, named in the metadata's `png`."""
        chosen = self.only(part)
        pngs: dict[str, np.ndarray] = {}
        if encoding is Encoding.PNG:
            pngs = {n: a for n, a in (self.pngs or chosen.encoded()).items() if n in chosen.arrays}
        return {**chosen.arrays, **pngs}, {**self.metadata, "png": json.dumps(sorted(pngs))}

    def encoded(self, progress: Callable[[float], None] = lambda done: None) -> dict[str, np.ndarray]:
        """The maps of 8 and 16 bits as PNGs, but for masks of materials and of layers: they are numbers to their reader."""
        masks = (f"surface.{MATERIAL}", f"surface.{MERGED}")
        whole = {n: array for n, array in self.arrays.items() if array.dtype.kind == "u" and not n.startswith(masks)}
        begun, one_at_a_time = count(), Lock()

        def encode(array: np.ndarray) -> np.ndarray:
            with one_at_a_time:
                progress(next(begun) / len(whole))
            return encode_png(array)

        return dict(zip(whole, parallel(encode, whole.values()), strict=True))


def encode_png(array: np.ndarray) -> np.ndarray:
    """The bytes of a PNG file of uint8 or uint16 [H, W, C], as a U8 array.

    Rows are compressed as they are: painted layers grow by a sixth, but are written in half the time and read in two thirds,
    and Blender reads them on its main thread. The quickest compression makes them no larger than the strongest.
    """
    height, width, channels = array.shape
    plain = OpenImageIO.ImageSpec(width, height, channels, str(array.dtype))
    plain.attribute("png:filter", PNG_FILTER_NONE)
    plain.attribute("png:compressionLevel", 1)
    with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
        path = Path(folder, "map.png")
        write_image(path, np.ascontiguousarray(array), plain)
        return np.fromfile(path, np.uint8)
