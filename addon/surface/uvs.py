# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether UVs can carry a painted texture, and a second UV map where they cannot.

An island that is mirrored but has texels of its own can: whatever is measured along u and v (normals, slopes, down, seams) is
measured along them on the object too. Mirrored islands that lie on others cannot.
"""

from __future__ import annotations

from dataclasses import dataclass

import bmesh
import bpy
import numpy as np

from ...backend.protocol.errors import SceneError
from .rest import SECOND_UV

GRID = 512  # texels a side of the picture in which overlaps are looked for
OVERLAP_SHARE = 0.002  # of the covered texels: less is rounding at borders
RANGE_SLACK = 1e-4  # of the square: rounding; less than a texel of the largest maps
SHRUNK = 1e-4  # of the texels that a face would have, were all shared out evenly: 20 across where there should be 2000
SHRUNK_SHARE = 0.01  # of the area: less is a cap or a sliver
MOST_MAPS = 8  # UV maps of a mesh, Blender's limit


@dataclass(frozen=True)
class Loops:
    """The triangles of a mesh in UV space: what the checks need of it, as arrays."""

    triangles: np.ndarray  # [T, 3, 2] float64
    polygons: np.ndarray  # [T]
    slots: np.ndarray  # [T], material index
    areas: np.ndarray  # [T], square units of the mesh


@dataclass(frozen=True)
class Layout:
    """What is wrong with UVs, as shares of the covered texels, and which texels of the grid each slot covers."""

    overlapping: float
    mirrored: float  # the part of `overlapping` where faces lie on faces of the other winding
    out_of_range: float  # share of triangles
    shrunk: float  # share of the area that has next to no texels
    covered: dict[int, np.ndarray]  # slot -> [GRID, GRID] bool
    uv_area: float

    @property
    def trouble(self) -> str:
        """Why these UVs cannot carry a texture of their own, as half a sentence; empty when they can."""
        if self.out_of_range > 0:
            return "reach outside the 0 to 1 square"
        if self.shrunk > SHRUNK_SHARE:
            return "have next to no texels for some faces"
        if self.overlapping > OVERLAP_SHARE:
            return "are mirrored onto each other" if self.mirrored > self.overlapping / 2 else "overlap"
        return ""


def loops(mesh: bpy.types.Mesh, uv_map: str) -> Loops:
    """The mesh's triangles in `uv_map`. Copies; needs the main thread."""
    mesh.calc_loop_triangles()
    count = len(mesh.loop_triangles)
    corners, polygons = np.empty(count * 3, np.int32), np.empty(count, np.int32)
    mesh.loop_triangles.foreach_get("loops", corners)
    mesh.loop_triangles.foreach_get("polygon_index", polygons)
    areas = np.empty(count, np.float32)
    mesh.loop_triangles.foreach_get("area", areas)
    slots = np.zeros(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", slots)
    uv = coordinates(mesh, uv_map)
    return Loops(uv[corners].reshape(count, 3, 2).astype(np.float64), polygons, slots[polygons], areas)


def render_uv(mesh: bpy.types.Mesh) -> str:
    """The UV map that renders use."""
    return next((layer.name for layer in mesh.uv_layers if layer.active_render), mesh.uv_layers[0].name)


def coordinates(mesh: bpy.types.Mesh, uv_map: str) -> np.ndarray:
    """[loops, 2] float32 of a UV map."""
    values = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers[uv_map].uv.foreach_get("vector", values)
    return values.reshape(-1, 2)


def inspect(mesh: Loops, *, grid: int = GRID) -> Layout:
    """How these UVs lie. numpy alone: may run in any thread."""
    uv = mesh.triangles
    outside = ~((uv >= -RANGE_SLACK) & (uv <= 1 + RANGE_SLACK)).all(axis=(1, 2))  # NaN is outside too
    winding = signed_areas(uv)
    shown = np.abs(winding) >= 1e-12
    texels, owners = rasterise(uv[shown], grid)
    owners = np.flatnonzero(shown)[owners]
    up = np.bincount(texels[winding[owners] > 0], minlength=grid * grid)
    down = np.bincount(texels[winding[owners] <= 0], minlength=grid * grid)
    count = up + down
    total = max(int((count > 0).sum()), 1)
    covered = {}
    for slot in np.unique(mesh.slots):
        bits = np.zeros(grid * grid, bool)
        bits[texels[mesh.slots[owners] == slot]] = True
        covered[int(slot)] = bits.reshape(grid, grid)
    return Layout(
        overlapping=float((count > 1).sum() / total),
        mirrored=float(((up > 0) & (down > 0)).sum() / total),
        out_of_range=float(outside.mean()) if len(outside) else 0.0,
        shrunk=_shrunk(mesh.areas, np.abs(winding)),
        covered=covered,
        uv_area=float(np.abs(winding).sum()),
    )


def _shrunk(areas: np.ndarray, uv_areas: np.ndarray) -> float:
    """The share of the area whose faces lie on points, lines or specks of their UV square, as on a palette of colours."""
    total = float(areas.sum())
    return float(areas[uv_areas * total < SHRUNK * areas].sum()) / total if total > 0 else 0.0


def signed_areas(uv: np.ndarray) -> np.ndarray:
    """Signed areas of triangles [T, 3, 2]."""
    a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
    return 0.5 * (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def rasterise(uv: np.ndarray, grid: int, batch: int = 1 << 21) -> tuple[np.ndarray, np.ndarray]:
    """The texels whose centres lie strictly inside each triangle: flat texel indices and the triangles they belong to."""
    points = uv * grid - 0.5  # texel centres are at whole numbers
    low = np.clip(np.ceil(points.min(axis=1)), 0, grid).astype(np.int64)
    high = np.clip(np.floor(points.max(axis=1)), -1, grid - 1).astype(np.int64)
    extent = np.maximum(high - low + 1, 0)
    sizes = extent[:, 0] * extent[:, 1]
    ends = np.cumsum(sizes)
    texels, owners = [], []
    start = 0
    while start < len(sizes):
        base = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, base + batch, side="right")), start + 1)
        picked = np.repeat(np.arange(start, stop), sizes[start:stop])
        within = np.arange(len(picked)) - (ends[picked] - sizes[picked] - base)
        x = low[picked, 0] + within % np.maximum(extent[picked, 0], 1)
        y = low[picked, 1] + within // np.maximum(extent[picked, 0], 1)
        inside = _inside(points[picked], x, y)
        texels.append((y * grid + x)[inside])
        owners.append(picked[inside])
        start = stop
    empty = np.zeros(0, np.int64)
    return (np.concatenate(texels), np.concatenate(owners)) if texels else (empty, empty)


