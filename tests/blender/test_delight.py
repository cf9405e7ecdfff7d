# SPDX-License-Identifier: GPL-3.0-or-later
"""Light taken off an image in Blender, by a real backend with a network that takes smooth brightness for light."""

import bpy
import numpy as np
import pytest
import shadings
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.backend.protocol.spawn import start
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    with start(networks=shadings.write(tmp_path_factory.mktemp("networks")), device="cpu", threads=1) as backend:
        yield backend


@pytest.fixture
def served(started, monkeypatch):
    monkeypatch.setenv("SABI_SERVER", started.client.address)
    monkeypatch.setenv("SABI_TOKEN", started.client.token)


def texture(dtype=np.uint8, space=ColorSpace.SRGB, alpha=False):
    values = (
        shadings.checks() * shadings.falling() if dtype == np.float32 else shadings.checks() * shadings.falling() * 255
    )
    if alpha:
        values = np.dstack([values, np.full(values.shape[:2], 255 if dtype == np.uint8 else 1, np.float32)])
        values[:50, :, 3] = 0
    return images.write(Map(values.astype(dtype), space), "wall.png")


def left_and_right(image):
    values = images.read(image)
    linear = images.decode_srgb(values.floats()) if values.color_space is ColorSpace.SRGB else values.floats()
    return linear[:, :64].mean() / linear[:, -64:].mean()


@pytest.mark.parametrize(("dtype", "space"), [(np.uint8, ColorSpace.SRGB), (np.float32, ColorSpace.LINEAR)])
def test_a_new_image_without_its_light(served, dtype, space):
    image = texture(dtype, space)
    before, kept = set(bpy.data.images), images.read(image).array
    assert bpy.ops.sabi.delight(image=image.name) == {"FINISHED"}
    (made,) = set(bpy.data.images) - before
    assert made.name == "wall.png delit"
    assert made.packed_file is not None
    assert made.is_float is (dtype == np.float32)
    assert left_and_right(image) > 4
    assert left_and_right(made) == pytest.approx(1, abs=0.15)
    assert np.array_equal(images.read(image).array, kept)
    assert bpy.ops.sabi.delight(image=image.name, amount=0.5) == {"FINISHED"}
    assert 1.5 < left_and_right(bpy.data.images["wall.png delit.001"]) < left_and_right(image)


def test_alpha_stays(served):
    image = texture(alpha=True)
    assert bpy.ops.sabi.delight(image=image.name) == {"FINISHED"}
    made, given = (images.read(i, (0, 1, 2, 3)).array for i in (bpy.data.images["wall.png delit"], image))
    assert np.array_equal(made[..., 3], given[..., 3])
    assert np.array_equal(made[:50], given[:50])
    assert not np.array_equal(made[50:], given[50:])


def test_without_a_network_it_is_done_simply_and_said(backend, monkeypatch):
    monkeypatch.setenv("SABI_SERVER", backend.client.address)
    monkeypatch.setenv("SABI_TOKEN", backend.client.token)
    image = texture()
    assert bpy.ops.sabi.delight(image=image.name) == {"FINISHED"}
    assert left_and_right(bpy.data.images["wall.png delit"]) == pytest.approx(1, abs=0.15)
    assert "by brightness alone" in work.current().outcome.warnings[0]


def test_what_fails_says_why_and_makes_no_image(served):
    data = texture(space=ColorSpace.DATA)
    plain = images.write(Map(np.full((64, 64, 3), 99, np.uint8), ColorSpace.SRGB), "plain")
    names = sorted(bpy.data.images.keys())
    wrong = {data.name: "holds data", plain.name: "one colour", "moon": "no image 'moon'", "": "No image is shown"}
    for name, words in wrong.items():
        with pytest.raises(RuntimeError, match=words):
            bpy.ops.sabi.delight(image=name)
    assert sorted(bpy.data.images.keys()) == names
    assert not work.busy()
