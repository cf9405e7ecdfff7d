# SPDX-License-Identifier: GPL-3.0-or-later
"""The tool that draws sheets of photographs; that of frames needs minutes of rendering, and is looked at."""

import importlib.util

import numpy as np
from image_files import save
from PIL import Image
from tree import ROOT

from sabi.backend.networks.registry import Networks


def test_a_photograph_beside_its_ages_under_the_mask_that_lies_beside_it(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("sheets", ROOT / "tools" / "sheets.py")
    sheets = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sheets)
    wall = np.random.default_rng(0).integers(90, 130, (72, 96, 3), np.uint8)
    mask = np.zeros((72, 96, 1), np.uint8)
    mask[:, :48] = 255
    path = save(tmp_path / "wall.png", wall)
    save(tmp_path / "wall_mask.png", mask)
    monkeypatch.setattr(sheets, "AGES", (0.0, 0.9))
    rows = sheets.photographs([path], "old_painted_steel", 2.0, Networks.load(device="cpu", threads=1))
    (_, before), (_, new), (said, old) = rows[0]
    assert said == "age 0.9"
    assert np.array_equal(before, wall)
    assert np.array_equal(new, wall)
    assert (old != wall)[:, :48].any()
    assert np.array_equal(old[:, 48:], wall[:, 48:])
    with Image.open(sheets.drawn(rows, tmp_path / "sheet.png")) as drawn:
        assert drawn.size == (3 * sheets.WIDTH, sheets.HEIGHT)
