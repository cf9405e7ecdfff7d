# SPDX-License-Identifier: GPL-3.0-or-later
"""Single images, folders of maps and UDIM sets: read, weathered and written back."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from image_files import noise, save, weathered, write

from sabi.backend.files import read_assets, read_surface
from sabi.backend.files.image import read_image, write_image
from sabi.backend.files.profile import like
from sabi.backend.protocol.errors import BadFile, BadSurface, TooLarge
from sabi.backend.protocol.surface import ColorSpace, Map, Space

# --- single images


@pytest.mark.parametrize(
    ("suffix", "dtype", "channels"),
    [
        (".png", np.uint8, 3),
        (".png", np.uint8, 4),
        (".png", np.uint16, 3),
        (".png", np.uint16, 4),
        (".tif", np.uint8, 3),
        (".tif", np.uint16, 4),
        (".tif", np.float32, 3),
        (".exr", np.float16, 3),
        (".exr", np.float32, 3),
        (".tga", np.uint8, 4),
        (".bmp", np.uint8, 3),
    ],
)
def test_an_image_comes_back_bit_for_bit_where_nothing_changed(tmp_path, suffix, dtype, channels):
    pixels = noise(channels=channels, dtype=dtype)
    path = save(tmp_path / f"steel{suffix}", pixels)
    (asset,) = read_assets(path)
    albedo = asset.surface["albedo"]
    assert albedo.array.dtype == dtype
    assert np.array_equal(albedo.array, pixels[..., :3])
    assert albedo.color_space is (ColorSpace.SRGB if np.dtype(dtype).kind == "u" else ColorSpace.LINEAR)
    assert ("alpha" in asset.surface) == (channels == 4)

    (target,) = write(asset, weathered(asset), tmp_path / f"out{suffix}")
    back, _ = read_image(target)
    assert back.dtype == dtype
    assert back.shape == pixels.shape
    assert np.array_equal(back[12:], pixels[12:])
    assert np.array_equal(back[:12, 16:], pixels[:12, 16:])
    assert (back[:12, :16, :3] != pixels[:12, :16, :3]).any()
    if channels == 4:
        assert np.array_equal(back[..., 3], pixels[..., 3])


def test_colours_below_transparent_texels_are_kept(tmp_path):
    pixels = noise(channels=4)
    pixels[..., 3] = 0
    (asset,) = read_assets(save(tmp_path / "leaf.png", pixels))
    assert np.array_equal(asset.surface["albedo"].array, pixels[..., :3])


def test_grey_becomes_colour_where_it_weathers(tmp_path):
    pixels = noise(channels=1)
    (asset,) = read_assets(save(tmp_path / "grey.png", pixels))
    surface = weathered(asset)
    albedo = surface["albedo"].array.copy()
    albedo[:12, :16, 2] = 7
    (target,) = write(asset, surface.with_maps({"albedo": Map(albedo, ColorSpace.SRGB)}), tmp_path / "out.png")
    back, _ = read_image(target)
    assert back.shape[2] == 3
    assert (back[:12, :16, 2] == 7).all()
    assert np.array_equal(back[12:], np.repeat(pixels[12:], 3, axis=2))


def test_metadata_stay(tmp_path):
    path = save(tmp_path / "a.exr", noise(dtype=np.float16), Artist="K. Rost", compression="dwaa", XResolution=300.0)
    (asset,) = read_assets(path)
    (target,) = write(asset, weathered(asset), tmp_path / "b.exr")
    _, spec = read_image(target)
    assert spec.getattribute("Artist") == "K. Rost"
    assert spec.getattribute("compression").startswith("zip"), "a lossy compression would change every texel"


def test_jpeg_is_written_as_png(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    save(folder / "a_albedo.jpg", noise())
    (asset,) = read_assets(folder)
    (target,) = write(asset, weathered(asset), tmp_path / "out")
    assert target.name == "a_albedo.png"
    assert np.array_equal(read_image(target)[0][12:], asset.surface["albedo"].array[12:])


def test_formats_can_be_changed(tmp_path):
    (asset,) = read_assets(save(tmp_path / "a.png", np.full((24, 32, 3), 188, np.uint8)))
    (target,) = write(asset, asset.surface, tmp_path / "b.exr")
    pixels, _ = read_image(target)
    assert pixels.dtype == np.float16
    assert abs(float(pixels[0, 0, 0]) - 0.5029) < 1e-3  # EXR is scene-linear

    (linear,) = read_assets(save(tmp_path / "c.exr", np.full((24, 32, 3), 0.5029, np.float32)))
    (target,) = write(linear, linear.surface, tmp_path / "d.png")
    pixels, _ = read_image(target)
    assert abs(int(pixels[0, 0, 0]) / 65535 - 188 / 255) < 1e-3


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_has_no_curve_in_any_format(tmp_path, channels):
    pixels = np.full((24, 32, channels), 188, np.uint8)
    pixels[..., -1] = 128
    (asset,) = read_assets(save(tmp_path / "a.png", pixels))
    (target,) = write(asset, asset.surface, tmp_path / "b.exr")
    assert read_image(target)[0][0, 0, -1] == pytest.approx(128 / 255, abs=1e-3)

    pixels = np.full((24, 32, channels), 0.5, np.float32)
    (linear,) = read_assets(save(tmp_path / "c.exr", pixels))
    (target,) = write(linear, linear.surface, tmp_path / "d.png")
    assert read_image(target)[0][0, 0, -1] / 65535 == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("unassociated", [0, 1])
def test_a_tiff_says_as_before_whether_its_colours_are_multiplied_by_alpha(tmp_path, unassociated):
    pixels = np.full((24, 32, 4), 60, np.uint8)
    (asset,) = read_assets(save(tmp_path / "a.tif", pixels, **{"oiio:UnassociatedAlpha": unassociated}))
    (target,) = write(asset, asset.surface, tmp_path / "b.tif")
    told = [bool(read_image(path)[1].getattribute("oiio:UnassociatedAlpha")) for path in (tmp_path / "a.tif", target)]
    assert told == [bool(unassociated)] * 2
    assert np.array_equal(read_image(target)[0], pixels)


def test_a_tiff_of_what_was_no_tiff_says_that_its_colours_are_not_multiplied(tmp_path):
    pixels = np.full((24, 32, 4), 188, np.uint8)
    pixels[..., 3] = 128
    _, spec = read_image(save(tmp_path / "a.png", pixels))
    write_image(tmp_path / "b.tif", pixels, like(spec, pixels, same=False))
    read, said = read_image(tmp_path / "b.tif")
    assert said.getattribute("oiio:UnassociatedAlpha")
    assert np.array_equal(read, pixels)


def test_wrapping_is_seen(tmp_path):
    x = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    tiles = np.uint8(127 + 60 * np.sin(x)[None, :, None] * np.ones((64, 64, 3)))
    (asset,) = read_assets(save(tmp_path / "tiles.png", tiles))
    assert asset.surface.wrap == (True, True)
    ramp = np.uint8(np.linspace(0, 255, 64)[None, :, None] * np.ones((64, 64, 3)))
    (asset,) = read_assets(save(tmp_path / "ramp.png", ramp))
    assert asset.surface.wrap == (True, False)
    (asset,) = read_assets(tmp_path / "ramp.png", wrap=(False, False), width_metres=0.5)
    assert asset.surface.wrap == (False, False)
    assert asset.surface.texels_per_metre == 128


# --- folders


@pytest.fixture
def maps(tmp_path):
    folder = tmp_path / "steel"
    folder.mkdir()
    save(folder / "steel_diff_1k.png", noise(seed=1))
    save(folder / "steel_arm_1k.png", noise(seed=2))
    save(folder / "steel_nor_dx_1k.png", noise(seed=3, dtype=np.uint16))
    save(folder / "steel_disp_1k.tif", noise(seed=4, channels=1, dtype=np.float32))
    save(folder / "preview.png", noise(seed=5))
    return folder


def test_a_folder_of_maps(maps, tmp_path):
    (asset,) = read_assets(maps)
    surface = asset.surface
    assert set(surface.maps) == {"albedo", "ambient_occlusion", "roughness", "metallic", "normal", "height"}
    assert np.array_equal(surface["metallic"].array[..., 0], noise(seed=2)[..., 2])
    assert np.array_equal(surface["normal"].array[..., 1], 65535 - noise(seed=3, dtype=np.uint16)[..., 1])
    assert surface.space is Space.TEXTURE
    assert surface.name == "steel"
    said = " ".join(asset.warnings)
    assert "DirectX" in said
    assert "preview.png" in said

    written = {p.name: p for p in write(asset, weathered(asset), tmp_path / "out")}
    assert set(written) == {"steel_diff_1k.png", "steel_arm_1k.png", "steel_nor_dx_1k.png", "steel_disp_1k.tif"}
    arm, _ = read_image(written["steel_arm_1k.png"])
    assert np.array_equal(arm[..., 0], noise(seed=2)[..., 0]), "occlusion does not weather"
    assert np.array_equal(arm[:12, :16, 1], noise(seed=2)[:12, :16, 1] // 2)
    normal, _ = read_image(written["steel_nor_dx_1k.png"])
    assert np.array_equal(normal[12:], noise(seed=3, dtype=np.uint16)[12:]), "turned back to DirectX"
    assert np.array_equal(normal[:12, :16, 1], 65535 - (65535 - noise(seed=3, dtype=np.uint16)[:12, :16, 1]) // 2)


def test_new_maps_stand_beside_the_old(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    save(folder / "door_basecolor.png", noise())
    (asset,) = read_assets(folder)
    made = {"roughness": Map(noise(channels=1)), "metallic": Map(np.zeros((24, 32, 1), np.uint8))}
    names = {p.name for p in write(asset, asset.surface.with_maps(made), tmp_path / "out")}
    assert names == {"door_basecolor.png", "door_roughness.png"}, "a metallic of 0 all over says nothing"
    names = {p.name for p in write(asset, asset.surface.with_maps(made), tmp_path / "out2", new_maps=False)}
    assert names == {"door_basecolor.png"}


def test_udim_tiles_are_surfaces_of_their_own(tmp_path):
    for tile in (1001, 1002, 1011):
        save(tmp_path / f"hull_color.{tile}.png", noise(24 + tile % 10, 32, seed=tile))
        save(tmp_path / f"hull_roughness.{tile}.png", noise(24 + tile % 10, 32, 1, seed=tile))
    assets = read_assets(tmp_path)
    assert [a.tile for a in assets] == [1001, 1002, 1011]
    assert assets[1].surface.size == (26, 32)
    assert {p.name for p in write(assets[1], weathered(assets[1]), tmp_path / "out")} == {
        "hull_color.1002.png",
        "hull_roughness.1002.png",
    }
    with pytest.raises(BadSurface, match="3 UDIM tiles"):
        read_surface(tmp_path)
    assert [a.tile for a in read_assets(tmp_path / "hull_color.<UDIM>.png")] == [1001, 1002, 1011]


@pytest.mark.parametrize(
    ("files", "error", "says"),
    [
        ({"a_albedo.png": noise(), "a_rough.png": noise(30, 32, 1)}, BadSurface, "different sizes"),
        ({"a_albedo.png": noise(), "a_rough.png": noise()}, BadSurface, "coloured"),
        ({"a_albedo.png": noise(), "a_normal.png": noise(channels=1)}, BadSurface, "a normal map has three"),
        ({"a_albedo.png": noise(), "a_orm.png": noise(channels=1)}, BadSurface, "a packed map has three"),
        ({"a_albedo.png": noise(), "b_color.png": noise()}, BadFile, "both name the albedo map"),
        ({"a_rough.png": noise(channels=1)}, BadFile, "no albedo"),
        ({}, BadFile, "no images"),
    ],
)
def test_folders_that_are_wrong_are_refused_in_a_sentence(tmp_path, files, error, says):
    for name, pixels in files.items():
        save(tmp_path / name, pixels)
    with pytest.raises(error, match=says) as caught:
        read_assets(tmp_path)
    assert caught.value.hint


# --- bad input


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused(tmp_path, value):
    pixels = noise(dtype=np.float32)
    pixels[3, 4, 1] = value
    with pytest.raises(BadSurface, match="albedo map holds NaN or infinite"):
        read_surface(save(tmp_path / "bad.exr", pixels))


def test_files_that_are_no_images_are_refused(tmp_path):
    with pytest.raises(BadFile, match="missing"):
        read_surface(tmp_path / "nothing.png")
    (tmp_path / "empty.png").touch()
    with pytest.raises(BadFile, match="empty"):
        read_surface(tmp_path / "empty.png")
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(BadFile, match="cannot be read as an image"):
        read_surface(tmp_path / "text.png")
    whole = save(tmp_path / "whole.png", noise(200, 200)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFile, match="damaged or cut short"):
        read_surface(tmp_path / "cut.png")
    exr = save(tmp_path / "whole.exr", noise(200, 200, dtype=np.float32)).read_bytes()
    (tmp_path / "cut.exr").write_bytes(exr[: len(exr) // 2])
    with pytest.raises(BadFile):
        read_surface(tmp_path / "cut.exr")


def test_an_image_too_large_is_refused_before_it_is_read(tmp_path):
    header = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + (60000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    (tmp_path / "huge.png").write_bytes(
        header + zlib.crc32(header[12:]).to_bytes(4, "big") + b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
    )
    with pytest.raises(TooLarge, match="60000 x 60000"):
        read_surface(tmp_path / "huge.png")


@pytest.mark.parametrize(("width", "height"), [(0, 8), (8, 0), (0, 0)])
@pytest.mark.parametrize("suffix", ["png", "bmp", "tga"])
def test_images_without_texels_are_refused(tmp_path, suffix, width, height):
    """A whole file whose header says that it has none."""
    at, order = {"png": (16, ">I"), "bmp": (18, "<I"), "tga": (12, "<H")}[suffix]
    data = bytearray(save(tmp_path / f"zero.{suffix}", noise(8, 8)).read_bytes())
    size = struct.calcsize(order)
    data[at : at + 2 * size] = struct.pack(order, width) + struct.pack(order, height)
    if suffix == "png":
        data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / f"zero.{suffix}").write_bytes(data)
    with pytest.raises(
        (BadFile, BadSurface), match=rf"zero\.{suffix} (has no texels|cannot be read as an image)"
    ) as caught:
        read_surface(tmp_path / f"zero.{suffix}")
    assert caught.value.hint


def test_five_channels_are_refused(tmp_path):
    with pytest.raises(BadSurface, match="5 channels"):
        read_surface(save(tmp_path / "five.tif", noise(channels=5)))
