# SPDX-License-Identifier: GPL-3.0-or-later
"""Weathered objects baked, as they look now, to plain image textures on a plain Principled, for glTF, FBX and USD."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import bpy
import numpy as np

from ..backend.protocol.errors import BadFile, SceneError, TooLarge
from ..backend.protocol.surface import ColorSpace, Map, Surface
from ..backend.protocol.tiles import Tile
from . import capture, geometry_maps, images, material, on_object, rest, stage, uvs, work
from .atlas import Atlas, atlas
from .channels import UVs
from .kept import Kept
from .passes import Passes, Subject
from .progress import Progress
from .sizes import LARGEST
from .versions import enable_nodes
from .weathering import Target, capturing, share

MARGIN = 8  # texels around islands
LOST = {"Emission Strength": "light of its own", "Transmission Weight": "transmission", "Coat Weight": "coat"}


@dataclass(frozen=True)
class PaintedOn:
    """What an object's painted images fit: the UV map, width and height, and where they lie in it if they are tiles."""

    uv_map: str
    size: tuple[int, int]
    atlas: Atlas | None = None


class ShownCapture(capture.Capture):
    """A capture of an object's material as it looks now, Sabi's layers included; never cached."""

    def __init__(self, context: bpy.types.Context, obj: bpy.types.Object, painted: PaintedOn) -> None:
        super().__init__(context, obj, capture.CaptureSettings(size=min(max(painted.size), LARGEST)))
        self._painted = painted

    def _capture(self):  # type: ignore[no-untyped-def]
        obj, painted = self._obj, self._painted
        tiles = painted.atlas
        with stage.stage(self._scene, None, obj) as place:
            self.stage = "Baking"
            subject = Subject(
                place,
                rest.still_copy(place, obj, tiles.corners if tiles else None),
                rest.place_of(obj),
                uvs.SECOND_UV if tiles else painted.uv_map,
                UVs("", uvs.render_uv(obj.data)),  # everything is baked
                painted.size,
                others_occlude=False,
                weathered=True,
            )
            passes = Passes(subject, [slot.material for slot in obj.material_slots])
            normals = yield from passes.geometric(passes.geometry.normal(), painted.size)
            inside = yield lambda: geometry_maps.covered(normals)
            maps = yield from passes.material(inside)
            maps = yield lambda: {n: Map(bleed(_bytes(m), inside[::-1]), m.color_space) for n, m in maps.items()}
        surface, cut = Surface(maps, name=obj.name), tiles.tiles if tiles else ()
        return capture.CapturedObject(surface, "", painted.uv_map, None, (), tiles=cut)


def flatten_objects(objects: Sequence[bpy.types.Object], size: int = 0) -> work.Steps:
    """Steps that give these weathered objects plain materials, in one undo step; `size` 0 takes that of the painted images.

    Revert leads back to the original material.
    """
    targets = [Target.of(obj) for obj in objects]
    painted = [_painted_on(obj, size) for obj in objects]
    captured = []
    for index, (target, on) in enumerate(zip(targets, painted, strict=True)):
        steps = capturing(ShownCapture(bpy.context, target.find(), on))
        captured.append((yield from share(steps, index / len(targets), (index + 1) / len(targets))))
    kept, made = Kept(), []
    try:
        for target, result in zip(targets, captured, strict=True):
            made.append(_plain_material(target.find(), result, kept).session_uid)
            yield Progress("Writing the images", 1.0)
        objects = [target.find() for target in targets]
        plain = {block.session_uid: block for block in bpy.data.materials}
        if not all(uid in plain for uid in made):
            raise SceneError("The flattened materials were removed while Sabi made them.", "Flatten again.")
        warnings = [warning for obj in objects for warning in _losses(obj)]
        for obj, uid in zip(objects, made, strict=True):
            _wear(obj, plain[uid])
        kept.stays()
    finally:
        kept.discard()
    work.undo_step("Flatten")
    said = targets[0].name if len(targets) == 1 else f"{len(targets)} objects"
    return work.Outcome(f"Flattened {said}", tuple(dict.fromkeys(warnings)))


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


def _bytes(map_: Map) -> np.ndarray:
    return map_.array if map_.array.dtype == np.uint8 else np.rint(np.clip(map_.floats(), 0, 1) * 255).astype(np.uint8)


