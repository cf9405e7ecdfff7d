# SPDX-License-Identifier: GPL-3.0-or-later
"""Segment, change, segment again: by a segmenter that is a table of colours, with figures that can be worked out by hand."""

import json
import sys

import numpy as np
import pytest
import segmenters
from PIL import Image

from sabi.backend.protocol.errors import NetworkError
from sabi.backend.protocol.materials import Material
from sabi.export_onnx import __main__
from sabi.export_onnx.data.scenes import LABELS, Scene
from sabi.export_onnx.segmenter import rematerial
from sabi.export_onnx.segmenter.rematerial import Changed, figures

COLOURS = {
    Material.SKY: (100, 150, 255),
    Material.BRICK: (190, 50, 40),
    Material.METAL: (150, 150, 160),
    Material.FOLIAGE: (40, 120, 40),
}
MASONRY = (Material.STONE, Material.BRICK)


def pictured(materials):
    table = {material.channel: colour for material, colour in COLOURS.items()}
    return np.array([[table[channel] for channel in row] for row in materials], np.uint8)


def told(picture):
    """The material whose colour is nearest."""
    apart = [np.abs(picture.astype(int) - colour).sum(-1) for colour in COLOURS.values()]
    return np.array([material.channel for material in COLOURS], np.uint8)[np.argmin(apart, 0)]


def scene():
    """Ten rows of ten: three of sky, four of brick, three of metal, of which one looks like brick."""
    materials = np.repeat([Material.SKY.channel] * 3 + [Material.BRICK.channel] * 4 + [Material.METAL.channel] * 3, 10)
    materials = materials.reshape(10, 10).astype(np.uint8)
    picture = pictured(materials)
    picture[7] = COLOURS[Material.BRICK]
    return Scene(picture, materials, materials != Material.SKY.channel)


def overgrown(rows):
    """A change that covers so many rows of the segment, from above, with the colour of foliage."""

    def change(picture, where):
        first = np.flatnonzero(where.any(1))[0]
        coverage = where * (np.arange(len(where)) < first + rows)[:, None]
        return Changed(
            np.where(coverage[..., None], COLOURS[Material.FOLIAGE], picture).astype(np.uint8), 0.9 * coverage
        )

    return change


def test_figures_before_and_after():
    found = figures([scene()], told, overgrown(2), MASONRY, Material.FOLIAGE)
    assert found == {
        "becomes": "foliage",
        "changed": 1,
        "before": {
            "accuracy": 0.9,
            "miou": round((4 / 5 + 2 / 3) / 2, 4),
            "iou": {"metal": round(2 / 3, 4), "brick": 0.8, "sky": 1.0},
        },
        "after": {
            "accuracy": 0.9,
            "miou": round((1 + 2 / 3 + 2 / 3) / 3, 4),
            "iou": {"foliage": 1.0, "metal": round(2 / 3, 4), "brick": round(2 / 3, 4), "sky": 1.0},
        },
        "covered": 0.2,
        "told_new": {"before": 0.0, "after": 1.0},
    }


def test_a_change_that_does_not_show_is_told_as_before():
    unseen = lambda picture, where: Changed(picture, where.astype(np.float32))  # noqa: E731
    found = figures([scene()], told, unseen, MASONRY, Material.FOLIAGE)
    assert found["told_new"] == {"before": 0.0, "after": 0.0}
    assert found["after"]["accuracy"] == 0.5
    assert found["after"]["iou"]["foliage"] == 0


def test_scenes_without_such_a_segment_are_left_out():
    found = figures([scene(), scene()], told, overgrown(2), (Material.STONE,), Material.FOLIAGE)
    assert (found["changed"], found["before"], found["after"], found["told_new"]) == (0, {}, {}, {})


@pytest.fixture
def rendered(tmp_path):
    (tmp_path / "scenes" / "held").mkdir(parents=True)
    picture = np.full((96, 96, 3), (120, 125, 160), np.uint8)
    labels = np.full((96, 96, 3), (Material.WATER.channel, 0, 0), np.uint8)
    picture[32:80, 16:80], labels[32:80, 16:80] = (165, 150, 145), (Material.BRICK.channel, 255, 0)
    Image.fromarray(picture).save(tmp_path / "scenes" / "held" / "00000.png")
    Image.fromarray(labels).save(tmp_path / "scenes" / "held" / f"00000{LABELS}")
    return tmp_path


def command(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["export_onnx", "evaluate", "rematerial", *map(str, arguments)])
    __main__.main()


def test_sabis_own_moss_changes_the_segment(rendered, monkeypatch, capsys):
    """A segmenter for which red is brick and green foliage, and the painter that ships: its moss is green enough to be told."""
    segmenters.write(rendered)
    command(monkeypatch, "--out", rendered, "--onnx", rendered)
    found = json.loads(capsys.readouterr().out)
    assert found["scenes"] == 1
    assert found["rust"]["changed"] == 0  # nothing is told as metal or paint
    moss = found["moss"]
    assert (moss["changed"], moss["before"]["accuracy"]) == (1, 1.0)
    assert 0.05 < moss["covered"] < 48 * 64 / 96**2
    assert moss["told_new"]["before"] == 0
    assert moss["told_new"]["after"] > 0.1, "of what is covered some is more green than red"
    assert 1 - moss["covered"] < moss["after"]["accuracy"] < 1, (
        "what is told as new is right, what is still brick is not"
    )
    assert moss["after"]["iou"]["water"] == 1


def test_without_a_segmenter_it_says_what_to_do(rendered, monkeypatch, capsys):
    with pytest.raises(NetworkError, match="no segmenter"):
        rematerial.networks_of(rendered)
    with pytest.raises(SystemExit) as ended:
        command(monkeypatch, "--out", rendered, "--onnx", rendered)
    assert ended.value.code == 2
    assert "--onnx FOLDER" in capsys.readouterr().err
