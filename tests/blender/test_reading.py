# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are read through twins: exactly what the images themselves would give, and nothing of the artist's is touched."""

import os

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon.pixels import images, reading
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace
from blender.test_images import load, save

KINDS = {
    "8 bits": ("png", np.uint8, 3, ColorSpace.SRGB),
    "8 bits with alpha": ("png", np.uint8, 4, ColorSpace.SRGB),
    "8 bits of data": ("png", np.uint8, 4, ColorSpace.DATA),
    "16 bits": ("png", np.uint16, 3, ColorSpace.SRGB),
    "16 bits with alpha": ("tif", np.uint16, 4, ColorSpace.SRGB),
    "16 bits of data": ("tif", np.uint16, 3, ColorSpace.DATA),
    "linear 16 bits": ("png", np.uint16, 3, ColorSpace.LINEAR),
    "grey": ("png", np.uint8, 1, ColorSpace.DATA),
    "floats": ("exr", np.float32, 3, ColorSpace.LINEAR),
    "floats in a space of bytes": ("exr", np.float16, 4, ColorSpace.SRGB),
}
OIIO = {np.uint8: "uint8", np.uint16: "uint16", np.float16: "half", np.float32: "float"}


def done(steps):
    """What steps come to when each is run at once."""
    result = None
    while True:
        try:
            step = steps.send(result)
        except StopIteration as stop:
            return stop.value
        result = step.run() if isinstance(step, reading.Read) else step()


@pytest.mark.parametrize("packed", [False, True], ids=["file", "packed"])
@pytest.mark.parametrize("alpha", ["STRAIGHT", "PREMUL", "CHANNEL_PACKED", "NONE"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_twin_gives_what_the_image_gives(kind, alpha, packed, tmp_path):
    suffix, dtype, channels, space = KINDS[kind]
    most = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    stored = (np.random.default_rng(3).random((6, 5, channels)) * most).astype(dtype)
    path = save(tmp_path / f"a.{suffix}", stored, OIIO[dtype])

    def fresh():
        image = load(path, space)
        image.alpha_mode = alpha
        if packed:
            image.pack()
            image.buffers_free()
        return image

    one, other = fresh(), fresh()
    expected = images.grab(one)
    assert one.has_data
    done(reading.learn(other))
    found = done(images.grabbing(other))
    assert not other.has_data
    assert np.array_equal(found.raw, expected.raw)
    assert (found.depth, found.color_space, found.name) == (expected.depth, expected.color_space, other.name)
    assert [image.name for image in bpy.data.images if image.name.startswith(".")] == []


def test_a_painted_image_is_read_itself(tmp_path):
    image = load(save(tmp_path / "a.png", np.full((4, 4, 3), 128, np.uint8), "uint8"))
    image.pixels[0] = 1.0
    assert image.is_dirty
    assert done(images.grabbing(image)).raw[0, 0, 0] == 1


def test_what_is_known_ends_with_the_file_it_is_known_of(tmp_path):
    path = save(tmp_path / "a.png", np.zeros((4, 8, 3), np.uint8), "uint8")
    image = load(path)
    assert reading.known(image) is None
    done(reading.learn(image))
    assert reading.known(image).size == (8, 4)
    save(path, np.zeros((2, 2, 3), np.uint8), "uint8")
    os.utime(path, ns=(0, 0))
    assert reading.known(image) is None


def test_tiles_are_measured_without_being_read(tmp_path):
    for number, side in ((1001, 4), (1002, 8)):
        save(tmp_path / f"a.{number}.png", np.zeros((side, side, 3), np.uint8), "uint8")
    image = load(tmp_path / "a.1001.png")
    image.source = "TILED"
    if len(image.tiles) == 1:
        image.tiles.new(1002)
    image.tiles.new(1003)  # there is no file of it
    done(reading.learn(image))
    assert reading.tile_sizes(image) == [(4, 4), (8, 8), (0, 0)]
    assert not image.has_data


def test_an_image_goes_when_no_job_may_be_reading_it(monkeypatch):
    """Blender crashes when an image is removed that a job reads."""
    image = bpy.data.images.new("read", 4, 4)
    monkeypatch.setattr(reading, "_running", lambda: True)
    reading.let_go({image.session_uid})
    assert bpy.app.timers.is_registered(reading._remove)
    assert reading._remove() == reading.INTERVAL
    assert "read" in bpy.data.images
    monkeypatch.setattr(reading, "_running", lambda: False)
    assert reading._remove() is None
    assert "read" not in bpy.data.images
    bpy.app.timers.unregister(reading._remove)
