# SPDX-License-Identifier: GPL-3.0-or-later
"""Images become maps and maps images without a bit lost: rows, colour spaces, depths, alpha, tiles, files."""

import bpy
import numpy as np
import OpenImageIO
import pytest
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.backend.protocol.errors import BadFile
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map


def save(path, array, kind):
    """Writes [H, W, C], top row first, with another library than Blender's."""
    height, width, channels = array.shape
    spec = OpenImageIO.ImageSpec(width, height, channels, kind)
    spec.attribute("oiio:UnassociatedAlpha", 1)
    output = OpenImageIO.ImageOutput.create(str(path))
    output.open(str(path), spec)
    output.write_image(np.ascontiguousarray(array))
    output.close()
    return path


def load(path, space=None):
    image = bpy.data.images.load(str(path))
    if space is not None:
        images.set_color_space(image, space)
    return image


@pytest.fixture
def noise():
    return np.random.default_rng(7)


@pytest.mark.parametrize("space", [ColorSpace.SRGB, ColorSpace.DATA])
def test_bytes_are_read_as_they_are_stored(space, tmp_path, noise):
    stored = noise.integers(0, 256, (5, 7, 4), np.uint8)
    map_ = images.read(load(save(tmp_path / "a.png", stored, "uint8"), space), (0, 1, 2, 3))
    assert np.array_equal(map_.array, stored)
    assert map_.array.dtype == np.uint8
    assert map_.color_space is space


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("space", [ColorSpace.SRGB, ColorSpace.DATA])
def test_every_16_bit_value_survives(space, suffix, tmp_path):
    stored = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    map_ = images.read(load(save(tmp_path / f"a.{suffix}", stored, "uint16"), space))
    assert map_.array.dtype == np.uint16
    assert np.array_equal(map_.array, stored)


@pytest.mark.parametrize(("kind", "dtype"), [("half", np.float16), ("float", np.float32)])
def test_floats_are_scene_linear_and_keep_their_bits(kind, dtype, tmp_path, noise):
    stored = (noise.random((6, 4, 3)) * 9).astype(dtype)
    map_ = images.read(load(save(tmp_path / "a.exr", stored, kind)))
    assert map_.array.dtype == dtype
    assert map_.color_space is ColorSpace.LINEAR
    assert np.array_equal(map_.array, stored)


@pytest.mark.parametrize("channels", [1, 2])
def test_greyscale_files_are_grey(channels, tmp_path, noise):
    stored = noise.integers(0, 256, (3, 4, channels), np.uint8)
    map_ = images.read(load(save(tmp_path / "a.png", stored, "uint8"), ColorSpace.DATA), (0, 1, 2))
    assert np.array_equal(map_.array, stored[..., :1].repeat(3, axis=2))


def test_colours_under_no_alpha_are_kept(tmp_path):
    stored = np.array([[[200, 100, 50, 0]]], np.uint8)
    assert np.array_equal(images.read(load(save(tmp_path / "a.png", stored, "uint8"))).array, stored[..., :3])


@pytest.mark.parametrize("space", list(ColorSpace))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_is_written_is_read_back(dtype, space, noise):
    values = noise.random((8, 5, 3)).astype(np.float32)
    array = values if dtype is np.float32 else np.rint(values * np.iinfo(dtype).max).astype(dtype)
    map_ = Map(array, space)
    image = images.write(map_, "written")
    assert image.packed_file is not None
    back = images.read(image)
    if dtype == np.uint8:
        assert np.array_equal(back.array, array)
        assert back.color_space is space
    elif space is ColorSpace.SRGB:
        np.testing.assert_allclose(images.encode_srgb(back.floats()), map_.floats(), atol=2e-3)  # packed as half floats
    else:
        np.testing.assert_allclose(back.floats(), map_.floats(), atol=1e-3)


def test_a_painted_image_is_loaded_with_its_alpha_as_a_channel(tmp_path, noise):
    stored = noise.integers(0, 256, (4, 4, 4), np.uint8)
    path = save(tmp_path / "thin.png", stored, "uint8")
    image = images.load_png(path, "rust thin", ColorSpace.SRGB)
    assert image.name == "rust thin"
    assert image.alpha_mode == "CHANNEL_PACKED"
    assert image.colorspace_settings.name == images.srgb_name()
    assert np.array_equal(images.read(image, (0, 1, 2, 3)).array, stored)
    assert images.load_png(path, "again", ColorSpace.DATA) != image
    assert bpy.data.images["again"].colorspace_settings.is_data


def test_a_packed_image_needs_its_file_no_more(tmp_path, noise):
    stored = noise.integers(0, 256, (4, 4, 3), np.uint8)
    image = images.load_png(save(tmp_path / "a.png", stored, "uint8"), "a", ColorSpace.SRGB)
    images.pack(image)
    image.use_fake_user = True
    (tmp_path / "a.png").unlink()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "file.blend"))
    assert np.array_equal(images.read(bpy.data.images["a"]).array, stored)


