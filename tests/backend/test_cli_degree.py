# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi degree` with real files: every way of saying what is clean, sizes and depths, and what is refused."""

import json
import os
import sys

import mixtures
import numpy as np
import pytest
from image_files import save

from sabi.backend.cli import main
from sabi.backend.files.image import read_image

ASKED = 0.08


@pytest.fixture(scope="module")
def picture():
    return mixtures.mixture(3, 3, mixtures.flaked)


def sabi(monkeypatch, *arguments):
    """Runs `sabi degree` and returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["sabi", "degree", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def stored(pixels, dtype=np.uint8):
    return (pixels.clip(0, 1) * np.iinfo(dtype).max + 0.5).astype(dtype)


def error(path, degree):
    pixels = read_image(path)[0]
    assert pixels.shape == (*degree.shape, 1)
    return float(np.abs(pixels[..., 0] / np.iinfo(pixels.dtype).max - degree).mean())


def places(picture, **how):
    for x, y, degree in picture.marks(**how):
        yield from ("--mark", f"{x},{y},{degree}")


def test_places(tmp_path, monkeypatch, capsys, picture):
    save(tmp_path / "wall.jpg", stored(picture.photograph))
    assert sabi(monkeypatch, tmp_path / "wall.jpg", *places(picture)) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(tmp_path / "wall_degree.png")
    assert said.err == ""
    assert read_image(tmp_path / "wall_degree.png")[0].dtype == np.uint8
    assert error(tmp_path / "wall_degree.png", picture.degree) <= ASKED


def test_clean_and_weathered_places_in_one_string_or_many(tmp_path, monkeypatch, picture):
    save(tmp_path / "wall.png", stored(picture.photograph, np.uint16))
    marks = picture.marks(between=0)
    clean, weathered = ([f"{x},{y}" for x, y, d in marks if d == value] for value in (0, 1))
    many = [part for place in clean for part in ("--clean", place)] + [p for w in weathered for p in ("--weathered", w)]
    assert sabi(monkeypatch, tmp_path / "wall.png", *many, "--out", tmp_path / "a.png") == 0
    one = ["--clean", " ".join(clean), "--weathered", " ".join(weathered), "--out", tmp_path / "new" / "b.png"]
    assert sabi(monkeypatch, tmp_path / "wall.png", *one) == 0
    assert read_image(tmp_path / "a.png")[0].dtype == np.uint16, "as deep as the photograph"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "new" / "b.png").read_bytes()
    assert error(tmp_path / "a.png", picture.degree) <= ASKED


def test_painted_marks_and_manifold(tmp_path, monkeypatch, picture):
    save(tmp_path / "wall.png", stored(picture.photograph))
    painted = np.zeros((512, 512, 4), np.uint8)
    for x, y, degree in picture.marks(between=0):
        painted[max(y - 5, 0) : y + 6, max(x - 5, 0) : x + 6] = (255, 0, 0, 255) if degree else (0, 255, 0, 255)
    save(tmp_path / "marks.png", painted)
    for method in ("marks", "manifold"):
        out = tmp_path / f"by_{method}.png"
        assert (
            sabi(
                monkeypatch, tmp_path / "wall.png", "--marks", tmp_path / "marks.png", "--method", method, "--out", out
            )
            == 0
        )
        assert error(out, picture.degree) <= ASKED


def test_nothing_marked(tmp_path, monkeypatch, capsys, picture):
    save(tmp_path / "wall.png", stored(picture.photograph))
    assert sabi(monkeypatch, tmp_path / "wall.png", "--json", "--out", tmp_path / "folder") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["method"] == "manifold"
    assert said["files"] == [str(tmp_path / "folder" / "wall_degree.png")]
    found = error(tmp_path / "folder" / "wall_degree.png", picture.degree)
    assert found <= 0.1
    assert sabi(monkeypatch, tmp_path / "wall.png", "--invert", "--quiet", "--out", tmp_path / "other.png") == 0
    assert error(tmp_path / "other.png", 1 - picture.degree) == pytest.approx(found, abs=0.01)
    capsys.readouterr()
    assert sabi(monkeypatch, tmp_path / "wall.png", "--method", "rarity") == 0
    assert "rarity alone" in capsys.readouterr().err


def test_maps_of_a_set(tmp_path, monkeypatch, picture):
    maps = tmp_path / "steel"
    maps.mkdir()
    save(maps / "steel_basecolor.png", stored(picture.photograph))
    small = picture.degree[::2, ::2]
    save(maps / "steel_orm.png", stored(np.stack([np.ones_like(small), np.full_like(small, 0.5), 1 - small], axis=-1)))
    save(maps / "other_metallic.png", stored(picture.degree[..., None] * 0))
    assert sabi(monkeypatch, maps, "--method", "maps") == 0
    assert error(maps / "steel_basecolor_degree.png", picture.degree) <= ASKED
    assert sabi(monkeypatch, maps / "steel_basecolor.png", "--method", "maps", "--out", tmp_path / "a.png") == 0
    assert (tmp_path / "a.png").read_bytes() == (maps / "steel_basecolor_degree.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "dtype", "channels"),
    [
        ("a.exr", np.float16, 3),
        ("a.tif", np.float32, 3),
        ("a.tif", np.uint16, 4),
        ("a.png", np.uint8, 1),
        ("a.png", np.uint8, 2),
        ("a.jpg", np.uint8, 3),
    ],
)
def test_every_depth_and_layout(tmp_path, monkeypatch, picture, name, dtype, channels):
    part = picture.photograph[:200, :333]
    if channels < 3:
        part = part.mean(axis=2, keepdims=True)
    if channels in (2, 4):
        part = np.concatenate([part, np.ones_like(part[..., :1])], axis=-1)
    linear = part**2.2 if np.dtype(dtype).kind == "f" else part
    save(tmp_path / name, linear.astype(dtype) if np.dtype(dtype).kind == "f" else stored(part, dtype))
    marks = [
        a for x, y, d in mixtures.Mixture(part, picture.degree[:200, :333]).marks() for a in ("--mark", f"{x},{y},{d}")
    ]
    assert sabi(monkeypatch, tmp_path / name, *marks, "--out", tmp_path / "degree.png") == 0
    assert error(tmp_path / "degree.png", picture.degree[:200, :333]) <= (0.1 if channels > 2 else 0.16)
    assert sabi(monkeypatch, tmp_path / name, *marks) == 0
    assert len(os.listdir(tmp_path)) == 3


def test_a_large_photograph_takes_little_memory(tmp_path, monkeypatch, picture):
    """Read in bands: 6000 x 6000 texels are 432 MB as floats, and are never held so."""
    import resource

    large = np.tile(stored(picture.photograph), (12, 12, 1))[:6000, :6000]
    save(tmp_path / "large.jpg", large)
    del large
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sabi(monkeypatch, tmp_path / "large.jpg", "--clean", "10,10", "--weathered", "300,300") == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10
    assert read_image(tmp_path / "large_degree.png")[0].shape == (6000, 6000, 1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no.png"], "bad_file"),
        (["text.png"], "bad_file"),
        (["empty"], "bad_file"),
        (["a.png", "--clean", "1"], "bad_recipe"),
        (["a.png", "--clean", "1,x"], "bad_recipe"),
        (["a.png", "--clean", "1,nan"], "bad_recipe"),
        (["a.png", "--mark", "1,1,2"], "bad_recipe"),
        (["a.png", "--clean", "1,1"], "bad_surface"),
        (["a.png", "--clean", "1,1", "--weathered", "64,1"], "bad_surface"),
        (["a.png", "--clean", "1,1", "--marks", "a.png"], "bad_recipe"),
        (["a.png", "--clean", "1,1", "--method", "rarity"], "bad_recipe"),
        (["a.png", "--method", "marks"], "bad_surface"),
        (["a.png", "--marks", "flat.png"], "bad_surface"),
        (["a.png", "--marks", "small.png"], "bad_surface"),
        (["a.png", "--method", "maps"], "missing_map"),
        (["flat.png"], "bad_surface"),
        (["a.png", "--out", "there.png"], "file_exists"),
        (["a.png", "--out", "a.png"], "file_exists"),
    ],
)
def test_bad_input_gets_a_sentence_and_leaves_nothing(tmp_path, monkeypatch, capsys, arguments, code):
    rng = np.random.default_rng(0)
    save(tmp_path / "a.png", rng.integers(0, 255, (64, 64, 3), np.uint8))
    save(tmp_path / "small.png", rng.integers(0, 255, (32, 64, 3), np.uint8))
    save(tmp_path / "flat.png", np.full((64, 64, 3), 128, np.uint8))
    (tmp_path / "there.png").write_text("mine")
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "empty").mkdir()
    before = sorted(os.listdir(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert sabi(monkeypatch, *arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: ")
    assert said.err.split()[-1] == code
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "there.png").read_text() == "mine"


def test_overwrite_replaces(tmp_path, monkeypatch):
    save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    (tmp_path / "a_degree.png").write_text("old")
    arguments = [tmp_path / "a.png", "--clean", "1,1", "--weathered", "40,40"]
    assert sabi(monkeypatch, *arguments) == 1
    assert (tmp_path / "a_degree.png").read_text() == "old"
    assert sabi(monkeypatch, *arguments, "--overwrite") == 0
    assert read_image(tmp_path / "a_degree.png")[0].shape == (64, 64, 1)


@pytest.mark.parametrize("name", ["photo.png", "marks.png"])
def test_what_is_read_is_never_written_over(tmp_path, monkeypatch, picture, name):
    save(tmp_path / "photo.png", stored(picture.photograph))
    marks = np.zeros((*picture.degree.shape, 3), np.uint8)
    marks[:8, :8, 1] = marks[-8:, -8:, 0] = 255
    save(tmp_path / "marks.png", marks)
    before = (tmp_path / name).read_bytes()
    words = ["--marks", tmp_path / "marks.png", "-o", tmp_path / name, "--overwrite"]
    assert sabi(monkeypatch, tmp_path / "photo.png", *words) == 1
    assert (tmp_path / name).read_bytes() == before
