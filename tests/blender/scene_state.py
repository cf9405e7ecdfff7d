# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scene is like, to compare before and after."""

import bpy


def state() -> dict[str, object]:
    """Everything of the scene and the file that a bake might disturb."""
    scene, layer = bpy.context.scene, bpy.context.view_layer
    found: dict[str, object] = {
        "active": layer.objects.active and layer.objects.active.name,
        "selected": sorted(obj.name for obj in bpy.context.selected_objects),
        "modes": {obj.name: obj.mode for obj in bpy.data.objects},
        "hidden": {obj.name: (obj.hide_render, obj.hide_viewport, obj.hide_get()) for obj in bpy.data.objects},
        "layers": [layer.name for layer in scene.view_layers],
        "collections": [(child.name, child.exclude) for child in layer.layer_collection.children],
        "slots": {
            obj.name: [slot.material and slot.material.name for slot in obj.material_slots] for obj in bpy.data.objects
        },
        "uvs": {
            mesh.name: ([uv.name for uv in mesh.uv_layers], mesh.uv_layers.active_index) for mesh in bpy.data.meshes
        },
    }
    for name in ("objects", "meshes", "materials", "images", "node_groups", "collections", "scenes", "worlds"):
        blocks = getattr(bpy.data, name)
        found[name] = sorted(block.name for block in blocks if getattr(block, "type", "") != "RENDER_RESULT")
    for material in bpy.data.materials:
        tree = material.node_tree
        if tree is None:
            continue
        found[f"tree {material.name}"] = (
            [(node.name, node.select) for node in tree.nodes],
            tree.nodes.active and tree.nodes.active.name,
            sorted((link.from_node.name, link.from_socket.identifier, link.to_node.name) for link in tree.links),
        )
    for shown in scene.view_layers:
        flags = [prop.identifier for prop in shown.bl_rna.properties if prop.type == "BOOLEAN"]
        found[f"passes {shown.name}"] = {name: getattr(shown, name) for name in flags}
    for owner in (scene.render, scene.cycles, scene.render.bake, scene.view_settings, scene.render.image_settings):
        for prop in owner.bl_rna.properties:
            if prop.type not in ("POINTER", "COLLECTION"):
                found[f"{owner.bl_rna.identifier}.{prop.identifier}"] = str(getattr(owner, prop.identifier))
    return found
