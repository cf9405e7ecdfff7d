# SPDX-License-Identifier: GPL-3.0-or-later
"""Image files to a video by Blender's sequencer and encoder: what `sabi timelapse --video` runs.

    python -m sabi.addon.film '{"frames": [PATH, ...], "out": PATH, "fps": 24}'

in a Python that has bpy. Standard output is JSON lines: {"stage", "fraction"} while it works, at the end {"files"} or
{"error": {"code", "message", "hint"}}. Colours are those of the frames: no view transform but the display's encoding.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import bpy

from ..backend.protocol.errors import SabiError, SceneError

CONTAINERS = {
    ".mp4": ("MPEG4", "H264"),
    ".mkv": ("MKV", "H264"),
    ".mov": ("QUICKTIME", "H264"),
    ".webm": ("WEBM", "WEBM"),
}


def check_encoder() -> None:
    """Raises SceneError where this Blender writes no videos."""
    if not bpy.app.build_options.codec_ffmpeg:
        raise SceneError("This Blender was built without a video encoder.", "Use another, or the numbered frames.")


def reel(scene: bpy.types.Scene, frames: list[str], out: Path, fps: float) -> None:
    """Lays images of one folder and one size into a scene whose render is the video of them. Raises SceneError."""
    check_encoder()
    render = scene.render
    first = bpy.data.images.load(frames[0])
    width, height = first.size
    bpy.data.images.remove(first)
    render.resolution_x, render.resolution_y = width + width % 2, height + height % 2  # encoders want even sides
    render.resolution_percentage = 100
    render.fps, render.fps_base = max(1, round(fps)), max(1, round(fps)) / fps
    scene.frame_start, scene.frame_end = 1, len(frames)
    scene.view_settings.view_transform = "Standard"
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences  # the latter until 4.3
    strip = strips.new_image("frames", frames[0], channel=1, frame_start=1)
    for frame in frames[1:]:
        strip.elements.append(Path(frame).name)
    strip.frame_final_duration = len(frames)
    render.use_sequencer = True
    settings = render.image_settings
    if hasattr(settings, "media_type"):  # from 5.0 on
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    settings.color_mode = "RGB"
    render.ffmpeg.format, render.ffmpeg.codec = CONTAINERS[out.suffix.lower()]
    render.ffmpeg.constant_rate_factor = "PERC_LOSSLESS"
    render.ffmpeg.gopsize = 12
    render.use_file_extension = False
    render.filepath = str(out)


def encode(frames: list[str], out: Path, fps: float, tell) -> None:  # type: ignore[no-untyped-def]
    """Writes a video of images that lie in one folder and have one size. `tell(stage, fraction)`. Raises SceneError."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    reel(bpy.context.scene, frames, out, fps)

    def rendered(scene, *_) -> None:  # type: ignore[no-untyped-def]
        tell("encoding", scene.frame_current / len(frames))

    bpy.app.handlers.render_write.append(rendered)
    try:
        bpy.ops.render.render(animation=True)
    except RuntimeError as error:
        raise SceneError("Blender could not encode the video.", f"It says: {str(error).splitlines()[0]}") from None
    if not out.is_file() or out.stat().st_size == 0:
        raise SceneError("Blender wrote no video.", "Check that the folder can be written and has room.")


def main() -> int:
    request = json.loads(sys.argv[-1])
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what Blender prints is not for whoever reads the lines

    def say(**what: object) -> None:
        print(json.dumps(what), file=lines, flush=True)

    try:
        out = Path(request["out"])
        encode(request["frames"], out, float(request["fps"]), lambda stage, part: say(stage=stage, fraction=part))
    except SabiError as error:
        say(error=error.to_dict())
        return 1
    say(files=[str(out)])
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # at its own exit bpy may wait for the encoder's threads for ever
