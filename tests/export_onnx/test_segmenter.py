# SPDX-License-Identifier: GPL-3.0-or-later
"""The segmenter's network, its three files, what teaches it, and its training: on a fraction of the data for a few steps."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.materials import MATERIALS, Material, Quality
from sabi.backend.weathering.segment import segment
from sabi.export_onnx import backbone
from sabi.export_onnx.backbone import RawPatches
from sabi.export_onnx.data import infusion as infusions
from sabi.export_onnx.data import marked, materials, scenes, textures
from sabi.export_onnx.data.infusion import Infusion
from sabi.export_onnx.data.marks import MARKS, Mark
from sabi.export_onnx.data.materials import Split
from sabi.export_onnx.networks.segmenter import Segmenter, Shipped
from sabi.export_onnx.segmenter import evaluation, export, losses, sheets, training
from sabi.export_onnx.segmenter.batches import Batch, Crop, Crops, Kind, cells, pasted, shares
from sabi.export_onnx.segmenter.teacher import GROUPS, Teacher

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
    shares, unknown = torch.zeros(1, COUNT, side, side), -torch.ones(1, side, side)
    shares[:, truth] = 1
    return Batch(torch.zeros(1, 3, 4 * side, 4 * side), shares, unknown, unknown)


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
    known = replace(batch_of(1), objects=torch.ones(1, 8, 8), degree=torch.ones(1, 8, 8))
    parts = losses.level_losses(logits_for(1), known, torch.ones(COUNT))
    assert float(parts["object"]) == pytest.approx(np.log(2), rel=1e-4)
    assert float(parts["degree"]) == pytest.approx(np.log(2), rel=1e-4)


def test_cells_whose_material_is_not_known_teach_none():
    batch, weights = batch_of(1), torch.ones(COUNT)
    right, wrong = (float(losses.level_losses(logits_for(m), batch, weights)["material"]) for m in (1, 2))
    assert right < 0.2 < wrong
    half = replace(batch, materials=batch.materials.clone())
    half.materials[..., :4] = 0
    assert float(losses.level_losses(logits_for(2), half, weights)["material"]) == pytest.approx(wrong)
    none = replace(batch, materials=0 * batch.materials)
    assert float(losses.level_losses(logits_for(2), none, weights)["material"]) == 0
    assert float(losses.distillation_loss(logits_for(1), logits_for(0), none.materials)) == 0


def test_nothing_held_is_trained_on(folder):
    train, held = (materials.textures_of(folder, split) for split in (Split.TRAIN, Split.HELD))
    assert not {t.name for t in train} & {t.name for t in held}
    both = {(t.material, t.weathered) for t in train}
    assert both == {(t.material, t.weathered) for t in held}
    assert (
        len({material for material, _ in both}) == COUNT - 5
    )  # glass, paper, plastic, water and sky have no photographs
    split = {
        m for m in Material if {t.owner for t in train if t.material is m} & {t.owner for t in held if t.material is m}
    }
    assert split == {Material.OTHER, Material.BRICK, Material.METAL, Material.PAINTED_SURFACE}  # mostly of one owner
    names = [path.name for path in (folder / "assets").iterdir()]
    assert sorted(materials.split_of(names, Split.TRAIN) + materials.split_of(names, Split.HELD)) == sorted(names)


def test_mixtures_are_drawn_again_by_their_seed(infusion):
    first, second, other = (infusion.draw(64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.picture, second.picture)
    assert (first.picture != other.picture).any()
    assert infusion.draw(256, np.random.default_rng(1)).degree.shape == (256, 256)  # larger than textures that are far


def test_textures_are_not_squashed(tmp_path):
    """A round spot in a wide picture stays round."""
    texture = materials.Texture("wood/spot", Material.WOOD, False, "maker")
    y, x = np.mgrid[:100, :200]
    spot = np.where(np.hypot(y - 50, x - 100) < 30, 255, 0).astype(np.uint8)
    (tmp_path / "textures" / texture.name).mkdir(parents=True)
    Image.fromarray(spot).save(tmp_path / "textures" / texture.name / "albedo.png")
    for level in infusions._levels(tmp_path, texture):
        bright = level[..., 0] > 127
        assert bright.any(0).sum() == pytest.approx(bright.any(1).sum(), abs=2)


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
    crops, rng = Crops(folder, rendered, Split.HELD), np.random.default_rng(0)
    for _ in range(20):
        crop = crops.crop(Kind.SCENE, 32, rng)
        redder = crop.picture[..., 0] > crop.picture[..., 2]
        brick = crop.materials == Material.BRICK.channel
        assert (redder == brick).mean() > 0.95
        assert ((crop.objects > 0.5) == brick).all()
        assert (crop.degree < 0).all()
    mixture = crops.crop(Kind.MIXTURE, 32, rng)
    assert (mixture.objects < 0).all()
    assert (mixture.degree >= 0).all()


def test_batches_are_those_of_their_steps(folder, rendered):
    """Whoever draws them, and wherever a training began."""
    crops = Crops(folder, rendered, Split.HELD)
    options = training.Options(size=32, crops=4, workers=1)
    from_start, ahead = (training.drawn(replace(options, workers=w), crops, 0) for w in (0, 1))
    resumed = training.drawn(replace(options, workers=0), crops, 2)
    drawn = [next(from_start) for _ in range(3)]
    assert not torch.equal(drawn[0].picture, drawn[1].picture)
    for expected, found in zip(drawn, ahead, strict=False):
        assert torch.equal(expected.picture, found.picture)
    assert torch.equal(drawn[2].picture, next(resumed).picture)
    late = next(training.drawn(replace(options, workers=0), crops, 2, wide=True))
    assert late.picture.shape == (1, 3, 64, 64)
    batch = drawn[0]
    assert batch.picture.shape == (4, 3, 32, 32)
    assert batch.materials.shape == (4, COUNT, 8, 8)
    assert torch.allclose(batch.materials[:3].sum(1), torch.ones(3, 8, 8))  # the fourth is a photograph
    assert set(batch.objects[0].unique().tolist()) <= {n / 16 for n in range(17)}


def test_cells_hold_means_of_what_is_known():
    materials = np.full((4, 8), 3, np.uint8)
    materials[:, :2], materials[0, 4] = 5, marked.UNKNOWN
    found = shares(materials)
    assert found[5, 0].tolist() == [0.5, 0]
    assert found[3, 0].tolist() == [0.5, 15 / 16]
    objects = np.zeros((4, 8), np.float32)
    objects[0, 0], objects[0, 4] = 1, -1
    assert cells(objects)[0].tolist() == [1 / 16, -1]


def test_pasted_objects_bring_their_own_labels():
    def plain(value, objects):
        full = lambda number, kind: np.full((8, 8), number, kind)  # noqa: E731
        picture = np.full((8, 8, 3), value, np.float32)
        return Crop(picture, full(int(10 * value), np.uint8), full(objects, np.float32), full(-1, np.float32))

    front, back = plain(0.9, 0), plain(0.1, -1)
    front.objects[:, 5:] = 1
    both = pasted(front, back)
    assert (both.materials == ([[1] * 5 + [9] * 3] * 8)).all()
    assert (both.objects == ([[-1] * 5 + [1] * 3] * 8)).all()
    assert both.picture[0, 0, 0] == pytest.approx(0.1)
    assert both.picture[0, 7, 0] == pytest.approx(0.9, abs=0.02)


def test_marks_lie_in_photographs_that_there_are(folder):
    sizes = {}
    for split in Split:
        taken = marked.read_photographs(folder, split, 100)
        names = {photograph.said["source_path"].removesuffix(".jpg") for photograph in taken}
        assert not names & set(sizes)
        sizes |= dict.fromkeys(names, split)
        assert any((photograph.objects == 1).any() for photograph in taken)
    assert set(MARKS) <= set(sizes)
    assert sizes["kodim03"] is Split.HELD
    for marks in MARKS.values():
        assert all(0 <= x <= 500 and 0 <= y <= 500 for mark in marks for x, y in mark.corners)


def test_later_marks_lie_over_earlier_ones():
    whole = Mark(Material.STONE, True, ((0, 0), (500, 0), (500, 250), (0, 250)))
    doubtful = Mark(None, False, ((250, 0), (500, 0), (500, 125), (250, 125)))
    materials, objects = marked.labels((whole, doubtful), 50, 100)
    assert materials[40, 20] == Material.STONE.channel
    assert (materials[10, 80], objects[10, 80]) == (marked.UNKNOWN, 0)
    assert (objects[40, 20], objects[40, 80]) == (1, 1)
    materials, objects = marked.labels((), 50, 100)
    assert (materials == marked.UNKNOWN).all()
    assert (objects == -1).all()


def test_a_teacher_asks_for_what_its_backbone_tells():
    torch.manual_seed(0)
    teacher, picture = Teacher(RawPatches()), torch.rand(2, 3, 64, 64)
    assert [RawPatches()(picture)[i].shape[-1] for i in teacher.taken] == [8, 4, 2]
    features = []
    for told, shown in zip(teacher.told, teacher.backbone(picture)[1:], strict=True):
        wanted = (shown - shown.mean((0, 2, 3), keepdim=True)) / shown.std((0, 2, 3), keepdim=True)
        channels = wanted.shape[1]
        features.append(torch.cat([wanted, torch.zeros(2, told.in_channels - channels, *wanted.shape[2:])], 1))
        torch.nn.init.zeros_(told.bias)
        with torch.no_grad():
            told.weight.zero_()[:, :channels, 0, 0].fill_diagonal_(1)
    assert float(teacher(picture, tuple(features))) < 1e-3
    nothing = tuple(torch.zeros_like(feature) for feature in features)
    assert 0.8 < float(teacher(picture, nothing)) < 1
    assert float(teacher(picture, tuple(-feature for feature in features))) > 3
    assert not any(parameter.requires_grad for parameter in teacher.backbone.parameters())


def test_a_teacher_is_asked_for_what_lies_deepest(folder):
    teacher = Teacher(backbone.load(folder, GROUPS))
    assert [told.out_channels for told in teacher.told] == [32, 96, 320]
    assert [f.shape[1] for f in backbone.load(folder)(torch.zeros(1, 3, 32, 32))] == [16, 24, 32, 64, 96]
    assert len(teacher.backbone(torch.zeros(1, 3, 32, 32))) == len(GROUPS)


def test_statistics_are_those_of_the_averaged_weights(network):
    batch = replace(batch_of(1), picture=0.8 + 0.2 * torch.rand(2, 3, 64, 64))
    convolution, norm, _ = network.stem[0]
    expected = convolution(batch.picture - 0.5).mean((0, 2, 3)).detach()
    assert not torch.allclose(norm.running_mean, expected, atol=0.02)
    training.settle(network, [batch])
    assert torch.allclose(norm.running_mean, expected, atol=0.02)
    assert norm.momentum == 0.1


def test_training_resumes_exports_and_is_evaluated(folder, rendered, tmp_path):
    options = training.Options(steps=3, size=32, crops=4, threads=1, settled=0)
    training.train(options, folder, rendered, tmp_path, log_every=1)
    path = training.train(training.Options(**(vars(options) | {"steps": 5})), folder, rendered, tmp_path, log_every=1)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5]
    assert {"material_1", "degree_3", "distillation_2", "teacher"} <= set(lines[-1])
    assert "distillation_2" not in lines[0]
    paths = export.export_checkpoint(path, tmp_path / "networks")
    networks = Networks.load(device="cpu", folder=paths[0].parent)
    card = networks.newest("segmenter_1").card
    assert card.training["steps"] == 5
    licences = {image["image"]: image["licence"] for image in card.training["images"]}
    assert licences["photos/grass"] == "CC0-1.0"
    assert "photos/kodim03" not in licences  # held out
    assert card.training["backbone"]["licence"] == "Apache-2.0"
    seen = evaluation.held_scenes(rendered, networks)
    assert len(seen) == 4
    assert evaluation.total(seen).sum() == 3 * 4 * 64 * 64
    assert len(evaluation.miou_train(rendered, networks)["miou_train"]) == 3
    assert evaluation.miou_train(tmp_path, networks) == {}


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
    unknown = np.array([marked.UNKNOWN, 1], np.uint8)
    assert evaluation.confusion_of(unknown, np.array([0, 1])).sum() == 1


def test_figures_of_objects_count_what_is_known():
    found = evaluation.of_objects(np.array([-1, 0, 0, 1, 0]), np.array([0.9, 0.1, 0.8, 0.7, 0.2]))
    assert found.tolist() == [[2, 1], [0, 1]]
    assert evaluation.accuracy(found) == 0.75
    assert evaluation.commonest(found) == 0.75
    assert np.isnan(evaluation.accuracy(np.zeros((2, 2), int)))


def seen(confidence, right):
    """A picture of brick that levels call brick where they are `right`, else wood."""
    truth = np.full((4, 4), Material.BRICK.channel)
    wrong = np.full((4, 4), Material.WOOD.channel)
    confusion = np.stack([evaluation.confusion_of(truth, truth if r else wrong) for r in right])
    objects = np.zeros((2, 2), int)
    return evaluation.Seen(confusion, confidence, (1.0, 2.0, 3.0), objects, 0.0, truth, truth, truth)


def test_auto_stops_where_nothing_is_lost():
    easy, hard = seen((0.9, 0.9, 0.9), (True, True, True)), seen((0.3, 0.8, 0.9), (False, True, True))
    confident = evaluation.calibrated([easy] * 3 + [hard] * 3)
    assert 0.3 < confident[1] <= 0.9
    assert confident[2] <= 0.8
    never = evaluation.calibrated([seen((0.9, 0.9, 0.9), (False, False, True))] * 4)
    assert never[1] > 0.9
    assert never[2] > 0.9


def test_sheets_show_what_is_known(folder, rendered, tmp_path):
    batch = Crops(folder, rendered, Split.HELD).draw(4, 32, np.random.default_rng(0))
    sheets.draw_batch(replace(batch, materials=0 * batch.materials), tmp_path / "unknown.png")
    sheets.draw_batch(batch, tmp_path / "batch.png")
    unknown, known = (np.asarray(Image.open(tmp_path / name)) for name in ("unknown.png", "batch.png"))
    cell = np.s_[20:200, sheets.CELL + 2 : 2 * sheets.CELL - 4]
    assert unknown[cell].max() == 0
    assert known[cell].min(-1).max() > 0
    picture = np.zeros((4, 4, 3))
    half = replace(seen((0.9, 0.9, 0.9), (True, True, True)), picture=picture, truth=np.array([[1, 1, 255, 255]] * 4))
    sheets.draw_worst([half], tmp_path / "worst.png")
    truth = np.asarray(Image.open(tmp_path / "worst.png"))[cell]
    assert truth[:, :80].min((0, 1)).max() > 0
    assert truth[:, 100:].max() == 0


def test_a_curve_has_its_levels_where_they_are(tmp_path):
    figures = {"milliseconds": [10, 20, 40], "miou": [0.2, 0.4, 0.5], "auto": {"time_share": 0.6, "miou": 0.49}}
    sheets.draw_curve(figures, tmp_path / "curve.png")
    picture = np.asarray(Image.open(tmp_path / "curve.png")).astype(int)
    blue = np.argwhere((picture == (70, 100, 190)).all(-1))
    (left, right), rise = blue[:, 1][[blue[:, 1].argmin(), blue[:, 1].argmax()]], np.ptp(blue[:, 0])
    assert (right - left) == pytest.approx(400 * 30 / (1.15 * 40), abs=8)
    assert rise == pytest.approx(240 * 0.3, abs=8)
