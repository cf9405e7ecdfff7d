# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line as a user runs it: a process, real files, exit statuses, one sentence when something is wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from frames import Scene, write_frame_4, write_frame_5

from sabi.backend.cli import main, options
from sabi.backend.cli.licences import notes_of
from sabi.backend.cli.serve import parse_address
from sabi.backend.files import read_frame
from sabi.backend.files.image import read_image, write_image
from sabi.backend.protocol.errors import BackendError, BadFile, BadRecipe
from sabi.backend.protocol.recipe import Effect, FrameMode, Recipe, load_preset, preset_names


def sabi(*arguments, cwd=None, status=0, **environment):
    """Runs the command line; asserts its exit status and that it never shows a traceback."""
    names = ("SABI_SERVER", "SABI_DEVICE", "SABI_THREADS", "SABI_TOKEN", "SABI_NETWORKS", "SABI_BLENDER_PYTHON")
    clean = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run(
        [sys.executable, "-m", "sabi.backend", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**clean, "COLUMNS": "200", "SABI_THREADS": "1", **environment},
        timeout=180,
        check=False,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == status, done.stderr + done.stdout
    return done


def steel(path: Path, dtype=np.uint8, size=96) -> Path:
    rng = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    pixels = (np.array([0.5, 0.52, 0.55]) + 0.02 * rng.standard_normal((size, size, 1))) * top
    write_image(path, pixels.astype(dtype))
    return path


# --- weather


def test_an_exemplar_gives_its_colours_and_the_recipe_keeps_it(tmp_path):
    path, photo = steel(tmp_path / "steel.png"), tmp_path / "lichen.png"
    rng = np.random.default_rng(0)
    write_image(photo, (np.array([60, 180, 90]) + 15 * rng.standard_normal((64, 80, 1))).clip(0, 255).astype(np.uint8))
    exemplar = ["--exemplar", photo, "--exemplar-part", "8,0,64,64", "--exemplar-width", "0.2"]
    words = ["--exemplar-source", "the churchyard", "--exemplar-licence", "CC0-1.0"]
    sabi("weather", path, "--effect", "moss", "--age", "1", *exemplar, *words)
    pixels, _ = read_image(tmp_path / "steel_weathered.png")
    red, green, blue = pixels.reshape(-1, 3)[(pixels != read_image(path)[0]).any(axis=2).reshape(-1)].mean(axis=0)
    assert green > red + 40
    assert green > blue + 40
    sidecar = tmp_path / "steel_weathered.png.sabi.json"
    said = json.loads(sidecar.read_text())["recipe"]["layers"][0]["exemplar"]
    assert (said["name"], said["source"], said["licence"]) == ("lichen.png", "the churchyard", "CC0-1.0")
    assert (said["part"], said["width"], len(said["sha256"])) == ([8, 0, 64, 64], 0.2, 64)
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps(json.loads(sidecar.read_text())["recipe"]))
    photo.unlink()  # the recipe has all that it needs
    sabi("weather", path, "--recipe", recipe, "--out", tmp_path / "again.png")
    assert np.array_equal(read_image(tmp_path / "again.png")[0], pixels)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--exemplar", "nowhere.jpg"], "nowhere.jpg is missing."),
        (["--exemplar", "steel.png", "--exemplar-part", "0,0,8"], "is no part of a photograph"),
        (["--exemplar", "steel.png", "--exemplar-part", "90,0,64,64"], "does not lie in steel.png"),
        (["--exemplar", "steel.png", "--exemplar-part", "0,0,4,4"], "shows no texture"),
        (["--exemplar", "steel.png", "--exemplar-width", "0"], "exemplar's width must be a number"),
        (["--exemplar-source", "my garden"], "There is no exemplar"),
    ],
)
def test_exemplars_that_are_none(tmp_path, arguments, sentence):
    steel(tmp_path / "steel.png")
    done = sabi("weather", "steel.png", *arguments, cwd=tmp_path, status=1)
    assert sentence in " ".join(done.stderr.split())


