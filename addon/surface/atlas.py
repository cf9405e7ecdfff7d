# SPDX-License-Identifier: GPL-3.0-or-later
"""The UDIM tiles that an object lies on, side by side in one surface: painted in one piece, and cut into tiles again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.protocol.surface import MAX_SIDE, MAX_TEXELS
from ...backend.protocol.tiles import NUMBERS, Tile
from ..pixels import reading
from . import channels, uvs

GAP = 32  # texels between tiles, where there is room: what lies beside an island's rim is filled from across the edge
WHOLE = 64  # the sides are multiples of it, so that they can be halved


@dataclass(frozen=True)
class Atlas:
    """Where each tile lies, and the UVs that lead there."""

    tiles: tuple[Tile, ...]
    size: tuple[int, int]  # width, height
    corners: np.ndarray  # [loops, 2] float32, of the base mesh
    triangles: np.ndarray  # [T, 3], of loops
    wanted: int  # the longest side of a tile, were there room for it

    @property
    def shrunk(self) -> bool:
        return max(max(tile.width, tile.height) for tile in self.tiles) < self.wanted

    def overlaps(self) -> bool:
        """Whether faces lie on one another. numpy alone: for any thread."""
        nothing = np.zeros(len(self.triangles), np.int64)
        layout = uvs.inspect(uvs.Loops(self.corners[self.triangles].astype(np.float64), nothing, nothing, nothing))
        return bool(layout.trouble)


def image_tiles(materials: Sequence[bpy.types.Material]) -> dict[int, tuple[int, int]]:
    """The tiles of the images that materials use: number -> width, height of the largest."""
    found: dict[int, tuple[int, int]] = {}
    for image in dict.fromkeys(image for made in materials for image in channels.used_images(made.node_tree)):
        if image.source == "TILED":
            for tile, size in zip(image.tiles, reading.tile_sizes(image), strict=True):
                found[tile.number] = max(found.get(tile.number, (1, 1)), size, key=lambda s: (s[0] * s[1], s))
    return found


def atlas(obj: bpy.types.Object, sizes: Mapping[int, tuple[int, int]], longest: int = 0) -> Atlas | None:
    """The object's faces by tiles of these sizes, or with the largest tile's longest side `longest`.

    None where its UVs lie on the first tile alone, where a face lies on none of these tiles, or on more than one.
    """
    if not sizes:
        return None
    mesh = obj.data.copy() if obj.mode == "EDIT" else obj.data  # what is edited cannot be read
    try:
        return _of_mesh(mesh, sizes, longest)
    finally:
        if mesh != obj.data:
            bpy.data.meshes.remove(mesh)


def _of_mesh(mesh: bpy.types.Mesh, sizes: Mapping[int, tuple[int, int]], longest: int) -> Atlas | None:
    uv = uvs.coordinates(mesh, uvs.render_uv(mesh)).astype(np.float64)
    starts, totals = np.empty(len(mesh.polygons), np.int32), np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_start", starts)
    mesh.polygons.foreach_get("loop_total", totals)
    places = np.floor(np.add.reduceat(uv, starts) / totals[:, None]).astype(np.int64)
    numbers = NUMBERS[0] + places[:, 0] + 10 * places[:, 1]
    local = uv - np.repeat(places, totals, axis=0)
    inside = (places >= 0).all() and (places[:, 0] < 10).all() and (np.abs(local - 0.5) <= 0.5 + uvs.RANGE_SLACK).all()
    used = sorted(int(number) for number in np.unique(numbers))
    if not inside or used == [NUMBERS[0]] or not set(used) <= set(sizes):
        return None
    tiles, size = arrange({number: sizes[number] for number in used}, longest)
    by_number = {tile.number: (tile.left, size[1] - tile.top - tile.height, tile.width, tile.height) for tile in tiles}
    cells = np.array([by_number[number] for number in used], np.float64)[np.searchsorted(used, numbers)]
    cells = np.repeat(cells, totals, axis=0)
    corners = (cells[:, :2] + np.clip(local, 0, 1) * cells[:, 2:]) / np.array(size, np.float64)
    mesh.calc_loop_triangles()
    triangles = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("loops", triangles)
    wanted = longest or max(max(sizes[number]) for number in used)
    return Atlas(tiles, size, corners.astype(np.float32), triangles.reshape(-1, 3), wanted)


def arrange(sizes: Mapping[int, tuple[int, int]], longest: int = 0) -> tuple[tuple[Tile, ...], tuple[int, int]]:
    """Tiles on shelves, and the width and height that they take; all halved until a surface may be as large."""
    scale = longest / max(max(size) for size in sizes.values()) if longest else 1.0
    while True:
        for gap in (GAP, 0):
            tiles, (width, height) = _shelves(sizes, scale, gap)
            if width * height <= MAX_TEXELS and max(width, height) <= MAX_SIDE:
                return tiles, (width, height)
        scale /= 2


def _shelves(sizes: Mapping[int, tuple[int, int]], scale: float, gap: int) -> tuple[tuple[Tile, ...], tuple[int, int]]:
    scaled = {n: (max(round(w * scale), 1), max(round(h * scale), 1)) for n, (w, h) in sizes.items()}
    order = sorted(scaled, key=lambda number: (-scaled[number][1], -scaled[number][0], number))
    area = sum((w + gap) * (h + gap) for w, h in scaled.values())
    room = max(max(w for w, _ in scaled.values()), round(area**0.5))
    tiles, left, top, shelf, right = [], 0, 0, 0, 0
    for number in order:
        width, height = scaled[number]
        if left and left + width > room:
            left, top, shelf = 0, top + shelf + gap, 0
        tiles.append(Tile(number, top, left, height, width))
        left, shelf, right = left + width + gap, max(shelf, height), max(right, left + width)
    return tuple(sorted(tiles, key=lambda tile: tile.number)), (_up(right), _up(top + shelf))


def _up(side: int) -> int:
    return -(-side // WHOLE) * WHOLE
