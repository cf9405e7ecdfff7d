# SPDX-License-Identifier: GPL-3.0-or-later
"""The view of the scene's camera rendered with the passes that weathering a frame needs, into one multilayer EXR.

Beside the artist's view layer a second one renders the same view with a grey matte material on everything: what light falls
where, also on metals, which have no diffuse colour to divide by. EEVEE cannot, and the light on metals is fitted. Blender cannot
read the file's pixels back; the backend does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.protocol.errors import Cancelled, SceneError
from ...backend.protocol.passes import WHITE_LAYER
from .. import units, versions
from ..surface.stage import Saved, mark, remove_temporary, show_like, survey, wait_until_writable

WHY_STOPPED = "Nothing was changed. If you did not stop it, render with F12: Blender says what fails."
WHITE = 0.5  # albedo of the override: a middle grey, so that about as much light is thrown back as in the scene itself


@dataclass(frozen=True)
class FramePasses:
    """A rendered frame on disk: `layer` is the artist's view layer in the file, `white_layer` the matte one, "" without it.

    The light E on a texel is DiffDir + DiffInd of the white layer: what a white surface would show, whatever WHITE is.
    """

    path: Path
    layer: str
    white_layer: str
    warnings: tuple[str, ...] = ()
    unit: float = 1.0  # metres of one of Blender's units, which positions in the file have


class FrameRender:
    """One frame of the scene's camera, blocking (`run`) or as Blender's own job (`start`, `poll`, `cancel`).

    Raises SceneError at once when there is nothing to render. All settings are as before afterwards, whatever happens.
    """

    _how = {"write_still": True}  # what Blender's operator is told
    _when_stopped = WHY_STOPPED

    def __init__(self, context: bpy.types.Context, path: Path, *, white: bool = True) -> None:
        self._scene, self._layer = context.scene, context.view_layer
        check(self._scene)
        self._undenoised = lacks_denoiser(self._scene)
        self._path = path.with_suffix(".exr")
        self._white = white and self._scene.render.engine == "CYCLES"  # EEVEE knows no material override
        self._settings: ExitStack | None = None
        self._ended: str | None = None
        self._cancelled = False
        self.passes: FramePasses | None = None

    def run(self) -> FramePasses:
        """Renders and returns when done. Raises SceneError with what Blender says."""
        with self._prepared():
            try:
                bpy.ops.render.render("EXEC_DEFAULT", scene=self._scene.name, **self._how)
            except RuntimeError as error:
                why = str(error).removeprefix("Error: ").strip().rstrip(".")
                raise SceneError(
                    f"Blender could not render: {why}.",
                    "Render with F12: when that works, weather the frame again.",
                ) from error
            return self._written()

    def start(self, window: bpy.types.Window) -> None:
        """Starts the render as a job of the window's; Esc stops it. Follow it with `poll`."""
        with ExitStack() as settings:
            wait_until_writable(self._scene)
            # No other thread's engine shall start between two changes, nor the render's end while a panel is drawn: Blender notes
            # for all threads at once whether changes are forbidden.
            settings.callback(sys.setswitchinterval, sys.getswitchinterval())
            sys.setswitchinterval(1.0)
            settings.enter_context(self._prepared())
            for handlers, mine in self._handlers():
                handlers.append(mine)
                settings.callback(handlers.remove, mine)
            with bpy.context.temp_override(window=window, scene=self._scene):
                bpy.ops.render.render("INVOKE_DEFAULT", scene=self._scene.name, **self._how)
            self._settings = settings.pop_all()

    def poll(self) -> bool:
        """True when `passes` is there. Raises Cancelled after Esc; everything has been put back then."""
        if self._settings is None:
            if self.passes is None:
                raise Cancelled()
            return True
        if self._ended is None or bpy.app.is_job_running("RENDER"):
            return False
        wait_until_writable(self._scene)
        settings, self._settings = self._settings, None
        with settings:
            if self._ended == "cancel" or self._cancelled:
                raise Cancelled("The render was stopped.", self._when_stopped)
            self.passes = self._written()
        return True

    def cancel(self) -> None:
        """What is rendering is left to end by itself (Esc ends it), then everything is put back."""
        self._cancelled = True
        if self._settings is not None:
            bpy.app.timers.register(self._wait, first_interval=0.1, persistent=True)

    def _wait(self) -> float | None:
        if self._settings is None:
            return None
        if bpy.app.is_job_running("RENDER"):
            return 0.1
        wait_until_writable(self._scene)
        self._settings.close()
        self._settings = None
        return None

    def _handlers(self):  # type: ignore[no-untyped-def]
        return ((bpy.app.handlers.render_complete, self._complete), (bpy.app.handlers.render_cancel, self._stopped))

    def _complete(self, *_: object) -> None:
        self._ended = self._ended or "complete"

    def _stopped(self, *_: object) -> None:
        self._ended = "cancel"

    def _written(self) -> FramePasses:
        if not self._path.is_file():
            raise SceneError(f"The render did not write {self._path.name}.", "Free some space and render again.")
        warnings = []
        if self._white and any(map(_glows, _shown_materials(self._layer))):
            warnings.append("Glowing objects give no light in the white pass: metals near them come out darker.")
        if self._undenoised:
            warnings.append("This Blender was built without a denoiser: the frame was rendered without.")
        white_layer, unit = WHITE_LAYER if self._white else "", units.of_scene(self._scene)
        return FramePasses(self._path, self._layer.name, white_layer, tuple(warnings), unit)

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        """The scene set up to write passes; put back at the end."""
        scene, layer, render = self._scene, self._layer, self._scene.render
        saved, before = Saved(), survey()
        try:
            for other in scene.view_layers:
                saved.set(other, "use", other == layer)
            for name in versions.PASS_FLAGS:
                saved.set(layer, name, True)
            for name, value in (("filepath", str(self._path)), ("use_file_extension", True), ("use_overwrite", True)):
                saved.set(render, name, value)
            for name, value in (("use_compositing", False), ("use_sequencer", False), ("use_single_layer", False)):
                saved.set(render, name, value)
            saved.set(bpy.context.preferences.view, "render_display_type", "NONE")
            save_output(saved, render.image_settings)
            if self._undenoised:
                saved.set(scene.cycles, "use_denoising", False)
            versions.choose_multilayer_exr(render.image_settings)
            render.image_settings.color_depth, render.image_settings.exr_codec = "32", "ZIP"
            if self._white:
                self._add_white_layer()
            yield
        finally:
            if self._white:
                for mine in [found for found in scene.view_layers if found.name.startswith(WHITE_LAYER)]:
                    scene.view_layers.remove(mine)
            remove_temporary(before)
            saved.restore()

    def _add_white_layer(self) -> None:
        """A second view layer with the same collections in it, under the override."""
        layer = self._scene.view_layers.new(WHITE_LAYER)
        for child in layer.layer_collection.children:
            show_like(child, self._layer.layer_collection.children.get(child.name))
        layer.material_override = _white_material()
        for name in versions.PASS_FLAGS:
            setattr(layer, name, "diffuse" in name or name in versions.NEEDED_IN_ALL)


