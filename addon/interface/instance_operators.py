# SPDX-License-Identifier: GPL-3.0-or-later
"""The dice for instances of one weathered mesh."""

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import FloatProperty, IntProperty

from .operators import reporting


class SABI_OT_instances_vary(bpy.types.Operator):
    """Give the selected objects, instancers of collections too, ages and offsets of their own; what you have set stays"""

    bl_idname = "sabi.instances_vary"
    bl_label = "Vary Instances"
    bl_options = {"REGISTER", "UNDO"}

    seed: IntProperty(name="Seed", description="Another number gives other ages and offsets", min=0)
    spread: FloatProperty(
        name="Spread",
        description="How much older or newer an instance may be, as a share of the age",
        min=0,
        max=1,
        default=0.4,
        subtype="FACTOR",
    )

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.selected_objects:
            cls.poll_message_set("Select objects that are or make instances")
            return False
        return True

    def invoke(self, context: bpy.types.Context, _event: bpy.types.Event) -> set[str]:
        """Pressed again, the dice fall another way."""
        self.seed += 1
        return self.execute(context)

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        from ..nodes import instances

        count = instances.vary(context.selected_objects, self.seed, self.spread, again=True)
        self.report({"INFO"}, said("Varied {} object(s)").format(count))
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory((SABI_OT_instances_vary,))
