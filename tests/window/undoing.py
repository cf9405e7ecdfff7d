# SPDX-License-Identifier: GPL-3.0-or-later
"""What the file holds, to be compared before and after undo, and which undo steps Blender has."""

import ctypes
import os
import re
import sys
import tempfile
import time
import zlib

import bpy
import numpy as np
from hands import move, press
from visit import Steps, rectangle, view

LARGEST = 512  # texels a side up to which images are compared texel by texel
_STEP = re.compile(r"\[(.)..(.)\]\s+\d+ \{.*?\} type='(.*?)', name='(.*)'")


def state() -> dict[str, object]:
    """What there is of the scene's recipe, objects, materials, groups, images and animations, by kind and name."""
    found: dict[str, object] = {"recipe": _properties(bpy.context.scene.sabi)}
    for thing in bpy.data.objects:
        found[f"object {thing.name}"] = {
            "mode": thing.mode,
            "renders": not thing.hide_render,
            "slots": [(slot.link, slot.material and slot.material.name) for slot in thing.material_slots],
            "uv maps": [layer.name for layer in thing.data.uv_layers] if thing.type == "MESH" else [],
            "own": {key: _plain(value) for key, value in thing.items()},
        }
    for made in bpy.data.materials:
        found[f"material {made.name}"] = _tree(made.node_tree)
    for group in bpy.data.node_groups:
        found[f"group {group.name}"] = _tree(group) | {"own": {key: _plain(value) for key, value in group.items()}}
    for image in bpy.data.images:
        if image.source in ("FILE", "GENERATED", "TILED"):
            found[f"image {image.name}"] = (*image.size, _texels(image))
    for action in bpy.data.actions:
        found[f"action {action.name}"] = tuple(action.frame_range)
    return found


def differing(one: dict[str, object], other: dict[str, object]) -> list[str]:
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def steps() -> tuple[list[str], int]:
    """The undo steps by name, the oldest first, and which of them is the present state."""
    library = ctypes.CDLL(None)
    sys.stdout.flush()
    library.fflush(None)
    with tempfile.TemporaryFile("w+") as file:
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            bpy.context.window_manager.print_undo_steps()
            library.fflush(None)
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        found = _STEP.findall(file.read())
    names = [name for _, skipped, _, name in found if skipped != "S"]
    active = [mark == "*" for mark, skipped, _, _ in found if skipped != "S"]
    return names, active.index(True) if True in active else -1


def by_key(key: str, expected: int) -> Steps:
    """Ctrl Z and its like, with the mouse over the 3D view; goes on when that step is the present state, or after a while."""
    _, _, region = view()
    left, top, right, bottom = rectangle(region)
    move((left + right) // 2 - 200, (top + bottom) // 2)
    yield 0.1
    press(key)
    until = time.monotonic() + 20.0
    while steps()[1] != expected and time.monotonic() < until:
        yield 0.05
    yield 0.05


def _properties(group: bpy.types.PropertyGroup) -> dict[str, object]:
    found: dict[str, object] = {}
    for prop in group.bl_rna.properties:
        if prop.identifier == "rna_type":
            continue
        value = getattr(group, prop.identifier)
        if prop.type == "COLLECTION":
            found[prop.identifier] = [_properties(item) for item in value]
        elif isinstance(value, bpy.types.PropertyGroup):
            found[prop.identifier] = _properties(value)
        else:
            found[prop.identifier] = _plain(value)
    return found


def _tree(tree: bpy.types.NodeTree | None) -> dict[str, object]:
    if tree is None:
        return {}
    nodes = {}
    for node in tree.nodes:
        shown = [getattr(node, name, None) for name in ("image", "node_tree")]
        values = [_plain(socket.default_value) for socket in node.inputs if hasattr(socket, "default_value")]
        nodes[node.name] = (node.bl_idname, [part and part.name for part in shown], values)
    links = [(a.from_node.name, a.from_socket.name, a.to_node.name, a.to_socket.name) for a in tree.links]
    moving = tree.animation_data.action.name if tree.animation_data and tree.animation_data.action else ""
    return {"nodes": nodes, "links": sorted(links), "moving": moving}


def _texels(image: bpy.types.Image) -> int:
    if max(image.size) > LARGEST or not image.size[0]:
        return 0
    texels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(texels)
    return zlib.crc32(texels.tobytes())


def _plain(value: object) -> object:
    """A copy without anything of Blender's in it: what is undone leaves nothing behind its objects."""
    if value is None or isinstance(value, str | bytes | bool | int | float):
        return value
    if isinstance(value, bpy.types.ID):
        return value.name
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, set):
        return sorted(value)
    if hasattr(value, "__len__"):
        return [_plain(value[place]) for place in range(len(value))]
    return type(value).__name__
