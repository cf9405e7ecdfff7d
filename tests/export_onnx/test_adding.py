# SPDX-License-Identifier: GPL-3.0-or-later
"""An effect is added from somebody's photographs, without any other data, and nothing of the painter is forgotten."""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sabi.backend.networks.registry import examine
from sabi.backend.protocol.errors import BadFile, NetworkError
from sabi.export_onnx import adding, export, training
from sabi.export_onnx.backbone import RawPatches
from sabi.export_onnx.data import effects, photographs, textures
from sabi.export_onnx.data.effects import Area
from sabi.export_onnx.networks import painter as painters
from sabi.export_onnx.painting import Brush

OPTIONS = training.Options(minutes=0.03, size=128, crops=1)
LEARNT = {"rust": {"plain": [0.5] * painters.STYLE, "other": [-0.5] * painters.STYLE}}


def photograph(path: Path, colour=(120, 160, 40), size=(200, 160)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grain = np.random.default_rng(0).normal(0, 12, (size[1], size[0], 1))
    Image.fromarray((np.array(colour) + grain).clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A painter of one effect whose weights are chance."""
    torch.manual_seed(0)
    path, network = tmp_path_factory.mktemp("start") / "painter.onnx", painters.Painter()
    for parameter in network.parameters():
        parameter.data += 0.01 * torch.randn_like(parameter)  # an exporter keeps equal weights but once
    export.export_painter(network, export.painter_card(LEARNT, {"rust": 16.0}, {"notes": ["none"]}), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two styles: a photograph with a mask, and a set of maps without one."""
    path = tmp_path_factory.mktemp("photographs") / "lichen"
    photograph(path / "wall.jpg")
    half = np.zeros((160, 200), np.uint8)
    half[:, 100:] = 255
    Image.fromarray(half).save(path / "wall_mask.png")
    photograph(path / "Grey Crust" / "stone_diff_1k.jpg", (150, 150, 150), (128, 128))
    photograph(path / "Grey Crust" / "stone_rough_1k.jpg", (200, 200, 200), (128, 128))
    return path


@pytest.fixture(scope="module")
def added(start, folder, tmp_path_factory) -> Path:
    options = training.Options(**{**vars(OPTIONS), "start": str(start)})
    return adding.add_effect("lichen", folder, options, tmp_path_factory.mktemp("added"), licence="CC0-1.0")


def test_the_card_lists_the_new_effect_beside_the_old(start, added):
    before, after = Brush(start).card, examine(added).card
    assert set(after.styles) == {"rust", "lichen"}
    assert set(after.styles["lichen"]) == {"lichen", "grey_crust"}
    assert {name: code[: painters.STYLE] for name, code in after.styles["rust"].items()} == before.styles["rust"]
    assert after.inputs["style"][painters.STYLE :] == ["lichen"]
    assert after.texels_per_feature["rust"] == 16.0
    assert after.texels_per_feature["lichen"] >= adding.FINEST
    assert after.version == f"{before.version}.1"
    assert after.training["start"]["training"] == {"notes": ["none"]}
    assert {image["licence"] for image in after.training["images"]} == {"CC0-1.0"}
    assert len(after.training["images"]) == 4
    assert "lichen: assumed, not measured: roughness 0.85" in after.training["notes"][0]
    assert "weathered all over" in after.training["notes"][1]


def test_the_old_styles_paint_what_they_painted(start, added):
    before, after = Brush(start), Brush(added)
    moved = adding.farthest(before, after)
    assert moved <= 1e-4
    inputs = {n: v.numpy() for n, v in painters.inputs_of(1, 64, 64, torch.Generator().manual_seed(0)).items()}
    old, new = (after.run(inputs, after.style(*which)) for which in (("rust", "plain"), ("lichen", "lichen")))
    assert float((old - new).abs().mean()) > max(1e-4, 10 * moved)  # so that a style that moved would be seen


def test_an_effect_is_added_to_what_was_added_to(added, folder, tmp_path):
    options = training.Options(**{**vars(OPTIONS), "start": str(added)})
    twice = adding.add_effect("soot", folder / "Grey Crust", options, tmp_path)
    card = examine(twice).card
    assert {len(code) for named in card.styles.values() for code in named.values()} == {painters.STYLE + 2}
    assert [code[-2:] for code in card.styles["lichen"].values()] == [[1.0, 0.0]] * 2
    assert adding.farthest(Brush(added), Brush(twice)) <= 1e-4


def test_training_of_all_goes_on_without_what_was_added(start, added):
    models = [training.Trainee(len(effects.styles())) for _ in range(2)]
    for model, path in zip(models, (start, added), strict=True):
        assert training.begin_from(model, path) == []
    for name, weight in models[0].painter.state_dict().items():
        torch.testing.assert_close(models[1].painter.state_dict()[name], weight)


def test_learning_comes_closer_to_the_photograph(start, folder):
    torch.manual_seed(0)
    options = training.Options(minutes=60, size=128, crops=1, start=str(start))
    plates = photographs.plates_of("lichen", folder, photographs.made_up_bases(0), False, 0)
    model = training.Trainee(2)
    adding.take_weights(model.painter, start)
    learner = adding.Learner(model, RawPatches(), plates, options)
    learner.choose_nearest(Brush(start).card)
    kept = {name: weight.clone() for name, weight in model.painter.state_dict().items() if "heads" in name}

    def apart() -> float:
        """Over several crops of both styles: one alone is chance. Shapes are left out: what is chance has none to choose from."""
        looks = ("feature", "patch", "layer", "colour")
        torch.manual_seed(1)
        rng, generator = np.random.default_rng(1), torch.Generator().manual_seed(1)
        with torch.no_grad():
            parts = [learner.losses(i % 2, 128, rng, generator) for i in range(8)]
        return sum(float(part[name]) for part in parts for name in looks)

    before = apart()
    assert [line["step"] for line in itertools.islice(learner.learn(time.monotonic(), 20), 2)] == [20, 40]
    assert apart() < 0.8 * before
    assert all(torch.equal(model.painter.state_dict()[name], weight) for name, weight in kept.items())


def test_what_lies_in_a_folder(folder):
    styles = photographs.styles_in(folder)
    assert {style: [sorted(one.places) for one in sets] for style, sets in styles.items()} == {
        "lichen": [["albedo", "mask"]],
        "grey_crust": [["albedo", "roughness"]],
    }
    plates = photographs.plates_of("lichen", folder, photographs.made_up_bases(0), True, 0)
    masked, bare = (made[0] for made in plates.plates)
    assert [p.area for _, p in plates.styles] == [Area.MASK, Area.GROWN]
    assert masked.over_own_base
    assert not bare.over_own_base
    assert masked.area[0, :, :240].max() == 0
    assert masked.area[0, :, 280:].min() == 1
    assert bare.photograph[3].mean() == pytest.approx(200 / 255, abs=0.02)
    assert masked.runs
    assert plates.draw(0, 1, 64, np.random.default_rng(0)).photograph.shape == (1, textures.MAPS, 64, 64)


def test_what_cannot_be_added_is_said(start, folder, tmp_path):
    options = training.Options(minutes=0.01, start=str(start))
    with pytest.raises(NetworkError, match="paints rust already"):
        adding.add_effect("rust", folder, options, tmp_path)
    with pytest.raises(BadFile, match="no name"):
        adding.add_effect("Red Lichen", folder, options, tmp_path)
    with pytest.raises(BadFile, match="not a folder"):
        adding.add_effect("lichen", folder / "none", options, tmp_path)
    with pytest.raises(BadFile, match="no photographs"):
        adding.add_effect("lichen", tmp_path, options, tmp_path)
    Image.new("L", (8, 8)).save(tmp_path / "a_rough.png")
    Image.new("L", (8, 8)).save(tmp_path / "a_height.png")
    with pytest.raises(BadFile, match="no photograph to a_height"):
        photographs.styles_in(tmp_path)
    assert not list(tmp_path.glob("*.onnx"))


def test_the_command_says_what_is_missing(tmp_path):
    command = [sys.executable, "-W", "ignore", "-m", "sabi.export_onnx", "train", "painter", "--out", str(tmp_path)]
    photograph(tmp_path / "rust" / "wall.jpg")
    done = subprocess.run(
        [*command, "--add-effect", "rust", str(tmp_path / "rust")],
        capture_output=True, text=True, env={**os.environ, "SABI_DATA": str(tmp_path)}, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "made-up surfaces" in done.stderr
    assert (
        "weathered all over, laid over clean surfaces by procedure (`sabi degree` makes masks) (1 of 1)" in done.stderr
    )
    assert "paints rust already. Choose another name" in done.stderr
    assert "Traceback" not in done.stderr
    assert not json.dumps(done.stdout).count("step")
