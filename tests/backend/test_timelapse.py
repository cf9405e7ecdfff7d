# SPDX-License-Identifier: GPL-3.0-or-later
"""A time-lapse on disk: painted once, no flicker, resumed, nothing foreign overwritten."""

import json
import os
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from frames import Scene, write_frame_4
from test_cli import sabi, steel

from sabi.backend import timelapse
from sabi.backend.files.image import read_image, write_image
from sabi.backend.items import Engine, Photographed, Settings, weather_item
from sabi.backend.protocol.age_curve import AgeCurve, Ease
from sabi.backend.protocol.errors import BadFile, BadRecipe, DiskFull, FileExists
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.still import Down, Still
from sabi.backend.timelapse import NAME, Lapse, make_timelapse, read_sidecar

RUST = Recipe((Layer(Effect.RUST, seed=3, feature_size=0.3),))
FRAMES = 9


class Counting(Engine):
    """The real engine, which counts what it paints."""

    painted = 0

    def paint(self, surface, recipe, progress):
        self.painted += 1
        return super().paint(surface, recipe, progress)


@pytest.fixture
def lapse(networks_folder, monkeypatch, tmp_path):
    """lapse(path, **changes) -> (made, engine): with the stand-in for the painter, which paints in no time."""
    monkeypatch.setenv("SABI_NETWORKS", str(networks_folder))

    def make(path, recipe=RUST, count=FRAMES, curve="1:0,9:1", ease=Ease.LINEAR, progress=None, **settings):
        chosen = Settings(**{"out": tmp_path / "seq", "threads": 1, **settings})
        engine = Counting(chosen)
        asked = Lapse(AgeCurve.parse(curve, ease), range(1, 1 + count))
        return make_timelapse(path, recipe, asked, chosen, engine, progress or (lambda stage, fraction: None)), engine

    return make


def pictures(made):
    return [read_image(made.files(frame)[0])[0].astype(float) for frame in made.frames]


def test_painted_once_and_what_is_weathered_only_grows_smoothly(lapse, tmp_path):
    path = steel(tmp_path / "steel.png")
    made, engine = lapse(path, count=33, curve="1:0,33:1", ease=Ease.EASE)
    assert engine.painted == 1
    frames = pictures(made)
    bare = read_image(path)[0]
    assert np.array_equal(frames[0], bare), "at age 0 it is the input, bit for bit"
    changed = [(frame != bare).any(axis=2) for frame in frames]
    assert changed[-1].mean() > 0.3
    for before, after in pairwise(changed):
        assert not (before & ~after).any(), "a texel went back to clean: it flickers"
    steps = np.array([np.abs(a - b).mean() for a, b in pairwise(frames)])
    assert steps.max() < 4 * steps.mean(), "a frame pops"
    assert np.abs(np.diff(steps)).max() < 0.5 * steps.max(), "the changes jump"


def test_the_last_frame_is_what_weathering_gives(lapse, tmp_path):
    """Of a folder with several maps and two layers, one the mask of the other: every file of it, bit for bit."""
    folder = tmp_path / "maps"
    folder.mkdir()
    steel(folder / "door_basecolor.png", np.uint16)
    write_image(folder / "door_roughness.png", np.full((96, 96, 1), 80, np.uint8))
    layers = (Layer(Effect.RUST, feature_size=0.3), Layer(Effect.MOSS, feature_size=0.2, mask="layer:1"))
    made, _ = lapse(folder, Recipe(layers), curve="1:0,9:0.8")
    settings = Settings(out=tmp_path, threads=1)
    written = weather_item(folder, Recipe(layers).at_age(0.8), settings, Engine(settings), lambda *_: None)
    wanted = {path.name: read_image(path)[0] for path in written.paths if path.suffix == ".png"}
    last = {path.name.replace(".0009", ""): read_image(path)[0] for path in made.files(9)}
    assert len(wanted) > 2, "weathering makes maps that the folder lacked"
    assert set(last) == set(wanted)
    assert all(np.array_equal(last[name], wanted[name]) and last[name].dtype == wanted[name].dtype for name in wanted)
    assert all(len(list(made.folder.glob(name.replace("{frame}", "*")))) == FRAMES for name in made.names)


