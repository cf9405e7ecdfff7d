# SPDX-License-Identifier: GPL-3.0-or-later
"""The segmenter's network, its three files, what teaches it, and its training: on a fraction of the data for a few steps."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.materials import MATERIALS, Material, Quality
from sabi.backend.weathering.segment import segment
from sabi.export_onnx.data import materials, scenes, textures
from sabi.export_onnx.data.infusion import Infusion
from sabi.export_onnx.data.materials import Split
from sabi.export_onnx.networks.segmenter import Segmenter, Shipped
from sabi.export_onnx.segmenter import evaluation, export, losses, training
from sabi.export_onnx.segmenter.batches import Batch, Crops

COUNT = len(MATERIALS)


@pytest.fixture(scope="module")
def folder() -> Path:
    try:
        return textures.data_folder()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def infusion(folder):
    return Infusion(folder, Split.HELD)


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = Segmenter()
    with torch.no_grad():  # statistics that are not those of an identity
        model.train()(torch.rand(4, 3, 64, 64))
    return model.eval()


@torch.no_grad()
def test_three_levels_at_the_pictures_size(network):
    answers = network(torch.rand(2, 3, 64, 96))
    assert [tuple(answer.shape) for answer in answers] == [(2, COUNT + 2, 64, 96)] * 3


@torch.no_grad()
def test_shipped_levels_chained_are_the_network(network):
    picture = torch.rand(1, 3, 96, 64)
    expected = network(picture)
    *_, fine, first = Shipped(network, 1)(picture)
    *_, second = Shipped(network, 2)(fine, first)
    probabilities, objects, degree = Shipped(network, 3)(fine, first, second)
    assert torch.allclose(probabilities, expected[2][:, :COUNT].softmax(1), atol=1e-6)
    assert torch.allclose(objects, expected[2][:, COUNT : COUNT + 1].sigmoid(), atol=1e-6)
    assert torch.allclose(degree, expected[2][:, COUNT + 1 :].sigmoid(), atol=1e-6)


def test_exported_files_run_in_the_backend(network, tmp_path):
    paths = export.export_segmenter(network, {"note": "untrained"}, tmp_path, {1: 0.5, 2: 0.75})
    assert sum(path.stat().st_size for path in paths) <= export.MAX_BYTES
    networks = Networks.load(device="cpu", folder=tmp_path)
    assert not networks.problems
    picture = np.random.default_rng(0).random((70, 100, 3), np.float32)
    found = segment(picture, networks, Quality.BEST)
    padded = np.pad(picture, ((0, 26), (0, 28), (0, 0)), "edge")
    with torch.no_grad():
        expected = network(torch.from_numpy(np.moveaxis(padded, -1, 0)[None].copy()))[2][0, :COUNT].softmax(0)
    np.testing.assert_allclose(np.moveaxis(found.probabilities, -1, 0), expected[:, :70, :100], atol=1e-4)
    assert networks.newest("segmenter_2").card.confident == 0.75


def test_another_networks_files_are_refused(network, tmp_path):
    paths = export.export_segmenter(network, {}, tmp_path, {})
    with torch.no_grad():
        network.levels[2].answer.bias[3] += 0.05
    with pytest.raises(export.ExportError, match="segmenter_3"):
        export.check(network, paths, 1, 64, 64)


def batch_of(truth: int, side: int = 8) -> Batch:
    unknown = -torch.ones(1, side, side)
    return Batch(torch.zeros(1, 3, side, side), torch.full((1, side, side), truth), unknown, unknown)


def logits_for(material: int, side: int = 8) -> torch.Tensor:
    logits = torch.zeros(1, COUNT + 2, side, side)
    logits[:, material] = 5
    return logits


def test_the_last_level_teaches_only_where_it_is_right():
    shallow, deep = logits_for(1), logits_for(2)
    assert float(losses.distillation_loss(shallow, deep, batch_of(2).materials)) > 1
    assert float(losses.distillation_loss(shallow, deep, batch_of(1).materials)) == 0
    assert float(losses.distillation_loss(deep, deep, batch_of(2).materials)) == pytest.approx(0, abs=1e-6)


def test_distillation_does_not_move_the_teacher():
    shallow, deep = logits_for(1).requires_grad_(), logits_for(2).requires_grad_()
    losses.distillation_loss(shallow, deep, batch_of(2).materials).backward()
    assert deep.grad is None
    assert float(shallow.grad.abs().sum()) > 0


def test_what_is_not_known_is_not_taught():
    parts = losses.level_losses(logits_for(1), batch_of(1), torch.ones(COUNT))
    assert float(parts["object"]) == float(parts["degree"]) == 0
    known = Batch(batch_of(1).picture, batch_of(1).materials, torch.ones(1, 8, 8), torch.ones(1, 8, 8))
    parts = losses.level_losses(logits_for(1), known, torch.ones(COUNT))
    assert float(parts["object"]) == pytest.approx(np.log(2), rel=1e-4)
    assert float(parts["degree"]) == pytest.approx(0.5, rel=1e-4)


def test_nothing_held_is_trained_on(folder):
    train, held = (materials.textures_of(folder, split) for split in (Split.TRAIN, Split.HELD))
    assert not {t.name for t in train} & {t.name for t in held}
    both = {t.material for t in train}
    assert both == {t.material for t in held}
    assert len(both) == COUNT - 5  # glass, paper, plastic, water and sky have no photographs
    names = [path.name for path in (folder / "assets").iterdir()]
    assert sorted(materials.split_of(names, Split.TRAIN) + materials.split_of(names, Split.HELD)) == sorted(names)


def test_mixtures_are_drawn_again_by_their_seed(infusion):
    first, second, other = (infusion.draw(64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.picture, second.picture)
    assert (first.picture != other.picture).any()


def test_masks_of_mixtures_are_exact(infusion):
    """With black textures and white ones, a texel is of the white material where it is more than half as bright as that."""
    mixed = Infusion.__new__(Infusion)
    mixed.textures = {
        m: {False: [[np.full((side, side, 3), 255 * white, np.uint8) for side in (512, 256, 128)]]}
        for m, white in ((Material.WOOD, 1), (Material.METAL, 0))
    }
    mixed.every = infusion.every
    soft = 0
    for seed in range(20):
        mixture = mixed.draw(96, np.random.default_rng(seed), 2)
        atlas = (mixture.materials == Material.OTHER.channel).any()
        light = mixture.picture.max(-1)
        if atlas or light.max() == 0:
            continue
        white = mixture.materials == Material.WOOD.channel
        clear = np.abs(light / light.max() - 0.5) > 0.02
        assert ((light > 0.5 * light.max()) == white)[clear].all()
        soft += ((light > 0.1) & (light < 0.5)).any()
    assert soft > 3


def test_degrees_are_soft_and_full_range(infusion):
    degrees = np.concatenate([infusion.draw(64, np.random.default_rng(s)).degree.ravel() for s in range(40)])
    assert degrees.min() == 0
    assert degrees.max() == 1
    assert 0.05 < ((degrees > 0.05) & (degrees < 0.95)).mean() < 0.9


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Scenes that were not rendered: a red object of brick before a blue sky."""
    out = tmp_path_factory.mktemp("scenes")
    for split in Split:
        (out / split.value).mkdir()
        for number in range(4):
            picture = np.full((64, 64, 3), (90, 120, 230), np.uint8)
            labels = np.full((64, 64, 3), (Material.SKY.channel, 0, 0), np.uint8)
            picture[16:48, 8 * number : 8 * number + 32] = (190, 50, 40)
            labels[16:48, 8 * number : 8 * number + 32] = (Material.BRICK.channel, 255, 0)
            order = scenes.Order(out, out, split, 4)
            Image.fromarray(picture).save(order.picture(number))
            Image.fromarray(labels).save(order.labels(number))
    return out