def test_weather_an_image(tmp_path):
    path = steel(tmp_path / "steel.png", np.uint16)
    arguments = ["weather", path, "--effect", "rust", "--age", "0.7", "--size", "0.3", "--seed", "3"]
    done = sabi(*arguments)
    target = tmp_path / "steel_weathered.png"
    assert str(target) in done.stdout
    before, after = read_image(path)[0], read_image(target)[0]
    assert after.dtype == np.uint16
    changed = (before != after).any(axis=2)
    assert 0.05 < changed.mean() < 1
    said = json.loads((tmp_path / "steel_weathered.png.sabi.json").read_text())
    assert said["recipe"]["layers"][0]["seed"] == 3
    assert re.fullmatch("[0-9a-f]{64}", said["recipe"]["networks"]["painter"])

    done = sabi(*arguments, status=1)
    assert "weathered already" in done.stderr
    assert "file_exists" in done.stderr
    first = target.read_bytes()
    done = sabi(*arguments, "--overwrite", "--json")
    assert json.loads(done.stdout)["status"] == "done"
    assert target.read_bytes() == first, "same in, same out"

    said["recipe"]["layers"][0]["age"] = 0.0
    (tmp_path / "new.json").write_text(json.dumps(said["recipe"]))
    sabi("weather", path, "--recipe", tmp_path / "new.json", "--out", tmp_path / "new.png")
    assert np.array_equal(read_image(tmp_path / "new.png")[0], before)


def test_weather_a_folder_of_maps_by_a_preset(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    steel(folder / "door_basecolor.png")
    write_image(folder / "door_orm.png", np.full((96, 96, 3), (255, 80, 255), np.uint8))
    preset = preset_names()[0]
    done = sabi("weather", folder, "--recipe", preset, "--age", "0.9", "--set", "feature_size=0.3", "--width", "1")
    target = tmp_path / "maps_weathered"
    assert {"door_basecolor.png", "door_orm.png", "sabi.json"} <= set(os.listdir(target))
    orm = read_image(target / "door_orm.png")[0]
    assert (orm[..., 0] == 255).all()
    assert (orm[..., 1] != 80).any()
    assert str(target / "sabi.json") in done.stdout


@pytest.mark.parametrize("layout", [write_frame_4, write_frame_5], ids=["4.x", "5.x"])
def test_weather_a_frame(tmp_path, layout):
    layout(tmp_path / "frame.exr", Scene(metallic=1.0).passes())
    done = sabi("weather", "frame.exr", "--object-index", "3", "--age", "1", "--size", "0.2", cwd=tmp_path)
    assert "no diffuse colour" in done.stderr, "what was fitted is said"
    before = read_frame(tmp_path / "frame.exr", object_index=3).surface
    after = read_frame(tmp_path / "frame_weathered.exr").surface
    changed = (before["combined"].array != after["combined"].array).any(axis=2)
    ball = before["object_mask"].array[..., 0] > 0
    assert changed[ball].mean() > 0.2
    assert not changed[~ball].any()
    sabi("weather", "frame.exr", "--age", "0", "--out", "same.exr", cwd=tmp_path)
    same = read_frame(tmp_path / "same.exr").surface
    assert np.array_equal(same["combined"].array.view(np.uint16), before["combined"].array.view(np.uint16))


@pytest.mark.parametrize("command", ["weather", "timelapse"])
def test_a_frame_of_a_scene_in_other_units_is_as_one_in_metres(tmp_path, command):
    """Units of 1/128 m, by which nothing is rounded; what is not told so has weathering of a hundredth of the size."""
    passes = Scene().passes()
    write_frame_4(tmp_path / "metres.exr", passes)
    write_frame_4(tmp_path / "units.exr", {**passes, "Position": passes["Position"] * np.float32(128)})
    found = []
    for name, unit in (("metres", "1"), ("units", "0.0078125"), ("units", "1")):
        look, out = ["--unit", unit, "--size", "0.2"], tmp_path / f"{name}_{unit}"
        if command == "timelapse":
            sabi("timelapse", f"{name}.exr", *look, "--from", "0.8", "--frames", "1", "--out", out, cwd=tmp_path)
            found.append(read_image(out / f"{name}.0001.exr")[0])
            continue
        sabi("weather", f"{name}.exr", *look, "--age", "0.8", "--out", out, cwd=tmp_path)
        found.append(read_frame(out / f"{name}_weathered.exr").surface["combined"].floats())
    assert np.array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).mean() > 0.01


