# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist has painted on Sabi's images and on masks is saved with the file: Blender forgets unsaved pixels."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from .later import Later
from .on_object import PAINT, WRITTEN

_strokes = Later("strokes")


@persistent
def _before_saving(*_: object) -> None:
    for image in [image for image in bpy.data.images if image.is_dirty and image.source != "TILED"]:
        if WRITTEN in image or PAINT in image:
            _strokes.get(wait=True).secure(image)


def register() -> None:
    bpy.app.handlers.save_pre.append(_before_saving)


def unregister() -> None:
    bpy.app.handlers.save_pre.remove(_before_saving)
