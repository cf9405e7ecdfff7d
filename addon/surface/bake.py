# SPDX-License-Identifier: GPL-3.0-or-later
"""One bake at a time on a stage, blocking or as a job of Blender's own, which leaves a window awake and which Esc stops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy

from ...backend.protocol.errors import Cancelled, SceneError
from .stage import STAGE, Stage


@dataclass(frozen=True)
class Bake:
    """One call of Blender's baker: what, how finely, with which UV map. Each material's active image node gets the result."""

    stage: Stage
    obj: bpy.types.Object
    kind: str  # EMIT or NORMAL
    samples: int
    uv_map: str

    def run(self) -> None:
        """Bakes and returns when done. Raises SceneError with what Blender says."""
        try:
            with self._context():
                done = bpy.ops.object.bake("EXEC_DEFAULT", **self._settings())
        except RuntimeError as error:
            raise self._failed(str(error)) from error
        if "FINISHED" not in done:
            raise self._failed("it was cancelled")

    def start(self, window: bpy.types.Window) -> BakeJob:
        """Starts it as a job of the window's; Blender stays awake and Esc stops it."""
        job = BakeJob(self)
        try:
            with self._context(window):
                bpy.ops.object.bake("INVOKE_DEFAULT", **self._settings())
        except RuntimeError as error:
            job.close()
            raise self._failed(str(error)) from error
        return job

    def _context(self, window: bpy.types.Window | None = None):
        self.stage.scene.cycles.samples = self.samples
        self.stage.layer.objects.active = self.obj
        self.obj.select_set(True, view_layer=self.stage.layer)
        given = {"window": window} if window is not None else {}
        return bpy.context.temp_override(
            **given,
            scene=self.stage.scene,
            view_layer=self.stage.layer,
            object=self.obj,
            active_object=self.obj,
            selected_objects=[self.obj],
            selected_editable_objects=[self.obj],
        )

    def _settings(self) -> dict[str, object]:
        return {
            "type": self.kind,
            "margin": 0,
            "use_selected_to_active": False,
            "use_clear": True,
            "use_cage": False,
            "target": "IMAGE_TEXTURES",
            "save_mode": "INTERNAL",
            "normal_space": "TANGENT",
            "normal_r": "POS_X",
            "normal_g": "POS_Y",
            "normal_b": "POS_Z",
            "uv_layer": self.uv_map,
        }

    def _failed(self, why: str) -> SceneError:
        lines = [line.removeprefix("Error: ").strip() for line in why.splitlines() if line.strip()]
        said = lines[0].rstrip(".") if lines else "it did not say why"
        return SceneError(f"Blender could not bake: {said}.", "Nothing was changed; Blender's console may say more.")


class BakeJob:
    """A bake that runs as Blender's own job. `poll` says whether it has ended; Esc makes it raise Cancelled."""

    def __init__(self, bake: Bake) -> None:
        self._mine = bake.obj.session_uid
        self._ended: str | None = None
        self._idle = 0
        bpy.app.handlers.object_bake_complete.append(self._complete)
        bpy.app.handlers.object_bake_cancel.append(self._cancel)

    def _complete(self, obj: bpy.types.Object, *_: object) -> None:
        if obj.session_uid == self._mine:
            self._ended = self._ended or "complete"

    def _cancel(self, obj: bpy.types.Object, *_: object) -> None:
        if obj.session_uid == self._mine:
            self._ended = "cancel"

    def poll(self) -> bool:
        """True when the bake is complete. Raises Cancelled when it was stopped."""
        if bpy.app.is_job_running("OBJECT_BAKE"):
            return False
        if self._ended is None:
            self._idle += 1  # the handlers come with the next turn of the window's loop
            if self._idle <= 20:
                return False
            self._ended = "cancel"
        self.close()
        if self._ended == "cancel":
            raise Cancelled()
        return True

    def close(self) -> None:
        """Takes the handlers away; the job itself goes on until it ends."""
        for handlers, mine in (
            (bpy.app.handlers.object_bake_complete, self._complete),
            (bpy.app.handlers.object_bake_cancel, self._cancel),
        ):
            if mine in handlers:
                handlers.remove(mine)


def aim(materials: Sequence[bpy.types.Material], image: bpy.types.Image) -> None:
    """Makes `image` what bakes of these temporary materials write to."""
    for material in materials:
        nodes = material.node_tree.nodes
        target = nodes.get(STAGE) or nodes.new("ShaderNodeTexImage")
        target.name = STAGE
        target.image = image
        for node in nodes:
            node.select = node == target
        nodes.active = target