def test_a_recipe_made_with_another_network_says_so_and_offers_the_successor(tmp_path):
    path = steel(tmp_path / "a.png", size=32)
    made = json.loads(load_preset("light_rust").to_json())
    made["networks"] = {"painter": "ab" * 32}
    (tmp_path / "old.json").write_text(json.dumps(made))
    done = sabi("weather", path, "--recipe", tmp_path / "old.json", status=1)
    assert "unknown_network" in done.stderr
    assert "successor" in done.stderr
    assert "--newest" in done.stderr
    sabi("weather", path, "--recipe", tmp_path / "old.json", "--newest")
    used = json.loads((tmp_path / "a_weathered.png.sabi.json").read_text())["recipe"]["networks"]["painter"]
    assert used != "ab" * 32


def test_names_that_the_output_has_no_letters_for(networks_folder, tmp_path):
    steel(tmp_path / "錆.png", size=32)
    given = {"PYTHONIOENCODING": "cp1252", "SABI_NETWORKS": str(networks_folder)}
    done = sabi("weather", tmp_path / "錆.png", **given)
    assert done.stdout.count("\\u9306_weathered.png") == 2
    sabi("weather", tmp_path / "錆.png", status=1, **given)


def test_names_that_are_no_text(networks_folder, tmp_path):
    name = os.fsdecode(b"rust\xff.png")
    (tmp_path / name).write_bytes(steel(tmp_path / "steel.png", size=32).read_bytes())
    for words in ([name], ["steel.png", "--out", name + ".png"]):
        done = sabi("weather", *words, cwd=tmp_path, status=1, SABI_NETWORKS=str(networks_folder))
        assert "is not UTF-8" in done.stderr
        assert "Rename" in done.stderr
    assert len(list(tmp_path.iterdir())) == 2


