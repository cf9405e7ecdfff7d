# SPDX-License-Identifier: GPL-3.0-or-later
"""What is baked of one object, in which order, and the maps it becomes: a generator of bakes and of pieces of numpy."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector

from ...backend.protocol.errors import SceneError
from ...backend.protocol.surface import ColorSpace, Map, Surface
from .. import versions
from ..pixels import images, reading
from . import channels, geometry_maps, mesh_masks, rest
from .bake import Bake, aim
from .channels import FLAT, Constant, Prepared, Raised, Source, Texture, UVs
from .pieces import Pieces
from .stage import Stage, mark

DEFAULT_HEIGHT_SCALE = Surface.height_scale
OCCLUSION_SAMPLES, OCCLUSION_SIDE = (
    16,
    1024,
)  # occlusion and bends are smooth: baked small, with more samples, and enlarged
BEVEL_SAMPLES, BEVEL_RENDER_SAMPLES, BEVEL_SIDE = 16, 4, 512
OCCLUSION_REACH = 0.2  # of the object's size: how far away something occludes
EDGE_SHARE, EDGE_LEAST, EDGE_MOST = 0.01, 0.002, 0.05  # an edge's width: of the object's size, and bounds in metres
CORNER_REACH, CORNER_SAMPLES = 2.0, 8  # of an edge's width: what closes in an inner corner
EDGE_TEXELS = 2.5  # and at least so many texels of the bend's own bake

PIECE = 4096  # texels a side that are baked at once

Step = Bake | reading.Step
Steps = Generator[Step, object, dict[str, Map]]


@dataclass(frozen=True)
class Subject:
    """What to capture: the still copy on the stage, its UV map, the size of the maps, and whether others occlude it."""

    stage: Stage
    still: bpy.types.Object
    place: rest.Place
    uv_map: str
    uvs: UVs  # which UV maps a texture must use to fit
    size: tuple[int, int]  # width, height
    others_occlude: bool
    weathered: bool = False  # with Sabi's layers as they are now, for flattening; else what lies beneath them
    deep: bool = False  # bakes of the material are kept in 16 bits


class Passes:
    """All bakes of one subject. `maps` is to be driven: each bake is run or waited for, each callable's result sent back."""

    def __init__(self, subject: Subject, materials: Sequence[bpy.types.Material | None]) -> None:
        self.subject = subject
        self.groups: list[bpy.types.NodeTree] = []
        used = np.empty(len(subject.still.data.polygons), np.int32)
        subject.still.data.polygons.foreach_get("material_index", used)
        self.slots = [
            materials[i] if i in set(np.clip(used, 0, len(materials) - 1)) else None for i in range(len(materials))
        ]
        self.prepared = {
            material.session_uid: channels.prepare(material, subject.uvs, subject.place, self.groups, subject.weathered)
            for material in dict.fromkeys(m for m in self.slots if m is not None)
        }
        self.geometry = _Geometry()
        self.image: bpy.types.Image | None = None
        self.height_scale = DEFAULT_HEIGHT_SCALE  # metres from 0 to 1 of the height map, once that is made
        for slot in subject.still.material_slots:
            slot.link = "DATA"
        self.wear(None)  # slot by slot: clearing them would take which face has which

    def maps(self) -> Steps:
        """The surface's maps; all of one size, top row first."""
        maps, inside = yield from self.shape()
        maps |= yield from self.material(inside)
        found = yield from self.height()
        if found is not None:
            maps["height"], self.height_scale = found
        return maps

    def shape(self) -> Generator[Step, object, tuple[dict[str, Map], np.ndarray]]:
        """The maps that say what the mesh is, whatever it is made of; and which texels it covers, bottom row first."""
        normals = yield from self.geometric(self.geometry.normal(), self.subject.size)
        inside = yield lambda: geometry_maps.covered(normals)
        if not inside.any():
            raise SceneError(
                f"None of the {self.subject.size[0]} x {self.subject.size[1]} texels shows the object.",
                "Its faces may be too small in their UV map: unwrap it anew, or choose larger images.",
            )
        position = yield from self.geometric(self.geometry.position(), self.subject.size)
        outside = ~inside[..., None]
        normals, position = normals[..., :3], position[..., :3]

        def geometry() -> dict[str, Map]:
            normals[np.broadcast_to(outside, normals.shape)] = 0
            position[np.broadcast_to(outside, position.shape)] = 0
            return {
                "island_mask": Map(geometry_maps.turned(inside)[..., None].astype(np.uint8)),
                "world_normal": Map(geometry_maps.turned(normals).astype(np.float16)),
                "position": Map(geometry_maps.turned(position)),
            }

        maps = yield geometry
        del normals
        edge = np.clip(EDGE_SHARE * self.extent(), EDGE_LEAST, EDGE_MOST)
        radius = float(max(edge, EDGE_TEXELS * (yield lambda: self.bend_spacing(position, inside))))
        maps["ambient_occlusion"], beside = yield from self.occlusion(inside, CORNER_REACH * radius)
        maps["curvature"] = yield from self.curvature(position, inside, beside, radius)
        del position
        return maps, inside

    def masks(self, names: Sequence[str]) -> Steps:
        """What the mesh itself says of where layers may act, by the masks' names."""
        maps: dict[str, Map] = {}
        for name in names:
            kept = mesh_masks.attribute(self.subject.still, name)
            baked = yield from self.geometric(self.geometry.attribute(kept), self.subject.size)
            maps[name] = yield lambda baked=baked: geometry_maps.mask_map(baked)
        return maps

    def geometric(
        self, socket: bpy.types.NodeSocket, size: tuple[int, int], samples: int = 1
    ) -> Generator[Step, object, np.ndarray]:
        """Bakes an output of the geometry material with the object at rest."""
        self.geometry.show(socket)
        self.wear(None)
        self.subject.still.matrix_world = self.subject.place.rest
        return (yield from self.bake(size, samples))

    def bend_spacing(self, position: np.ndarray, inside: np.ndarray) -> float:
        """Metres between texels of the bend's own bake."""
        factor = _factor(self.subject.size, BEVEL_SIDE)
        return factor * geometry_maps.texel_spacing(position, inside)

    def curvature(
        self, position: np.ndarray, inside: np.ndarray, beside: np.ndarray, radius: float
    ) -> Generator[Step, object, Map]:
        """Bends of the surface rounded by `radius` metres, from a bake at most BEVEL_SIDE large.

        `beside` [h, w] says how open each texel is to what lies close by. Where pieces go through each other their hidden
        parts are rounded too and take from the bend, so there the inner corner is as sharp as it is closed.
        """
        width, height = self.subject.size
        factor = _factor(self.subject.size, BEVEL_SIDE)
        small, held = yield lambda: geometry_maps.shrink(position[..., :3], inside, factor)
        rounded = yield from self.geometric(self.geometry.bevel(radius), held.shape[::-1], BEVEL_RENDER_SAMPLES)

        def bends() -> Map:
            known = held & geometry_maps.covered(rounded)
            bend = geometry_maps.smooth(geometry_maps.bend(small, rounded, known, radius), known)
            ratio = len(beside) // len(held)
            open_, seen = geometry_maps.shrink(beside[..., None], np.isfinite(beside), ratio)
            bend = geometry_maps.closed_in(bend, np.where(seen, open_[..., 0], 1))
            full = geometry_maps.enlarge(geometry_maps.grow(bend, known, 4, 0.0), height, width)
            return geometry_maps.data_map(np.where(inside, 0.5 + 0.5 * full, 0.5))

        return (yield bends)

    def occlusion(self, inside: np.ndarray, close: float) -> Generator[Step, object, tuple[Map, np.ndarray]]:
        """How open each texel is to what lies within reach; in scene mode among the other objects, where it stands.

        And how open it is to the object itself within `close` metres: [h, w], NaN where unknown, bottom row first.
        """
        width, height = self.subject.size
        factor = _factor(self.subject.size, OCCLUSION_SIDE)
        local = not self.subject.others_occlude
        metre = 1.0 if local else 1 / self.subject.place.unit  # as long as the object is where it is baked
        self.geometry.show(self.geometry.occlusion(OCCLUSION_REACH * self.extent() * metre, local, close * metre))
        self.wear(None)
        self.subject.still.matrix_world = self.subject.place.rest if local else self.subject.place.world
        baked = yield from self.bake((width // factor, height // factor), 1)

        def openness() -> tuple[Map, np.ndarray]:
            _, held = geometry_maps.shrink(inside[..., None].astype(np.float32), inside, factor)
            known = held & (baked[..., 3] > 0)
            even = geometry_maps.smooth(baked[..., 0], known)
            full = geometry_maps.enlarge(geometry_maps.grow(even, known, 4, 1.0), height, width)
            beside = geometry_maps.smooth(baked[..., 1], known)
            return geometry_maps.data_map(np.where(inside, full, 1.0)), np.where(known, beside, np.nan)

        return (yield openness)

    def material(self, inside: np.ndarray) -> Generator[Step, object, dict[str, Map]]:
        """Albedo, roughness, metallic, alpha and, where anything bends them, normals: constants, textures as they are, bakes."""
        prepared = list(self.prepared.values())
        sources = {name: channels.shared_source(prepared, name) for name in channels.CHANNELS}
        maps: dict[str, Map] = {}
        whole = np.uint16 if self.subject.deep else np.uint8
        for name, source in sources.items():
            map_ = yield from self.unbaked(name, source)
            if map_ is not None:
                maps[name] = map_
        for group in (("albedo",), ("roughness", "metallic", "alpha")):
            wanted = [name for name in group if name not in maps]
            if wanted:
                baked = yield from self.surface(lambda material, wanted=wanted: material.emit(wanted), "EMIT")
                if wanted == ["albedo"]:
                    to_rec709 = images.scene_to_rec709()
                    maps["albedo"] = yield lambda baked=baked, to_rec709=to_rec709: geometry_maps.colour_map(
                        baked, to_rec709, whole
                    )
                else:
                    for index, name in enumerate(wanted):
                        maps[name] = yield lambda baked=baked, index=index: geometry_maps.data_map(
                            baked[..., index], whole
                        )
        if "normal" not in maps and sources["normal"] != FLAT:
            baked = yield from self.surface(Prepared.show_surface, "NORMAL")
            maps["normal"] = yield lambda: geometry_maps.data_map(
                geometry_maps.tangent_normals(baked, inside), np.uint16
            )
        return maps

    def height(self) -> Generator[Step, object, tuple[Map, float] | None]:
        """How far displacement or a bump raises the surface, and the metres from 0 to 1 of it; None where nothing does."""
        source = channels.shared_source(list(self.prepared.values()), "height")
        if source == FLAT:
            return None
        if isinstance(source, Raised):
            stored = yield from self.unbaked("height", source.texture)
            if stored is not None:
                return (yield lambda: geometry_maps.stored_height(stored, source.flush, source.metres_of_one))
        baked = yield from self.surface(Prepared.emit_height, "EMIT")
        return (yield lambda: geometry_maps.height_map(baked[..., 0]))

    def unbaked(self, name: str, source: Source) -> Generator[Step, object, Map | None]:
        """The map of a channel that needs no bake; None where it does."""
        width, height = self.subject.size
        if isinstance(source, Constant):
            to_rec709 = images.scene_to_rec709()
            return (yield lambda: _constant(name, source, to_rec709, width, height))
        if not isinstance(source, Texture) or reading.facts(source.image).size != self.subject.size:
            return None
        pixels = yield from images.grabbing(source.image)
        return (yield lambda: _as_it_is(name, pixels, source.channels))

    def surface(self, show: Callable[[Prepared], None], kind: str) -> Generator[Step, object, np.ndarray]:
        """Bakes the materials themselves, with the object where it stands."""
        for material in self.prepared.values():
            show(material)
        self.wear(self.prepared)
        self.subject.still.matrix_world = self.subject.place.world
        return (yield from self.bake(self.subject.size, 1, kind))

    def bake(self, size: tuple[int, int], samples: int, kind: str = "EMIT") -> Generator[Step, object, np.ndarray]:
        """One bake; its raw pixels [H, W, 4], bottom row first. More than PIECE a side are baked in pieces."""
        pieces = Pieces(self.subject.still.data, self.subject.uv_map, size, PIECE)
        if self.image is None or tuple(self.image.size) != pieces.size:
            if self.image is not None:
                bpy.data.images.remove(self.image)
            self.image = bpy.data.images.new(".sabi image", 1, 1, alpha=True, float_buffer=True, is_data=True)
            # the bake finds its memory, in its job: tens of milliseconds
            self.image.generated_width, self.image.generated_height = pieces.size
        aim([self.geometry.material, *(material.copy for material in self.prepared.values())], self.image)
        width, height = pieces.size
        whole: np.ndarray | None = None
        for uv_map, at in pieces:
            yield Bake(self.subject.stage, self.subject.still, kind, samples, uv_map)
            raw = yield lambda: images.blank(width * height * 4)
            self.image.pixels.foreach_get(raw)
            piece = raw.reshape(height, width, 4)
            whole = yield lambda piece=piece, at=at, whole=whole: _put(piece, at, whole, size)
        assert whole is not None
        return whole

    def wear(self, prepared: dict[int, Prepared] | None) -> None:
        """Puts the geometry material, or the prepared copies, into the still copy's slots."""
        worn = self.subject.still.data.materials
        for index in range(len(worn)):
            material = self.slots[min(index, len(self.slots) - 1)]
            worn[index] = (
                self.geometry.material if prepared is None or material is None else prepared[material.session_uid].copy
            )

    def extent(self) -> float:
        """The diagonal of the object's bounds in metres."""
        corners = np.array([self.subject.place.rest @ Vector(corner) for corner in self.subject.still.bound_box])
        return float(np.linalg.norm(corners.max(axis=0) - corners.min(axis=0)))


class _Geometry:
    """A temporary material that emits what the mesh is, whatever it is made of."""

    def __init__(self) -> None:
        self.material = mark(bpy.data.materials.new(".sabi geometry"))
        versions.enable_nodes(self.material)
        self.tree = self.material.node_tree
        self.tree.nodes.clear()
        output = self.tree.nodes.new("ShaderNodeOutputMaterial")
        self.emission = self.tree.nodes.new("ShaderNodeEmission")
        self.tree.links.new(self.emission.outputs[0], output.inputs["Surface"])
        self.mesh = self.tree.nodes.new("ShaderNodeNewGeometry")

    def show(self, socket: bpy.types.NodeSocket) -> None:
        self.tree.links.new(socket, self.emission.inputs["Color"])

    def position(self) -> bpy.types.NodeSocket:
        return self.mesh.outputs["Position"]

    def normal(self) -> bpy.types.NodeSocket:
        return self.mesh.outputs["Normal"]

    def attribute(self, name: str) -> bpy.types.NodeSocket:
        node = self.tree.nodes.new("ShaderNodeAttribute")
        node.attribute_name = name
        return node.outputs["Color"]

    def bevel(self, radius: float) -> bpy.types.NodeSocket:
        node = self.tree.nodes.new("ShaderNodeBevel")
        node.samples = BEVEL_SAMPLES
        node.inputs["Radius"].default_value = radius
        return node.outputs["Normal"]

    def occlusion(self, reach: float, local: bool, close: float) -> bpy.types.NodeSocket:
        """Red within `reach`, green within `close` to the object itself."""
        both = self.tree.nodes.new("ShaderNodeCombineColor")
        parts = ((reach, OCCLUSION_SAMPLES, local), (close, CORNER_SAMPLES, True))
        for entry, (distance, samples, alone) in zip(both.inputs, parts, strict=False):
            node = self.tree.nodes.new("ShaderNodeAmbientOcclusion")
            node.samples, node.only_local = samples, alone
            node.inputs["Distance"].default_value = distance
            self.tree.links.new(node.outputs["AO"], entry)
        return both.outputs[0]


def _put(piece: np.ndarray, at: tuple[int, int], whole: np.ndarray | None, size: tuple[int, int]) -> np.ndarray:
    """A bake's piece in its place, `at` texels from the left and from below; the last ones of a row may reach beyond."""
    if piece.shape[:2] == size[::-1]:
        return piece
    whole = images.blank(size[0] * size[1] * 4).reshape(size[1], size[0], 4) if whole is None else whole
    part = whole[at[1] : at[1] + piece.shape[0], at[0] : at[0] + piece.shape[1]]
    part[:] = piece[: part.shape[0], : part.shape[1]]
    return whole


def _constant(name: str, source: Constant, to_rec709: np.ndarray, width: int, height: int) -> Map:
    if name == "albedo":
        one = geometry_maps.colour_map(np.array(source.value, np.float32).reshape(1, 1, 3), to_rec709)
    else:
        one = geometry_maps.data_map(np.array([[source.value]], np.float32))
    return Map(np.broadcast_to(one.array, (height, width, one.array.shape[2])).copy(), one.color_space)


def _as_it_is(name: str, pixels: images.Pixels, picked: tuple[int, ...]) -> Map | None:
    """The texture's own texels; None where a number is asked of an image that is not grey."""
    if name in ("albedo", "normal") or len(picked) == 1:
        map_ = pixels.to_map(picked)
        if name == "albedo":  # Blender takes the values of data for scene-linear colours
            return Map(map_.array, ColorSpace.LINEAR) if map_.color_space is ColorSpace.DATA else map_
        return map_ if name == "normal" else Map(map_.array, ColorSpace.DATA)
    map_ = pixels.to_map(picked)
    grey = all(np.array_equal(map_.array[..., 0], map_.array[..., i]) for i in (1, 2))
    return Map(np.ascontiguousarray(map_.array[..., :1]), ColorSpace.DATA) if grey else None


def _factor(size: tuple[int, int], most: int) -> int:
    """By how much to divide a size so that its longest side is at most `most`: a power of two that divides both sides."""
    factor = 1
    while max(size) // factor > most and size[0] % (2 * factor) == 0 and size[1] % (2 * factor) == 0:
        factor *= 2
    return factor
