# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each material channel of an object comes from: a constant, a texture that already fits, or a bake of its flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np

from ...backend.protocol.errors import SceneError
from ...backend.protocol.surface import ColorSpace
from ..nodes.joins import find_site, part
from ..nodes.on_object import GROUP_KEY
from ..pixels import images
from .directx import unturned
from .flows import Flow, Value, links_of, plug, read_flow, surface_output
from .heights import FLAT as FLAT_HEIGHT
from .heights import Height, moves_sideways, read_height
from .rest import Place
from .stage import mark

CHANNELS = ("albedo", "roughness", "metallic", "alpha", "normal")
FLAT = "flat"


@dataclass(frozen=True)
class Constant:
    """The same value all over."""

    value: float | tuple[float, float, float]


@dataclass(frozen=True)
class Texture:
    """An image that is used as it is, texel by texel: these of its channels."""

    image: bpy.types.Image
    channels: tuple[int, ...]


@dataclass(frozen=True)
class Baked:
    """Anything else."""


@dataclass(frozen=True)
class Raised:
    """A texture that is used as it is for heights: metres = (value - flush) * metres_of_one."""

    texture: Texture
    flush: float
    metres_of_one: float


Source = Constant | Texture | Raised | Baked | str  # FLAT: normals that nothing bends, heights that nothing raises


@dataclass
class Prepared:
    """A temporary copy of one material, ready to be baked from: its flow as emission, or its own shaders for normals."""

    original: bpy.types.Material
    copy: bpy.types.Material
    flow: Flow
    height: Height
    sources: dict[str, Source]

    def emit(self, channels: Sequence[str]) -> None:
        """Connects one colour, or up to three numbers as red, green and blue, to the output."""
        tree = self.copy.node_tree
        emission = tree.nodes.get(".sabi emission") or tree.nodes.new("ShaderNodeEmission")
        emission.name = ".sabi emission"
        if list(channels) == ["albedo"]:
            plug(tree, self.flow.colour, emission.inputs["Color"])
        else:
            combined = tree.nodes.new("ShaderNodeCombineColor")
            for value, entry in zip((getattr(self.flow, name) for name in channels), combined.inputs, strict=False):
                plug(tree, value, entry)
            tree.links.new(combined.outputs[0], emission.inputs["Color"])
        self.show(emission.outputs[0])

    def emit_height(self) -> None:
        """Connects the height in metres to the output, on the surface as it is without its displacement."""
        tree = self.copy.node_tree
        emission = tree.nodes.new("ShaderNodeEmission")
        plug(tree, self.height.metres, emission.inputs["Color"])
        entry = surface_output(tree).inputs["Displacement"]
        for link in list(entry.links):
            tree.links.remove(link)
        self.show(emission.outputs[0])

    def show_surface(self) -> None:
        """Connects the material's own surface again."""
        self.show(self._surface)

    def show(self, socket: bpy.types.NodeSocket) -> None:
        output = surface_output(self.copy.node_tree)
        self.copy.node_tree.links.new(socket, output.inputs["Surface"])

    def __post_init__(self) -> None:
        self._surface = surface_output(self.copy.node_tree).inputs["Surface"].links[0].from_socket


def check(obj: bpy.types.Object, shown: Sequence[int] = ()) -> list[bpy.types.Material]:
    """The materials of the slots that faces use, slot by slot, or of those that are `shown`.

    Raises SceneError or BadFile for what cannot be captured.
    """
    slots = obj.material_slots
    if not len(slots):
        raise SceneError(f"'{obj.name}' has no material.", "Give it a material with a Principled BSDF.")
    used = np.empty(len(obj.data.polygons), np.int32)
    obj.data.polygons.foreach_get("material_index", used)
    wanted = sorted({min(int(index), len(slots) - 1) for index in np.flatnonzero(np.bincount(used))})
    found = []
    for index in shown or wanted or range(len(slots)):
        material = slots[index].material
        if material is None:
            raise SceneError(f"Slot {index + 1} of '{obj.name}' has no material.", "Give it one, or remove the slot.")
        if material.library is not None:
            raise SceneError(
                f"The material '{material.name}' of '{obj.name}' is linked from another file.",
                "Make it local: Object > Relations > Make Local > Materials.",
            )
        find_site(material)
        for image in used_images(material.node_tree):
            images.check(image)
        found.append(material)
    return found


