# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes images, or chooses a place on one, undone and redone with the keys."""

import os

import bpy
import numpy as np
from deeds import begin, deed
from visit import REQUEST, Steps, addon, alone, view


def undo_image_operators() -> Steps:
    """What makes images of a photograph."""
    begin()
    ops = bpy.ops.sabi
    ops.preset_load(preset="light_rust")
    yield from deed("degree_marks_new", ops.degree_marks_new, image="Photograph")
    marks = next(
        image for image in bpy.data.images if image.name.startswith("Photograph") and image.name != "Photograph"
    )
    texels = np.empty(len(marks.pixels), np.float32)
    marks.pixels.foreach_get(texels)
    texels.reshape(64, 64, 4)[4:8, 4:8] = (1.0, 0.0, 0.0, 1.0)
    texels.reshape(64, 64, 4)[40:44, 40:44] = (0.0, 1.0, 0.0, 1.0)
    marks.pixels.foreach_set(texels)
    marks.pack()  # what a script writes into pixels alone is in no undo step
    yield from deed("degree_from_marks", ops.degree_from_marks, image="Photograph")
    yield from deed("weather_photograph", ops.weather_photograph, image="Photograph")


def undo_click_on_image() -> Steps:
    """In an Image Editor in place of the Properties."""
    begin()
    window = view()[0]
    area = next(area for area in window.screen.areas if area.type == "PROPERTIES")
    area.type = "IMAGE_EDITOR"
    area.spaces.active.image = bpy.data.images["Photograph"]
    yield 0.5
    pane = next(region for region in area.regions if region.type == "WINDOW")
    there = bpy.context.temp_override(window=window, screen=window.screen, area=area, region=pane)
    yield from deed("photograph_pick", bpy.ops.sabi.photograph_pick, there, at=(3, 4))
    area.type = "PROPERTIES"


def undo_weather_frame() -> Steps:
    """Some dozen texels of it."""
    alone(begin())
    scene = bpy.context.scene
    scene.camera = bpy.data.objects.new("Eye", bpy.data.cameras.new("Eye"))
    scene.collection.objects.link(scene.camera)
    scene.camera.location.z = 4
    scene.render.engine, scene.cycles.samples = "CYCLES", 1
    scene.render.resolution_x, scene.render.resolution_y = 64, 48
    yield 0.5
    yield from deed("weather_frame", bpy.ops.sabi.weather_frame, preset="light_rust")


def undo_delight() -> Steps:
    """By a network of a few nodes, since none ships that takes light off."""
    begin()
    service = addon("preferences").service
    service.stop()
    os.environ["SABI_NETWORKS"] = REQUEST["networks"]
    yield from deed("delight", bpy.ops.sabi.delight, image="Photograph")
    del os.environ["SABI_NETWORKS"]
    service.stop()
