# SPDX-License-Identifier: GPL-3.0-or-later
"""An exemplar is laid as the evaluation says: the half that was given, at its own scale, on a plane; on textures left out."""

import numpy as np
import pytest

from sabi.backend.networks.registry import Networks
from sabi.export_onnx import exemplar_evaluation
from sabi.export_onnx.data import effects


@pytest.fixture
def manifest(tmp_path):
    trained = effects.TRAINING["rust"][0].folder
    rows = [f"{trained},rust,1", "rust/a,rust,1", "rust/b,rust,1", "rust/new,rust,0", "ice/only,ice,1"]
    (tmp_path / "textures").mkdir()
    (tmp_path / "textures" / "manifest.csv").write_text("\n".join(["id,class,weathered", *rows]))
    return tmp_path


def test_textures_are_those_that_no_style_knows_beside_another_of_their_class(manifest):
    assert exemplar_evaluation.unseen(manifest) == {"rust/a": "rust/b", "rust/b": "rust/a"}


def test_the_look_is_the_half_that_was_given():
    """Stripes eight texels wide stay eight texels wide, and keep their colours."""
    stripes = np.where(np.arange(256) // 8 % 2, 0.7, 0.2)
    picture = np.broadcast_to(stripes[None, :, None], (512, 256, 3)) * np.array([1, 0.6, 0.3])
    look, coverage, seconds = exemplar_evaluation.laid(
        Networks.load(device="cpu", threads=2), picture, np.full((512, 512, 3), 0.5)
    )
    assert look.shape == (512, 512, 3)
    assert np.abs(look.mean((0, 1)) - picture.mean((0, 1))).max() < 0.02
    power = np.abs(np.fft.rfft(look[..., 0] - look[..., 0].mean(), axis=1)).mean(0)
    assert abs(int(power.argmax()) - 32) <= 3  # patches are shifted against each other
    assert 0.1 < coverage.mean() < 0.95
    assert seconds < 1