@pytest.mark.parametrize("served", [False, True])
def test_masks_of_materials_hold_in_every_frame(lapse, tmp_path, backend, served):
    """Only the left half is metal: the right stays as it was, in this process and by a server."""
    folder = tmp_path / "maps"
    folder.mkdir()
    bare = read_image(steel(folder / "door_basecolor.png"))[0]
    metallic = np.zeros((96, 96, 1), np.uint8)
    metallic[:, :48] = 255
    write_image(folder / "door_metallic.png", metallic)
    recipe = Recipe((Layer(Effect.RUST, seed=3, feature_size=0.3, mask="material:metal"),))
    where = {"server": backend.client.address, "token": backend.client.token} if served else {}
    made, _ = lapse(folder, recipe, count=3, curve="1:0,3:1", **where)
    colour = next(file for file in made.files(3) if "basecolor" in file.name)
    changed = (read_image(colour)[0] != bare).any(axis=2)
    assert changed[:, :48].any()
    assert not changed[:, 48:].any()


def test_a_frame_of_a_render_is_aged_in_its_own_light(lapse, tmp_path):
    write_frame_4(tmp_path / "frame.exr", Scene().passes())
    made, _ = lapse(tmp_path / "frame.exr", count=3, curve="1:0,3:1")
    frames = pictures(made)
    assert made.files(1)[0].name == "frame.0001.exr"
    step, whole = np.abs(frames[1] - frames[0]).mean(), np.abs(frames[2] - frames[0]).mean()
    assert 0 < step < whole
    made, _ = lapse(tmp_path / "frame.exr", count=1, out=tmp_path / "png", suffix=".png")
    assert read_image(made.files(1)[0])[0].dtype == np.uint16


def photograph(path, **more):
    """A picture of grey under light from the right, of which the upper half is masked, and what is asked of it."""
    across = np.linspace(60, 210, 96)[None, :, None] * np.random.default_rng(0).uniform(0.9, 1, (72, 96, 3))
    write_image(path, across.astype(np.uint8))
    mask = np.zeros((72, 96, 1), np.uint8)
    mask[:36] = 255
    write_image(path.with_name("mask.png"), mask)
    return Photographed(Still(**more), path.with_name("mask.png"), Down.TOP)


def test_a_photograph_is_aged_in_its_own_light(lapse, tmp_path):
    """At age 0 it is the input, outside the mask always, and the last frame is what weathering gives, bit for bit."""
    asked = photograph(tmp_path / "wall.png")
    made, _ = lapse(tmp_path / "wall.png", count=5, curve="1:0,5:0.9", photograph=asked)
    bare, frames = read_image(tmp_path / "wall.png")[0], pictures(made)
    assert [file.name for file in made.files(5)] == ["wall.0005.png"]
    assert np.array_equal(frames[0], bare)
    assert all(np.array_equal(frame[36:], bare[36:]) for frame in frames)
    assert (frames[-1] != bare)[:36].any()
    settings = Settings(out=tmp_path / "aged.png", threads=1, photograph=asked)
    weather_item(tmp_path / "wall.png", RUST.at_age(0.9), settings, Engine(settings), lambda *_: None)
    assert np.array_equal(read_image(tmp_path / "aged.png")[0], frames[-1])
    made.files(3)[0].unlink()
    again, _ = lapse(tmp_path / "wall.png", count=5, curve="1:0,5:0.9", photograph=asked)
    assert again.kept == 4
    assert np.array_equal(read_image(made.files(3)[0])[0], frames[2])
    with pytest.raises(BadRecipe, match="by this process"):
        lapse(tmp_path / "wall.png", photograph=asked, server="http://127.0.0.1:1", out=tmp_path / "other")


