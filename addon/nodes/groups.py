# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of layers built ahead of the step that wires them: building and wiring are each a good part of what a frame may take."""

from __future__ import annotations

from dataclasses import dataclass, field

import bpy

from .layer_nodes import LayerPlan, build


@dataclass
class Groups:
    """Groups that nothing has yet, without their images: a file saved meanwhile would keep those that anything uses.

    `discard` removes those that were not taken. They are known by their session's number: an undo between steps would leave
    dangling references.
    """

    ready: list[tuple[LayerPlan, int, dict[str, bpy.types.Image]]] = field(default_factory=list)

    def prepare(self, plan: LayerPlan) -> None:
        tree = build(plan)
        shown = {node.name: node.image for node in tree.nodes if node.bl_idname == "ShaderNodeTexImage"}
        for node in shown:
            tree.nodes[node].image = None
        self.ready.append((plan, tree.session_uid, shown))

    def take(self, plan: LayerPlan) -> bpy.types.NodeTree:
        """The group that was prepared for this plan; built now where there is none."""
        for entry in self.ready:
            if entry[0] == plan and (tree := _find(entry[1])) is not None:
                self.ready.remove(entry)
                for node, image in entry[2].items():
                    tree.nodes[node].image = image
                return tree
        return build(plan)

    def discard(self) -> None:
        for tree in filter(None, [_find(uid) for _, uid, _ in self.ready]):
            bpy.data.node_groups.remove(tree)
        self.ready.clear()


def _find(session_uid: int) -> bpy.types.NodeTree | None:
    return next((tree for tree in bpy.data.node_groups if tree.session_uid == session_uid), None)
