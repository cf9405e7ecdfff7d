# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that mend what keeps objects from being weathered, each one undo step."""

import bpy
from bpy.app.translations import pgettext_iface as said
from bpy.props import BoolProperty

from ...backend.protocol.errors import SceneError
from .. import work
from ..nodes import on_object
from ..surface import directx
from ..versions import enable_nodes
from .operators import reporting, selected_meshes


class _OnSelected:
    """Operators on the selected mesh objects for which `wants` holds."""

    @staticmethod
    def wants(obj: bpy.types.Object) -> bool:
        raise NotImplementedError

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if work.busy():
            cls.poll_message_set("Sabi is at work already")
            return False
        if not any(map(cls.wants, selected_meshes(context))):
            cls.poll_message_set("Nothing is amiss with the selected objects")
            return False
        return True

    def objects(self, context: bpy.types.Context) -> list[bpy.types.Object]:
        return [obj for obj in selected_meshes(context) if self.wants(obj)]


class SABI_OT_unwrap(_OnSelected, bpy.types.Operator):
    """Give the selected objects that have no UV map one, with Smart UV Project"""

    bl_idname = "sabi.unwrap"
    bl_label = "Unwrap"
    bl_options = {"REGISTER", "UNDO"}

    @staticmethod
    def wants(obj: bpy.types.Object) -> bool:
        return not obj.data.uv_layers and bool(obj.data.polygons)

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        objects = [obj for obj in self.objects(context) if obj.is_editable and obj.data.is_editable]
        if not objects:
            raise SceneError("The selected objects are linked from other files.", "Make them local first.")
        layer, active, selected = context.view_layer, context.view_layer.objects.active, list(context.selected_objects)
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        try:
            for obj in selected:
                obj.select_set(obj in objects)
            layer.objects.active = objects[0]
            bpy.ops.object.mode_set(mode="EDIT")
            bpy.ops.mesh.reveal(select=True)
            bpy.ops.mesh.select_all(action="SELECT")
            bpy.ops.uv.smart_project(island_margin=0.003, correct_aspect=False)
        except RuntimeError as error:
            raise SceneError("Blender could not unwrap the objects.", str(error).strip()) from error
        finally:
            if context.mode != "OBJECT":
                bpy.ops.object.mode_set(mode="OBJECT")
            for obj in selected:
                obj.select_set(True)
            layer.objects.active = active
        return {"FINISHED"}


class SABI_OT_material_add(_OnSelected, bpy.types.Operator):
    """Give the selected objects that have no material one of their own"""

    bl_idname = "sabi.material_add"
    bl_label = "Add Material"
    bl_options = {"REGISTER", "UNDO"}

    @staticmethod
    def wants(obj: bpy.types.Object) -> bool:
        return not any(slot.material for slot in obj.material_slots)

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        for obj in self.objects(context):
            made = bpy.data.materials.new(obj.name)
            enable_nodes(made)
            if not obj.material_slots:
                obj.data.materials.append(made)
            for slot in obj.material_slots:
                slot.material = made
        return {"FINISHED"}


class SABI_OT_show_in_renders(_OnSelected, bpy.types.Operator):
    """Show the selected objects in renders; what renders do not see cannot be baked"""

    bl_idname = "sabi.show_in_renders"
    bl_label = "Show in Renders"
    bl_options = {"REGISTER", "UNDO"}

    @staticmethod
    def wants(obj: bpy.types.Object) -> bool:
        return obj.hide_render

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        for obj in self.objects(context):
            obj.hide_render = False
        return {"FINISHED"}


class SABI_OT_turn_normals(_OnSelected, bpy.types.Operator):
    """Turn the green of the selected objects' DirectX normal maps, by nodes: Blender wants OpenGL's"""

    bl_idname = "sabi.turn_normals"
    bl_label = "Turn Normals"
    bl_options = {"REGISTER", "UNDO"}

    every: BoolProperty(
        name="Every One",
        description="All normal maps that nothing turns are DirectX's, not only those whose names say so",
        options={"SKIP_SAVE"},
    )

    @staticmethod
    def wants(obj: bpy.types.Object) -> bool:
        return any(made.node_tree and any(directx.straight(made.node_tree)) for made in on_object.materials(obj))

    @reporting
    def execute(self, context: bpy.types.Context) -> set[str]:
        materials = {made for obj in self.objects(context) for made in on_object.materials(obj)}
        turned = sum(len(directx.turn(made, self.every)) for made in materials)
        self.report({"INFO"}, said("Turned {} normal map(s)").format(turned))
        return {"FINISHED"}


class SABI_OT_newest_networks(bpy.types.Operator):
    """Let the recipe be painted by the networks that this Sabi has, instead of those it was made with; shapes may differ"""

    bl_idname = "sabi.newest_networks"
    bl_label = "Use Newest Networks"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not context.scene.sabi.networks:
            cls.poll_message_set("The recipe is tied to no networks")
            return False
        return True

    def execute(self, context: bpy.types.Context) -> set[str]:
        context.scene.sabi.networks = ""
        return {"FINISHED"}


_CLASSES = (
    SABI_OT_unwrap,
    SABI_OT_material_add,
    SABI_OT_show_in_renders,
    SABI_OT_turn_normals,
    SABI_OT_newest_networks,
)
register, unregister = bpy.utils.register_classes_factory(_CLASSES)
