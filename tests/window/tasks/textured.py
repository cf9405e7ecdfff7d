# SPDX-License-Identifier: GPL-3.0-or-later
"""A plate with textures of its own."""

import bpy
import numpy as np
from hands import press
from visit import OUT, REQUEST, Steps, addon, began, in_view, report, said, view, wait_for_work


def weather_textured() -> Steps:
    """A plate with textures of its own, which Blender has not read yet but for one that was painted and not saved."""
    view()[1].spaces.active.shading.type = "SOLID"  # the view reads no textures
    mesh = bpy.data.meshes.new("Plate")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (1, 1, 0.2), (0, 1, 0)], [], [(0, 1, 2), (0, 2, 3)])
    for corner, at in zip(mesh.uv_layers.new().uv, (0, 1, 2, 0, 2, 3), strict=True):
        corner.vector = ((0, 0), (1, 0), (1, 1), (0, 1))[at]
    thing = bpy.data.objects.new("Plate", mesh)
    bpy.context.collection.objects.link(thing)
    material = bpy.data.materials.new("Plate")
    mesh.materials.append(material)
    if not material.node_tree:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    random = np.random.default_rng(0)
    for name, deep in (("Base Color", False), ("Roughness", False), ("Metallic", False), ("Normal", True)):
        node = nodes.new("ShaderNodeTexImage")
        node.image = texture(name, random, deep, painted=name == "Base Color")
        yield 0.1
        if name == "Normal":
            bend = nodes.new("ShaderNodeNormalMap")
            links.new(node.outputs["Color"], bend.inputs["Color"])
            node = bend
        links.new(node.outputs[0], shader.inputs[name])
    for other in bpy.context.scene.objects:
        other.select_set(other == thing)
    bpy.context.view_layer.objects.active = thing
    yield 2.0
    before = sorted(image.name for image in bpy.data.images)
    for stage in ("Reading the textures", "Loading the images"):
        with in_view():
            bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust", size=512)
        yield from began(lambda stage=stage: addon("work").current().progress.stage == stage)
        press("Escape")
        yield from wait_for_work(60.0)
        yield 2.0  # an image that a job is reading goes when that has ended
        error, left = addon("work").current().error, sorted(image.name for image in bpy.data.images)
        report[f"esc at {stage}"] = {"error": error.code if error else "", "as before": left == before}
    with in_view():
        bpy.ops.sabi.weather("INVOKE_DEFAULT", preset="scrapyard_rust")
    yield from wait_for_work()
    yield 2.0
    work = addon("work").current()
    report["unread"] = [image.name for image in bpy.data.images if image.name in ("Roughness.png", "Metallic.png")]
    report["unread"] = [name for name in report["unread"] if not bpy.data.images[name].has_data]
    report["textured"] = said(work)


def texture(name: str, random: np.random.Generator, deep: bool, painted: bool) -> bpy.types.Image:
    """A square texture from a file, of 16 bits where `deep`, or painted in Blender and nowhere saved."""
    size = REQUEST["size"]
    image = bpy.data.images.new(name, size, size, float_buffer=deep, is_data=name != "Base Color")
    texels = np.ones((size, size, 4), np.float32)
    noise = random.random((size, size, 1), np.float32)
    texels[..., :3] = (0.5, 0.5, 1.0) if name == "Normal" else 0.4 + 0.1 * noise
    image.pixels.foreach_set(texels.reshape(-1))
    if painted:
        return image
    path = OUT / f"{name}.png"
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)
    loaded = bpy.data.images.load(str(path), check_existing=False)
    loaded.colorspace_settings.is_data = name != "Base Color"
    return loaded
