# SPDX-License-Identifier: GPL-3.0-or-later
"""Large bakes in pieces: Blender needs some 200 bytes a texel while it bakes, 14 GB for 8192 x 8192."""

from __future__ import annotations

from collections.abc import Iterator

import bpy
import numpy as np

from . import uvs

UV_MAP = ".sabi piece"


class Pieces:
    """The pieces of a bake of so many texels, (width, height), none of more than `most` a side; all of one `size`.

    Iterating lays each in turn over the square of a UV map that `mesh`, a temporary one, gets for it: it gives that map's name
    and how many texels from the left and from below the piece lies. A mesh that has no room for the map is baked at once.
    """

    def __init__(self, mesh: bpy.types.Mesh, uv_map: str, texels: tuple[int, int], most: int) -> None:
        room = UV_MAP in mesh.uv_layers or len(mesh.uv_layers) < uvs.MOST_MAPS
        self._counts = tuple(-(-side // most) if room else 1 for side in texels)
        self._mesh, self._uv_map, self._texels = mesh, uv_map, texels
        self.size = tuple(-(-side // count) for side, count in zip(texels, self._counts, strict=True))

    def __iter__(self) -> Iterator[tuple[str, tuple[int, int]]]:
        if self._counts == (1, 1):
            yield self._uv_map, (0, 0)
            return
        own = uvs.coordinates(self._mesh, self._uv_map).astype(np.float64) * self._texels
        layer = self._mesh.uv_layers.get(UV_MAP) or self._mesh.uv_layers.new(name=UV_MAP, do_init=False)
        for row in range(self._counts[1]):
            for column in range(self._counts[0]):
                at = column * self.size[0], row * self.size[1]
                layer.uv.foreach_set("vector", ((own - at) / self.size).astype(np.float32).reshape(-1))
                self._mesh.update_tag()
                yield UV_MAP, at
