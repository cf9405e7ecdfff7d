# SPDX-License-Identifier: GPL-3.0-or-later
"""Every operator that changes objects, materials and images, undone and redone with the keys."""

import bpy
from deeds import begin, deed
from visit import OUT, Steps, alone


def undo_object_operators() -> Steps:
    thing = begin()
    alone(thing)
    yield 0.5
    if not thing.data.materials[0].node_tree:
        thing.data.materials[0].use_nodes = True
    ops = bpy.ops.sabi
    ops.preset_load(preset="light_rust")
    yield from deed("weather", ops.weather, size=64)
    yield from deed("weather again", ops.weather, effect="moss", size=64)
    yield from deed("recipe_from_object", ops.recipe_from_object)
    yield from deed("overlay_show", ops.overlay_show, mark="1 degree")
    yield from deed("overlay_hide", ops.overlay_hide)
    yield from deed("instances_vary", ops.instances_vary)
    bpy.context.scene.frame_end = 3
    yield from deed("timelapse", ops.timelapse)
    bpy.context.scene.sabi.networks = '{"painter": "' + "0" * 64 + '"}'
    yield from deed("newest_networks", ops.newest_networks)
    yield from deed("export_maps", ops.export_maps, directory=str(OUT / "exported"))
    yield from deed("flatten", ops.flatten, size=64)
    yield from deed("revert", ops.revert)


def undo_mask_paint() -> Steps:
    """On an object that was never painted on; and on another what Blender's own change of mode makes of it."""
    begin()
    bpy.ops.sabi.preset_load(preset="light_rust")
    bpy.ops.sabi.mask_add(kind="IMAGE")
    bpy.context.scene.sabi.layers[0].masks[0].source = "Photograph"
    deeds = (
        ("mask_paint", bpy.ops.sabi.mask_paint, {}),
        ("mode_set", bpy.ops.object.mode_set, {"mode": "TEXTURE_PAINT"}),
    )
    for name, operator, how in deeds:
        bpy.ops.mesh.primitive_cube_add(size=1)
        thing = bpy.context.object
        thing.name = f"Canvas of {name}"
        alone(thing)
        yield 0.5
        yield from deed(name, operator, **how)
        bpy.ops.object.mode_set(mode="OBJECT")
        bpy.data.objects.remove(bpy.data.objects[f"Canvas of {name}"])
    alone(begin())
