# SPDX-License-Identifier: GPL-3.0-or-later
"""Weak supervision: where a class is, by a classifier that was told names alone, on pictures of patches of colour."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from sabi.backend.protocol.materials import MATERIALS, Material
from sabi.export_onnx import __main__, backbone
from sabi.export_onnx.data.materials import Split
from sabi.export_onnx.data.scenes import Scene, labels_of
from sabi.export_onnx.guided_filter import guided
from sabi.export_onnx.segmenter import comparison, pseudo_labels, training
from sabi.export_onnx.segmenter.batches import Crops, Kind, share_at
from sabi.export_onnx.segmenter.classifier import Learning, Named, as_image, learn
from sabi.export_onnx.segmenter.dcsm import cam, dcsm, distinct, refined
from sabi.export_onnx.segmenter.evaluation import accuracy, confusion_of
from sabi.export_onnx.segmenter.pseudo_labels import Labelled, Labels, easy_first, labelled, named

SIDE = 96
COLOURS = {
    Material.BRICK: (190, 60, 50),
    Material.FOLIAGE: (50, 150, 60),
    Material.SKY: (70, 110, 200),
    Material.SOIL: (150, 140, 40),
}
THINGS, GROUNDS = (Material.BRICK, Material.FOLIAGE), (Material.SKY, Material.SOIL)


class Eyes(nn.Module):
    """Colours that are there more than others, at strides 2, 4, 8, 16, 16, each from the one before: what is weak is not seen."""

    def forward(self, images):
        seen = F.avg_pool2d(images, 2)
        seen = F.relu(torch.cat([seen - seen.mean(1, keepdim=True), seen.mean(1, keepdim=True) - seen], 1))
        found = [seen]
        for stride in (2, 2, 2, 1):
            found.append(F.relu(F.avg_pool2d(found[-1], stride) - 0.01))
        return found


def scene(rng) -> Scene:
    """A thing or two before a ground."""
    ground, *things = rng.permutation(GROUNDS)[0], *rng.permutation(THINGS)[: rng.integers(1, 3)]
    materials = np.full((SIDE, SIDE), ground.channel, np.uint8)
    for thing in things:
        top, left = rng.integers(4, 40, 2)
        materials[top : top + rng.integers(30, 50), left : left + rng.integers(30, 50)] = thing.channel
    table = np.zeros((len(MATERIALS), 3))
    table[[material.channel for material in COLOURS]] = list(COLOURS.values())
    picture = table[materials]
    return Scene((picture + rng.normal(0, 8, picture.shape)).clip(0, 255).astype(np.uint8), materials, materials > 0)


@pytest.fixture(scope="module")
def scenes():
    rng = np.random.default_rng(0)
    return [scene(rng) for _ in range(56)]


@pytest.fixture(scope="module")
def model(scenes):
    return learn(Eyes(), [named(one) for one in scenes[:40]], Learning(steps=150))


def border(materials):
    return ndimage.maximum_filter(materials, 9) != ndimage.minimum_filter(materials, 9)


@torch.no_grad()
def test_names_are_learnt_from_names_alone(model, scenes):
    for one in scenes[40:48]:
        told = named(one)
        scores = model(as_image(told.picture))[0]
        absent = [m.channel for m in COLOURS if m.channel not in told.names]
        assert float(scores[list(told.names)].min()) > float(scores[absent].max())


def test_the_same_names_give_the_same_classifier(scenes):
    told = [named(one) for one in scenes[:4]]
    first, again = (learn(Eyes(), told, Learning(steps=3, seed=5)) for _ in range(2))
    other = learn(Eyes(), told, Learning(steps=3, seed=6))
    image = as_image(told[0].picture)
    with torch.no_grad():
        assert torch.equal(first(image), again(image))
        assert not torch.equal(first(image), other(image))


def test_a_class_is_where_it_is(model, scenes):
    for one in scenes[40:44]:
        told = named(one)
        maps = dcsm(model, told.picture, told.names, scales=(1.0,))
        assert maps.shape == (len(told.names), SIDE, SIDE)
        assert 0 <= maps.min() <= maps.max() <= 1
        for values, channel in zip(maps, told.names, strict=True):
            inside = one.materials == channel
            assert values[inside].mean() > 3 * values[~inside].mean()


def test_borders_are_nearer_than_those_of_cam(model, scenes):
    right = {"dcsm": [], "unfiltered": [], "cam": []}
    for one in scenes[40:46]:
        told, edge = named(one), border(one.materials)
        apart = dcsm(model, told.picture, told.names)
        for name, maps in {
            "dcsm": refined(apart, told.picture),
            "unfiltered": apart,
            "cam": cam(model, told.picture, told.names),
        }.items():
            found = labelled(maps, told).materials
            right[name].append(accuracy(confusion_of(one.materials[edge], found[edge])))
    dcsms, unfiltered, cams = (np.mean(found) for found in right.values())
    assert unfiltered > cams + 0.015
    assert dcsms > cams + 0.1


def test_other_classes_are_taken_off():
    gradients = torch.tensor(
        [[[[3.0, 1.0]], [[-2.0, 0.0]]], [[[1.0, -2.0]], [[0.0, 1.0]]], [[[0.0, 2.0]], [[0.0, 0.0]]]]
    )
    apart = distinct(gradients)  # saliencies 3 1, 1 2, 0 2: above the others' 5 0, 1 1, 0 1
    expected = np.tanh(3 * np.array([[1, 0], [1, 1], [0, 1]]))
    np.testing.assert_allclose(apart[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(distinct(gradients[:1])[0, 0], np.tanh([3, 1]), atol=1e-6)
    assert float(distinct(torch.zeros(2, 3, 4, 4)).max()) == 0


def test_filtered_maps_follow_borders_and_even_ones_stay():
    picture = np.zeros((32, 32, 3))
    picture[:, 13:] = (0.8, 0.3, 0.1)
    coarse = np.repeat(np.linspace(1, 0, 32)[None], 32, 0)[..., None]
    found = guided(picture, coarse, 6, 1e-4)[..., 0]
    assert found[:, 12].mean() - found[:, 13].mean() > 6 / 32
    assert np.abs(np.diff(found[:, 13:19])).max() < 1 / 32
    np.testing.assert_allclose(guided(picture, np.full((32, 32, 2), 0.3), 6, 1e-4), 0.3, atol=1e-9)


def test_what_is_told_clearly_comes_first():
    picture = np.zeros((1, 2, 3), np.uint8)
    told = Named(picture, (4, 7))
    doubtful = labelled(np.array([[[0.5, 0.2]], [[0.4, 0.3]]], np.float32), told)
    clear = labelled(np.array([[[0.9, 0.1]], [[0.1, 0.6]]], np.float32), told)
    alone = labelled(np.array([[[0.1, 0.0]]], np.float32), Named(picture, (7,)))
    assert doubtful.materials.tolist() == clear.materials.tolist() == [[4, 7]]
    assert [doubtful.ease, clear.ease, alone.ease] == pytest.approx([0.1, 0.65, 1.0])
    assert easy_first([doubtful, alone, clear]) == [alone, clear, doubtful]


def test_a_training_goes_from_easy_to_hard():
    assert [share_at(step, 100) for step in (0, 50, 100, 500)] == [0.25, 0.625, 1.0, 1.0]
    assert share_at(0, 0) == 1
    crops = Crops.__new__(Crops)
    crops.scenes = [
        Labelled(np.full((64, 64, 3), n, np.uint8), np.full((64, 64), n, np.uint8), 1.0).scene for n in range(8)
    ]
    crops.turn = (Kind.SCENE,)
    rng = np.random.default_rng(0)
    seen = lambda share: crops.draw(40, 32, rng, share).materials.sum((0, 2, 3)).nonzero()[:, 0].tolist()  # noqa: E731
    assert seen(0.25) == [0, 1]
    assert seen(1.0) == list(range(8))
    batch = crops.draw(2, 32, rng)
    assert bool((batch.objects < 0).all())
    assert bool((batch.degree < 0).all())


def test_a_segmenter_is_trained_from_names(tmp_path, monkeypatch, scenes):
    """As one command; what it is taught is made once, and the card says from what labels."""
    for name in ("assets", "hdri", "textures"):
        (tmp_path / name).mkdir()
    (tmp_path / "textures" / "manifest.csv").write_text("id,class,weathered,source_repository\n")
    monkeypatch.setattr(backbone, "load", lambda folder: Eyes())
    made = []
    monkeypatch.setattr(pseudo_labels, "learn", lambda *given: made.append(given) or learn(*given))
    (tmp_path / "scenes" / "train").mkdir(parents=True)
    for number, one in enumerate(scenes[:3]):
        path = tmp_path / "scenes" / "train" / f"{number:05d}.png"
        Image.fromarray(one.picture).save(path)
        Image.fromarray(np.stack([one.materials] * 3, -1)).save(labels_of(path))
    options = {"data": tmp_path, "out": tmp_path, "labels": "dcsm", "names": 3, "steps": 1, "threads": 1, "size": 32}
    options |= {"crops": 2, "workers": 0, "teacher": 0, "settled": 1}
    command = ["export_onnx", "train", "segmenter", *(f"--{name}={value}" for name, value in options.items())]
    monkeypatch.setattr(sys, "argv", command)
    __main__.main()
    assert len(made) == 1
    _, said = training.trained(tmp_path / "checkpoint.pt")
    assert said["options"]["labels"] == "dcsm"
    assert said["photographs"] == 0
    assert said["backbone"]["licence"] == "Apache-2.0"
    taught = pseudo_labels.taught(Labels.DCSM, tmp_path, tmp_path / "scenes", tmp_path, Learning(3))
    assert len(taught) == 3
    assert len(made) == 1


def test_gains_are_differences(tmp_path, monkeypatch, scenes):
    for split in Split:
        (tmp_path / split.value).mkdir()
        for number, one in enumerate(scenes[:3]):
            path = tmp_path / split.value / f"{number:05d}.png"
            Image.fromarray(one.picture).save(path)
            Image.fromarray(np.stack([one.materials] * 3, -1)).save(labels_of(path))
    assert comparison.weak(tmp_path, tmp_path, Learning(2)) == {}  # no backbone there
    monkeypatch.setattr(backbone, "load_or_patches", lambda folder: Eyes())
    found = comparison.weak(tmp_path, tmp_path, Learning(30), count=2)
    made = found["pseudo_labels"]
    assert found["dcsm_gain"] == pytest.approx(made["dcsm"]["miou"] - made["cam"]["miou"], abs=1e-4)
    assert made["scenes"] == 2
    other = {"a": [0.1, 0.2, 0.3], "b": [0.3, 0.2, 0.5]}
    monkeypatch.setattr(comparison, "_mious", lambda folder, rendered: other[folder])
    monkeypatch.setattr(comparison, "_labels_of", lambda folder: {"a": "dcsm", "b": "cam"}[folder])
    own = [0.2, 0.2, 0.4]
    assert comparison.compared(own, tmp_path, comparison.Others()) == {}
    assert comparison.compared(own, tmp_path, comparison.Others("a", ["a", "b"], ["a", "b"])) == {
        "distillation_gain": [0.1, 0.0],
        "seeds": {"count": 3, "miou": [0.2, 0.2, 0.4], "spread": [0.1, 0.0, 0.1]},
        "labels": {"dcsm": other["a"], "cam": other["b"]},
    }
