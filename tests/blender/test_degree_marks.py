# SPDX-License-Identifier: GPL-3.0-or-later
"""Marks painted over a photograph in Blender, and the degree map that a real backend makes of them."""

import bpy
import mixtures
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.photographs.degree_marks import OF, marks_of, marks_on
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.backend.protocol.errors import BadFile
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def served(backend, monkeypatch):
    monkeypatch.setenv("SABI_SERVER", backend.client.address)
    monkeypatch.setenv("SABI_TOKEN", backend.client.token)


@pytest.fixture(scope="module")
def mixture():
    return mixtures.mixture(2, 2, mixtures.flaked)


def photograph(mixture, dtype=np.uint8):
    if dtype == np.uint8:
        map_ = Map((mixture.photograph.clip(0, 1) * 255 + 0.5).astype(np.uint8), ColorSpace.SRGB)
    else:
        map_ = Map(mixture.photograph, ColorSpace.SRGB)
    return images.write(map_, "wall.png")


def paint(marks, mixture, kinds=(0.0, 1.0)):
    """What an artist's brush leaves: discs of pure colour on the copy."""
    pixels = np.empty(512 * 512 * 4, np.float32)
    marks.pixels.foreach_get(pixels)
    pixels = pixels.reshape(512, 512, 4)[::-1].copy()
    rows, columns = np.mgrid[:512, :512]
    for x, y, degree in mixture.marks(between=0):
        if degree in kinds:
            disc = (rows - y) ** 2 + (columns - x) ** 2 < 36
            pixels[disc, :3] = np.array(RED if degree else GREEN) / 255
    marks.pixels.foreach_set(np.ascontiguousarray(pixels[::-1]).reshape(-1))
    marks.update()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_from_photograph_to_degree(served, mixture, dtype):
    image = photograph(mixture, dtype)
    assert bpy.ops.sabi.degree_marks_new(image=image.name) == {"FINISHED"}
    marks = marks_of(image)
    assert marks.name == "wall.png marks"
    assert tuple(marks.size) == (512, 512)
    assert not marks.is_float
    paint(marks, mixture)
    before = set(bpy.data.images)
    assert bpy.ops.sabi.degree_from_marks(image=image.name) == {"FINISHED"}
    (made,) = set(bpy.data.images) - before
    assert made.name == "wall.png degree"
    assert made.colorspace_settings.is_data
    assert made.packed_file is not None
    degree = images.read(made, (0,)).array[..., 0] / 255
    assert mixture.error(degree) <= 0.08
    assert bpy.ops.sabi.degree_from_marks(image=marks.name, method="MANIFOLD", invert=True) == {"FINISHED"}
    other = images.read(bpy.data.images["wall.png degree.001"], (0,)).array[..., 0] / 255
    assert mixture.error(1 - other) <= 0.1, "marks stand for their photograph"


def test_rarity_and_looks_need_no_marks(served, mixture):
    image = photograph(mixture)
    for method in ("RARITY", "MANIFOLD"):
        assert bpy.ops.sabi.degree_from_marks(image=image.name, method=method) == {"FINISHED"}
    assert "wall.png degree.001" in bpy.data.images


def test_what_is_not_painted_is_no_mark():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (20, 30, 3), np.uint8)
    picture[:5, :5] = RED  # a red wall is not marked
    copy = picture.copy()
    copy[10:15, 10:15] = GREEN
    marks = marks_on(picture, copy)
    assert marks.shape == (20, 30, 4)
    assert (marks[10:15, 10:15, 3] == 255).all()
    assert (marks[..., 3] > 0).sum() == 25
    assert not marks_on(picture, np.clip(picture.astype(int) + 4, 0, 255).astype(np.uint8))[..., 3].any()
    with pytest.raises(BadFile, match="size"):
        marks_on(picture, copy[:10])


def test_what_fails_says_why_and_makes_no_image(served, mixture):
    image = photograph(mixture)
    with pytest.raises(RuntimeError, match="no marks yet"):
        bpy.ops.sabi.degree_from_marks(image=image.name)
    bpy.ops.sabi.degree_marks_new(image=image.name)
    names = sorted(bpy.data.images.keys())
    with pytest.raises(RuntimeError, match="Nothing is painted"):
        bpy.ops.sabi.degree_from_marks(image=image.name)
    paint(marks_of(image), mixture, kinds=(1.0,))
    with pytest.raises(RuntimeError, match="clean place and a weathered one"):
        bpy.ops.sabi.degree_from_marks(image=image.name)
    with pytest.raises(RuntimeError, match="no image 'moon'"):
        bpy.ops.sabi.degree_from_marks(image="moon")
    with pytest.raises(RuntimeError, match="No image is shown"):
        bpy.ops.sabi.degree_marks_new()
    assert sorted(bpy.data.images.keys()) == names
    assert not work.busy()


def test_without_a_backend(monkeypatch, mixture):
    monkeypatch.setenv("SABI_SERVER", "http://127.0.0.1:9")
    image = photograph(mixture)
    with pytest.raises(RuntimeError, match="backend"):
        bpy.ops.sabi.degree_from_marks(image=image.name, method="RARITY")
    assert [i.name for i in bpy.data.images] == ["wall.png"]


def test_marks_are_forgotten_with_their_photograph(mixture):
    image = photograph(mixture)
    bpy.ops.sabi.degree_marks_new(image=image.name)
    marks = marks_of(image)
    bpy.data.images.remove(image)
    assert marks.get(OF) is None
