# SPDX-License-Identifier: GPL-3.0-or-later
"""The tile that a material repeats over its objects: whether there is one, its size, and how it lies on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.protocol.errors import SceneError
from ...backend.protocol.recipe import Frame, FrameMode
from ...backend.protocol.words import LARGEST
from .. import units
from ..nodes import on_object
from ..pixels import reading
from . import uvs
from .channels import used_images
from .flows import links_of
from .rest import world_of
from .upstream import shown

# What looks different in every repeat, or lies elsewhere than the UVs say.
ELSEWHERE = {
    "ShaderNodeNewGeometry",
    "ShaderNodeObjectInfo",
    "ShaderNodeParticleInfo",
    "ShaderNodeAttribute",
    "ShaderNodeVertexColor",
    "ShaderNodeAmbientOcclusion",
    "ShaderNodeBevel",
    "ShaderNodeWireframe",
    "ShaderNodeVectorTransform",
    "ShaderNodeCameraData",
}
ONE_WAY = 0.9  # of the modules' steep area must fall one way on the tile, for runs to follow it


@dataclass(frozen=True)
class Laid:
    """How a tile lies on objects: its square metres, and which way is down on it.

    `down` is in tiles, to the right and down the rows; None where the objects do not agree.
    """

    square_metres: float
    down: tuple[float, float] | None

    def texels_per_metre(self, size: tuple[int, int]) -> float:
        return float(np.sqrt(size[0] * size[1] / self.square_metres))


@dataclass(frozen=True)
class Faces:
    """What an object shows of a tile: its triangles in its own units and in UVs, and what makes metres of them."""

    places: np.ndarray  # [V, 3] float32, the vertices
    corners: np.ndarray  # [T, 3], each triangle's vertices
    uv: np.ndarray  # [T, 3, 2]
    shown: np.ndarray  # [T], each triangle's slot
    slots: tuple[int, ...]  # that wear the tile
    place: np.ndarray  # [3, 3], metres as they are seen by gravity


def check(material: bpy.types.Material, uv_map: str) -> None:
    """Raises SceneError, with the reason, where a material does not repeat with `uv_map`, the UV map that renders use."""
    for node in shown(material):
        if on_object.GROUP_KEY in node.id_data:
            continue
        if why := _trouble(node, uv_map):
            raise SceneError(
                f"The material '{material.name}' is no tile that repeats: its node '{node.label or node.name}' {why}.",
                "Bake it to image textures, or weather without Shared Tiles.",
            )
    if not any(used_images(material.node_tree)):
        raise SceneError(
            f"The material '{material.name}' has no images that could be tiles.", "Weather without Shared Tiles."
        )


def _trouble(node: bpy.types.Node, uv_map: str) -> str:
    kind = node.bl_idname
    if kind in ELSEWHERE:
        return "sees where on the object it is"
    if kind == "ShaderNodeTexCoord" and any(out.is_linked for out in node.outputs if out.name != "UV"):
        return "uses other coordinates than UVs"
    if kind == "ShaderNodeUVMap" and node.uv_map not in ("", uv_map):
        return f"uses another UV map than '{uv_map}'"
    if kind == "ShaderNodeMapping":
        return _mapped(node)
    if kind == "ShaderNodeTexImage":
        tiled = node.image is not None and node.image.source not in ("FILE", "GENERATED")
        flat = node.projection == "FLAT" and node.extension == "REPEAT" and not tiled
        return "" if flat else "does not repeat its image"
    return "makes a pattern that does not repeat" if kind.startswith("ShaderNodeTex") and kind not in _PLAIN else ""


_PLAIN = {"ShaderNodeTexCoord", "ShaderNodeTexImage"}


def _mapped(node: bpy.types.Node) -> str:
    scale, turn = node.inputs["Scale"], node.inputs["Rotation"]
    if links_of(scale) or links_of(turn) or any(tuple(turn.default_value)):
        return "turns the UVs"
    whole = all(abs(axis - round(axis)) < 1e-6 and round(axis) for axis in tuple(scale.default_value)[:2])
    return "" if whole else "scales the UVs by what is no whole number"


def size_of(material: bpy.types.Material, longest: int = 0) -> tuple[int, int]:
    """Width and height of the tile: its largest image's, in whole repeats of it; or that shape with `longest` its longer side.

    Raises SceneError where none of its images can be read.
    """
    found = [reading.facts(image).size for image in used_images(material.node_tree)]
    width, height = max(found, key=lambda size: (size[0] * size[1], size))
    if not width or not height:
        raise SceneError(f"The images of '{material.name}' cannot be read.", "Find them with File > External Data.")
    repeats = [
        tuple(abs(round(axis)) for axis in tuple(node.inputs["Scale"].default_value)[:2])
        for node in shown(material)
        if node.bl_idname == "ShaderNodeMapping" and on_object.GROUP_KEY not in node.id_data
    ]
    width *= max((across for across, _ in repeats), default=1)
    height *= max((up for _, up in repeats), default=1)
    scale = min(longest or LARGEST, LARGEST) / max(width, height)
    if longest or scale < 1:
        width, height = max(round(width * scale), 1), max(round(height * scale), 1)
    return width, height


def faces(obj: bpy.types.Object, slots: Sequence[int], frame: Frame) -> Faces:
    """The faces that an object shows in these of its slots, to be looked at in any thread. Copies; needs the main thread."""
    mesh, unit = obj.data, units.of_object(obj)
    world = world_of(obj)
    place = np.array(world)[:3, :3] * unit
    if frame.mode is FrameMode.ASSET:  # at rest: its scale alone
        place = np.diag(np.array(world.to_scale()) * unit)
    found = uvs.loops(mesh, uvs.render_uv(mesh))
    places = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", places)
    corners = np.empty(len(mesh.loop_triangles) * 3, np.int32)
    mesh.loop_triangles.foreach_get("vertices", corners)
    shown = np.clip(found.slots, 0, max(len(obj.material_slots) - 1, 0))
    return Faces(places.reshape(-1, 3), corners.reshape(-1, 3), found.triangles, shown, tuple(slots), place)


def laid(found: Sequence[Faces], frame: Frame) -> Laid:
    """How a tile lies on such faces. numpy alone: for any thread. Raises SceneError where they have no extent in UVs."""
    area = covered = steep = 0.0
    falls = np.zeros(2)
    gravity = np.asarray(frame.gravity, float) / np.linalg.norm(frame.gravity)
    for one in found:
        mine = np.isin(one.shown, one.slots)
        corners = one.places[one.corners[mine]].astype(np.float64) @ one.place.T
        uv = one.uv[mine]
        edges, ways = corners[:, 1:] - corners[:, :1], uv[:, 1:] - uv[:, :1]
        cross = np.cross(edges[:, 0], edges[:, 1])
        areas, wound = np.linalg.norm(cross, axis=1) / 2, uvs.signed_areas(uv)
        area, covered = area + float(areas.sum()), covered + float(np.abs(wound).sum())
        whole = (np.abs(wound) > 1e-12) & (areas > 1e-12)
        normal = cross[whole] / (2 * areas[whole, None])
        along = gravity - normal * (normal @ gravity)[:, None]  # gravity's part in the face
        solved = np.linalg.solve(ways[whole], edges[whole])  # metres moved by one step of u and of v
        way = np.einsum("tk,tkc->tc", along, np.linalg.pinv(solved))
        way[:, 1] *= -1  # rows go down
        slope = np.linalg.norm(along, axis=1) * areas[whole]
        length = np.maximum(np.linalg.norm(way, axis=1), 1e-12)
        falls += (way * (slope / length)[:, None]).sum(axis=0)
        steep += float(slope.sum())
    if covered <= 0 or area <= 0:
        raise SceneError("The faces that wear the tile have no extent in their UV map.", "Unwrap them.")
    share = float(np.linalg.norm(falls)) / max(steep, 1e-12)
    way = tuple(float(v) for v in falls / np.linalg.norm(falls)) if share > ONE_WAY else None
    return Laid(area / covered, way)
