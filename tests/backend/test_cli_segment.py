# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi segment` with real files: masks, overlay, and every kind of picture."""

import json
import sys

import numpy as np
import pytest
import segmenters
from image_files import save

from sabi.backend.cli import main
from sabi.backend.files.image import read_image

TOP = {np.uint8: 255, np.uint16: 65535, np.float16: 1, np.float32: 1}


@pytest.fixture(autouse=True)
def networks(tmp_path, monkeypatch):
    folder = tmp_path / "networks"
    folder.mkdir()
    segmenters.write(folder)
    monkeypatch.setenv("SABI_NETWORKS", str(folder))


def sabi(monkeypatch, *arguments):
    """Runs `sabi segment` and returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["sabi", "segment", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def halves(height=60, width=96, channels=3, dtype=np.uint8):
    picture = np.zeros((height, width, channels), dtype)
    picture[:, : width // 2, 0] = TOP[dtype]
    picture[:, width // 2 :, 1 % channels] = TOP[dtype]
    return picture


def test_masks_and_overlay(tmp_path, monkeypatch, capsys):
    save(tmp_path / "wall.png", halves())
    assert sabi(monkeypatch, tmp_path / "wall.png", "--json", "--quality", "best") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["materials"] == {"brick": 0.5, "foliage": 0.5}
    assert said["level"] == 3
    names = {"wall_materials.png", "wall_brick.png", "wall_foliage.png", "wall_object.png"}
    assert {path.rpartition("/")[2] for path in said["files"]} == names
    brick = read_image(tmp_path / "wall_brick.png")[0]
    assert brick.shape == (60, 96, 1)
    assert brick[:, :44].min() > 250
    assert brick[:, 52:].max() < 5
    overlay = read_image(tmp_path / "wall_materials.png")[0]
    assert overlay.shape[1] > overlay.shape[0]
    assert len(np.unique(overlay.reshape(-1, 3), axis=0)) > 4  # two halves, their two patches, letters


def test_masks_of_a_turned_photograph_lie_upright(tmp_path, monkeypatch):
    save(tmp_path / "wall.tif", halves(), Orientation=6)  # the stored left is the top
    assert sabi(monkeypatch, tmp_path / "wall.tif", "--material", "brick") == 0
    brick = read_image(tmp_path / "wall_brick.png")[0]
    assert brick.shape == (96, 60, 1)
    assert brick[:44].min() > 250
    assert brick[52:].max() < 5


def test_the_picture_itself_is_never_written_over(tmp_path, monkeypatch, capsys):
    save(tmp_path / "wall_brick.png", halves())
    before = (tmp_path / "wall_brick.png").read_bytes()
    (tmp_path / "wall.png").symlink_to(tmp_path / "wall_brick.png")
    assert sabi(monkeypatch, tmp_path / "wall.png", "--material", "brick", "--overwrite") == 1
    assert "the input itself" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "wall_brick.png").read_bytes() == before


def test_an_effects_mask_is_that_of_its_materials(tmp_path, monkeypatch, capsys):
    save(tmp_path / "wall.png", halves())
    assert sabi(monkeypatch, tmp_path / "wall.png", "--effect", "moss") == 0
    mask = read_image(tmp_path / "wall_moss.png")[0]
    assert mask[:, :44].min() > 250  # brick
    assert mask[:, 52:].max() < 5  # foliage


def test_weathering_keeps_to_materials(tmp_path, monkeypatch, make_painter):
    make_painter(tmp_path / "networks" / "painter.onnx")
    save(tmp_path / "wall.png", halves(96, 96))
    monkeypatch.setattr(
        sys, "argv", ["sabi", "weather", str(tmp_path / "wall.png"), "-e", "moss", "-a", "1", "--keep-to-materials"]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    changed = (read_image(tmp_path / "wall_weathered.png")[0] != halves(96, 96)).any(-1)
    assert changed[:, :44].any()
    assert not changed[:, 52:].any()


def test_nothing_is_overwritten(tmp_path, monkeypatch, capsys):
    save(tmp_path / "wall.png", halves())
    (tmp_path / "wall_brick.png").write_bytes(b"mine")
    assert sabi(monkeypatch, tmp_path / "wall.png") == 1
    assert (tmp_path / "wall_brick.png").read_bytes() == b"mine"
    assert not (tmp_path / "wall_foliage.png").exists()
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("tiny.png", halves(4, 5)),
        ("grey.png", halves(channels=1)),
        ("alpha.png", halves(channels=4)),
        ("deep.png", halves(dtype=np.uint16)),
        ("hdr.exr", 40 * halves(dtype=np.float32)),
        ("one_colour.png", np.full((40, 40, 3), 90, np.uint8)),
        ("long.png", np.zeros((2, 9000, 3), np.uint8)),
    ],
)
def test_every_kind_of_picture_is_answered(tmp_path, monkeypatch, capsys, name, picture):
    save(tmp_path / name, picture)
    assert sabi(monkeypatch, tmp_path / name, "--json", "--material", "brick") == 0
    mask = read_image(tmp_path / f"{name.partition('.')[0]}_brick.png")[0]
    assert mask.shape == (*picture.shape[:2], 1)
    if name in ("deep.png", "hdr.exr", "alpha.png"):
        assert mask[:, :44].min() > 250


@pytest.mark.parametrize(
    ("name", "content"), [("large.png", np.zeros((1, 16400, 3), np.uint8)), ("empty.png", b""), ("text.png", b"no")]
)
def test_what_is_no_picture_is_said(tmp_path, monkeypatch, capsys, name, content):
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        save(tmp_path / name, content)
    assert sabi(monkeypatch, tmp_path / name) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert not list(tmp_path.glob("*_materials.png"))
