# SPDX-License-Identifier: GPL-3.0-or-later
"""What Sabi has put on an object, found again: cheap enough to be asked at every redraw. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import bpy

from ...backend.protocol.words import LIVE

if TYPE_CHECKING:
    from ...backend.protocol.recipe import Layer, Recipe

GROUP_KEY = "sabi_group"  # custom property of Sabi's node groups, and of the nodes that Sabi adds to a material
CHANNEL_SOCKETS = {name: f"{name.capitalize()} Opacity" for name in ("albedo", "roughness", "metallic", "height")}
LAYER_SOCKETS = ("Age", "Opacity", "Height", "Mask", *CHANNEL_SOCKETS.values())
PAINTED = "sabi_painted"  # on a group's image nodes: which painted image they show, as `1 thin`
SLOTS = "sabi_slots"  # on an object: slot number -> {"material": the slot's own, "link": "DATA" or "OBJECT"}
RECIPE = "sabi_recipe"  # on node groups: the recipe they were painted with, as JSON
INPUT = "sabi_input"  # beside it: a digest of the mesh, the UVs and the materials beneath, as they were captured
WRITTEN = "sabi_written"  # on a painted image: length and digest of the file that Sabi wrote
BARE = "sabi_bare"  # on a painted image that the artist has painted on: the image as Sabi wrote it
PAINT = "sabi_paint"  # on an image of the artist's to paint on, which Sabi made: it is saved with the file
MODULE = "sabi_module"  # on a group's nodes: that they show the exposure of a kit's module, or the UV map of that
LAYER = "sabi_layer"  # on the nodes of a group that are its layers' groups: the layer's number
OVERLAY = "sabi_overlay"  # on an object that shows such a value: what its slots had
UV_MAP = "sabi_uv_map"  # on an object: that Sabi has added a UV map, and its name


class Applied(NamedTuple):
    """What is on an object: the materials with layers, and names and live sockets of the first's, lowest layer first."""

    materials: tuple[bpy.types.Material, ...]
    labels: tuple[str, ...]
    layers: tuple[dict[str, bpy.types.NodeSocket], ...]
    recipe_json: str


def weathered(obj: bpy.types.Object | None) -> Applied | None:
    """What `apply` has put on an object, or None."""
    found = tuple(m for m in materials(obj) if whole(group_node(m))) if obj is not None else ()
    if not found:
        return None
    node = group_node(found[0])
    return Applied(found, tuple(layer_labels(node)), tuple(layer_inputs(node)), node.node_tree.get(RECIPE, ""))


def live_layers(recipe: Recipe, applied: Applied) -> list[tuple[int, dict[str, bpy.types.NodeSocket]]]:
    """The places in the recipe of what is on an object that have sockets of their own, with those: all but merged layers."""
    places, layers = recipe.painted, applied.layers
    if len(places) > LIVE == len(layers):
        places, layers = places[1 - LIVE :], layers[1:]
    return list(zip(places, layers, strict=True)) if len(places) == len(layers) else []


def live_values(layer: Layer, unit: float) -> dict[str, float]:
    """Where a layer's sockets start, by their names; a group need not have all of them. Lengths are in units of `unit` metres."""
    channels = {label: getattr(layer.channels, name) for name, label in CHANNEL_SOCKETS.items()}
    return {"Age": layer.age, "Opacity": layer.opacity, "Height": layer.relief / unit, **channels}


def touched(obj: bpy.types.Object) -> bool:
    """Whether `revert` would find anything of Sabi's."""
    return SLOTS in obj or UV_MAP in obj or any(map(group_node, materials(obj)))


def is_module(obj: bpy.types.Object) -> bool:
    """Whether the object shows a tile that others show too, and images of its own for where it weathers."""
    nodes = (group_node(made) for made in materials(obj))
    return any(MODULE in inner for node in nodes if whole(node) for inner in node.node_tree.nodes)


def group_node(material: bpy.types.Material | None) -> bpy.types.Node | None:
    """Sabi's node in a material, found by its mark, never by its name."""
    return find(material.node_tree, "group") if material is not None and material.node_tree is not None else None


def whole(node: bpy.types.Node | None) -> bool:
    """Whether a group node of Sabi's still has its tree: Blender lets anybody delete that."""
    return node is not None and node.node_tree is not None


def layer_inputs(node: bpy.types.Node) -> list[dict[str, bpy.types.NodeSocket]]:
    """The live sockets of each layer of a group node, bottom layer first: {"Age": socket, "Opacity": ..., ...}."""
    layers: dict[int, dict[str, bpy.types.NodeSocket]] = {}
    by_identifier = {socket.identifier: socket for socket in node.inputs}
    panels = [item for item in node.node_tree.interface.items_tree if item.item_type == "PANEL"]
    for index, panel in enumerate(panels):
        for item in panel.interface_items:
            if item.item_type == "SOCKET" and item.name in LAYER_SOCKETS:
                layers.setdefault(index, {})[item.name] = by_identifier[item.identifier]
    return list(layers.values())


def layer_labels(node: bpy.types.Node) -> list[str]:
    """The layers' names, in the order of `layer_inputs`."""
    return [item.name for item in node.node_tree.interface.items_tree if item.item_type == "PANEL"]


def painted_nodes(tree: bpy.types.NodeTree) -> dict[str, bpy.types.Node]:
    """The nodes of a group that show painted images, by `1 thin` and so on; empty for groups of older versions."""
    return {node[PAINTED]: node for node in every_node(tree) if PAINTED in node}


def layer_nodes_of(tree: bpy.types.NodeTree) -> list[bpy.types.Node]:
    """The nodes of a group that are its layers' groups, bottom layer first."""
    return sorted((node for node in tree.nodes if LAYER in node and whole(node)), key=lambda node: node[LAYER])


def every_node(tree: bpy.types.NodeTree) -> Iterator[bpy.types.Node]:
    """The nodes of a group and those of its layers."""
    yield from tree.nodes
    for layer in layer_nodes_of(tree):
        yield from layer.node_tree.nodes


def find(tree: bpy.types.NodeTree, role: str) -> bpy.types.Node | None:
    """The node that plays a role among Sabi's own: group, shader, mix, alpha."""
    return next((node for node in tree.nodes if node.get(GROUP_KEY) == role), None)


def materials(obj: bpy.types.Object) -> list[bpy.types.Material]:
    """The materials in an object's slots, in order, each once; under an overlay those that it hides."""
    hidden = {} if OVERLAY not in obj else obj[OVERLAY]["slots"].to_dict()
    found = [hidden.get(str(n), {}).get("shown") or slot.material for n, slot in enumerate(obj.material_slots)]
    return list(dict.fromkeys(material for material in found if material is not None))