def test_a_harmonized_photograph_does_not_flicker(tmp_path):
    """By the networks that ship: from frame to frame what is put in its light changes no more than what is not."""
    steps = {}
    for harmonize in (False, True):
        asked = photograph(tmp_path / "wall.png", harmonize=harmonize)
        settings = Settings(out=tmp_path / f"seq{harmonize}", threads=1, photograph=asked)
        curve = Lapse(AgeCurve.parse("1:0,13:1", Ease.LINEAR), range(1, 14))
        recipe = Recipe((Layer(Effect.DIRT, feature_size=0.3),))
        made = make_timelapse(tmp_path / "wall.png", recipe, curve, settings, Engine(settings), lambda *_: None)
        steps[harmonize] = np.array([np.abs(a - b)[:36].mean() for a, b in pairwise(pictures(made))])
    assert not np.array_equal(steps[True], steps[False])
    assert steps[True].max() < 2 * steps[False].max() + 1


def test_it_goes_on_where_it_stopped_with_the_same_bytes(lapse, tmp_path):
    path = steel(tmp_path / "steel.png")

    def stop(stage, _fraction):
        if stage == "frame 4":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lapse(path, progress=stop)
    made, _ = lapse(path, out=tmp_path / "whole")
    whole = [made.files(frame)[0].read_bytes() for frame in made.frames]
    folder = tmp_path / "seq"
    there = len(list(folder.glob("steel.*.png")))
    assert 4 <= there < FRAMES, "those that were begun are whole, no more are begun"
    assert not [name for name in os.listdir(folder) if name.startswith(".")]
    second = folder / "steel.0002.png"
    second.write_bytes(second.read_bytes()[:-200])  # cut short by something else
    before = (folder / "steel.0001.png").stat().st_mtime_ns
    made, engine = lapse(path)
    assert (engine.painted, made.kept) == (1, there - 1)
    assert (folder / "steel.0001.png").stat().st_mtime_ns == before
    assert [made.files(frame)[0].read_bytes() for frame in made.frames] == whole
    made, engine = lapse(path)
    assert (engine.painted, made.kept) == (0, FRAMES), "nothing is painted for nothing"


def test_frames_of_anything_else_are_not_kept_nor_touched(lapse, tmp_path):
    path = steel(tmp_path / "steel.png")
    made, _ = lapse(path)
    first = {file.name: file.read_bytes() for file in made.folder.iterdir()}
    other = replace(RUST, layers=(replace(RUST.layers[0], seed=4),))
    for changed in ({"recipe": other}, {"count": 8}, {"curve": "1:0,9:0.5"}, {"width": 1.0}):
        with pytest.raises(FileExists, match="another time-lapse"):
            lapse(path, **changed)
    with pytest.raises(FileExists, match="another time-lapse"):
        lapse(steel(tmp_path / "other.png", size=64))
    assert {file.name: file.read_bytes() for file in made.folder.iterdir()} == first
    (made.folder / "notes.txt").write_text("mine")
    made, engine = lapse(path, recipe=other, count=5, overwrite=True)
    assert (engine.painted, made.kept) == (1, 0)
    assert {file.name for file in made.folder.iterdir()} == {
        NAME,
        "notes.txt",
        *(f"steel.000{n}.png" for n in range(1, 6)),
    }
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "steel.0001.png").write_bytes(b"mine")
    with pytest.raises(FileExists, match="other files"):
        lapse(path, out=tmp_path / "mine")


def test_an_input_that_is_named_as_a_frame_is_never_written_over(lapse, tmp_path):
    (tmp_path / "seq").mkdir()
    path = steel(tmp_path / "seq" / "steel.0001.png")
    before = path.read_bytes()
    (tmp_path / "seq" / "steel.png").symlink_to(path)
    with pytest.raises(FileExists, match="the input itself"):
        lapse(tmp_path / "seq" / "steel.png", count=2, overwrite=True)
    assert path.read_bytes() == before