def notes(material: bpy.types.Material) -> list[str]:
    """What a capture of this material leaves out, in sentences."""
    found = []
    if moves_sideways(material):
        found.append(
            f"The material '{material.name}' uses Vector Displacement: Sabi reads how far it moves the surface outward, "
            "not sideways."
        )
    if (image := unturned(material)) is not None:
        found.append(
            f"'{image.name}' is a DirectX normal map by its name, and nothing turns its green: its bumps are dents in Blender. "
            "Press Turn Normals, or turn it in the nodes."
        )
    return found


def used_images(tree: bpy.types.NodeTree, seen: set[str] | None = None) -> Iterator[bpy.types.Image]:
    """The images of a tree's connected texture nodes, those inside groups too; Sabi's own are left out."""
    seen = set() if seen is None else seen
    for node in tree.nodes:
        inner = getattr(node, "node_tree", None)
        if inner is not None and inner.name not in seen and "sabi_group" not in inner:
            seen.add(inner.name)
            yield from used_images(inner, seen)
        image = getattr(node, "image", None)
        used = image is not None and GROUP_KEY not in node and any(out.is_linked for out in node.outputs)
        if used and node.bl_idname == "ShaderNodeTexImage":
            yield image


@dataclass(frozen=True)
class UVs:
    """The UV map of the surface ("" where no texture can fit it), and the one that textures without a UV Map node use."""

    surface: str
    render: str

    @property
    def unnamed_fit(self) -> bool:
        return bool(self.surface) and self.render == self.surface


def prepare(
    material: bpy.types.Material,
    uvs: UVs,
    place: Place,
    groups: list[bpy.types.NodeTree],
    weathered: bool = False,
) -> Prepared:
    """A temporary copy and what its channels come from. Raises SceneError for what cannot be read.

    Sabi's nodes are taken out, and heights are read, unless `weathered`. `place` is the object's. Groups that had to be copied
    are added to `groups`.
    """
    copy = mark(material.copy())
    copy.animation_data_clear()
    copy.node_tree.animation_data_clear()
    mark_group = None if weathered else part(copy)
    if mark_group is not None and mark_group.users == 0:
        bpy.data.node_groups.remove(mark_group)
    copy.displacement_method = "BUMP"  # a normal map is to show it, whatever mesh there is to be moved
    flow = read_flow(copy, material.name, groups)
    height = FLAT_HEIGHT if weathered else read_height(copy, groups, place.scale, place.unit)
    for group in groups:
        mark(group)
    sources = {name: _source(value, 3 if name == "albedo" else 1, uvs) for name, value in flow_values(flow)}
    sources["normal"] = _normal_source(copy, uvs)
    sources["height"] = _height_source(height, uvs)
    return Prepared(material, copy, flow, height, sources)


def flow_values(flow: Flow) -> Iterator[tuple[str, Value]]:
    yield "albedo", flow.colour
    for name in ("roughness", "metallic", "alpha"):
        yield name, getattr(flow, name)


def shared_source(prepared: Sequence[Prepared], channel: str) -> Source:
    """The source of a channel for a whole object: each material's when they agree, else a bake."""
    sources = {material.sources[channel] for material in prepared}
    return sources.pop() if len(sources) == 1 else Baked()


def _source(value: Value, width: int, uvs: UVs) -> Source:
    if not isinstance(value, bpy.types.NodeSocket):
        if width == 3 and not isinstance(value, tuple):
            return Constant((value,) * 3)
        return Constant(value)
    return _texture(value, width, uvs) or Baked()