def check(scene: bpy.types.Scene) -> None:
    """Raises SceneError where there is nothing to render."""
    if scene.camera is None:
        raise SceneError("The scene has no camera.", "Add one: Add > Camera, then View > Cameras > Set Active.")
    if scene.render.engine not in ("CYCLES", versions.eevee()):
        raise SceneError(
            f"The render engine {scene.render.engine} has no passes of light.",
            "Choose Cycles or EEVEE in Render Properties.",
        )


def lacks_denoiser(scene: bpy.types.Scene) -> bool:
    """Whether the scene wants a denoiser that this Blender is built without: its renders end as if they had been stopped."""
    return scene.render.engine == "CYCLES" and scene.cycles.use_denoising and not scene.cycles.denoiser


def save_output(saved: Saved, settings: bpy.types.ImageFormatSettings) -> None:
    """Remembers the output format. A setting's choices hang on those before it: the first is kept last and put back first."""
    for name in versions.FORMAT_ORDER[::-1]:
        if hasattr(settings, name):
            saved.keep(settings, name)


def _white_material() -> bpy.types.Material:
    material = mark(bpy.data.materials.new(".sabi white"))
    versions.enable_nodes(material)
    tree = material.node_tree
    tree.nodes.clear()
    output, diffuse = tree.nodes.new("ShaderNodeOutputMaterial"), tree.nodes.new("ShaderNodeBsdfDiffuse")
    diffuse.inputs["Color"].default_value = (WHITE, WHITE, WHITE, 1.0)
    tree.links.new(diffuse.outputs[0], output.inputs["Surface"])
    return material


def _shown_materials(layer: bpy.types.ViewLayer) -> list[bpy.types.Material]:
    shown = [obj for obj in layer.objects if not obj.hide_render]
    return [slot.material for obj in shown for slot in obj.material_slots if slot.material is not None]


def _glows(material: bpy.types.Material) -> bool:
    """Whether a material gives light, as far as its own tree tells."""
    for node in material.node_tree.nodes if material.node_tree else ():
        if node.type == "EMISSION" and node.outputs[0].is_linked:
            return True
        if node.type == "BSDF_PRINCIPLED":
            strength, colour = node.inputs["Emission Strength"], node.inputs["Emission Color"]
            black = not colour.is_linked and max(colour.default_value[:3]) == 0
            if not black and (strength.is_linked or strength.default_value > 0):
                return True
    return False