def test_images_beside_the_blend_never_replace_a_file(tmp_path, noise):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    first, second = (noise.integers(0, 256, (4, 4, 3), np.uint8) for _ in range(2))
    paths = []
    for index, stored in enumerate((first, second)):
        image = images.load_png(save(tmp_path / f"temporary{index}.png", stored, "uint8"), "rust", ColorSpace.SRGB)
        paths.append(images.save_beside(image))
        assert image.filepath.startswith("//")
    assert paths[0] != paths[1]
    assert np.array_equal(images.read(load(paths[0])).array, first)
    assert not list((tmp_path / "sabi").glob("*.part"))


def test_a_blend_without_a_folder_is_said(tmp_path, noise):
    image = images.load_png(
        save(tmp_path / "a.png", noise.integers(0, 9, (2, 2, 3), np.uint8), "uint8"), "a", ColorSpace.SRGB
    )
    with pytest.raises(BadFile, match="no folder"):
        images.save_beside(image)


def test_a_disk_that_is_full_leaves_no_half_file(tmp_path, noise, monkeypatch):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "file.blend"))
    image = images.load_png(
        save(tmp_path / "a.png", noise.integers(0, 9, (2, 2, 3), np.uint8), "uint8"), "a", ColorSpace.SRGB
    )

    def full(_source, target):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(images.shutil, "copyfile", full)
    with pytest.raises(BadFile, match="No space"):
        images.save_beside(image)
    assert list((tmp_path / "sabi").iterdir()) == []


def test_missing_and_empty_files_are_told_apart(tmp_path):
    save(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8), "uint8")
    image = load(tmp_path / "a.png")
    (tmp_path / "a.png").unlink()
    with pytest.raises(BadFile, match="missing on disk"):
        images.read(image)
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(BadFile, match="no pixels"):
        images.read(load(tmp_path / "b.png"))
    with pytest.raises(BadFile, match="missing"):
        images.load_png(tmp_path / "a.png", "a", ColorSpace.SRGB)
    (tmp_path / "c.png").write_bytes(b"not a picture")
    with pytest.raises(BadFile, match="damaged"):
        images.load_png(tmp_path / "c.png", "c", ColorSpace.SRGB)


def test_tiles_are_read_from_files_of_their_own(tmp_path, noise):
    stored = {number: noise.integers(0, 256, (4, 4, 3), np.uint8) for number in (1001, 1002)}
    for number, array in stored.items():
        save(tmp_path / f"wall.{number}.png", array, "uint8")
    image = load(tmp_path / "wall.1001.png", ColorSpace.DATA)
    image.source = "TILED"
    assert sorted(images.tiles(image)) == [1001, 1002]
    for number, array in stored.items():
        map_ = images.read_tile(image, number)
        assert np.array_equal(map_.array, array)
        assert map_.color_space is ColorSpace.DATA
    with pytest.raises(BadFile, match="1003"):
        images.read_tile(image, 1003)


def test_colour_spaces_are_asked_for_not_assumed(monkeypatch):
    """A configuration without a space of that name: the roles still say which is which."""
    assert images.data_name() != images.srgb_name() != images.linear_name()
    asked = []
    monkeypatch.setattr(images, "_role", lambda **how: asked.append(how) or "Non-Color")
    image = bpy.data.images.new("a", 2, 2)
    images.set_color_space(image, ColorSpace.SRGB)
    assert image.colorspace_settings.name == "Non-Color"
    assert asked == [{}]


def test_floats_of_any_colour_space_are_scene_linear(tmp_path):
    """Blender has converted them: of ACES' or Rec.2020's primaries the red is another in Rec.709's."""
    image = load(save(tmp_path / "a.exr", np.full((2, 2, 3), (0.5, 0.25, 0.25), np.float32), "float"))
    names = image.colorspace_settings.bl_rna.properties["name"].enum_items.keys()
    image.colorspace_settings.name = next(name for name in names if "2020" in name and "inear" in name)
    image.reload()
    map_ = images.read(image)
    assert map_.color_space is ColorSpace.LINEAR
    assert map_.array[0, 0, 0] > 0.6


def test_a_colour_space_that_cannot_be_told_is_refused():
    image = bpy.data.images.new("a", 2, 2)
    names = {item.identifier for item in image.colorspace_settings.bl_rna.properties["name"].enum_items}
    known = {images.srgb_name(), images.linear_name(), images.data_name()}
    image.colorspace_settings.name = next(name for name in sorted(names) if "sRGB" in name and name not in known)
    with pytest.raises(BadFile, match="colour space") as raised:
        images.read(image)
    assert images.srgb_name() in raised.value.hint
