# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps packed as engines want them, in every format and depth, read back from the files."""

from __future__ import annotations

import numpy as np
import pytest
from image_files import noise
from PIL import Image

from sabi.backend.files.image import read_image
from sabi.backend.files.packing import encoded, pack
from sabi.backend.protocol.errors import BadFile, MissingMap
from sabi.backend.protocol.map_files import FileFormat, Layout, MapExport, format_named, layout_named, solid
from sabi.backend.protocol.surface import ColorSpace, Map

MAPS = {
    "albedo": Map(noise(channels=3), ColorSpace.SRGB),
    "roughness": Map(noise(channels=1, seed=1)),
    "metallic": Map(noise(channels=1, seed=2)),
    "normal": Map(noise(channels=3, seed=3)),
    "ambient_occlusion": Map(noise(channels=1, seed=4)),
    "height": Map(noise(channels=1, dtype=np.uint16, seed=5)),
}


def read_back(tmp_path, export, maps=MAPS):
    """Every file of the export by name, as OpenImageIO reads it."""
    found = {}
    for file in export.files(maps):
        path = tmp_path / f"{file.name}{export.suffix}"
        path.write_bytes(encoded(maps, file, export).tobytes())
        found[file.name] = read_image(path)[0]
    return found


def bytes_of(name, index=0):
    return MAPS[name].array[..., index]


def test_unreal(tmp_path):
    files = read_back(tmp_path, MapExport(Layout.UNREAL))
    assert set(files) == {"BaseColor", "ORM", "Normal", "Height"}
    assert np.array_equal(files["BaseColor"], MAPS["albedo"].array)
    for index, name in enumerate(("ambient_occlusion", "roughness", "metallic")):
        assert np.array_equal(files["ORM"][..., index], bytes_of(name))
    assert np.array_equal(files["Normal"][..., 1], 255 - bytes_of("normal", 1)), "DirectX: green down"
    assert np.array_equal(files["Normal"][..., ::2], MAPS["normal"].array[..., ::2])


@pytest.mark.parametrize("form", [FileFormat.PNG, FileFormat.TIFF, FileFormat.EXR])
def test_unity(tmp_path, form):
    files = read_back(tmp_path, MapExport(Layout.UNITY, form))
    assert set(files) == {"BaseMap", "MaskMap", "NormalMap", "HeightMap"}
    mask = files["MaskMap"].astype(np.float32) / (255 if form is not FileFormat.EXR else 1)
    expected = np.stack([bytes_of("metallic"), bytes_of("ambient_occlusion"), np.full((24, 32), 255)], -1) / 255
    assert np.abs(mask[..., :3] - expected).max() < 1e-3
    assert np.abs(mask[..., 3] - (1 - bytes_of("roughness") / 255)).max() < 1e-3, "smoothness"
    if form is not FileFormat.EXR:
        assert np.array_equal(files["NormalMap"], MAPS["normal"].array), "OpenGL: green up"


def test_gltf(tmp_path):
    files = read_back(tmp_path, MapExport(Layout.GLTF))
    assert set(files) == {"baseColor", "metallicRoughness", "normal"}
    assert np.array_equal(files["metallicRoughness"][..., 1], bytes_of("roughness"))
    assert np.array_equal(files["metallicRoughness"][..., 2], bytes_of("metallic"))


@pytest.mark.parametrize(
    ("form", "bits", "dtype"),
    [
        (FileFormat.PNG, 8, np.uint8),
        (FileFormat.PNG, 16, np.uint16),
        (FileFormat.TIFF, 8, np.uint8),
        (FileFormat.TIFF, 16, np.uint16),
        (FileFormat.EXR, 16, np.float16),
        (FileFormat.EXR, 0, np.float16),
        (FileFormat.WEBP, 8, np.uint8),
    ],
)
def test_plain_maps_in_every_format_and_depth(tmp_path, form, bits, dtype):
    files = read_back(tmp_path, MapExport(Layout.PLAIN, form, bits))
    assert set(files) == {"albedo", "roughness", "metallic", "normal", "height", "occlusion"}
    for name, pixels in files.items():
        if form is not FileFormat.WEBP:  # which is always of three channels
            assert pixels.dtype == dtype
            assert pixels.shape[2] == (3 if name in ("albedo", "normal") else 1)
        source = MAPS["ambient_occlusion" if name == "occlusion" else name].floats()
        values = pixels.astype(np.float32) / (np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1)
        if name == "albedo" and form is FileFormat.EXR:
            source = np.where(source <= 0.04045, source / 12.92, ((source + 0.055) / 1.055) ** 2.4)
        assert np.abs(values[..., : source.shape[2]] - source).max() <= (0.6 / 255 if bits == 8 else 1e-3), name