def _inside(corners: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    sides = []
    for i in range(3):
        a, b = corners[:, i], corners[:, (i + 1) % 3]
        sides.append((b[:, 0] - a[:, 0]) * (y - a[:, 1]) - (b[:, 1] - a[:, 1]) * (x - a[:, 0]))
    left, middle, right = sides
    slack = 1e-6
    return ((left > slack) & (middle > slack) & (right > slack)) | (
        (left < -slack) & (middle < -slack) & (right < -slack)
    )


def group_slots(layout: Layout, alone: set[int]) -> tuple[tuple[int, ...], ...]:
    """Which slots share a texture: those of `alone` have one each, the others share as long as they do not lie on each other."""
    groups: list[tuple[list[int], np.ndarray]] = []
    for slot, bits in sorted(layout.covered.items()):
        if slot in alone:
            continue
        for members, taken in groups:
            if (taken & bits).sum() <= OVERLAP_SHARE * max(int(bits.sum()), 1):
                members.append(slot)
                taken |= bits
                break
        else:
            groups.append(([slot], bits.copy()))
    own = [(slot,) for slot in sorted(layout.covered) if slot in alone]
    return tuple(sorted([*own, *(tuple(members) for members, _ in groups)]))


def check_room(obj: bpy.types.Object) -> None:
    """Raises SceneError where a mesh has as many UV maps as it may and none of them is Sabi's."""
    if len(obj.data.uv_layers) >= MOST_MAPS and SECOND_UV not in obj.data.uv_layers:
        raise SceneError(
            f"'{obj.name}' has no room for a second UV map.",
            f"Remove one of its {MOST_MAPS} UV maps, or unwrap it anew.",
        )


def unwrap(obj: bpy.types.Object, owner: str, margin: float = 0.003) -> np.ndarray:
    """New UVs for a temporary object's base mesh, [loops, 2]: smart projection, islands apart, none mirrored or overlapping.

    It happens in a scene of its own, since Blender unwraps whatever else is in edit mode in the same one. Raises SceneError when
    Blender cannot unwrap it.
    """
    mesh = obj.data
    name = (mesh.uv_layers.get(SECOND_UV) or mesh.uv_layers.new(name=SECOND_UV, do_init=False)).name
    mesh.uv_layers.active_index = mesh.uv_layers.find(name)
    alone = bpy.data.scenes.new(".sabi unwrapping")
    try:
        alone.collection.objects.link(obj)
        layer = alone.view_layers[0]
        layer.objects.active = obj
        obj.select_set(True, view_layer=layer)
        layer.update()
        with bpy.context.temp_override(scene=alone, view_layer=layer, object=obj, active_object=obj):
            bpy.ops.object.mode_set(mode="EDIT")
            try:
                with bpy.context.temp_override(edit_object=obj):
                    bpy.ops.mesh.reveal(select=True)
                    bpy.ops.mesh.select_all(action="SELECT")
                    bpy.ops.uv.smart_project(island_margin=margin, correct_aspect=False)
            finally:
                bpy.ops.object.mode_set(mode="OBJECT")
    except RuntimeError as error:
        raise SceneError(
            f"'{owner}' could not be given a second UV map.",
            "Unwrap it by hand: in Edit Mode choose UV > Smart UV Project.",
        ) from error
    finally:
        bpy.data.scenes.remove(alone)
    return coordinates(mesh, name)


def attach(obj: bpy.types.Object, uv: np.ndarray) -> None:
    """Adds the second UV map to an artist's object; the map that renders use stays the same, and so does the active one.

    Raises SceneError when the mesh has other corners than when it was captured.
    """
    mesh = obj.data
    if obj.mode == "EDIT":
        _attach_in_edit_mode(mesh, uv)
        return
    if len(mesh.loops) != len(uv):
        raise SceneError(f"'{obj.name}' was changed while it was weathered.", "Weather it again.")
    active = mesh.uv_layers.active_index
    check_room(obj)
    layer = mesh.uv_layers.get(SECOND_UV) or mesh.uv_layers.new(name=SECOND_UV, do_init=False)
    layer.uv.foreach_set("vector", np.ascontiguousarray(uv, np.float32).reshape(-1))
    mesh.uv_layers.active_index = active
    mesh.update()


def _attach_in_edit_mode(mesh: bpy.types.Mesh, uv: np.ndarray) -> None:
    editing = bmesh.from_edit_mesh(mesh)
    if sum(len(face.loops) for face in editing.faces) != len(uv):
        raise SceneError(f"'{mesh.name}' was changed while it was weathered.", "Weather it again.")
    active = mesh.uv_layers.active_index
    layer = editing.loops.layers.uv.get(SECOND_UV) or editing.loops.layers.uv.new(SECOND_UV)
    corners = (loop for face in editing.faces for loop in face.loops)
    for loop, value in zip(corners, uv, strict=True):
        loop[layer].uv = value
    bmesh.update_edit_mesh(mesh)
    mesh.uv_layers.active_index = active


def remove_second(obj: bpy.types.Object) -> None:
    """Takes the second UV map away again; nothing happens where there is none."""
    layer = obj.data.uv_layers.get(SECOND_UV)
    if layer is not None:
        obj.data.uv_layers.remove(layer)
