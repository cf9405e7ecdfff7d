# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi weather --maps`: engines' files from images and folders, versions, formats, DirectX sources."""

from __future__ import annotations

import json

import numpy as np
import pytest
from image_files import noise
from scipy.ndimage import binary_erosion
from test_cli import sabi, steel

from sabi.backend.files.image import read_image, write_image

LOOK = ["--effect", "rust", "--age", "0.4", "--size", "0.3"]


@pytest.fixture
def folder(tmp_path):
    """A set of maps whose normals lean right and up, OpenGL's way."""
    maps = tmp_path / "steel"
    maps.mkdir()
    steel(maps / "steel_diff.png")
    write_image(maps / "steel_rough.png", noise(96, 96, 1, seed=2))
    write_image(maps / "steel_ao.png", np.linspace(200, 255, 96 * 96).astype(np.uint8).reshape(96, 96, 1))
    write_image(maps / "steel_normal.png", np.full((96, 96, 3), (150, 180, 230), np.uint8))
    return maps


def untouched(folder, target, name):
    """Where weathering changed nothing that the albedo shows, nor anything close by; some of it has weathered a little."""
    before, after = read_image(folder / "steel_diff.png")[0], read_image(target / name)[0]
    if after.dtype == np.uint16:
        before = before.astype(np.uint16) * 257
    same = binary_erosion((before == after[..., :3]).all(axis=2), iterations=3)
    assert 0.02 < same.mean() < 0.98
    return same


def mostly(same):
    return same.all(axis=-1).mean() > 0.9 if same.ndim > 1 else same.mean() > 0.9


def test_unreal(tmp_path, folder):
    done = sabi("weather", folder, *LOOK, "--maps", "unreal")
    target = tmp_path / "steel_weathered"
    assert (
        sorted(p.name for p in target.iterdir())
        == [
            "sabi.json",
            *(f"steel_{name}.png" for name in ("BaseColor", "Height", "Normal", "ORM")),
        ]
        or not (target / "steel_Height.png").exists()
    )
    assert str(target / "steel_ORM.png") in done.stdout
    same = untouched(folder, target, "steel_BaseColor.png")
    orm = read_image(target / "steel_ORM.png")[0]
    assert np.array_equal(orm[..., 0], read_image(folder / "steel_ao.png")[0][..., 0]), "occlusion is the source's own"
    assert mostly(orm[same][:, 1] == read_image(folder / "steel_rough.png")[0][same][:, 0])
    assert not np.array_equal(orm[..., 1], read_image(folder / "steel_rough.png")[0][..., 0]), "it has weathered"
    assert mostly(read_image(target / "steel_Normal.png")[0][same] == (150, 75, 230)), "green is turned"
    said = json.loads((target / "sabi.json").read_text())
    assert said["settings"]["maps"]["normals"] == "directx"
    assert said["settings"]["maps"]["channels"]["ORM"] == ["ambient_occlusion", "roughness", "metallic"]
    assert said["recipe"]["layers"][0]["effect"] == "rust"
    assert len(said["input"]["sha256"]) == 64


def test_unity_in_16_bits(tmp_path, folder):
    sabi("weather", folder, *LOOK, "--maps", "unity", "--format", "tiff", "--bits", "16")
    target = tmp_path / "steel_weathered"
    mask = read_image(target / "steel_MaskMap.tif")[0]
    assert mask.dtype == np.uint16
    assert mask.shape == (96, 96, 4)
    same = untouched(folder, target, "steel_BaseMap.tif")
    rough = read_image(folder / "steel_rough.png")[0].astype(np.uint16) * 257
    assert mostly(mask[same][:, 3] == 65535 - rough[same][:, 0]), "smoothness"
    assert mostly(read_image(target / "steel_NormalMap.tif")[0][same] == np.array((150, 180, 230)) * 257)


def test_versions_go_on_and_take_nothings_place(tmp_path):
    path = steel(tmp_path / "steel.png")
    name = ["--maps", "plain", "--name", "{object}_{recipe}_{map}_{size}_v{version:03}"]
    target = tmp_path / "steel_weathered"
    sabi("weather", path, *LOOK, *name)
    first = {p.name: p.read_bytes() for p in target.iterdir()}
    assert {"steel_rust_albedo_96_v001.png", "steel_rust_roughness_96_v001.png", "v1.sabi.json"} <= set(first)
    sabi("weather", path, *LOOK, "--seed", "9", *name, "--overwrite")
    (target / "steel_rust_albedo_96_v007.exr").write_bytes(b"an artist's own")
    sabi("weather", path, *LOOK, "--seed", "10", *name, "--format", "webp")
    assert {p.name: (target / p.name).read_bytes() for p in target.iterdir() if p.name in first} == first
    names = {p.name for p in target.iterdir()}
    assert {"steel_rust_albedo_96_v002.png", "v2.sabi.json", "steel_rust_albedo_96_v008.webp", "v8.sabi.json"} <= names
    assert json.loads((target / "v2.sabi.json").read_text())["recipe"]["layers"][0]["seed"] == 9


def test_without_versions_existing_files_are_refused(tmp_path):
    path = steel(tmp_path / "steel.png")
    sabi("weather", path, *LOOK, "--maps", "gltf")
    assert "weathered already" in sabi("weather", path, *LOOK, "--maps", "gltf", status=1).stderr


def test_tiles(tmp_path):
    for tile in (1001, 1002):
        steel(tmp_path / f"wall.{tile}.png", size=64 if tile == 1002 else 96)
    sabi("weather", tmp_path / "wall.<UDIM>.png", *LOOK, "--maps", "unreal", "--name", "T_{object}_{map}")
    names = {p.name for p in (tmp_path / "wall_weathered").iterdir()}
    assert {"T_wall_ORM.1001.png", "T_wall_ORM.1002.png", "T_wall_BaseColor.1002.png"} <= names


@pytest.mark.parametrize(
    ("name", "said", "directx"),
    [
        ("steel_NormalDX", "auto", True),
        ("steel_normal_dx", "auto", True),
        ("steel_NormalGL", "auto", False),
        ("steel_normal", "auto", False),
        ("steel_normal", "directx", True),
        ("steel_normal_dx", "opengl", False),
    ],
)
def test_directx_sources_are_recognised_or_declared(tmp_path, folder, name, said, directx):
    (folder / "steel_normal.png").rename(folder / f"{name}.png")
    sabi("weather", folder, *LOOK, "--maps", "plain", "--normals", said)
    target = tmp_path / "steel_weathered"
    same = untouched(folder, target, "steel_albedo.png")
    green = 75 if directx else 180
    assert mostly(read_image(target / "steel_normal.png")[0][same] == (150, green, 230)), "exported as OpenGL"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--maps", "godot"], "not a way to lay out maps"),
        (["--maps", "plain", "--format", "jpg"], "not a format that maps are exported in"),
        (["--maps", "plain", "--format", "exr", "--bits", "8"], "EXR holds 16 bits"),
        (["--maps", "plain", "--name", "{object}"], "lacks {map}"),
        (["--maps", "plain", "--name", "../{map}"], "leads out of its folder"),
        (["--bits", "16"], "--bits and --name are for --maps"),
        (["--normals", "up"], "no kind of normal map"),
    ],
)
def test_what_cannot_be_exported_is_said(tmp_path, options, said):
    done = sabi("weather", steel(tmp_path / "steel.png"), *options, status=1)
    assert said in " ".join(done.stderr.split())
    assert [p.name for p in tmp_path.iterdir()] == ["steel.png"]