def test_16_bits_keep_what_8_would_lose(tmp_path):
    maps = {"albedo": MAPS["albedo"], "height": MAPS["height"]}
    assert np.array_equal(read_back(tmp_path, MapExport(bits=16), maps)["height"], MAPS["height"].array)


def test_linear_colours_are_encoded_for_integers_and_left_for_exr():
    linear = {"albedo": Map(np.full((4, 4, 3), 0.2158605, np.float32), ColorSpace.LINEAR)}
    (file,) = MapExport().files(linear)
    assert (pack(linear, file, MapExport()) == 128).all()
    assert np.allclose(pack(linear, file, MapExport(format=FileFormat.EXR)), 0.2158605, atol=1e-3)


def test_alpha_goes_with_the_colours_only_where_it_says_something(tmp_path):
    opaque = Map(np.full((24, 32, 1), 255, np.uint8))
    assert "alpha" not in solid({**MAPS, "alpha": opaque})
    holes = {**MAPS, "alpha": Map(noise(channels=1, seed=6))}
    assert solid(holes) == holes
    for form in (FileFormat.PNG, FileFormat.TIFF):
        pixels = read_back(tmp_path, MapExport(format=form), holes)["albedo"]
        assert np.array_equal(pixels, np.concatenate([holes["albedo"].array, holes["alpha"].array], 2)), form


def test_webp_keeps_colours_under_alpha(tmp_path):
    alpha = np.maximum(noise(channels=1, seed=6), 1)
    maps = {"albedo": MAPS["albedo"], "alpha": Map(alpha)}
    export = MapExport(format=FileFormat.WEBP)
    (tmp_path / "a.webp").write_bytes(encoded(maps, export.files(maps)[0], export).tobytes())
    with Image.open(tmp_path / "a.webp") as picture:
        assert np.array_equal(np.asarray(picture), np.concatenate([maps["albedo"].array, alpha], 2))


def test_a_surface_without_some_maps(tmp_path):
    maps = {"albedo": MAPS["albedo"], "roughness": MAPS["roughness"]}
    files = read_back(tmp_path, MapExport(Layout.UNREAL), maps)
    assert set(files) == {"BaseColor", "ORM"}
    assert (files["ORM"][..., 0] == 255).all()
    assert (files["ORM"][..., 2] == 0).all()
    with pytest.raises(MissingMap):
        pack(maps, MapExport().files(MAPS)[3], MapExport())


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"format": FileFormat.WEBP, "bits": 16}, "WEBP holds 8 bits"),
        ({"format": FileFormat.EXR, "bits": 8}, "EXR holds 16 bits"),
        ({"bits": 12}, "PNG holds 8 or 16 bits"),
        ({"layout": Layout.UNITY, "format": FileFormat.WEBP}, "WebP loses"),
        ({"pattern": "{object}"}, "lacks {map}"),
    ],
)
def test_exports_that_cannot_be(asked, said):
    with pytest.raises(BadFile, match=said):
        MapExport(**asked)


def test_names_of_choices():
    assert format_named(".TIFF") is FileFormat.TIFF
    assert layout_named("unity") is Layout.UNITY
    with pytest.raises(BadFile, match="'jpg' is not a format"):
        format_named("jpg")
    with pytest.raises(BadFile, match="'godot' is not a way"):
        layout_named("godot")
