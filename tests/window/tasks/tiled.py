# SPDX-License-Identifier: GPL-3.0-or-later
"""UDIM tiles."""

import bpy
import numpy as np
from mathutils import Vector
from screen import screen, shot
from visit import OUT, Steps, addon, in_view, rectangle, report, said, view, wait_for_work


def weather_tiled() -> Steps:
    """Two square metres over two UDIM tiles of different sizes, with three layers: tiled images take more of a shader's room."""
    view()[1].spaces.active.shading.type = "SOLID"
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    for number, side in ((1001, 256), (1002, 128)):
        image = bpy.data.images.new("tile", side, side)
        image.pixels.foreach_set(np.tile(np.float32((0.3, 0.4, 0.5, 1.0)), side * side))
        image.filepath_raw, image.file_format = str(OUT / f"tiles.{number}.png"), "PNG"
        image.save()
        bpy.data.images.remove(image)
    image = bpy.data.images.load(str(OUT / "tiles.1001.png"), check_existing=False)
    image.source = "TILED"
    mesh = bpy.data.meshes.new("Tiles")
    mesh.from_pydata([(x, 0, z) for z in (0, 1) for x in (0, 1, 2)], [], [(0, 1, 4, 3), (1, 2, 5, 4)])
    mesh.uv_layers.new().uv.foreach_set("vector", np.float32([(x + i, y) for i in (0, 1) for x, y in corners]).ravel())
    thing = bpy.data.objects.new("Tiles", mesh)
    bpy.context.collection.objects.link(thing)
    material = bpy.data.materials.new("Tiles")
    mesh.materials.append(material)
    if not material.node_tree:
        material.use_nodes = True
    nodes = material.node_tree.nodes
    node = nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    material.node_tree.links.new(node.outputs[0], shader.inputs["Base Color"])
    for other in bpy.context.scene.objects:
        other.select_set(other == thing)
        other.hide_set(other != thing)
    bpy.context.view_layer.objects.active = thing
    yield 1.0
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="old_painted_steel")
    yield from wait_for_work()
    work = addon("work").current()
    on_object = addon("nodes.on_object")
    painted = on_object.painted_nodes(on_object.group_node(material).node_tree) if work.outcome else {}
    report["tiled"] = {
        "said": said(work),
        "images": len(painted),
        "sizes": [[[tile.number, *tile.size] for tile in node.image.tiles] for node in painted.values()],
        "uv maps": [layer.name for layer in mesh.uv_layers],
    }
    _, area, region = view()
    area.spaces.active.shading.type = "MATERIAL"
    with in_view():
        area.spaces.active.region_3d.view_rotation = Vector((0.1, -1.0, 0.1)).to_track_quat("Z", "Y")
        bpy.ops.view3d.view_selected()
    yield 15.0  # shaders compile
    area.tag_redraw()
    yield 2.0
    report["tiled"]["view"] = rectangle(region)
    shot(screen(), "tiled")
    for other in bpy.context.scene.objects:
        other.hide_set(False)
    thing.hide_set(True)
    yield 0.5
