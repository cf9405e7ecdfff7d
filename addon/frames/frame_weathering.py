# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera's view rendered with its passes, weathered under its own light, and shown in the image editor."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import bpy

from ...backend.protocol.errors import BadFile, DiskFull, FileExists, is_disk_full
from ...backend.protocol.recipe import FrameMode, Recipe
from ...backend.protocol.surface import ColorSpace
from .. import work
from ..pixels import images
from ..preferences import service, service_settings
from ..progress import Progress
from ..recipe import masks
from ..weathering import share
from .frame import FramePasses, FrameRender
from .frame_job import FrameJob, WeatheredFrame

RENDER_SHARE = 0.6  # of the time, as the progress bar has it
FRAME = "sabi_frame"  # on images that hold a weathered frame


def weather_frame(
    context: bpy.types.Context, recipe: Recipe, filepath: str = "", harmonize: bool = False
) -> work.Steps:
    """Steps that render the scene's camera, weather the frame and show it; `filepath` keeps it as an EXR as well.

    The frame is an image of its own, scene-linear and shown through the scene's view transform. Raises FileExists before
    anything is rendered.
    """
    bare = masks.without(recipe)
    target = _target(filepath) if filepath else None
    scene_name = context.scene.name
    folder = Path(tempfile.mkdtemp(prefix="sabi-"))
    try:
        render = FrameRender(context, folder / "frame.exr")
        passes = yield from share(_rendering(render), 0.0, RENDER_SHARE)
        frame = yield from share(_weathering(passes, replace_mode(bare), harmonize), RENDER_SHARE, 1.0)
        if target is not None:
            _copy_whole(frame.path, target)
        image = _load(frame, scene_name)
        work.undo_step("Weather Frame")
        unmasked = ("Masks lie on objects: the frame was weathered without them.",) if bare != recipe else ()
        warnings = (*passes.warnings, *frame.warnings, *unmasked)
        return work.Outcome(f"Weathered the view of {scene_name}: {image.name}", warnings)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _target(filepath: str) -> Path:
    """Where to keep the frame. Raises BadFile where that names no file, FileExists."""
    if filepath.startswith("//") and not bpy.data.filepath:
        raise BadFile("The .blend has no folder yet.", "Save it first, or give a whole path.")
    path = Path(bpy.path.abspath(filepath))
    if path.is_dir() or filepath.endswith(("/", os.sep)):
        raise BadFile(f"{path} is a folder.", "Give the frame a name in it.")
    target = path if path.suffix.lower() == ".exr" else path.with_name(f"{path.name}.exr")
    if target.exists():
        raise FileExists(f"{target} exists already.")
    return target


def replace_mode(recipe: Recipe) -> Recipe:
    """A frame's passes are in world space: it weathers as it stands in the scene."""
    return replace(recipe, frame=replace(recipe.frame, mode=FrameMode.SCENE))


def _rendering(render: FrameRender) -> Generator[Progress, None, FramePasses]:
    yield Progress("Rendering")
    if not work.in_window():
        return render.run()
    try:
        render.start(bpy.context.window_manager.windows[0])
        while not render.poll():
            yield Progress("Rendering", 0.5)
        assert render.passes is not None
        return render.passes
    finally:
        render.cancel()


def _weathering(passes: FramePasses, recipe: Recipe, harmonize: bool) -> Generator[Progress, None, WeatheredFrame]:
    chosen, connect = service_settings(), lambda: service.connect(chosen)
    job = FrameJob(connect, passes.path, passes.layer, recipe, chosen.python, passes.unit, harmonize)
    return (yield from job.steps(service.doubt))


def _load(frame: WeatheredFrame, scene_name: str) -> bpy.types.Image:
    """The frame as a packed image, shown in every image editor of the window."""
    image = bpy.data.images.load(str(frame.path), check_existing=False)
    image.name = f"{scene_name} weathered"
    images.set_color_space(image, ColorSpace.LINEAR)
    image.use_view_as_render = True
    image[FRAME] = True
    image.use_fake_user = True  # nothing else holds it, and a rendered frame is worth keeping
    images.pack(image)
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "IMAGE_EDITOR":
                area.spaces.active.image = image
    return image


def _copy_whole(source: Path, target: Path) -> None:
    partial = target.with_name(f".{target.stem[:80]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, partial)
        if target.exists():  # it has come while Blender rendered
            raise FileExists(f"{target} exists already.")
        partial.replace(target)
    except OSError as error:
        said = f"The frame cannot be written to {target}: {error.strerror}."
        raise (DiskFull(said) if is_disk_full(error) else BadFile(said, "Choose another place.")) from error
    finally:
        partial.unlink(missing_ok=True)