def _painted_on(obj: bpy.types.Object, size: int) -> PaintedOn:
    """The size is that of the painted images, or their shape at `size` texels a side, of the largest tile.

    Raises SceneError where the object is not weathered, TooLarge where its images would be.
    """
    applied = on_object.weathered(obj)
    if applied is None:
        raise SceneError(f"'{obj.name}' is not weathered.", "Weather it first.")
    tree = on_object.group_node(applied.materials[0]).node_tree
    image = next(node.image for node in tree.nodes if node.bl_idname == "ShaderNodeTexImage")
    uv_map = next(node.uv_map for node in tree.nodes if node.bl_idname == "ShaderNodeUVMap")
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
    texels = tuple(max(round(side * scale), 1) for side in image.size)
    return PaintedOn(uv_map, texels)


def _losses(obj: bpy.types.Object) -> list[str]:
    """What a plain material does not carry, in sentences."""
    shaders = [node for made in material.surface_materials(obj) for node in made.node_tree.nodes]
    return [
        f"'{obj.name}' had {what}; plain textures do not carry it."
        for name, what in LOST.items()
        for shader in shaders
        if shader.bl_idname == "ShaderNodeBsdfPrincipled"
        and (shader.inputs[name].is_linked or shader.inputs[name].default_value > 0)
    ][:3]


def _plain_material(obj: bpy.types.Object, captured: capture.CapturedObject, kept: Kept) -> bpy.types.Material:
    """A new material of image textures that are wired straight into a Principled."""
    made = bpy.data.materials.new(f"{obj.name} weathered")
    kept.block(made)
    enable_nodes(made)
    tree = made.node_tree
    shader = next(node for node in tree.nodes if node.bl_idname == "ShaderNodeBsdfPrincipled")
    maps = captured.surface.maps
    see_through = "alpha" in maps and bool((maps["alpha"].floats() < 1).any())
    base = [maps["albedo"]] + ([maps["alpha"]] if see_through else [])
    texture = partial(_texture, tree, captured, kept)
    colour = texture("albedo", base, ColorSpace.SRGB)
    tree.links.new(colour.outputs["Color"], shader.inputs["Base Color"])
    if see_through:
        tree.links.new(colour.outputs["Alpha"], shader.inputs["Alpha"])
    for name in ("roughness", "metallic"):
        number = texture(name, [maps[name]], ColorSpace.DATA)
        tree.links.new(number.outputs["Color"], shader.inputs[name.capitalize()])
    if "normal" in maps:
        normal, bent = texture("normal", [maps["normal"]], ColorSpace.DATA), tree.nodes.new("ShaderNodeNormalMap")
        bent.uv_map = captured.uv_map
        tree.links.new(normal.outputs["Color"], bent.inputs["Color"])
        tree.links.new(bent.outputs["Normal"], shader.inputs["Normal"])
    return made


def _texture(
    tree: bpy.types.NodeTree,
    captured: capture.CapturedObject,
    kept: Kept,
    name: str,
    maps: Sequence[Map],
    space: ColorSpace,
) -> bpy.types.Node:
    map_ = Map(np.concatenate([map_.array for map_ in maps], -1), space)
    image = _image(map_, captured.tiles, f"{captured.surface.name} {name}", kept)
    node, uv = tree.nodes.new("ShaderNodeTexImage"), tree.nodes.new("ShaderNodeUVMap")
    node.image, uv.uv_map = image, captured.uv_map
    tree.links.new(uv.outputs[0], node.inputs["Vector"])
    return node


def _image(map_: Map, tiles: Sequence[Tile], name: str, kept: Kept) -> bpy.types.Image:
    """A new image kept as the preference says; it goes through a file, because packed pixels cannot move beside the .blend."""
    with tempfile.TemporaryDirectory(prefix="sabi-") as folder:
        try:
            path = images.save(map_, tiles, Path(folder))
            image = images.load_png(path, name, map_.color_space, channel_packed=False)
            kept.image(image)
        except RuntimeError as error:
            raise BadFile(f"The image '{name}' could not be written.", "Free some space and try again.") from error
    image.name = name
    return image


def _wear(obj: bpy.types.Object, made: bpy.types.Material) -> None:
    material.keep_slots(obj)
    made[material.COPY] = material.fingerprint(made)
    for index in material.used_slots(obj):
        material.give(obj, obj.material_slots[index], made)