def _texture(socket: bpy.types.NodeSocket, width: int, uvs: UVs) -> Texture | None:
    """The texture that a socket gives unaltered, in the texels of the surface; None when anything stands between."""
    socket = _through(socket)
    node, channel = socket.node, None
    if (
        node.bl_idname == "ShaderNodeSeparateColor"
        and not node.mute
        and node.mode == "RGB"
        and links_of(node.inputs[0])
    ):
        channel = list(node.outputs).index(socket)
        socket = _through(node.inputs[0].links[0].from_socket)
        node = socket.node
    if node.bl_idname != "ShaderNodeTexImage" or node.mute or node.image is None or not _fits(node, uvs):
        return None
    if socket.name == "Alpha":
        return Texture(node.image, (3,)) if width == 1 and channel is None else None
    space = images.color_space(node.image)
    if width == 3:
        return Texture(node.image, (0, 1, 2)) if channel is None and space is not None else None
    if space is not ColorSpace.DATA:
        return None  # colours become numbers through the sRGB curve: not what the file holds
    return Texture(node.image, (channel if channel is not None else 0, *((1, 2) if channel is None else ())))


def _height_source(height: Height, uvs: UVs) -> Source:
    if not isinstance(height.metres, bpy.types.NodeSocket):
        return FLAT
    if height.stored is not None and (texture := _texture(height.stored.socket, 1, uvs)):
        return Raised(texture, height.stored.flush, height.stored.metres_of_one)
    return Baked()


def _through(socket: bpy.types.NodeSocket) -> bpy.types.NodeSocket:
    while socket.node.bl_idname == "NodeReroute" and socket.node.inputs[0].is_linked:
        socket = socket.node.inputs[0].links[0].from_socket
    return socket


def _fits(node: bpy.types.Node, uvs: UVs) -> bool:
    """Whether an image texture lays its image onto the surface's UV map without a mapping."""
    links = links_of(node.inputs["Vector"])
    if node.projection != "FLAT" or node.image.source not in ("FILE", "GENERATED"):
        return False
    if not links:
        return uvs.unnamed_fit
    source = _through(links[0].from_socket)
    if source.node.mute:
        return False
    if source.node.bl_idname == "ShaderNodeUVMap":
        return not source.node.from_instancer and (source.node.uv_map or uvs.render) == uvs.surface
    if source.node.bl_idname == "ShaderNodeTexCoord":
        return source.name == "UV" and not source.node.from_instancer and uvs.unnamed_fit
    return False


def _normal_source(copy: bpy.types.Material, uvs: UVs) -> Source:
    output = surface_output(copy.node_tree)
    if output.inputs["Displacement"].is_linked:
        return Baked()
    shader = _through(output.inputs["Surface"].links[0].from_socket).node
    if shader.type == "BSDF_PRINCIPLED" and not shader.inputs["Coat Normal"].is_linked:
        normal = shader.inputs["Normal"]
        return _normal_texture(normal, uvs) if normal.is_linked else FLAT
    bends = any(
        socket.name in ("Normal", "Coat Normal") and socket.is_linked for socket in _inputs(copy.node_tree, set())
    )
    return Baked() if bends else FLAT


def _inputs(tree: bpy.types.NodeTree, seen: set[str]) -> Iterator[bpy.types.NodeSocket]:
    for node in tree.nodes:
        inner = getattr(node, "node_tree", None)
        if inner is not None and inner.name not in seen:
            seen.add(inner.name)
            yield from _inputs(inner, seen)
        yield from node.inputs


def _normal_texture(entry: bpy.types.NodeSocket, uvs: UVs) -> Source:
    node = _through(entry.links[0].from_socket).node
    if node.bl_idname != "ShaderNodeNormalMap" or node.mute or node.space != "TANGENT":
        return Baked()
    strength, colour = node.inputs["Strength"], node.inputs["Color"]
    if strength.is_linked or strength.default_value != 1.0 or not colour.is_linked:
        return Baked()
    if (node.uv_map or uvs.render) != uvs.surface:
        return Baked()
    texture = _texture(colour.links[0].from_socket, 3, uvs)
    return texture if texture is not None and images.color_space(texture.image) is ColorSpace.DATA else Baked()
