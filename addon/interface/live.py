# SPDX-License-Identifier: GPL-3.0-or-later
"""Begins a preview when the recipe of a scene is changed, and has the active object's ages follow at once. In windows alone."""

from __future__ import annotations

import bpy

from .. import work
from ..later import Later
from ..nodes import on_object

INTERVAL = 0.05  # seconds until it is looked again whether other work has ended
_preview = Later("preview")
_asked: tuple[int, int] | None = None  # the scene and the object, by their session's numbers
_following: tuple[work.Work, int] | None = None  # the preview begun last, and its object


def changed(settings: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    """Called by properties of the recipe, often: remembers that the active object is to follow, if it is to."""
    global _asked
    scene, obj = settings.id_data, context.object
    if not scene.sabi.live_preview or not work.in_window() or obj is None or context.mode != "OBJECT":
        return
    if on_object.weathered(obj) is None:
        return
    _asked = scene.session_uid, obj.session_uid
    if not bpy.app.timers.is_registered(_begin):
        bpy.app.timers.register(_begin, first_interval=0.0)


def _begin() -> float | None:
    global _asked, _following
    preview = _preview.get()
    if _asked is None:
        return None
    if preview is None or work.busy():
        return INTERVAL
    (scene, obj), _asked = _asked, None
    following = _following is not None and not _following[0].ended and _following[1] == obj
    if (begun := preview.begin(scene, obj, following)) is not None:
        _following = begun, obj
    return None


def register() -> None:
    pass


def unregister() -> None:
    global _asked
    _asked = None
    if bpy.app.timers.is_registered(_begin):
        bpy.app.timers.unregister(_begin)