def test_crops_keep_picture_and_labels_together(folder, rendered):
    batch = Crops(folder, rendered, Split.HELD).draw(8, 32, np.random.default_rng(0))
    redder = batch.picture[::2, 0] > batch.picture[::2, 2]  # every other crop is a scene
    brick = batch.materials[::2] == Material.BRICK.channel
    colourful = (batch.picture[::2].amax(1) - batch.picture[::2].amin(1)) > 0.2
    assert ((redder == brick) | ~colourful).float().mean() > 0.97
    assert ((batch.objects[::2] > 0.5) == brick).all()
    assert (batch.objects[1::2] < 0).all()
    assert (batch.degree[::2] < 0).all()
    assert (batch.degree[1::2] >= 0).all()


def test_training_resumes_exports_and_is_evaluated(folder, rendered, tmp_path):
    options = training.Options(steps=3, size=32, crops=4, threads=1)
    training.train(options, folder, rendered, tmp_path, log_every=1)
    path = training.train(training.Options(**(vars(options) | {"steps": 5})), folder, rendered, tmp_path, log_every=1)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert {"material_1", "degree_3", "distillation_2"} <= set(lines[-1])
    paths = export.export_checkpoint(path, tmp_path / "networks")
    networks = Networks.load(device="cpu", folder=paths[0].parent)
    card = networks.newest("segmenter_1").card
    assert card.training["steps"] == 5
    assert {image["licence"] for image in card.training["images"]} == {"CC0-1.0"}
    seen = evaluation.held_scenes(rendered, networks)
    assert len(seen) == 4
    assert evaluation.total(seen).sum() == 3 * 4 * 64 * 64


def test_the_average_of_a_short_run_is_not_its_start():
    """Weights that are 0 at the start and 1 from then on."""
    average, model = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        average.weight.zero_()
        model.weight.fill_(1)
    for step in range(1, 100):
        training.follow(average, model, training.keep(0.998, step))
    assert float(average.weight.detach()) > 0.99
    assert training.keep(0.998, 100_000) == 0.998


def test_figures_of_answers_that_are_known():
    truth = np.array([[0, 0, 1, 1]])
    confusion = evaluation.confusion_of(truth, np.array([[0, 1, 1, 1]]))
    assert confusion[0, 1] == 1
    assert evaluation.miou(confusion) == pytest.approx((1 / 2 + 2 / 3) / 2)
    sky = Material.SKY.channel
    assert evaluation.miou(evaluation.confusion_of(np.array([0, sky]), np.array([0, sky]))) == 1
    assert evaluation.miou(evaluation.confusion_of(np.array([0, sky]), np.array([0, 0]))) == 0.5


def seen(confidence, right):
    """A picture of brick that levels call brick where they are `right`, else wood."""
    truth = np.full((4, 4), Material.BRICK.channel)
    wrong = np.full((4, 4), Material.WOOD.channel)
    confusion = np.stack([evaluation.confusion_of(truth, truth if r else wrong) for r in right])
    return evaluation.Seen(confusion, confidence, (1.0, 2.0, 3.0), 1.0, 0.0, truth, truth, truth)


def test_auto_stops_where_nothing_is_lost():
    easy, hard = seen((0.9, 0.9, 0.9), (True, True, True)), seen((0.3, 0.8, 0.9), (False, True, True))
    confident = evaluation.calibrated([easy] * 3 + [hard] * 3)
    assert 0.3 < confident[1] <= 0.9
    assert confident[2] <= 0.8
    never = evaluation.calibrated([seen((0.9, 0.9, 0.9), (False, False, True))] * 4)
    assert never[1] > 0.9
    assert never[2] > 0.9
