# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes that Blender renders for the segmenter, small and coarse: labels, and that a run goes on where it stopped."""

from pathlib import Path

import numpy as np
import pytest

from sabi.backend.protocol.materials import MATERIALS, Material
from sabi.export_onnx.data import scenes, textures
from sabi.export_onnx.data.materials import UNKNOWN, Split
from sabi.export_onnx.segmenter.pseudo_labels import named

pytestmark = pytest.mark.blender


@pytest.fixture(scope="module")
def order(tmp_path_factory) -> scenes.Order:
    try:
        data = textures.data_folder()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    order = scenes.Order(data, tmp_path_factory.mktemp("scenes"), Split.HELD, 2, seed=3, side=64, samples=1)
    scenes.render(order, workers=1)
    return order


def test_labels_are_exact(order):
    for path in scenes.pictures_in(order.out, Split.HELD):
        scene = scenes.read(path)
        assert scene.picture.shape == (64, 64, 3)
        assert scene.picture.std() > 10
        assert set(np.unique(scene.materials)) <= {*range(len(MATERIALS)), UNKNOWN}
        assert (scenes.shares_of(scene.materials) > scenes.LEAST_SHARE).sum() >= scenes.LEAST_MATERIALS
        of = lambda *kinds: scene.objects[np.isin(scene.materials, [kind.channel for kind in kinds])]  # noqa: B023, E731
        # these only lie behind or below
        assert not of(Material.SKY, Material.SOIL, Material.WATER, Material.OTHER).any()
        assert not scene.objects[scene.materials == UNKNOWN].any()
        on_objects = of(Material.GLASS, Material.LEATHER, Material.PAPER, Material.PLASTIC)  # these are never ground
        assert len(on_objects)
        assert (on_objects == 1).all()
        assert 0.05 < (scene.objects == 1).mean() < 0.9


class Camera:
    """In place of a stage: four materials, a wall behind, and above it what is not known."""

    def shoot(self, rng, exr):
        materials = np.repeat(np.array([UNKNOWN, UNKNOWN, 11, 1, 2, 3, 4, 11], np.uint8), 8)[:, None].repeat(64, 1)
        objects = np.where(np.isin(materials, (1, 2, 3)), 1, np.where(materials == 11, -1, 0)).astype(np.int8)
        return rng.random((64, 64, 3)), materials, objects


def test_what_is_not_known_is_kept_so(tmp_path):
    order = scenes.Order(tmp_path, tmp_path, Split.TRAIN, 1, side=64)
    order.folder.mkdir()
    order.write(Camera(), 0)
    read, (_, materials, objects) = scenes.read(order.picture(0)), Camera().shoot(np.random.default_rng(0), None)
    np.testing.assert_array_equal(read.materials, materials)
    np.testing.assert_array_equal(read.objects, objects)
    assert scenes.shares_of(materials).sum() == 0.75
    assert named(read).names == (1, 2, 3, 4, 11)


def test_a_run_goes_on_where_it_stopped(order):
    first, second = order.picture(0).read_bytes(), order.labels(1)
    labels, before = order.labels(0).read_bytes(), second.stat().st_mtime_ns
    order.picture(0).unlink()
    order.labels(0).unlink()
    assert scenes.render(order, workers=1) == [order.picture(0), order.picture(1)]
    assert order.picture(0).read_bytes() == first
    assert order.labels(0).read_bytes() == labels
    assert second.stat().st_mtime_ns == before


def test_a_render_is_exposed_for_its_own_light():
    dim = np.random.default_rng(0).random((16, 16, 3)) * 0.01
    shown = [scenes.developed(gain * dim, np.random.default_rng(1)).astype(int) for gain in (1, 100)]
    assert np.abs(shown[0] - shown[1]).max() <= 12
    assert 40 < shown[0].mean() < 200


def test_a_picture_without_labels_is_not_whole(tmp_path):
    folder = Path(tmp_path) / "train"
    folder.mkdir()
    (folder / "00000.png").write_bytes(b"half a picture")
    (folder / "00000_labels.png").write_bytes(b"of an older Sabi")
    assert scenes.pictures_in(tmp_path, Split.TRAIN) == []
