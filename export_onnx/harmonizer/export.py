# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained harmonizer -> one ONNX file with its card inside, checked against torch before it is put in place."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from ...backend.networks.card import Card
from ..export import TOLERANCE, ExportError, check_file, write_graph
from . import network as harmonizers
from .training import trained

MAX_BYTES = 8 << 20
VERSION = "1.2"
NOTES = (
    "parts of photographs and of views of environment maps are disturbed by procedure; there are no pairs of cameras' own",
    "parts of rendered scenes, which wear textures on models and simple shapes, are shown in another light",
)


def export_checkpoint(checkpoint: Path, path: Path) -> None:
    """Writes `path` whole or not at all. Raises ExportError when opset, size or agreement with torch are not as they must be."""
    model, made = trained(checkpoint)
    export_harmonizer(model, card(made), path)


def card(made: dict) -> Card:
    """The overlap is 0: the whole image is seen at once, small."""
    return Card(
        name="harmonizer",
        version=VERSION,
        inputs={"composite": ["r", "g", "b"], "mask": ["mask"]},
        outputs={harmonizers.OUTPUT: [f"{row}_{column}" for row in "rgb" for column in ("r", "g", "b", "1")]},
        multiple=harmonizers.MULTIPLE,
        overlap=0,
        training={**made, "notes": NOTES},
    )


def export_harmonizer(model: nn.Module, card: Card, path: Path) -> None:
    model = model.eval().float()
    axes = {name: {0: "n", 2: "h", 3: "w"} for name in harmonizers.INPUTS}
    axes |= {harmonizers.OUTPUT: {0: "n", 2: "map_h", 3: "map_w"}}
    temporary = path.with_suffix(".tmp.onnx")
    try:
        example = dict(zip(harmonizers.INPUTS, inputs_of(1, 64, 96), strict=True))
        write_graph(model, example, [harmonizers.OUTPUT], axes, card, temporary)
        check(model, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def inputs_of(count: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random colours, and a mask with a soft border in the middle."""
    generator = torch.Generator().manual_seed(height)
    mask = torch.zeros(count, 1, height, width)
    mask[..., height // 4 : height // 2, width // 4 : -width // 4] = 1
    composite = torch.rand(count, 3, height, width, generator=generator)
    return composite, torch.nn.functional.avg_pool2d(mask, 5, 1, 2)


def check(model: nn.Module, path: Path) -> None:
    """Opset, size, card, and the same map as torch at two sizes that were not traced."""
    check_file(path, MAX_BYTES)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count, height, width in ((1, 160, 128), (2, 96, 224)):
        composite, mask = inputs_of(count, height, width)
        with torch.no_grad():
            expected = model(composite, mask).numpy()
        (got,) = session.run(None, {"composite": composite.numpy(), "mask": mask.numpy()})
        difference = float(np.abs(got - expected).max()) if got.shape == expected.shape else float("inf")
        if not difference <= TOLERANCE:
            raise ExportError(f"onnxruntime differs from torch by {difference} at {height} x {width}")
