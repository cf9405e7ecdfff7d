# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets whose numbers follow others'. Any undo takes from drivers the trees inside materials that they read."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from .on_object import group_node


def drive(target: bpy.types.NodeSocket, source: bpy.types.NodeSocket) -> None:
    """A socket's number follows one of another material, read by that: undo leaves materials."""
    driver = target.driver_add("default_value").driver
    driver.type = "SUM"
    variable = driver.variables.new().targets[0]
    variable.id_type = "MATERIAL"
    variable.id = next(made for made in bpy.data.materials if made.node_tree == source.id_data)
    variable.data_path = f"node_tree.{source.path_from_id('default_value')}"


def follow(entry: bpy.types.NodeSocket, original: bpy.types.NodeSocket) -> None:
    """A socket of Sabi's node follows another of the same tree, channel by channel; `mend` looks after it."""
    path = original.path_from_id("default_value")
    added = entry.driver_add("default_value")
    for index, curve in enumerate(added if isinstance(added, list) else [added]):
        curve.driver.type = "SUM"
        target = curve.driver.variables.new().targets[0]
        target.id_type, target.id = "NODETREE", original.id_data  # by the material it would hang on itself
        target.data_path = f"{path}[{index}]" if isinstance(added, list) else path


@persistent
def mend(*_: object) -> None:
    """Gives the drivers that `follow` made their tree back."""
    for made in bpy.data.materials:
        node = group_node(made)
        data = made.node_tree.animation_data if node is not None else None
        if data is None:
            continue
        prefix = node.path_from_id() + "."
        for curve in (curve for curve in data.drivers if curve.data_path.startswith(prefix)):
            for target in (variable.targets[0] for variable in curve.driver.variables):
                if target.id_type == "NODETREE" and target.id is None and not target.data_path.startswith(prefix):
                    target.id = made.node_tree


def _occasions() -> tuple[list, ...]:
    return bpy.app.handlers.undo_post, bpy.app.handlers.redo_post


def register() -> None:
    for handlers in _occasions():
        handlers.append(mend)


def unregister() -> None:
    for handlers in _occasions():
        handlers.remove(mend)