def test_a_sidecar_that_names_files_elsewhere_is_not_believed(lapse, tmp_path):
    made, _ = lapse(steel(tmp_path / "steel.png", size=32), count=1)
    said = json.loads((made.folder / NAME).read_text())
    assert read_sidecar(made.folder) == said
    for name in ("../{frame}.png", "/etc/{frame}", "..\\{frame}.png", "steel.png"):
        (made.folder / NAME).write_text(json.dumps({**said, "files": [name]}))
        assert read_sidecar(made.folder) is None
    for wrong in ({"ages": [float("nan")]}, {"ages": [10**400]}, {"ages": [2.0]}, {"files": {"{frame}": 1}}):
        (made.folder / NAME).write_text(json.dumps({**said, **wrong}))
        assert read_sidecar(made.folder) is None, wrong


def test_models_are_sent_to_blender(lapse, tmp_path):
    (tmp_path / "model.glb").touch()
    with pytest.raises(BadFile, match="animated in Blender"):
        lapse(tmp_path / "model.glb")


# --- as a command


def test_the_command_writes_a_sequence_and_says_so(tmp_path):
    path = steel(tmp_path / "steel.png", size=48)
    asked = ["timelapse", path, "--effect", "rust", "--size", "0.3", "--curve", "0:0,2:0.3,4:1"]
    said = json.loads(sabi(*asked, "--json").stdout)
    folder = tmp_path / "steel_timelapse"
    assert said["files"] == [str(folder / f"steel.{frame:04}.png") for frame in range(5)]
    sidecar = json.loads((folder / NAME).read_text())
    assert sidecar["ages"] == pytest.approx([0, 0.15, 0.3, 0.65, 1])
    assert len(sidecar["recipe"]["networks"]["painter"]) == 64
    assert json.loads(sabi(*asked, "--json").stdout)["status"] == "skipped"


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--age", "0.5"], "bad_recipe", "--from"),
        (["--curve", "0:2"], "bad_recipe", "0:0,24:0.3"),
        (["--to", "3"], "bad_recipe", "outside"),
        (["--frames", "0"], "bad_recipe", "0 frames"),
        (["--maps", "unreal"], "bad_file", "--maps"),
        (["--video", "a.gif"], "bad_file", "mp4"),
    ],
)
def test_the_command_refuses_in_a_sentence(tmp_path, arguments, code, word):
    steel(tmp_path / "a.png", size=32)
    done = sabi("timelapse", "a.png", *arguments, cwd=tmp_path, status=1)
    assert f"Code:  {code}" in done.stderr
    assert word in done.stderr
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_video_without_blender_says_what_it_needs(tmp_path):
    steel(tmp_path / "a.png", size=32)
    done = sabi("timelapse", "a.png", "--video", "a.mp4", cwd=tmp_path, status=1, SABI_BLENDER_PYTHON="/nowhere/python")
    assert "no Python at" in done.stderr
    assert os.listdir(tmp_path) == ["a.png"], "said before anything is painted"


def test_a_frame_that_cannot_be_written_is_said(lapse, tmp_path, monkeypatch):
    """Frames are written by threads: what fails there ends the time-lapse, and what is there stays to go on from."""
    path, write = steel(tmp_path / "steel.png"), timelapse.write_target

    def full(temporary, target, *arguments, **options):
        if "0003" in temporary.name:
            raise DiskFull("The disk is full.")
        write(temporary, target, *arguments, **options)

    monkeypatch.setattr(timelapse, "write_target", full)
    with pytest.raises(DiskFull):
        lapse(path)
    there = {file.name for file in (tmp_path / "seq").glob("*.png")}
    assert {"steel.0001.png", "steel.0002.png"} <= there
    assert "steel.0003.png" not in there


@pytest.mark.parametrize("words", [("-n", "9" * 400), ("--first", "9" * 400), ("--curve", "0:0,1e300:1")])
def test_more_frames_than_a_film_has_are_refused(tmp_path, words):
    steel(tmp_path / "steel.png")
    done = sabi("timelapse", "steel.png", *words, cwd=tmp_path, status=1)
    assert re.search("so many frames is not made|Frames are numbered up to 10000000", " ".join(done.stderr.split()))
    assert "unexpected" not in done.stderr
