# SPDX-License-Identifier: GPL-3.0-or-later
"""The render path against Cycles: a frame relit from its passes is the frame that Blender renders of the other material."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.frames import frame
from bl_ext.user_default.sabi.backend.files import read_frame
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map
from bl_ext.user_default.sabi.backend.weathering import passes, shading

PASSES = """combined position normal diffuse_color diffuse_direct diffuse_indirect glossy_color glossy_direct glossy_indirect
    transmission_color transmission_direct transmission_indirect emit environment object_index cryptomatte_object"""
PAINT, RUST = (0.15, 0.25, 0.5), (0.3, 0.1, 0.04)


def stage(colour, metallic, roughness=0.5):
    """A ball on a matte floor under a sun and an even sky; every pass the render path needs; few samples, no denoising."""
    scene = bpy.context.scene
    floor = add_mesh(bpy.ops.mesh.primitive_plane_add, (0.5, 0.5, 0.5), 0.0, 0.5, size=8)
    floor.location.z = -1
    ball = add_mesh(bpy.ops.mesh.primitive_uv_sphere_add, colour, metallic, roughness, segments=48, ring_count=24)
    ball.pass_index = 3
    bpy.ops.object.light_add(type="SUN", rotation=(0.6, 0.3, 0))
    bpy.context.object.data.energy = 2
    scene.world = bpy.data.worlds.new("sky")
    if scene.world.node_tree is None:
        scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.4, 0.5, 0.6, 1)
    bpy.ops.object.camera_add(location=(0, -6, 1), rotation=(1.42, 0, 0))
    scene.camera = bpy.context.object
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 64
    scene.cycles.use_denoising = False
    scene.render.resolution_x = scene.render.resolution_y = 48
    scene.render.resolution_percentage = 100
    layer = scene.view_layers[0]
    for name in PASSES.split():
        setattr(layer, f"use_pass_{name}", True)
    return ball


def add_mesh(add, colour, metallic, roughness, **options):
    add(**options)
    mesh = bpy.context.object
    for polygon in mesh.data.polygons:
        polygon.use_smooth = True
    material = bpy.data.materials.new("material")
    if material.node_tree is None:
        material.use_nodes = True
    inputs = material.node_tree.nodes["Principled BSDF"].inputs
    inputs["Base Color"].default_value = (*colour, 1)
    inputs["Metallic"].default_value = metallic
    inputs["Roughness"].default_value = roughness
    mesh.data.materials.append(material)
    return mesh


def render(path):
    settings = bpy.context.scene.render.image_settings
    if hasattr(settings, "media_type"):  # Blender 5.0
        settings.media_type = "MULTI_LAYER_IMAGE"
    settings.file_format = "OPEN_EXR_MULTILAYER"
    settings.color_depth = "32"
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read_frame(path, object_name="Sphere")


def paint(ball, colour, metallic, roughness=0.5):
    inputs = ball.data.materials[0].node_tree.nodes["Principled BSDF"].inputs
    inputs["Base Color"].default_value = (*colour, 1)
    inputs["Metallic"].default_value = metallic
    inputs["Roughness"].default_value = roughness


def relit(surface, colour, metallic=0.0):
    """The frame's object wholly of another material."""
    base, light = shading.base_material(surface), shading.diffuse_light(surface)
    where = surface["object_mask"].array[..., 0] > 0
    albedo, metal = base["albedo"].array.copy(), base["metallic"].array.copy()
    albedo[where], metal[where] = colour, metallic
    other = base.with_maps({"albedo": Map(albedo, ColorSpace.LINEAR), "metallic": Map(metal)})
    return shading.relight(surface, base, other, light)["combined"].array


def within(surface):
    """The object's texels that no silhouette runs through."""
    return surface["object_mask"].array[..., 0] > 0.999


def test_blenders_own_passes_are_read_and_add_up(tmp_path):
    stage(PAINT, 0.3)
    shot = render(tmp_path / "frame.exr")
    assert passes.inspect(shot.surface, shot.passes) == ()
    base = shading.base_material(shot.surface)
    where = within(shot.surface)
    assert 0.1 < where.mean() < 0.6
    assert np.median(base["metallic"].array[where]) == pytest.approx(0.3, abs=0.02)
    assert np.allclose(np.median(base["albedo"].array[where], axis=0), PAINT, atol=0.03)


@pytest.mark.parametrize("metallic", [0.0, 0.4])
def test_relighting_gives_what_cycles_renders(tmp_path, metallic):
    ball = stage(PAINT, metallic)
    before = render(tmp_path / "before.exr").surface
    paint(ball, RUST, 0.0)
    after = render(tmp_path / "after.exr").surface["combined"].array
    where = within(before)
    apart = np.abs(before["combined"].array - after)[where].mean()
    error = np.abs(relit(before, RUST) - after)[where].mean()
    assert apart > 0.05
    assert error < 0.06 * apart


def test_the_override_gives_metal_the_light_it_needs(tmp_path):
    ball = stage(PAINT, 1.0)
    before = render(tmp_path / "before.exr").surface
    paint(ball, RUST, 0.0)
    after = render(tmp_path / "after.exr").surface["combined"].array
    override = frame.FrameRender(bpy.context, tmp_path / "passes.exr").run()
    light = read_frame(override.path, layer=override.layer).surface["white_diffuse"]
    where = within(before)
    apart = np.abs(before["combined"].array - after)[where].mean()
    by_pass = np.abs(relit(before.with_maps({"white_diffuse": light}), RUST) - after)[where].mean()
    by_fit = np.abs(relit(before, RUST) - after)[where].mean()
    assert by_pass < 0.1 * apart
    assert by_fit < apart, "a fit over a floor's one direction is a guess, but closer than doing nothing"


@pytest.mark.parametrize("kind", ["denoised", "motion", "defocus"])
def test_passes_that_do_not_fit_are_recognised(tmp_path, kind):
    ball = stage(PAINT, 0.0)
    scene = bpy.context.scene
    scene.cycles.samples = 8
    if kind == "denoised":
        scene.cycles.use_denoising = True
    elif kind == "motion":
        scene.render.use_motion_blur = True
        for frame, x in ((0, -2), (2, 2)):
            ball.location.x = x
            ball.keyframe_insert("location", frame=frame)
        scene.frame_set(1)
    else:
        scene.camera.data.dof.use_dof = True
        scene.camera.data.dof.focus_distance = 2
        scene.camera.data.dof.aperture_fstop = 0.1
    shot = render(tmp_path / "frame.exr")
    said = " ".join(passes.inspect(shot.surface, shot.passes))
    assert ("denoised" in said) == (kind == "denoised")
    assert ("motion blur" in said) == (kind != "denoised")
