# SPDX-License-Identifier: GPL-3.0-or-later
"""The harmonizer's network, pairs, training, export and evaluation hang together, on a few small pictures."""

import argparse
import json
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from sabi.backend.files.image import read_image, write_image
from sabi.backend.networks.card import CARD_KEY, Card
from sabi.backend.weathering.colour import to_linear, to_srgb
from sabi.export_onnx.data.materials import Split, split_of
from sabi.export_onnx.export import ExportError
from sabi.export_onnx.harmonizer import commands, composites, evaluation, export, training
from sabi.export_onnx.harmonizer.bmvc2020 import Bmvc2020
from sabi.export_onnx.harmonizer.network import Harmonizer, apply, statistics
from sabi.export_onnx.shading.pictures import Pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight made-up photographs of smooth colours, two of them kept out of training, and two environment maps, one kept out."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "photos").mkdir()
    rows = ["id,width,height,source_repository,licence"]
    rng = np.random.default_rng(0)
    for number in range(8):
        coarse = rng.integers(40, 215, (5, 6, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((200, 160), Image.Resampling.BICUBIC)
        image.save(folder / "photos" / f"p{number}.jpg", quality=95)
        rows.append(f"p{number},200,160,made/up,CC0-1.0")
    (folder / "photos" / "manifest.csv").write_text("\n".join(rows) + "\n")
    (folder / "hdri").mkdir()
    rows = ["id,light,source_repository,source_path,licence"]
    for name in ("dawn", "noon"):
        write_image(folder / "hdri" / f"{name}.hdr", rng.uniform(0, 2, (32, 64, 3)).astype(np.float32))
        rows.append(f"{name},outdoor,made/up,{name}.hdr,CC0-1.0")
    (folder / "hdri" / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    training.train(training.Options(minutes=0.1, size=64, batch=2, threads=1), folder, out, log_every=1)
    return out


def test_what_is_not_trained_is_the_identity():
    composite, mask = export.inputs_of(2, 64, 96)
    model = Harmonizer().eval()
    with torch.no_grad():
        assert torch.allclose(apply(composite, mask, model(composite, mask)), composite, atol=1e-6)


@pytest.mark.parametrize("side", [4, 16, 30])
def test_statistics_do_not_depend_on_the_masks_area(side):
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., :side, :side] = 1
    x = (3 * mask - 9 * (1 - mask)).repeat(1, 2, 1, 1)
    mean, deviation = statistics(x, mask)
    assert mean.flatten().tolist() == pytest.approx([3, 3], abs=1e-3)
    assert deviation.max() < 0.05


def test_pairs_differ_in_the_mask_alone(folder):
    photographs = composites.read_photographs(folder, held_out=False)
    apart = []
    for seed in range(20):
        composite, truth, mask = composites.draw_pair(photographs, np.random.default_rng(seed), 64)
        assert np.array_equal(composite[mask[..., 0] == 0], truth[mask[..., 0] == 0])
        assert composites.AREA[0] < mask.mean() < composites.AREA[1]
        assert composite.min() >= 0
        assert composite.max() <= 1
        apart.append(evaluation.fmse(composite, truth, mask))
    assert np.median(apart) > 100, "a disturbance is seen"


def write_pair(path):
    rng = np.random.default_rng(0)
    albedo = np.repeat(np.repeat(rng.uniform(0.2, 0.8, (4, 4, 3)), 16, 0), 16, 1)
    lights = np.array([[1.0, 0.9, 0.8], [0.5, 0.7, 1.0]])[:, None, None]
    pair = Pair(albedo * lights, np.stack([albedo] * 2), np.zeros((2, 64, 64, 3)), np.ones((64, 64), bool))
    with open(path, "wb") as file:
        np.savez_compressed(file, **vars(pair))


def test_scenes_that_are_asked_for_and_not_there_are_missed(folder, tmp_path):
    options = training.Options(steps=1, size=64, batch=2, threads=1, scenes=str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="data shading"):
        training.train(options, folder, tmp_path)


def test_a_scene_under_two_lights_is_a_pair(tmp_path):
    """Inside of the part the other light, outside the own; both lights are the truth once."""
    (tmp_path / "train").mkdir()
    write_pair(tmp_path / "train" / "00000.npz")
    scenes = composites.read_scenes(tmp_path)
    assert len(scenes) == 2
    assert np.array_equal(scenes[0].pixels, scenes[1].relit)
    redder = []
    for seed in range(12):
        composite, truth, mask = composites.draw_pair(scenes, np.random.default_rng(seed), 64)
        inside = mask[..., 0] > 0.9
        assert np.array_equal(composite[mask[..., 0] == 0], truth[mask[..., 0] == 0])
        changed = (composite - truth)[inside].mean(0)
        redder.append(changed[0] - changed[2] > 0)
        assert abs(changed[0] - changed[2]) > 0.05, "the other light is of another colour"
    assert any(redder)
    assert not all(redder)


def test_an_environment_is_looked_at_from_its_middle():
    """The sky is above, what lies to the right is at the right, and what is straight stays straight in a tilted view."""
    around = np.zeros((64, 128, 3), np.float32)
    around[:32, :, 2] = 1  # sky
    around[:, 10, 0] = 1  # a pole, 30 degrees to the right of the first column
    ahead, turned, up = (
        composites._view(around, turn, tilt, 1.0) for turn, tilt in ((0, 0.3), (np.pi / 3, 0), (0, 1.2))
    )
    middle = composites.VIEW // 2
    assert ahead[: middle // 2, :, 2].all()
    assert not ahead[-8:, :, 2].any()
    rows = np.arange(composites.VIEW)
    pole = ahead[..., 0].argmax(1)
    assert (pole > middle + 8).all()
    assert np.abs(pole - np.polyval(np.polyfit(rows, pole, 1), rows)).max() < 2
    assert (turned[..., 0].argmax(1) < middle - 8).all()
    assert up[..., 2].all()


def test_all_of_a_photograph_is_varied_before_a_part_is_disturbed(folder):
    photographs = composites.read_photographs(folder, held_out=False)
    apart = []
    for seed in range(10):
        plain, varied = (
            composites.draw_pair(photographs, np.random.default_rng(seed), 64, vary=vary)[1] for vary in (False, True)
        )
        apart.append(float(np.abs(plain - varied).mean()))
    assert sum(value == 0 for value in apart) in range(2, 9)
    composite, truth, mask = composites.draw_pair(photographs, np.random.default_rng(0), 64, vary=True)
    assert np.array_equal(composite[mask[..., 0] == 0], truth[mask[..., 0] == 0])


def test_what_is_left_out_is_never_trained_on(folder):
    names = [{p.said["image"] for p in composites.read_photographs(folder, held)} for held in (False, True)]
    assert len(names[0]) == 6
    assert names[1] == {"photos/p3", "photos/p7"}
    lights = {view.said["image"] for view in composites.read_environments(folder)}
    assert lights == {f"hdri/{name}" for name in split_of(("dawn", "noon"), Split.TRAIN)}
    assert len(lights) == 1


def test_training_resumes(folder, run, tmp_path):
    kept = torch.load(training.checkpoint(run), weights_only=False)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == kept["step"] >= 2
    assert len(kept["made"]["images"]) == 7  # six photographs, one environment map
    (training.checkpoint(tmp_path)).write_bytes((training.checkpoint(run)).read_bytes())
    training.train(training.Options(minutes=0.0, size=64, batch=2, threads=1), folder, tmp_path)
    again = torch.load(training.checkpoint(tmp_path), weights_only=False)
    assert again["step"] == kept["step"]
    assert all(torch.equal(a, b) for a, b in zip(again["model"].values(), kept["model"].values(), strict=True))


def test_the_baseline_has_the_size_that_is_told_and_begins_near_the_composite():
    model = Bmvc2020().eval()
    assert sum(weights.numel() for weights in model.parameters()) == pytest.approx(11.6e6, rel=0.005)
    composite, mask = export.inputs_of(2, 64, 96)
    with torch.no_grad():
        assert (model(composite, mask) - composite).abs().mean() < 0.1


def test_the_baseline_gives_the_foreground_the_backgrounds_deviation():
    """Where attention finds the background as it is, alike all over, for then all weights are alike."""
    model = Bmvc2020()
    for convolution in (model.across.queries, model.across.keys, model.across.values):
        torch.nn.init.zeros_(convolution.weight)
    torch.nn.init.ones_(model.across.values.bias)
    with torch.no_grad():
        model.part[:] = 1
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., :4, :] = 1
    x = torch.randn(1, 256, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        changed = model.modulated(x, mask)
    flat = x + mask * x / (mask * x).flatten(2).std(2)[..., None, None] * 1e-5**0.5  # nothing varies in what was found
    assert torch.allclose(changed, flat, atol=1e-4)


def test_the_baseline_learns_from_the_same_pairs(folder, tmp_path):
    options = training.Options(learner="bmvc2020", steps=2, size=64, batch=2, threads=1)
    path = training.train(options, folder, tmp_path, log_every=1)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert np.isfinite([line["loss"] for line in lines]).all()
    composite, truth, mask = evaluation.composites_of(composites.read_photographs(folder, held_out=True), 1)[0]
    got = training.harmonizer_of(path)(composite, mask)
    assert got.shape == truth.shape
    assert 0 <= got.min() <= got.max() <= 1
    assert not np.array_equal(got, composite)


def test_export_and_evaluation(folder, run, tmp_path, monkeypatch):
    path = tmp_path / "harmonizer.onnx"
    export.export_checkpoint(training.checkpoint(run), path)
    card = Card.from_json({p.key: p.value for p in onnx.load(path).metadata_props}[CARD_KEY])
    assert card.training["images"][0]["licence"] == "CC0-1.0"
    monkeypatch.setattr(evaluation, "ceiling_ratio", lambda *_, **__: 0.5)  # its own tests take their time
    scenes = tmp_path / "scenes"
    (scenes / "held").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="data shading"):
        evaluation.evaluate(path, folder, tmp_path, count=1, scenes=scenes, large=64)
    write_pair(scenes / "held" / "00000.npz")
    figures = evaluation.evaluate(
        path, folder, tmp_path, count=4, scenes=scenes, bmvc2020=training.checkpoint(run), large=64
    )
    assert figures["relit"]["scenes"] == 1
    assert figures["relit"]["composite_fmse"] > 50
    assert (tmp_path / "relit.png").is_file()
    assert figures["bytes"] < export.MAX_BYTES
    assert figures["composite_fmse"] > 50
    assert set(figures["baselines"]) == {"reinhard", "histogram", "bmvc2020"}
    assert figures["baselines"]["bmvc2020"] == pytest.approx(figures["fmse"], rel=0.01), "given the harmonizer itself"
    assert figures["apply_ratio"] > 0
    assert (tmp_path / "harmonizer.png").is_file()


@pytest.mark.parametrize("suffix", [".png", ".exr"])
def test_the_command_line_changes_the_part_alone(folder, tmp_path, suffix):
    """By a network that adds a tenth of red: 16-bit PNG in sRGB, EXR in scene-linear."""
    model = Harmonizer()
    with torch.no_grad():
        model.out.bias[3] = float(np.arctanh(0.1 / 2))
    (tmp_path / "networks").mkdir()
    export.export_harmonizer(model, export.card({}), tmp_path / "networks" / "harmonizer.onnx")
    rng, mask = np.random.default_rng(0), np.zeros((90, 120, 1), np.uint8)
    mask[20:60, 30:90] = 255
    encoded = (0.2 + 0.5 * rng.random((90, 120, 3))).astype(np.float32)
    stored = to_linear(encoded) if suffix == ".exr" else (encoded * 65535).astype(np.uint16)
    image, out = tmp_path / f"image{suffix}", tmp_path / f"out{suffix}"
    write_image(image, stored)
    write_image(tmp_path / "mask.png", mask)
    command = [sys.executable, "-m", "sabi.backend", "harmonize", image, tmp_path / "mask.png", "--out", out]
    environment = {**os.environ, "SABI_NETWORKS": str(tmp_path / "networks")}
    done = subprocess.run([*map(str, command)], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lossy = subprocess.run(
        [*map(str, command[:-1]), str(out.with_suffix(".jpg"))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lossy.returncode != 0
    assert "would change every texel" in lossy.stderr
    before, after = read_image(image)[0], read_image(out)[0]
    inside = mask[..., 0] > 0
    assert after.dtype == before.dtype
    assert np.array_equal(after[~inside], before[~inside])
    seen = [to_srgb(x) if suffix == ".exr" else x / np.float32(65535) for x in (before, after)]
    assert (seen[1] - seen[0])[inside].mean(0) == pytest.approx([0.1, 0, 0], abs=2e-3)


def test_a_file_that_computes_otherwise_is_not_exported(run, tmp_path):
    model, made = training.trained(training.checkpoint(run))
    path = tmp_path / "harmonizer.onnx"
    export.export_harmonizer(model, export.card(made), path)
    with torch.no_grad():
        model.out.bias[0] += 0.1
    with pytest.raises(ExportError, match="differs from torch"):
        export.check(model, path)


def test_without_scenes_the_command_judges_photographs_alone(folder, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(commands.evaluation, "evaluate", lambda *_, **given: asked.append(given["scenes"]) or {})
    monkeypatch.setattr(commands.textures, "data_folder", lambda _: folder)
    monkeypatch.chdir(tmp_path)
    parsers = {name: argparse.ArgumentParser() for name in ("data", "train", "evaluate", "export")}
    commands.add_options(parsers, tmp_path)
    given = parsers["evaluate"].parse_args([])
    given.command = "evaluate"
    commands.run(given)
    (tmp_path / commands.SCENES).mkdir(parents=True)
    commands.run(given)
    assert asked == [None, commands.SCENES]
