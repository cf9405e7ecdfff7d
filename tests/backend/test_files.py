# SPDX-License-Identifier: GPL-3.0-or-later
"""Images, folders of PBR maps and rendered frames, from real files and back."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import OpenImageIO
import pytest
from frames import Scene, write_frame_4, write_frame_5

from sabi.backend.files import read_assets, read_frame, read_surface, write_asset, write_frame, write_surface
from sabi.backend.files.frame import is_frame
from sabi.backend.files.image import read_image, write_image
from sabi.backend.files.names import read_name
from sabi.backend.files.whole import WholeFiles
from sabi.backend.protocol.errors import BadFile, BadSurface, FileExists, TooLarge
from sabi.backend.protocol.surface import ColorSpace, Map, Space


def noise(height=24, width=32, channels=3, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "u":
        return rng.integers(0, np.iinfo(dtype).max, (height, width, channels), dtype=dtype, endpoint=True)
    return rng.random((height, width, channels)).astype(dtype)


def save(path, array, **attributes):
    kinds = {"uint8": "uint8", "uint16": "uint16", "float16": "half", "float32": "float"}
    spec = OpenImageIO.ImageSpec(array.shape[1], array.shape[0], array.shape[2], kinds[array.dtype.name])
    spec.attribute("oiio:UnassociatedAlpha", 1)
    for name, value in attributes.items():
        spec.attribute(name, value)
    out = OpenImageIO.ImageOutput.create(str(path))
    assert out.open(str(path), spec)
    assert out.write_image(array)
    assert out.close()
    out.geterror()
    return path


def weathered(asset, amount=40):
    """The asset's surface with the upper left quarter of every material map changed."""
    changed = {}
    for name, map_ in asset.surface.maps.items():
        if name in ("albedo", "roughness", "metallic", "normal", "height"):
            array = map_.array.copy()
            part = array[: array.shape[0] // 2, : array.shape[1] // 2]
            part[:] = part // 2 if array.dtype.kind == "u" else part * array.dtype.type(0.5)
            changed[name] = Map(array, map_.color_space)
    return asset.surface.with_maps(changed)


def write(asset, surface, target, overwrite=False, **options):
    with WholeFiles(overwrite) as files:
        return write_asset(asset, surface, target, files, **options)


# --- names


@pytest.mark.parametrize(
    ("stem", "maps", "tile"),
    [
        ("brushed_steel_albedo", ("albedo",), None),
        ("rusty_metal_02_diff_1k", ("albedo",), None),
        ("Metal049A_1K-PNG_Color", ("albedo",), None),
        ("Metal049A_1K-PNG_NormalDX", ("normal_dx",), None),
        ("Metal049A_1K-PNG_NormalGL", ("normal",), None),
        ("door_BaseColor", ("albedo",), None),
        ("door.base_color.1002", ("albedo",), 1002),
        ("wall_nor_gl_4k", ("normal",), None),
        ("wall_nor_dx_4k", ("normal_dx",), None),
        ("wall_rough_2k", ("roughness",), None),
        ("metal_plate_metal", ("metallic",), None),
        ("wall_arm_1k", ("ambient_occlusion", "roughness", "metallic"), None),
        ("x_ORM", ("ambient_occlusion", "roughness", "metallic"), None),
        ("helmet_metallicRoughness", ("", "roughness", "metallic"), None),
        ("wall_disp", ("height",), None),
        ("leaf_opacity", ("alpha",), None),
        ("metal_01", (), None),
        ("preview", (), None),
    ],
)
def test_names_say_which_map(stem, maps, tile):
    named = read_name(stem)
    assert (named.maps, named.tile) == (maps, tile)


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


# --- whole or not at all


def test_existing_files_are_never_replaced_unasked(tmp_path):
    (asset,) = read_assets(save(tmp_path / "a.png", noise()))
    target = tmp_path / "b.png"
    target.write_bytes(b"precious")
    with pytest.raises(FileExists, match=r"b\.png exists"):
        write(asset, weathered(asset), target)
    assert target.read_bytes() == b"precious"
    write(asset, weathered(asset), target, overwrite=True)
    assert read_image(target)[0].shape == (24, 32, 3)
    with pytest.raises(FileExists):
        write_surface(asset.surface, target)


def test_a_file_that_appears_meanwhile_is_kept(tmp_path):
    def write_in_a_race():
        with WholeFiles() as files:
            files.add_text(tmp_path / "a.txt", "new")
            (tmp_path / "a.txt").write_text("theirs")

    with pytest.raises(FileExists):
        write_in_a_race()
    assert (tmp_path / "a.txt").read_text() == "theirs"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failure_leaves_nothing(tmp_path):
    def fail():
        with WholeFiles() as files:
            files.add_text(tmp_path / "new" / "folder" / "a.txt", "text")
            assert not (tmp_path / "new" / "folder" / "a.txt").exists(), "not before all are written"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("suffix", [".png", ".exr", ".tif"])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, suffix):
    program = f"""
import resource, signal, sys
import numpy as np
from pathlib import Path
from sabi.backend.files.image import write_image
from sabi.backend.files.whole import WholeFiles
from sabi.backend.protocol.errors import DiskFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
pixels = np.random.default_rng(0).random((300, 300, 3)).astype(np.float32)
pixels = (pixels * 255).astype(np.uint8) if {suffix!r} == ".png" else pixels
try:
    with WholeFiles() as files:
        files.add(Path({str(tmp_path)!r}) / "out" / "a{suffix}", lambda t: write_image(t, pixels))
except DiskFull as error:
    print(error.message)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "The disk is full" in done.stdout
    assert os.listdir(tmp_path) == []


def test_a_surface_without_files_gets_new_ones(tmp_path):
    (asset,) = read_assets(save(tmp_path / "a.png", noise(channels=4)))
    surface = asset.surface.with_maps({"roughness": Map(noise(channels=1, dtype=np.float32))})
    paths = write_surface(surface, tmp_path / "out")
    assert {p.name for p in paths} == {"albedo.png", "roughness.exr", "alpha.png"}
    again = read_surface(tmp_path / "out")
    for name in ("albedo", "roughness", "alpha"):
        assert np.array_equal(again[name].array, surface[name].array)


def test_a_folder_that_may_not_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(BadFile), WholeFiles() as files:
        files.add_text(tmp_path / "file" / "a.txt", "text")
    assert (tmp_path / "file").is_file()


# --- frames


@pytest.fixture(params=[write_frame_4, write_frame_5], ids=["4.x", "5.x"])
def layout(request):
    return request.param


def test_frames_are_read_in_both_layouts(tmp_path, layout):
    passes = Scene().passes()
    layout(tmp_path / "frame.exr", passes)
    frame = read_frame(tmp_path / "frame.exr", object_index=3)
    surface = frame.surface
    assert is_frame(tmp_path / "frame.exr")
    assert surface.space is Space.IMAGE
    assert surface["combined"].array.dtype == np.float16
    assert np.array_equal(surface["combined"].array, passes["Combined"][..., :3].astype(np.float16))
    light = passes["Diffuse Direct"].astype(np.float16).astype(np.float32) + passes["Diffuse Indirect"].astype(
        np.float16
    )
    assert np.array_equal(surface["diffuse_light"].array, light)
    assert np.array_equal(surface["position"].array, passes["Position"])
    assert np.array_equal(surface["object_mask"].array, (passes["Object Index"] == 3).astype(np.float32))
    everything = read_surface(tmp_path / "frame.exr")["object_mask"].array
    assert np.array_equal(everything > 0, passes["Object Index"] > 0)


def test_a_frame_is_written_with_all_its_passes(tmp_path, layout):
    layout(tmp_path / "frame.exr", Scene().passes())
    frame = read_frame(tmp_path / "frame.exr")
    combined = frame.surface["combined"].array.copy()
    combined[10:20, 10:20] *= np.float16(0.5)
    new = frame.surface.with_maps({"combined": Map(combined, ColorSpace.LINEAR)})
    write_frame(frame, new, tmp_path / "out.exr")
    again = read_frame(tmp_path / "out.exr")
    assert np.array_equal(again.surface["combined"].array, combined)
    for name in set(frame.surface.maps) - {"combined"}:
        assert np.array_equal(again.surface[name].array, frame.surface[name].array), name
    before, after = (OpenImageIO.ImageInput.open(str(tmp_path / n)) for n in ("frame.exr", "out.exr"))
    assert [str(f) for f in before.spec().channelformats] == [str(f) for f in after.spec().channelformats]
    assert before.spec().channelnames == after.spec().channelnames
    assert after.spec().getattribute("RenderTime") == "00:00.02"


def test_missing_passes_are_named(tmp_path, layout):
    passes = Scene().passes()
    del passes["Position"], passes["Glossy Direct"]
    layout(tmp_path / "frame.exr", passes)
    with pytest.raises(BadFile, match="lacks the passes Glossy Direct, Position") as caught:
        read_frame(tmp_path / "frame.exr")
    assert "View Layer Properties" in caught.value.hint


def test_a_render_without_passes_is_not_taken_for_a_texture(tmp_path):
    save(tmp_path / "render.exr", noise(dtype=np.float16), RenderTime="00:01.00", Camera="Camera")
    with pytest.raises(BadFile, match="lacks the passes Diffuse Color"):
        read_surface(tmp_path / "render.exr")
    save(tmp_path / "texture.exr", noise(dtype=np.float16))
    assert read_surface(tmp_path / "texture.exr").space is Space.TEXTURE


def test_nan_in_a_pass_is_refused(tmp_path, layout):
    passes = Scene().passes()
    passes["Glossy Direct"][3, 3, 0] = np.nan
    layout(tmp_path / "frame.exr", passes)
    with pytest.raises(BadSurface, match="glossy_light map holds NaN"):
        read_frame(tmp_path / "frame.exr")


def test_view_layers_with_dots_in_their_names(tmp_path, layout):
    layout(tmp_path / "frame.exr", Scene().passes(), layer="Layer.001")
    assert read_frame(tmp_path / "frame.exr").layer == "Layer.001"
    with pytest.raises(BadFile, match="no view layer 'x'"):
        read_frame(tmp_path / "frame.exr", layer="x")


def test_objects_are_found_by_name_or_refused(tmp_path):
    passes = Scene().passes()
    ball = passes["Object Index"] == 3
    identity = np.where(ball, np.uint32(0x40490FDB), np.uint32(0)).view(np.float32)
    passes["CryptoObject00"] = np.concatenate([identity, ball * np.float32(0.75), 0 * identity, 0 * identity], -1)
    write_frame_4(tmp_path / "frame.exr", passes, half=False)
    with pytest.raises(BadFile, match="shows no object 'Ball'"):
        read_frame(tmp_path / "frame.exr", object_name="Ball")
    pixels, spec = read_image(tmp_path / "frame.exr")
    spec.attribute("cryptomatte/542cafa/name", "ViewLayer.CryptoObject")
    spec.attribute("cryptomatte/542cafa/manifest", '{"Ball":"40490fdb","Floor":"00000001"}')
    write_image(tmp_path / "named.exr", pixels, spec)
    mask = read_frame(tmp_path / "named.exr", object_name="Ball").surface["object_mask"].array
    assert np.array_equal(mask, ball * np.float32(0.75))
    with pytest.raises(BadSurface, match="does not show 'Floor'"):
        read_frame(tmp_path / "named.exr", object_name="Floor")
    with pytest.raises(BadSurface, match="index 9"):
        read_frame(tmp_path / "named.exr", object_index=9)
