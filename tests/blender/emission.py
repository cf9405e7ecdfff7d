# SPDX-License-Identifier: GPL-3.0-or-later
"""What a socket of a material gives in every texel, read by baking it as emission."""

from __future__ import annotations

import tempfile

import bpy
import numpy as np


def plane(material: bpy.types.Material | None = None) -> bpy.types.Object:
    """A square whose UV map fills the image, selected and active."""
    bpy.ops.mesh.primitive_plane_add()
    obj = bpy.context.object
    if material is not None:
        obj.data.materials.append(material)
    return obj


def bake_socket(obj: bpy.types.Object, socket: bpy.types.NodeSocket, size: int = 32, height: int = 0) -> np.ndarray:
    """What an output in the tree of one of the object's materials gives: float32 [size, size, 3], row 0 at the top.

    [height, size, 3] where a height is given.
    """
    height = height or size
    tree = socket.id_data
    output = tree.get_output_node("CYCLES")
    before = output.inputs["Surface"].links[0].from_socket if output.inputs["Surface"].is_linked else None
    image = bpy.data.images.new("bake", size, height, float_buffer=True, is_data=True)
    emission, target = tree.nodes.new("ShaderNodeEmission"), tree.nodes.new("ShaderNodeTexImage")
    target.image = image
    tree.nodes.active = target
    tree.links.new(socket, emission.inputs["Color"])
    tree.links.new(emission.outputs[0], output.inputs["Surface"])
    try:
        scene = bpy.context.scene
        scene.render.engine, scene.cycles.samples = "CYCLES", 1
        assert bpy.ops.object.bake(type="EMIT", margin=0) == {"FINISHED"}
        values = np.empty(height * size * 4, np.float32)
        image.pixels.foreach_get(values)
        return values.reshape(height, size, 4)[::-1, :, :3]
    finally:
        tree.nodes.remove(emission)
        tree.nodes.remove(target)
        bpy.data.images.remove(image)
        if before is not None:
            tree.links.new(before, output.inputs["Surface"])


def inside_blocks(values: np.ndarray, block: int = 4) -> np.ndarray:
    """Only the texels whose neighbours are all in the same block, where filtering between texels changes nothing."""
    keep = np.isin(np.arange(values.shape[0]) % block, range(1, block - 1))
    return values[keep][:, keep]


def render(obj: bpy.types.Object, size: int = 24) -> np.ndarray:
    """What a camera above the plane sees of it under one sun, scene-linear float32 [size, size, 3]."""
    scene = bpy.context.scene
    if scene.camera is None:
        scene.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.camera.data.type, scene.camera.data.ortho_scale = "ORTHO", 1.9
        scene.camera.location.z = 3
        sun = bpy.data.objects.new("Sun", bpy.data.lights.new("Sun", "SUN"))
        sun.data.energy, sun.data.angle = 3.0, 0.0
        sun.rotation_euler = (0.6, 0.2, 0)
        scene.collection.objects.link(scene.camera)
        scene.collection.objects.link(sun)
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 16, False
    scene.render.resolution_x = scene.render.resolution_y = size
    scene.view_settings.view_transform, scene.render.image_settings.file_format = "Raw", "OPEN_EXR"
    with tempfile.TemporaryDirectory() as folder:
        scene.render.filepath = f"{folder}/render.exr"
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        values = np.empty(size * size * 4, np.float32)
        image.pixels.foreach_get(values)
        bpy.data.images.remove(image)
    return values.reshape(size, size, 4)[::-1, :, :3]
