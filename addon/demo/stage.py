# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the model stands: ground, lights, camera, and Cycles set for a quick clean picture."""

from collections.abc import Iterable
from math import tan
from pathlib import Path

import bpy
from mathutils import Vector


def bounds(things: Iterable[bpy.types.Object]) -> tuple[Vector, Vector]:
    """The lowest and highest corner of some objects, in world space."""
    corners = [thing.matrix_world @ Vector(corner) for thing in things for corner in thing.bound_box]
    return Vector(map(min, zip(*corners, strict=True))), Vector(map(max, zip(*corners, strict=True)))


def dress(scene: bpy.types.Scene, things: list[bpy.types.Object], width: int = 640, height: int = 480) -> None:
    """Sets ground, lights and camera to the size of the objects; the camera looks from the front right."""
    low, high = bounds(things)
    center, size = (low + high) / 2, (high - low).length
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    ground(scene, low.z, size)
    sky(scene)
    lamp(
        scene,
        "Key",
        center + Vector((-0.55, -0.95, 1.05)) * size,
        center,
        0.55 * size,
        42.0 * size**2,
        (1.0, 0.95, 0.88),
    )
    lamp(scene, "Rim", center + Vector((0.9, 0.9, 0.9)) * size, center, 0.5 * size, 34.0 * size**2, (0.85, 0.92, 1.0))
    lamp(scene, "Fill", center + Vector((1.2, -0.7, 0.25)) * size, center, 0.9 * size, 9.0 * size**2, (0.9, 0.95, 1.0))
    camera(scene, center - Vector((0, 0, 0.02)) * size, size)


def ground(scene: bpy.types.Scene, height: float, size: float) -> None:
    """A floor that bends up into a backdrop."""
    mesh = bpy.data.meshes.new("Ground")
    depth = [(-6.0, 0.0), (1.6, 0.0), (1.9, 0.06), (2.1, 0.25), (2.2, 0.6), (2.2, 5.0)]
    points = [(side * 8 * size, y * size, z * size + height) for y, z in depth for side in (-1, 1)]
    faces = [(2 * k, 2 * k + 1, 2 * k + 3, 2 * k + 2) for k in range(len(depth) - 1)]
    mesh.from_pydata(points, [], faces)
    mesh.shade_smooth()
    material = bpy.data.materials.new("Ground")
    material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0.115, 0.115, 0.112, 1.0)
    shader.inputs["Roughness"].default_value = 0.75
    mesh.materials.append(material)
    scene.collection.objects.link(bpy.data.objects.new("Ground", mesh))


def sky(scene: bpy.types.Scene) -> None:
    """An even dim light from everywhere."""
    scene.world = bpy.data.worlds.new("Sky")
    scene.world.use_nodes = True
    background = next(node for node in scene.world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (0.62, 0.70, 0.80, 1.0)
    background.inputs["Strength"].default_value = 0.22


def lamp(
    scene: bpy.types.Scene, name: str, place: Vector, at: Vector, width: float, watts: float, color: tuple
) -> None:
    light = bpy.data.lights.new(name, "AREA")
    light.size, light.energy, light.color = width, watts, color
    thing = bpy.data.objects.new(name, light)
    thing.location = place
    thing.rotation_euler = (at - place).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(thing)


def camera(scene: bpy.types.Scene, at: Vector, size: float) -> None:
    lens = bpy.data.cameras.new("Camera")
    lens.lens = 60.0
    thing = bpy.data.objects.new("Camera", lens)
    distance = 0.5 * size / tan(lens.angle_y / 2) * 0.74
    thing.location = at + Vector((0.62, -1.0, 0.42)).normalized() * distance
    thing.rotation_euler = (at - thing.location).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(thing)
    scene.camera = thing


def render(scene: bpy.types.Scene, path: Path, samples: int = 24) -> None:
    """A PNG of the camera's view, by Cycles on the CPU, the same noise each time."""
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.seed = 1
    scene.cycles.use_denoising = samples > 1  # a single sample is a draft
    scene.cycles.diffuse_bounces = scene.cycles.glossy_bounces = (
        3  # a seventh less to compute, and hardly a texel changes
    )
    scene.render.use_persistent_data = True  # only the ages of a material change between the pictures
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
