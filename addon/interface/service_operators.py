# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on the backend itself: start it, stop it, say what it is."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as said

from .. import diagnostics, work
from ..preferences import service, service_settings
from .operators import reporting


class SABI_OT_start_backend(bpy.types.Operator):
    """Start the backend, or reach the server, and say what it runs on"""

    bl_idname = "sabi.start_backend"
    bl_label = "Start Backend"

    @reporting
    def execute(self, _context: bpy.types.Context) -> set[str]:
        service.connect(service_settings())
        self.report({"INFO"}, said("The backend runs on {}").format(diagnostics.device_of(service.health)))
        return {"FINISHED"}


class SABI_OT_stop_backend(bpy.types.Operator):
    """End the backend process; the next job starts it anew"""

    bl_idname = "sabi.stop_backend"
    bl_label = "Stop Backend"

    @classmethod
    def poll(cls, _context: bpy.types.Context) -> bool:
        if service.process_id is None:
            cls.poll_message_set("No backend runs here")
            return False
        return True

    def execute(self, _context: bpy.types.Context) -> set[str]:
        work.cancel()
        service.stop()
        return {"FINISHED"}


class SABI_OT_copy_diagnostics(bpy.types.Operator):
    """Copy versions, machine and the last error to the clipboard, for a report"""

    bl_idname = "sabi.copy_diagnostics"
    bl_label = "Copy Diagnostics"

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.window_manager.clipboard = "\n".join(diagnostics.lines(service, service_settings()))
        self.report({"INFO"}, said("Diagnostics copied"))
        return {"FINISHED"}


_CLASSES = (SABI_OT_start_backend, SABI_OT_stop_backend, SABI_OT_copy_diagnostics)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
