# SPDX-License-Identifier: GPL-3.0-or-later
"""Before the file is saved: strokes on Sabi's images and on masks are kept, for Blender forgets unsaved pixels; overlays go."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from ..later import Later
from ..nodes.on_object import OVERLAY, PAINT, WRITTEN

_strokes, _overlay = Later("pixels.strokes"), Later("nodes.overlay")


@persistent
def _before_saving(*_: object) -> None:
    for obj in [obj for obj in bpy.data.objects if OVERLAY in obj]:
        _overlay.get(wait=True).hide(obj)
    for image in [image for image in bpy.data.images if image.is_dirty]:
        if WRITTEN in image or PAINT in image:
            _strokes.get(wait=True).secure(image)


def register() -> None:
    bpy.app.handlers.save_pre.append(_before_saving)


def unregister() -> None:
    bpy.app.handlers.save_pre.remove(_before_saving)
