# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi weather --photograph` with real files of every kind."""

import json
import sys

import numpy as np
import OpenImageIO
import pytest
from frames import Scene, write_frame_5
from image_files import save
from profiles import embedded

from sabi.backend.cli import main
from sabi.backend.files.image import read_image, write_image

TOP = {np.uint8: 255, np.uint16: 65535, np.float16: 1, np.float32: 1}


@pytest.fixture(autouse=True)
def networks(networks_folder, monkeypatch):
    monkeypatch.setenv("SABI_NETWORKS", str(networks_folder))
    monkeypatch.delenv("SABI_SERVER", raising=False)


def sabi(monkeypatch, *arguments):
    """Runs `sabi weather` and returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["sabi", "weather", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def picture(channels=3, dtype=np.uint8, height=72, width=96):
    rng = np.random.default_rng(0)
    values = np.linspace(0.2, 0.8, width)[None, :, None] * (0.9 + 0.1 * rng.random((height, width, channels)))
    if channels in (2, 4):
        values[..., -1] = 1
    return (values * TOP[dtype]).astype(dtype)


def masked(path, height=72, width=96):
    mask = np.zeros((height, width, 1), np.uint8)
    mask[: height // 2] = 255
    return save(path, mask)


@pytest.mark.parametrize(
    ("name", "channels", "dtype"),
    [
        ("p.png", 3, np.uint8),
        ("p.png", 4, np.uint8),
        ("p.png", 1, np.uint8),
        ("p.png", 2, np.uint16),
        ("p.tif", 3, np.uint16),
        ("p.exr", 3, np.float16),
        ("p.exr", 4, np.float32),
        ("p.hdr", 3, np.float32),
        ("p.jpg", 3, np.uint8),
    ],
)
def test_every_kind_of_picture(tmp_path, monkeypatch, capsys, name, channels, dtype):
    save(tmp_path / name, picture(channels, dtype))
    masked(tmp_path / "mask.png")
    given = read_image(tmp_path / name)[0]
    arguments = (tmp_path / name, "--photograph", "--mask", tmp_path / "mask.png", "--json")
    for age in ("0", "0.9"):
        assert sabi(monkeypatch, *arguments, "--age", age, "--out", tmp_path / age) == 0
        said = json.loads(capsys.readouterr().out)
        result = read_image(tmp_path / age / f"p_weathered{'.png' if name == 'p.jpg' else name[1:]}")[0]
        assert result.dtype == given.dtype
        if age == "0":
            assert np.array_equal(result, given)
        else:
            colours = given if channels > 2 else np.concatenate([np.repeat(given[..., :1], 3, 2), given[..., 1:]], 2)
            assert np.array_equal(result[36:], colours[36:])
            assert (result[:36] != colours[:36]).any()
            assert "What weathers is what the mask shows." in said["warnings"]
            sidecar = json.loads(
                (tmp_path / age / f"p_weathered{'.png' if name == 'p.jpg' else name[1:]}.sabi.json").read_text()
            )
            assert sidecar["kind"] == "photograph"


def test_a_turned_photograph_comes_out_upright(tmp_path, monkeypatch):
    """Its mask is painted on what a viewer shows."""
    spec = OpenImageIO.ImageSpec(96, 72, 3, "uint8")
    spec.attribute("Orientation", 6)  # lies on its side: the stored left is the top
    write_image(tmp_path / "p.jpg", picture(), spec)
    stored = read_image(tmp_path / "p.jpg")[0]
    assert read_image(tmp_path / "p.jpg")[1].getattribute("Orientation") == 6
    masked(tmp_path / "mask.png", 96, 72)
    assert sabi(monkeypatch, tmp_path / "p.jpg", "--photograph", "--mask", tmp_path / "mask.png", "--age", "0.9") == 0
    result, said = read_image(tmp_path / "p_weathered.png")
    shown = np.rot90(stored, -1)
    assert result.shape == shown.shape
    assert said.getattribute("Orientation") in (None, 1)
    assert np.array_equal(result[48:], shown[48:])
    assert (result[:48] != shown[:48]).any()


def test_a_colour_profile_is_applied_and_goes_along(tmp_path, monkeypatch, capsys):
    """Pure green of a wide space: what does not weather keeps its bits, and 16 bits are said to be taken for sRGB."""
    masked(tmp_path / "mask.png")
    for name, dtype, target in (("p.jpg", np.uint8, "p_weathered.png"), ("p.tif", np.uint16, "p_weathered.tif")):
        given = np.full_like(picture(dtype=dtype), TOP[dtype])
        given[..., ::2] = 0
        write_image(tmp_path / name, given, embedded(given))
        stored = read_image(tmp_path / name)[0]
        arguments = ("--photograph", "--mask", tmp_path / "mask.png", "--age", "0.9", "--json")
        assert sabi(monkeypatch, tmp_path / name, *arguments) == 0
        result, said = read_image(tmp_path / target)
        assert said.getattribute("ICCProfile") is not None
        assert np.array_equal(result[36:], stored[36:])
        assert (result[:36] != stored[:36]).any()
        told = [w for w in json.loads(capsys.readouterr().out)["warnings"] if "colour profile 'Wide'" in w]
        assert bool(told) == (dtype == np.uint16)


def test_a_turned_tiff_says_that_it_is_upright_now(tmp_path, monkeypatch):
    spec = OpenImageIO.ImageSpec(96, 72, 3, "uint8")
    spec.attribute("Orientation", 3)
    write_image(tmp_path / "p.tif", picture(), spec)
    assert sabi(monkeypatch, tmp_path / "p.tif", "--photograph", "--age", "0") == 0
    result, said = read_image(tmp_path / "p_weathered.tif")
    assert said.getattribute("Orientation") in (None, 1)
    assert np.array_equal(result, picture()[::-1, ::-1])


@pytest.mark.parametrize(
    ("tags", "arguments", "said"),
    [
        ({"Make": "Nikon", "Model": "D 90"}, (), True),
        ({"Model": "Pixel"}, (), True),
        ({"Software": "an editor"}, (), False),
        ({"Make": "Nikon"}, ("--wrap", "none"), False),
        ({"Make": "Nikon"}, ("--photograph",), False),
    ],
)
def test_a_cameras_picture_as_a_texture_is_noted(tmp_path, monkeypatch, capsys, tags, arguments, said):
    """Not where an option says that it is a texture, or a photograph."""
    save(tmp_path / "p.jpg", picture(), **tags)
    assert sabi(monkeypatch, tmp_path / "p.jpg", "--age", "0", "--json", *arguments) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    told = [warning for warning in warnings if "add --photograph" in warning]
    assert bool(told) == said
    assert not said or f"({' '.join(tags.values())})" in told[0]


def test_stages_are_written(tmp_path, monkeypatch):
    save(tmp_path / "p.png", picture())
    stages = tmp_path / "stages"
    assert sabi(monkeypatch, tmp_path / "p.png", "--photograph", "--stages", stages, "--age", "0.9") == 0
    names = sorted(path.name for path in stages.iterdir())
    assert names == [
        "p_1_mask.png",
        "p_2_albedo.png",
        "p_3_shading.exr",
        "p_4_residual.exr",
        "p_5_edges.png",
        "p_6_cavities.png",
        "p_7_coverage.png",
        "p_8_weathered_albedo.png",
        "p_9_recomposed.png",
    ]
    assert all(read_image(stages / name)[0].shape[:2] == (72, 96) for name in names)
    assert read_image(stages / "p_7_coverage.png")[0].max() > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--mask", "mask.png"), "--mask is for photographs"),
        (("--harmonize",), "--harmonize is for photographs"),
        (("--photograph", "--mask", "small.png"), "The mask has 50 x 50 texels"),
        (("--photograph", "--mask", "black.png"), "The mask is empty"),
        (("--photograph", "--mask", "mask.png", "--at", "3,3"), "not both"),
        (("--photograph", "--at", "here"), "no texel of a photograph"),
        (("--photograph", "--at", "3,3", "--at", "999,3"), "999,3 is not in the picture"),
        (("--photograph", "--material", "wood"), "cannot tell materials apart"),
        (("--photograph", "--material", "metal"), "cannot tell materials apart"),
        (("--photograph", "--maps", "unreal"), "has no maps"),
        (("--photograph", "--harmonize"), "no network 'harmonizer'"),
        (("--photograph", "--width", "0"), "cannot span"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, monkeypatch, capsys, arguments, said):
    save(tmp_path / "p.png", picture())
    masked(tmp_path / "mask.png")
    masked(tmp_path / "small.png", 50, 50)
    save(tmp_path / "black.png", np.zeros((72, 96, 1), np.uint8))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert sabi(monkeypatch, "p.png", *arguments) != 0
    assert said in " ".join(capsys.readouterr().err.split())
    assert sorted(tmp_path.iterdir()) == before


def test_a_frame_may_be_harmonized(tmp_path, monkeypatch, capsys):
    """Its sidecar says so; without the network a sentence does."""
    write_frame_5(tmp_path / "frame.exr", Scene(size=32).passes())
    assert sabi(monkeypatch, tmp_path / "frame.exr", "--harmonize") == 1
    assert "no network 'harmonizer'" in " ".join(capsys.readouterr().err.split())
    monkeypatch.delenv("SABI_NETWORKS")
    assert sabi(monkeypatch, tmp_path / "frame.exr", "--harmonize", "--age", "0.9") == 0
    sidecar = json.loads((tmp_path / "frame_weathered.exr.sabi.json").read_text())
    assert sidecar["settings"]["harmonize"] is True


def test_the_help_says_that_a_photograph_is_a_still(monkeypatch, capsys):
    assert sabi(monkeypatch, "--help") == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "for a moving camera weather textures" in said


def test_a_folder_is_no_photograph(tmp_path, monkeypatch, capsys):
    (tmp_path / "maps").mkdir()
    save(tmp_path / "maps" / "albedo.png", picture())
    assert sabi(monkeypatch, tmp_path / "maps", "--photograph") != 0
    assert "is no photograph but a folder" in " ".join(capsys.readouterr().err.split())
