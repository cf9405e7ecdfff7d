# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a scene shows in its frames besides what is weathered: how it is sampled, seen and lit."""

from __future__ import annotations

from collections.abc import Iterator

import bpy

from ..recipe.properties import plain

_CYCLES = ("samples", "use_adaptive_sampling", "adaptive_threshold", "seed", "max_bounces")
_EEVEE = ("taa_render_samples", "use_raytracing", "use_shadows")
_CAMERA = ("type", "lens", "ortho_scale", "sensor_width", "shift_x", "shift_y")
_LIGHT = ("type", "energy", "color", "angle", "size", "size_y", "shadow_soft_size", "spot_size", "spot_blend")
_ANIMATED = "animated"  # stands for what differs from frame to frame


def seen(scene: bpy.types.Scene) -> list:
    """Names and values, as JSON: two that are equal give the same frames as far as these go. Of materials nothing is said."""
    told = []
    for owner, names in _owners(scene):
        moving = owner.id_data.animation_data is not None and not isinstance(owner.id_data, bpy.types.Scene)
        values = [_ANIMATED if moving else _value(getattr(owner, name)) for name in names if hasattr(owner, name)]
        told.append([owner.id_data.name, *values])
    return told


def compositing(scene: bpy.types.Scene) -> bpy.types.NodeTree | None:
    """The nodes that a render of the scene goes through."""
    if hasattr(scene, "compositing_node_group"):
        return scene.compositing_node_group
    return scene.node_tree if scene.use_nodes else None


def writers(tree: bpy.types.NodeTree | None) -> Iterator[bpy.types.Node]:
    """Nodes of a compositor that write files by themselves, those in groups too."""
    for node in tree.nodes if tree is not None else ():
        if node.type == "OUTPUT_FILE":
            yield node
        elif node.type == "GROUP":
            yield from writers(node.node_tree)


def _owners(scene: bpy.types.Scene) -> Iterator[tuple[bpy.types.bpy_struct, tuple[str, ...]]]:
    if scene.render.engine == "CYCLES":
        yield scene.cycles, _CYCLES
    elif hasattr(scene, "eevee"):
        yield scene.eevee, _EEVEE
    yield scene.view_settings, ("exposure", "gamma")
    yield scene.camera, ("matrix_basis",)
    yield scene.camera.data, _CAMERA
    for light in sorted((o for o in scene.objects if o.type == "LIGHT" and not o.hide_render), key=lambda o: o.name):
        yield light, ("matrix_basis",)
        yield light.data, _LIGHT
    if scene.world is not None:
        yield scene.world, ("color",)
        tree = scene.world.node_tree
        for node in tree.nodes if scene.world.use_nodes and tree is not None else ():
            for socket in node.inputs:
                if not socket.is_linked and hasattr(socket, "default_value"):
                    yield socket, ("default_value",)


def _value(value: object) -> object:
    if isinstance(value, float | int | str):
        return plain(value)
    return [_value(part) for part in value]  # type: ignore[attr-defined]
