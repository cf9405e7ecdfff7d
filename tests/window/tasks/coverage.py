# SPDX-License-Identifier: GPL-3.0-or-later
"""A square that shines with the coverage of a layer, rendered by EEVEE."""

import bpy
import numpy as np
from visit import OUT, Steps, addon, report

AGES = (0.4, 0.8)
BLOCKS, TEXELS, PIXELS = (
    16,
    4,
    8,
)  # blocks a side, of which each grows otherwise; across one in the image, in the render


def coverage() -> Steps:
    """In a scene of its own, at two ages; the layer's image is kept beside the renders."""
    scene, thing = bpy.data.scenes.new("Coverage"), _square()
    scene.collection.objects.link(thing)
    _shine(thing)
    scene.camera = bpy.data.objects.new("Above", bpy.data.cameras.new("Above"))
    scene.camera.data.type, scene.camera.data.ortho_scale, scene.camera.location.z = "ORTHO", 1.0, 2.0
    scene.collection.objects.link(scene.camera)
    render = scene.render
    render.engine, scene.eevee.taa_render_samples = addon("versions").eevee(), 1
    render.resolution_x = render.resolution_y = BLOCKS * PIXELS
    render.filter_size = render.dither_intensity = 0.0
    scene.view_settings.view_transform, render.image_settings.file_format = "Raw", "PNG"
    for age in AGES:
        addon("nodes.on_object").weathered(thing).layers[0]["Age"].default_value = age
        render.filepath = str(OUT / f"coverage {age}.png")
        yield 0.2
        bpy.ops.render.render(scene=scene.name, write_still=True)
    report["coverage"] = {"ages": AGES, "pixels": PIXELS, "texels": TEXELS}
    for mine in (thing, scene.camera):
        bpy.data.objects.remove(mine)
    bpy.data.scenes.remove(scene)


def _square() -> bpy.types.Object:
    corners = np.float32([(0, 0), (1, 0), (1, 1), (0, 1)])
    mesh = bpy.data.meshes.new("Square")
    mesh.from_pydata([(x - 0.5, y - 0.5, 0) for x, y in corners], [], [(0, 1, 2, 3)])
    mesh.uv_layers.new(name="UVMap").uv.foreach_set("vector", corners.ravel())
    mesh.materials.append(bpy.data.materials.new("Square"))
    addon("versions").enable_nodes(mesh.materials[0])
    return bpy.data.objects.new("Square", mesh)


def _shine(thing: bpy.types.Object) -> None:
    """Lays a layer over the square's material and shows how far that covers as light."""
    blocks = np.random.default_rng(2).integers((0, 5, 58, 128), (256, 250, 154, 129), (BLOCKS, BLOCKS, 4))
    grown = blocks.repeat(TEXELS, axis=0).repeat(TEXELS, axis=1) / 255
    grown[..., 3] = 1.0
    growth = bpy.data.images.new("growth", BLOCKS * TEXELS, BLOCKS * TEXELS, is_data=True)
    growth.pixels.foreach_set(grown.astype(np.float32).ravel())
    growth.filepath_raw, growth.file_format = str(OUT / "growth.png"), "PNG"
    growth.save()
    look = bpy.data.images.new("look", 4, 4)
    layer = addon("nodes.layer_nodes").PaintedImages(look, look, growth, "Rust", 0.5, 1.0, 0.001)
    material = addon("nodes.material")
    material.apply(
        thing, [material.Painting((0,), [layer], "UVMap")], '{"sabi_recipe": 1, "layers": [{"effect": "rust"}]}'
    )
    shown = thing.material_slots[0].material
    tree, group = shown.node_tree, addon("nodes.on_object").group_node(shown)
    light, end = tree.nodes.new("ShaderNodeEmission"), tree.get_output_node("EEVEE")
    tree.links.new(group.outputs["Coverage"], light.inputs["Color"])
    tree.links.new(light.outputs[0], end.inputs["Surface"])