def test_several_inputs_go_on_after_a_failure(tmp_path):
    steel(tmp_path / "a.png", size=32)
    steel(tmp_path / "b.png", size=32)
    done = sabi("weather", tmp_path / "a.png", tmp_path / "no.png", tmp_path / "b.png", "--json", status=1)
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["done", "failed", "done"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["no.png"], "bad_file"),
        (["a.png", "--effect", "lava"], "bad_recipe"),
        (["a.png", "--age", "1.5"], "bad_recipe"),
        (["a.png", "--recipe", "nothing"], "bad_recipe"),
        (["a.png", "--recipe", "no.json"], "bad_file"),
        (["a.png", "--recipe", "a.png"], "bad_recipe"),
        (["a.png", "--recipe", "light_rust", "--effect", "rust"], "bad_recipe"),
        (["a.png", "--set", "agee=1"], "bad_recipe"),
        (["a.png", "--set", "age"], "bad_recipe"),
        (["a.png", "--format", "doc"], "bad_file"),
        (["a.png", "--wrap", "round"], "bad_recipe"),
        (["a.png", "--width", "0"], "bad_recipe"),
        (["a.png", "--height", "-1"], "bad_recipe"),
        (["a.png", "--unit", "0"], "bad_recipe"),
        (["a.png", "--texels", "100"], "bad_file"),
        (["a.png", "--device", "abacus"], "device"),
        (["a.png", "--server", "127.0.0.1:9"], "backend"),
        (["text.png"], "bad_file"),
        (["plain.exr"], "bad_file"),
        (["a.txt"], "bad_file"),
        (["empty"], "bad_file"),
        (["a.png", "--style", "no such style"], "bad_recipe"),
    ],
)
def test_bad_input_gets_a_sentence_a_hint_and_a_code(tmp_path, monkeypatch, capsys, arguments, code):
    steel(tmp_path / "a.png", size=32)
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    passes = Scene().passes()
    del passes["Position"]
    write_frame_4(tmp_path / "plain.exr", passes)
    before = sorted(os.listdir(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["sabi", "weather", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.strip().splitlines()
    assert lines[0].startswith("Error: ")
    assert lines[-2].startswith("Hint: ")
    assert "Press" not in lines[-2], "a hint for Blender"
    assert lines[-1].split()[:1] == ["Code:"]
    assert lines[-1].split()[1].startswith(code)
    assert sorted(os.listdir(tmp_path)) == before


def test_wrong_usage_is_status_2():
    assert "No such option" in sabi("weather", "--colour", "x", status=2).stderr
    assert sabi("weather", status=2)
    assert sabi("weather", "a.png", "--age", "old", status=2)


# --- batch


def test_batch_resumes_and_reports_line_by_line(tmp_path):
    (tmp_path / "in").mkdir()
    steel(tmp_path / "in" / "a.png", size=32)
    (tmp_path / "in" / "b.png").write_text("not an image")
    arguments = ["batch", tmp_path / "in", "--out", tmp_path / "out", "--age", "0.5"]
    listed = [json.loads(line) for line in sabi(*arguments, "--dry-run").stdout.splitlines()]
    assert [Path(entry["destination"]).name for entry in listed] == ["a_weathered.png", "b_weathered.png"]
    assert not (tmp_path / "out").exists()

    lines = [json.loads(line) for line in sabi(*arguments, status=1).stdout.splitlines()]
    assert [(Path(entry["item"]).name, entry["status"]) for entry in lines] == [("a.png", "done"), ("b.png", "failed")]
    assert lines[1]["error"]["code"] == "bad_file"
    steel(tmp_path / "in" / "b.png", size=32)
    lines = [json.loads(line) for line in sabi(*arguments).stdout.splitlines()]
    assert [entry["status"] for entry in lines] == ["skipped", "done"]
    shards = [sabi(*arguments, "--shard", f"{i}/2").stdout.splitlines() for i in (1, 2)]
    assert len(shards[0]) + len(shards[1]) == 2


def test_batch_by_rules_with_a_preview_sheet(tmp_path):
    (tmp_path / "in" / "maps").mkdir(parents=True)
    steel(tmp_path / "in" / "steel.png", np.uint16, size=320)
    steel(tmp_path / "in" / "glass.png")
    steel(tmp_path / "in" / "maps" / "door_basecolor.png")
    write_image(tmp_path / "in" / "maps" / "door_rough.png", np.full((96, 96, 1), 90, np.uint8))
    write_frame_4(tmp_path / "in" / "frame.exr", Scene().passes())
    (tmp_path / "in" / "damaged.png").write_text("not an image")
    (tmp_path / "rules.toml").write_text(
        "[[rule]]\nmaterial = 'glass*'\nskip = true\n[[rule]]\nmaterial = ['maps', 'frame']\nrecipe = 'moss_crevices'\n"
        "[[rule]]\nrecipe = 'light_rust'\n"
    )
    arguments = ["batch", "in", "--out", "out", "--rules", "rules.toml", "--set", "feature_size=0.3", "--age", "1"]
    done = sabi(*arguments, "--preview", "sheet.png", cwd=tmp_path, status=1)
    listed = {Path(line["item"]).name: line for line in map(json.loads, done.stdout.splitlines())}
    assert {name: line.get("recipe") for name, line in listed.items()} == {
        "steel.png": "light_rust",
        "glass.png": None,
        "maps": "moss_crevices",
        "frame.exr": "moss_crevices",
        "damaged.png": None,
    }
    assert listed["damaged.png"]["error"]["code"] == "bad_file"
    assert not (tmp_path / "out").exists()
    sheet = read_image(tmp_path / "sheet.png")[0]
    shown = [sheet[12 : 12 + 192, x : x + 192] for x in range(12, sheet.shape[1], 204)]
    assert [(part != 30).any() for part in shown] == [False, True, True, True, True], "the damaged one has no picture"
    grey = [np.abs(part.astype(int) - part.mean(axis=2, keepdims=True)).max() for part in shown]
    assert grey[2] < 20 < grey[4], "glass is as it was, steel has rusted"
    assert (sheet[12 + 192 :] > 100).any(), "names are written below"
    assert "exists already" in sabi(*arguments, "--preview", "sheet.png", cwd=tmp_path, status=1).stderr
    albedo = tmp_path / "in" / "maps" / "door_basecolor.png"
    before = albedo.read_bytes()
    refused = sabi(*arguments, "--preview", albedo, "--overwrite", cwd=tmp_path, status=1).stderr
    assert "the input itself" in " ".join(refused.split())
    assert albedo.read_bytes() == before

    done = sabi(*arguments, cwd=tmp_path, status=1)
    lines = {Path(line["item"]).name: line["status"] for line in map(json.loads, done.stdout.splitlines())}
    assert lines == {
        "steel.png": "done",
        "glass.png": "left",
        "maps": "done",
        "frame.exr": "done",
        "damaged.png": "failed",
    }
    said = json.loads((tmp_path / "out" / "steel_weathered.png.sabi.json").read_text())["recipe"]
    assert {layer["age"] for layer in said["layers"]} == {1}
    assert "not both" in sabi(*arguments, "--recipe", "light_rust", cwd=tmp_path, status=1).stderr
    (tmp_path / "rules.toml").write_text("[[rule]]\nrecipe = 'no_such'")
    assert "bad_rules" in sabi(*arguments, cwd=tmp_path, status=1).stderr


def test_batch_goes_on_without_its_server_only_when_told(tmp_path):
    for name in "ab":
        steel(tmp_path / f"{name}.png", size=32)
    arguments = ["batch", tmp_path, "--server", "127.0.0.1:9"]
    assert len(sabi(*arguments, status=1).stdout.splitlines()) == 1
    assert len(sabi(*arguments, "--keep-going", status=1).stdout.splitlines()) == 2


def test_batch_says_what_is_wrong_before_it_starts(tmp_path):
    assert "is missing" in sabi("batch", tmp_path / "nowhere", status=1).stderr
    assert "is not a shard" in sabi("batch", tmp_path, "--shard", "3/2", status=1).stderr
    assert "100 texels" in sabi("batch", tmp_path, "--texels", "100", status=1).stderr
    steel(tmp_path / "a.png", size=32)
    done = sabi("batch", tmp_path, "--ray", "auto", status=1, PYTHONPATH=str(without_ray(tmp_path)))
    assert "Ray is not installed" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking them")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_batch_that_is_ended_leaves_nothing_half_written(tmp_path, sign):
    (tmp_path / "in").mkdir()
    for number in range(30):
        steel(tmp_path / "in" / f"{number:02}.png", size=64)
    command = [sys.executable, "-m", "sabi.backend", "batch", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    heard = {
        "preexec_fn": lambda: signal.signal(sign, signal.SIG_DFL)
    }  # shells make what runs in the background deaf to SIGINT
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **heard) as batch:
        assert json.loads(batch.stdout.readline())["status"] == "done"
        batch.send_signal(sign)
        rest, said = batch.communicate(timeout=180)
    assert batch.returncode == 130
    assert "Traceback" not in said
    assert "Interrupted" in said
    finished = 1 + len(rest.splitlines())
    assert finished < 30
    written = sorted(os.listdir(tmp_path / "out"))
    assert not [name for name in written if name.startswith(".")]
    assert finished <= len(written) // 2 <= finished + 1, "an image and its sidecar each"


def without_ray(folder: Path) -> Path:
    (folder / ".path" / "ray").mkdir(parents=True)
    (folder / ".path" / "ray" / "__init__.py").write_text("raise ImportError('not here')")
    return folder / ".path"


# --- serve, and weathering on a server


def test_serve_and_weather_there(tmp_path):
    path = steel(tmp_path / "a.png", size=64)
    environment = {**os.environ, "SABI_TOKEN": "secret", "SABI_THREADS": "1", "SABI_SPOOL": str(tmp_path)}
    environment.pop("SABI_SERVER", None)
    command = [sys.executable, "-m", "sabi.backend", "serve", "--address", "127.0.0.1:0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as server:
        try:
            port = json.loads(server.stdout.readline())["port"]
            address = f"127.0.0.1:{port}"
            sabi("weather", path, "--age", "0.8", "--server", address, SABI_TOKEN="secret")
            there = read_image(tmp_path / "a_weathered.png")[0]
            sabi("weather", path, "--age", "0.8", "--out", tmp_path / "here.png")
            assert np.array_equal(there, read_image(tmp_path / "here.png")[0])
            write_frame_5(tmp_path / "frame.exr", Scene().passes())
            for name, more in (("there", ["--server", address]), ("here", [])):
                target = tmp_path / f"frame_{name}.exr"
                sabi("weather", tmp_path / "frame.exr", "--size", "0.2", "-o", target, *more, SABI_TOKEN="secret")
            frames = [
                read_frame(tmp_path / f"frame_{name}.exr").surface["combined"].array for name in ("there", "here")
            ]
            assert np.array_equal(*frames)
            assert not np.array_equal(frames[0], read_frame(tmp_path / "frame.exr").surface["combined"].array)
            done = sabi("weather", path, "--overwrite", "--server", address, SABI_TOKEN="wrong", status=1)
            assert "unauthorized" in done.stderr
            report = json.loads(sabi("doctor", "--json", "--server", address, SABI_TOKEN="secret").stdout)
            assert report["server"]["address"] == address
        finally:
            server.terminate()
            server.wait(20)


def test_serve_refuses_what_is_not_safe(tmp_path):
    refused = sabi("serve", "--address", "0.0.0.0:0", status=1).stderr
    assert "open to everyone" in refused
    assert "Sabi listens" not in refused
    assert "certificate and a key" in sabi("serve", "--tls-cert", tmp_path / "x.pem", status=1).stderr
    assert "is not an address" in sabi("serve", "--address", "127.0.0.1:http", status=1).stderr


def test_addresses():
    assert parse_address("127.0.0.1:80") == ("127.0.0.1", 80)
    assert parse_address(":80") == ("127.0.0.1", 80)
    assert parse_address("[::1]:80") == ("::1", 80)
    assert parse_address("0.0.0.0") == ("0.0.0.0", 7224)
    with pytest.raises(BackendError):
        parse_address("host:port")


# --- doctor, effects, demo, help


def test_doctor(tmp_path):
    done = sabi("doctor")
    assert "Device" in done.stdout
    assert "Everything that weathering needs is here" in done.stdout
    report = json.loads(sabi("doctor", "--json").stdout)
    assert report["device"]["used"] == "cpu"
    assert report["trouble"] == []
    done = sabi("doctor", "--json", status=1, SABI_NETWORKS=str(tmp_path))
    assert json.loads(done.stdout)["trouble"][0]["code"] == "network"


def test_effects():
    data = json.loads(sabi("effects", "--json").stdout)
    assert set(data["effects"]) == {e.value for e in Effect}
    assert all(entry["styles"] for entry in data["effects"].values())
    assert set(data["presets"]) == set(preset_names())
    by_effect = [effect for entry in data["presets"].values() for effect in set(entry["effects"])]
    assert all(by_effect.count(e.value) >= 2 for e in Effect), "two presets an effect"
    assert preset_names()[0] in sabi("effects").stdout


def test_an_effect_that_another_painter_was_taught(tmp_path, make_painter):
    """Listed and painted where SABI_NETWORKS names its folder, refused by Sabi's own painter in one sentence."""
    folder = tmp_path / "networks"
    folder.mkdir()
    styles = {"rust": {"plain": [0.0] * 16}, "lichen": {"crust": [1.0] * 16}}
    make_painter(folder / "painter.onnx", styles=styles, version="9.0")
    data = json.loads(sabi("effects", "--json", SABI_NETWORKS=str(folder)).stdout)["effects"]
    assert data["lichen"]["styles"] == ["crust"]
    assert set(data) == {"lichen", *(e.value for e in Effect)}
    path = steel(tmp_path / "steel.png")
    sabi("weather", path, "--effect", "lichen", "--age", "0.8", SABI_NETWORKS=str(folder))
    side = json.loads((tmp_path / "steel_weathered.png.sabi.json").read_text())
    assert side["recipe"]["layers"][0]["effect"] == "lichen"
    assert (read_image(path)[0] != read_image(tmp_path / "steel_weathered.png")[0]).any()
    done = sabi("weather", path, "--effect", "lichen", "--overwrite", "--json", status=1)
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "bad_recipe"
    assert error["message"] == "The painter has no style for lichen."
    assert "moss, patina" in error["hint"]
    assert "is not an effect" in sabi("weather", path, "--effect", "Red & Blue", status=1).stderr


def test_licences_name_every_training_image():
    painter = json.loads(sabi("licences", "--json").stdout)["networks"]["painter"]
    assert len(painter["images"]) > 30
    for image in painter["images"]:
        assert image["licence"] == "CC0-1.0"
        assert "/" in image["source_repository"]
        assert image["source_path"]
        assert re.fullmatch("[0-9a-f]{64}", image["sha256"])
    assert painter["backbones"][0]["licence"] == "Apache-2.0"
    text = sabi("licences").stdout
    assert f"{len(painter['images'])} training images" in text
    assert "metallic 0 for moss, dirt, stains, cracks, erosion and greyed wood" in painter["notes"]
    assert len(painter["notes"]) >= 5
    for note in painter["notes"]:
        assert f"  {note}\n" in text
    assert painter["models"] == []


def test_licences_name_the_models_whose_shapes_were_rendered():
    networks = json.loads(sabi("licences", "--json").stdout)["networks"]
    models = networks["shading"]["models"]
    assert len(models) > 5
    assert "wooden_crate_01" in models
    assert ", ".join(models) in sabi("licences").stdout


def test_notes_of_a_painter_hold_on_when_an_effect_is_added_and_not_when_it_is_trained_anew():
    shipped = {"notes": ["drawn: cracks"], "start": {"training": {"notes": ["dirt: height from luminance"]}}}
    assert notes_of(shipped) == ["drawn: cracks"]
    added = {"added": "lichen", "notes": ["lichen: metallic 0"], "start": {"training": shipped}}
    assert notes_of(added) == ["lichen: metallic 0", "drawn: cracks"]
    assert notes_of({"images": []}) == []


def test_demo_passes_its_arguments_on(tmp_path):
    if sys.platform == "win32":
        pytest.fail("write this stand-in for Windows")
    launcher = tmp_path / "python"
    launcher.write_text('#!/bin/sh\necho "$@"\nexit 7\n')
    launcher.chmod(0o755)
    done = sabi("demo", "--out", "x", "--help", status=7, SABI_BLENDER_PYTHON=str(launcher))
    assert done.stdout.split() == ["-m", "sabi.addon.demo", "--out", "x", "--help"]
    assert "no Python at" in sabi("demo", status=1, SABI_BLENDER_PYTHON="/no/python").stderr


def test_help_and_version():
    text = sabi("--help").stdout
    for command in (
        "weather",
        "batch",
        "flamenco",
        "serve",
        "doctor",
        "demo",
        "effects",
        "degree",
        "licences",
        "report",
    ):
        assert command in text
    assert re.match(r"sabi \d+\.\d+\.\d+", sabi("--version").stdout)
    assert "0 leaves the picture as it is" in " ".join(sabi("weather", "--help").stdout.replace("│", " ").split())
    assert "complete" in sabi("--show-completion", "bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1").stdout


# --- harmonize


def test_harmonize_changes_what_is_under_the_mask_alone(tmp_path):
    """With the network that ships: a part of a grey wall that was tinted comes nearer to the wall."""
    rng = np.random.default_rng(0)
    wall = np.clip(140 + 25 * rng.standard_normal((12, 16, 1)).repeat(16, 0).repeat(16, 1) + [6, 0, -8], 0, 255)
    mask = np.zeros((*wall.shape[:2], 1), np.uint8)
    mask[64:160, 80:192] = 255
    tinted = np.where(mask > 0, np.clip(wall * [0.6, 0.75, 1.1], 0, 255), wall).astype(np.uint8)
    write_image(tmp_path / "wall.png", tinted)
    write_image(tmp_path / "mask.png", mask)
    sabi("harmonize", tmp_path / "wall.png", tmp_path / "mask.png")
    changed = read_image(tmp_path / "wall_harmonized.png")[0]
    inside = mask[..., 0] > 0
    assert np.array_equal(changed[~inside], tinted[~inside])
    before, after = (np.abs(picture[inside] - wall[inside]).mean() for picture in (tinted.astype(float), changed))
    assert after < 0.85 * before


def test_harmonize_says_what_is_wrong_and_writes_nothing(tmp_path):
    path, mask = steel(tmp_path / "steel.png"), tmp_path / "mask.png"
    write_image(mask, np.zeros((96, 96, 1), np.uint8))
    assert "mask is empty" in sabi("harmonize", path, mask, status=1).stderr
    assert "is missing" in sabi("harmonize", tmp_path / "x.png", mask, status=1).stderr
    done = sabi("harmonize", path, mask, status=1, SABI_NETWORKS=str(tmp_path))
    assert "There is no network 'harmonizer'" in done.stderr
    assert "train harmonizer" in done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"steel.png", "mask.png"}


# --- recipes from options


def recipe(*, name=None, effect=None, age=None, seed=None, style=None, size=None, changes=None):
    return options.build_recipe(name, effect, age, seed, style, size, changes)


def test_options_make_a_recipe():
    assert recipe().layers[0].effect is Effect.RUST
    made = recipe(effect="Peeling-Paint", age=0.3, seed=7, size=0.02).layers[0]
    assert (made.effect, made.age, made.seed, made.feature_size) == (Effect.PEELING_PAINT, 0.3, 7, 0.02)
    changed = recipe(effect="moss", changes=["exposure.up=0", "opacity=0.5", "frame.mode=scene", "frame.ground=-1.5"])
    assert changed.layers[0].exposure.up == 0
    assert changed.layers[0].exposure.ground > 0
    assert changed.layers[0].opacity == 0.5
    assert changed.frame.mode is FrameMode.SCENE
    assert changed.frame.ground == -1.5


def test_layers_are_changed_one_by_one(tmp_path):
    name = next(n for n in preset_names() if len(load_preset(n).layers) > 1)
    before, after = load_preset(name), recipe(name=name, changes=["2.age=0.11"])
    assert after.layers[1].age == 0.11
    assert after.layers[0] == before.layers[0]
    assert {layer.age for layer in recipe(name=name, age=0.9).layers} == {0.9}
    (tmp_path / "r.json").write_text(before.to_json())
    assert recipe(name=str(tmp_path / "r.json")) == Recipe.from_json(before.to_json())
    with pytest.raises(BadRecipe, match="no layer 9"):
        recipe(name=name, changes=["9.age=0.1"])
    with pytest.raises(BadFile):
        recipe(name=str(tmp_path / "no.json"))
