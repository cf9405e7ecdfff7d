# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a weathered object is still what was weathered: its mesh, its UVs and what lies beneath the layers, by digests.

The digests are kept on the object when it is weathered. In a window they are compared after a change, when nothing has changed
for REST seconds, one digest a tick; panels only look up what was found. Nothing here changes anything but that property.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator

import bpy
from bpy.app.handlers import persistent

from .. import work
from ..later import Later

STATE = "sabi_state"  # on an object: JSON, the digests of surface.digests.state as it was weathered
REASONS = {
    "mesh": "Out of date: the mesh, its modifiers or its scale have changed",
    "uvs": "Out of date: the UVs have changed",
    "base": "Out of date: the material or its textures have changed",
}
REST = 0.7  # seconds without a change until it is looked
INTERVAL = 0.05
_digests = Later("surface.digests")  # with numpy and all: enabling does not wait for it
_found: dict[int, tuple[str, ...]] = {}  # by the object's number in the session
_wanted: dict[int, None] = {}
_steps: tuple[int, Generator[None, None, dict[str, str]]] | None = None
_changed_at = 0.0


def reasons(obj: bpy.types.Object) -> tuple[str, ...]:
    """Why an object is out of date, as far as is known: which of REASONS. For panels: looks it up, and has it found out."""
    found = _found.get(obj.session_uid)
    if found is None:
        _want(obj)
    return found or ()


def check(obj: bpy.types.Object) -> tuple[str, ...]:
    """As `reasons`, found out now; () for what was not weathered, or by a Sabi that kept no state."""
    steps = _digests.get(wait=True).state(obj)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return _note(obj, stop.value)


def keep(obj: bpy.types.Object, state: dict[str, str]) -> None:
    """Notes on an object what it was when it was weathered."""
    obj[STATE] = json.dumps(state)
    _found.pop(obj.session_uid, None)


def forget(obj: bpy.types.Object) -> None:
    obj.pop(STATE, None)
    _found.pop(obj.session_uid, None)


def _note(obj: bpy.types.Object, now: dict[str, str]) -> tuple[str, ...]:
    kept = json.loads(obj.get(STATE, "{}"))
    found = tuple(name for name in REASONS if kept and _differs(kept, now, name))
    _found[obj.session_uid] = found
    return found


def _differs(kept: dict[str, str], now: dict[str, str], name: str) -> bool:
    if name == "mesh" and not (kept.get("mesh") and now["mesh"]):  # it is hidden, or was
        return kept.get("own", now["own"]) != now["own"]
    return kept.get(name) != now[name]


def _want(obj: bpy.types.Object) -> None:
    if STATE in obj and obj.mode != "EDIT" and not bpy.app.background:
        _wanted[obj.session_uid] = None
        if not bpy.app.timers.is_registered(_tick):
            bpy.app.timers.register(_tick, first_interval=INTERVAL)


def _tick() -> float | None:
    """One digest of one object; none while things change or Sabi is at work."""
    global _steps
    digests = _digests.get()
    if not _wanted:
        _steps = None
        return None
    if digests is None or work.busy() or time.monotonic() - _changed_at < REST:
        _steps = None
        return INTERVAL
    uid = next(iter(_wanted))
    obj = next((obj for obj in bpy.data.objects if obj.session_uid == uid), None)
    if obj is None or STATE not in obj or obj.mode == "EDIT":
        _wanted.pop(uid)
        return INTERVAL
    if _steps is None or _steps[0] != uid:
        _steps = uid, digests.state(obj, aside=True)
    try:
        next(_steps[1])
    except StopIteration as stop:
        _steps = None  # it may be wanted again before the next tick
        _wanted.pop(uid)
        _note(obj, stop.value)
        _redraw()
    except ReferenceError:
        _steps = None  # undone meanwhile: once more
    return INTERVAL


def _redraw() -> None:
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in ("VIEW_3D", "IMAGE_EDITOR", "NODE_EDITOR"):
                area.tag_redraw()


@persistent
def _updated(_scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Something was changed: what was found of weathered objects may no longer hold. Called often."""
    for update in depsgraph.updates:
        kind = type(update.id)
        if kind is bpy.types.Object:
            if not (update.is_updated_geometry or update.is_updated_transform):
                continue
        elif kind not in _KINDS:
            continue
        _begin_anew()
        if _found:
            _ask_again()
        return


def _begin_anew() -> None:
    """What was digested until now may have changed, however long Blender takes until the next tick."""
    global _changed_at, _steps
    _changed_at, _steps = time.monotonic(), None


def _ask_again() -> None:
    """What is shown stays until it is known better."""
    obj = bpy.context.view_layer.objects.active if bpy.context.view_layer else None
    for uid in [uid for uid in _found if obj is None or uid != obj.session_uid]:
        del _found[uid]  # asked for again when it is looked at
    if obj is not None:
        _want(obj)


@persistent
def _went_back(*_: object) -> None:
    _begin_anew()
    _ask_again()


@persistent
def _loaded(*_: object) -> None:
    _found.clear()
    _wanted.clear()


_KINDS = (bpy.types.Mesh, bpy.types.Material, bpy.types.Image, bpy.types.ShaderNodeTree)
_HANDLERS = {
    "depsgraph_update_post": _updated,
    "undo_post": _went_back,
    "redo_post": _went_back,
    "load_post": _loaded,
}


def register() -> None:
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).append(handler)


def unregister() -> None:
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).remove(handler)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _loaded()
