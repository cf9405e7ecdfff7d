# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi batch --photograph`: every photograph of a folder in its own light, each under the mask that lies beside it."""

import json
import sys

import numpy as np
import OpenImageIO
import pytest
import segmenters
from image_files import save

from sabi.backend.cli import main
from sabi.backend.files.image import read_image, write_image

HEIGHT, WIDTH = 72, 96
LOOK = ("--effect", "rust", "--age", "0.9")


@pytest.fixture(autouse=True)
def networks(networks_folder, monkeypatch):
    monkeypatch.setenv("SABI_NETWORKS", str(networks_folder))
    monkeypatch.delenv("SABI_SERVER", raising=False)


@pytest.fixture
def batch(monkeypatch, capsys):
    """Runs `sabi batch`; its lines by the items' names."""

    def run(*arguments, status=0):
        monkeypatch.setattr(sys, "argv", ["sabi", "batch", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, said = capsys.readouterr()
        assert ended.value.code == status, said
        return {line["item"].rpartition("/")[2]: line for line in map(json.loads, out.splitlines())}, said

    return run


@pytest.fixture
def album(tmp_path):
    """Three photographs, of which one has a mask and one has a name that says a map; and what is none."""
    rng = np.random.default_rng(0)
    picture = (255 * np.linspace(0.3, 0.8, WIDTH)[None, :, None] * (0.9 + 0.1 * rng.random((HEIGHT, WIDTH, 3)))).astype(
        np.uint8
    )
    folder = tmp_path / "album"
    (folder / "street").mkdir(parents=True)
    mask = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    mask[: HEIGHT // 2] = 255
    save(folder / "door.png", picture)
    save(folder / "door_mask.png", mask)
    save(folder / "street" / "wall_albedo.png", picture)
    save(folder / "street" / "wall_rough.jpg", picture)
    (folder / "scene.blend").touch()
    return folder


def test_each_photograph_is_an_item_and_masks_are_none(batch, album, tmp_path):
    lines, _ = batch(album, "--photograph", *LOOK, "--out", tmp_path / "out")
    assert {name: line["status"] for name, line in lines.items()} == dict.fromkeys(
        ("door.png", "wall_albedo.png", "wall_rough.jpg"), "done"
    )
    before, after = read_image(album / "door.png")[0], read_image(tmp_path / "out" / "door_weathered.png")[0]
    assert np.array_equal(after[HEIGHT // 2 :], before[HEIGHT // 2 :]), "beside its mask it stays"
    assert (after[: HEIGHT // 2] != before[: HEIGHT // 2]).any()
    assert any("mask" in warning for warning in lines["door.png"]["warnings"])
    whole = read_image(tmp_path / "out" / "street" / "wall_albedo_weathered.png")[0]
    assert (whole[HEIGHT // 2 :] != read_image(album / "street" / "wall_albedo.png")[0][HEIGHT // 2 :]).any()
    said = json.loads((tmp_path / "out" / "door_weathered.png.sabi.json").read_text())
    assert said["kind"] == "photograph"
    assert len(said["settings"]["photograph"]["mask"]) == 64


def test_it_resumes_and_a_new_mask_is_a_new_look(batch, album, tmp_path):
    arguments = (album, "--photograph", *LOOK, "--out", tmp_path / "out")
    batch(*arguments)
    lines, _ = batch(*arguments)
    assert {line["status"] for line in lines.values()} == {"skipped"}
    save(album / "door_mask.png", np.full((HEIGHT, WIDTH, 1), 255, np.uint8))
    lines, _ = batch(*arguments, "--overwrite")
    assert {name: line["status"] for name, line in lines.items()}["door.png"] == "done"
    assert lines["wall_albedo.png"]["status"] == "skipped"


def test_shards_and_rules_part_them(batch, album, tmp_path):
    (tmp_path / "rules.toml").write_text(
        '[[rule]]\nmaterial = "wall*"\nskip = true\n[[rule]]\nrecipe = "light_rust"\nage = 0.9\n'
    )
    found = {}
    for part in ("1/2", "2/2"):
        arguments = ("--photograph", "--rules", tmp_path / "rules.toml", "--shard", part)
        lines, _ = batch(album, *arguments, "--out", tmp_path / "out")
        found |= {name: line["status"] for name, line in lines.items()}
    assert found == {"door.png": "done", "wall_albedo.png": "left", "wall_rough.jpg": "left"}


def test_a_dry_run_shows_them_small(batch, album, tmp_path):
    write_image(album / "large.png", np.full((600, 900, 3), 120, np.uint8))
    save(album / "large_mask.png", np.full((600, 900, 1), 255, np.uint8))
    turned = OpenImageIO.ImageSpec(500, 300, 3, "uint8")
    turned.attribute("Orientation", 6)
    write_image(album / "turned.tif", np.full((300, 500, 3), 120, np.uint8), turned)
    save(album / "turned_mask.png", np.full((500, 300, 1), 255, np.uint8))
    before = sorted(album.rglob("*"))
    sheet = tmp_path / "sheet.png"
    lines, _ = batch(album, "--photograph", *LOOK, "--out", tmp_path / "out", "--preview", sheet)
    assert {line["kind"] for line in lines.values()} == {"photograph"}
    assert not any("error" in line for line in lines.values()), lines
    assert lines["door.png"]["destination"].endswith("door_weathered.png")
    assert sorted(album.rglob("*")) == before
    assert not (tmp_path / "out").exists()
    assert read_image(sheet)[0].std() > 10


def test_a_segmenter_chooses_where_no_mask_is(batch, album, tmp_path, make_painter, monkeypatch):
    """The stand-in takes red for brick and green for foliage."""
    folder = tmp_path / "networks"
    folder.mkdir()
    make_painter(folder / "painter.onnx")
    segmenters.write(folder)
    monkeypatch.setenv("SABI_NETWORKS", str(folder))
    picture = np.full((64, 64, 3), 20, np.uint8)
    picture[:, :32, 0] = picture[:, 32:, 1] = 220
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    save(photographs / "half.png", picture)
    batch(photographs, "--photograph", *LOOK, "--material", "foliage", "--out", tmp_path / "out")
    changed = (read_image(tmp_path / "out" / "half_weathered.png")[0] != picture).any(axis=2)
    assert not changed[:, :28].any()
    assert changed[:, 40:].any()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--material", "brick"), "--material is for photographs"),
        (("--photograph", "--material", "brick"), "cannot tell materials apart"),
    ],
)
def test_what_cannot_be_done_is_said(batch, album, arguments, said):
    (album / "door_mask.png").unlink()
    lines, errors = batch(album, *arguments, *LOOK, status=1)
    told = errors + json.dumps(lines)
    assert said in " ".join(told.split())
    assert not list(album.rglob("*_weathered*"))
