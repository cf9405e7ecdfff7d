# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object shows now, Sabi's layers included, baked to maps: what flattening and exports are made of."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.protocol.errors import SceneError, TooLarge
from ...backend.protocol.map_files import solid
from ...backend.protocol.surface import Map, Surface
from ..nodes import on_object
from . import capture, geometry_maps, rest, stage, uvs
from .atlas import Atlas, atlas
from .channels import UVs
from .passes import OCCLUSION_REACH, Passes, Subject
from .sizes import LARGEST

MARGIN = 8  # texels around islands
FLAT = "sabi_flat"  # on materials that flattening made


@dataclass(frozen=True)
class PaintedOn:
    """What an object's painted images fit: the UV map, width and height, and where they lie in it if they are tiles."""

    uv_map: str
    size: tuple[int, int]
    atlas: Atlas | None = None


class ShownCapture(capture.Capture):
    """A capture of an object's material as it looks now; never cached.

    With `deep` bakes are kept in 16 bits. With `occlusion` the surface has ambient_occlusion too.
    """

    def __init__(
        self,
        context: bpy.types.Context,
        obj: bpy.types.Object,
        painted: PaintedOn,
        *,
        deep: bool = False,
        occlusion: bool = False,
    ) -> None:
        super().__init__(context, obj, capture.CaptureSettings(size=min(max(painted.size), LARGEST)))
        self._painted, self._deep, self._occlusion = painted, deep, occlusion

    def _capture(self):  # type: ignore[no-untyped-def]
        obj, painted = self._obj, self._painted
        tiles = painted.atlas
        with stage.stage(self._scene, None, obj) as place:
            self.stage = "Baking"
            subject = Subject(
                place,
                rest.still_copy(place, obj, tiles.corners if tiles else None),
                rest.place_of(obj, self._unit),
                uvs.SECOND_UV if tiles else painted.uv_map,
                UVs("", uvs.render_uv(obj.data)),  # everything is baked
                painted.size,
                others_occlude=False,
                weathered=True,
                deep=self._deep,
            )
            passes = Passes(subject, capture.worn(obj, subject.still))
            normals = yield from passes.geometric(passes.geometry.normal(), painted.size)
            inside = yield lambda: geometry_maps.covered(normals)
            maps = yield from passes.material(inside)
            if self._occlusion:
                reach = OCCLUSION_REACH * passes.extent()
                maps["ambient_occlusion"], _ = yield from passes.occlusion(inside, reach)
            maps = yield lambda: {n: Map(bleed(m.array, inside[::-1]), m.color_space) for n, m in maps.items()}
            maps = yield lambda: solid(maps)
        surface, cut = Surface(maps, name=obj.name), tiles.tiles if tiles else ()
        return capture.CapturedObject(surface, "", painted.uv_map, None, _names(obj), tiles=cut)


def painted_on(obj: bpy.types.Object, size: int = 0) -> PaintedOn:
    """Where a weathered or flattened object's images lie.

    The size is theirs, or their shape at `size` texels, of the largest tile.
    Raises SceneError where the object is neither, or what that hangs on is gone, TooLarge where its images would be.
    """
    tree = _tree(obj)
    modules = [
        node for node in tree.nodes if on_object.MODULE in node
    ]  # then the painted images are a tile, shared by many
    nodes = [node for node in on_object.every_node(tree) if node not in modules]
    found = [node.image for node in nodes if node.bl_idname == "ShaderNodeTexImage"]
    uv_map = next((node.uv_map for node in modules or nodes if node.bl_idname == "ShaderNodeUVMap"), "")
    if not any(found) or (on_object.RECIPE in tree and None in found):
        raise SceneError(f"Painted images of '{obj.name}' were removed.", "Weather it again.")
    if uv_map not in obj.data.uv_layers:
        raise SceneError(
            f"The UV map '{uv_map}', which the painted images of '{obj.name}' fit, is gone.", "Weather it again."
        )
    image = next(image for image in found if image is not None)
    if image.source == "TILED":
        tiles = atlas(obj, {tile.number: tuple(tile.size) for tile in image.tiles}, size)
        if tiles is None:
            raise SceneError(f"The UVs of '{obj.name}' no longer lie on its painted tiles.", "Weather it again.")
        return PaintedOn(uv_map, tiles.size, tiles)
    longest = size or max(image.size)
    if longest > LARGEST:
        raise TooLarge(
            f"Flattening '{obj.name}' to {longest} texels a side is more than Sabi bakes.",
            f"Choose a size of at most {LARGEST}, or 0 for that of its painted images.",
        )
    scale = longest / max(image.size)
    return PaintedOn(uv_map, tuple(max(round(side * scale), 1) for side in image.size))


def bleed(values: np.ndarray, inside: np.ndarray, rounds: int = MARGIN) -> np.ndarray:
    """[H, W, C] with the islands' texels spread `rounds` texels outward, so that filtering finds no dark border."""
    values, known = values.copy(), inside.copy()
    for number in range(rounds):
        fresh = np.zeros_like(known)
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            source, target = _shifted(axis, step)
            new = known[source] & ~known[target] & ~fresh[target]
            values[target][new] = values[source][new]
            fresh[target] |= new
        known |= fresh
        if number and not fresh.any():
            break
    return values


def _shifted(axis: int, step: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Windows of texels and of their neighbours `step` further along `axis`."""
    one, other = (slice(None, -1), slice(1, None)) if step > 0 else (slice(1, None), slice(None, -1))
    whole = slice(None)
    return ((one, whole), (other, whole)) if axis == 0 else ((whole, one), (whole, other))


def _flat(obj: bpy.types.Object) -> bpy.types.Material | None:
    return next((made for made in on_object.materials(obj) if FLAT in made), None)


def _tree(obj: bpy.types.Object) -> bpy.types.NodeTree:
    if (applied := on_object.weathered(obj)) is not None:
        return on_object.group_node(applied.materials[0]).node_tree
    if (flat := _flat(obj)) is not None:
        return flat.node_tree
    raise SceneError(f"'{obj.name}' is not weathered.", "Weather it first.")


def _names(obj: bpy.types.Object) -> tuple[str, ...]:
    """What the artist's materials on the object are called."""
    kept = obj.get(on_object.SLOTS)
    own = [kept[key].get("material") for key in kept] if kept is not None else []
    found = [made for made in own if made is not None] or on_object.materials(obj)
    return tuple(dict.fromkeys(made.name for made in found))
