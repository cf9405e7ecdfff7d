# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells an artist how work ended, and hears Esc while it goes on.

Nothing stays modal meanwhile: Blender saves by itself only while no operator is. So Esc is a key of its own in the keymap, and
the end is told by an operator that lives for one event, since only an operator can.
"""

from __future__ import annotations

import bpy

from . import work

INTERVAL = 0.2  # seconds between looks at whether work has ended
_ended: list[work.Work] = []
_keys: list[tuple[bpy.types.KeyMap, bpy.types.KeyMapItem]] = []


def tell(begun: work.Work) -> None:
    """Has it told how this work ended, once it has. Only in a window."""

    def look() -> float | None:
        if not begun.ended:
            return INTERVAL
        if not (windows := bpy.context.window_manager.windows):
            return None
        _ended.append(begun)
        with bpy.context.temp_override(window=windows[0]):
            bpy.ops.sabi.tell("INVOKE_DEFAULT")
        return None

    bpy.app.timers.register(look, first_interval=INTERVAL, persistent=True)


class SABI_OT_tell(bpy.types.Operator):
    """Say in the status bar how Sabi's work ended"""

    bl_idname = "sabi.tell"
    bl_label = "Tell"
    bl_options = {"INTERNAL"}

    _timer: bpy.types.Timer

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        self._timer = context.window_manager.event_timer_add(0.01, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        context.window_manager.event_timer_remove(self._timer)
        for done in _ended:
            if done.error is not None:
                self.report({"INFO" if done.error.code == "cancelled" else "ERROR"}, done.error.for_artist)
            else:
                say(self, done.outcome)
        _ended.clear()
        return {"FINISHED", "PASS_THROUGH"}


def say(operator: bpy.types.Operator, outcome: work.Outcome) -> None:
    for warning in outcome.warnings:
        operator.report({"WARNING"}, warning)
    operator.report({"INFO"}, outcome.message)


def register() -> None:
    bpy.utils.register_class(SABI_OT_tell)
    if (keys := bpy.context.window_manager.keyconfigs.addon) is not None:  # there are none without a window
        keymap = keys.keymaps.new(name="Window")
        _keys.append((keymap, keymap.keymap_items.new("sabi.cancel", "ESC", "PRESS")))


def unregister() -> None:
    for keymap, item in _keys:
        keymap.keymap_items.remove(item)
    _keys.clear()
    bpy.utils.unregister_class(SABI_OT_tell)
