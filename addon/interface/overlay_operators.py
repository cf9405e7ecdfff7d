# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that show what Sabi's nodes work with on the active object, and put it away."""

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import EnumProperty, StringProperty

from .. import work
from ..nodes import on_object
from .operators import reporting

_kept: dict[tuple, list[tuple[str, str, str, str, int]]] = {}  # Blender keeps no copy of such strings
_WORDS = {"Exposure": "GRID", "Degree": "SMOOTHCURVE", "Coverage": "RENDERLAYERS"}


def items(_self: object, context: bpy.types.Context | None) -> list[tuple[str, str, str, str, int]]:
    """What there is to show of the active object."""
    from ..nodes import overlay

    obj = context.object if context is not None else None
    found = overlay.values(obj) if obj is not None else []
    key = tuple(found)
    if key not in _kept:
        _kept[key] = [
            (
                mark,
                f"{label}: {said(word) if word in _WORDS else said('Mask {}').format(word.split()[-1])}",
                "",
                icon,
                n,
            )
            for n, (mark, label, word) in enumerate(found)
            for icon in (_WORDS.get(word, "MOD_MASK"),)
        ] or [("NONE", "None", "", "NONE", 0)]
    return _kept[key]


class SABI_OT_overlay_show(bpy.types.Operator):
    """Show on the active object what a layer works with: exposure, degree, coverage or a mask, white where it is 1"""

    bl_idname = "sabi.overlay_show"
    bl_label = "Show Overlay"
    bl_options = {"REGISTER", "UNDO"}

    what: EnumProperty(name="Overlay", description="What is shown", items=items)
    mark: StringProperty(
        name="Mark", description="For scripts, in place of the choice: 1 exposure, 2 mask 1", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if work.busy():
            cls.poll_message_set("Sabi is at work already")
            return False
        if on_object.weathered(context.object) is None:
            cls.poll_message_set("The active object is not weathered")
            return False
        return True

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..nodes import overlay

        overlay.show(context.object, self.mark or self.what)
        return {"FINISHED"}


class SABI_OT_overlay_hide(bpy.types.Operator):
    """Put the overlay away: the object looks exactly as it did"""

    bl_idname = "sabi.overlay_hide"
    bl_label = "Hide Overlay"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return context.object is not None and on_object.OVERLAY in context.object

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..nodes import overlay

        overlay.hide(context.object)
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((SABI_OT_overlay_show, SABI_OT_overlay_hide))
