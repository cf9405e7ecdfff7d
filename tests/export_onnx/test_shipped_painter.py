# SPDX-License-Identifier: GPL-3.0-or-later
"""The painter that ships, against photographs: half the composites and patches that `evaluate painter` takes, for time's sake."""

import os

import pytest
import torch

from sabi.backend.networks.registry import FOLDER
from sabi.export_onnx import evaluation
from sabi.export_onnx.data import textures
from sabi.export_onnx.painting import Brush


@pytest.fixture(scope="module")
def brush():
    torch.set_num_threads(os.cpu_count() or 1)
    return Brush(FOLDER / "painter.onnx")


@pytest.mark.parametrize("effect", ["rust", "peeling_paint", "moss", "dirt"])
def test_effects_look_like_their_photographs(brush, effect):
    """And not like copies of them: their nearest training patch is as far away as that of parts held apart."""
    try:
        folder = textures.data_folder()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    made = list(evaluation.composites(brush, folder, effect, 8))
    figures = evaluation.effect_figures(folder, effect, made, 256, photograph=False)
    print(figures)
    assert figures["score"] <= 0.50
    assert figures["copy_ratio"] >= 1
