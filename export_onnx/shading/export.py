# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained shading network -> one ONNX file with its card inside, checked against torch before it is put in place."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from ...backend.networks.card import Card
from ...backend.weathering.delight import NETWORK
from ..export import TOLERANCE, ExportError, check_file, write_graph
from . import network as networks
from .training import trained

MAX_BYTES = 8 << 20
VERSION = "0.2"
NOTES = (
    "rendered scenes wear textures on models and simple shapes; half of the pairs are flat textures lit by procedure",
)


def export_checkpoint(checkpoint: Path, path: Path) -> None:
    """Writes `path` whole or not at all. Raises ExportError when opset, size or agreement with torch are not as they must be."""
    model, made = trained(checkpoint)
    export_shading(model, card(made), path)


def card(made: dict) -> Card:
    """The overlap is 0: the whole picture is seen at once, small."""
    return Card(
        name=NETWORK,
        version=VERSION,
        inputs={networks.INPUT: ["r", "g", "b"]},
        outputs={name: ["r", "g", "b"] for name in networks.OUTPUTS},
        multiple=networks.MULTIPLE,
        overlap=0,
        training={**made, "notes": NOTES},
    )


def export_shading(model: networks.ShadingNetwork, card: Card, path: Path) -> None:
    model = model.eval().float()
    axes = {name: {0: "n", 2: "h", 3: "w"} for name in (networks.INPUT, *networks.OUTPUTS)}
    temporary = path.with_suffix(".tmp.onnx")
    try:
        write_graph(model, {networks.INPUT: input_of(1, 64, 96)}, networks.OUTPUTS, axes, card, temporary)
        check(model, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def input_of(count: int, height: int, width: int) -> torch.Tensor:
    """Random light, from black to eight times white."""
    generator = torch.Generator().manual_seed(height)
    return torch.rand(count, 3, height, width, generator=generator) ** 3 * 8


def check(model: networks.ShadingNetwork, path: Path) -> None:
    """Opset, size, card, and the same answers as torch at two sizes that were not traced."""
    check_file(path, MAX_BYTES)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count, height, width in ((1, 160, 128), (2, 96, 224)):
        image = input_of(count, height, width)
        with torch.no_grad():
            expected = [answer.numpy() for answer in model(image)]
        for got, wanted in zip(session.run(None, {networks.INPUT: image.numpy()}), expected, strict=True):
            difference = float(np.abs(got - wanted).max()) if got.shape == wanted.shape else float("inf")
            if not difference <= TOLERANCE:
                raise ExportError(f"onnxruntime differs from torch by {difference} at {height} x {width}")
