# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained segmenter -> three ONNX files, each going on from the one before, checked against torch before they are kept."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from ...backend.networks.card import Card
from ...backend.protocol.materials import MATERIALS
from ...backend.weathering.segment import LEVELS
from ..export import TOLERANCE, ExportError, check_file, write_graph
from ..networks import segmenter as segmenters
from .training import trained

VERSION = "0.1"
NOTES = (
    "glass, plastic, paper, water, foliage and sky are shaders of Blender's; mixtures of photographs are laid by procedure",
)
MAX_BYTES = 16 << 20  # of all three together
UNTRACED = ((1, 160, 96), (2, 64, 224))


def export_checkpoint(checkpoint: Path, folder: Path, confident: Mapping[int, float] | None = None) -> list[Path]:
    """Writes the levels into `folder`, all or none. `confident`: level -> the confidence from which on `auto` stops there.

    Raises ExportError where size, opset or agreement with torch are not as they must be.
    """
    network, made = trained(checkpoint)
    return export_segmenter(network, made, folder, confident or {})


def export_segmenter(
    network: segmenters.Segmenter, made: Mapping[str, Any], folder: Path, confident: Mapping[int, float]
) -> list[Path]:
    network = network.eval().float()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        drafts = []
        for number, name in enumerate(LEVELS, start=1):
            level_card = replace(card(number, made if number == 1 else {}), confident=confident.get(number, 2.0))
            drafts.append(_write(network, number, level_card, Path(scratch) / f"{name}.onnx"))
        total = sum(draft.stat().st_size for draft in drafts)
        if total > MAX_BYTES:
            raise ExportError(f"{total} bytes in all, at most {MAX_BYTES} may ship")
        for size in UNTRACED:
            check(network, drafts, *size)
        for draft in drafts:
            os.replace(draft, folder / draft.name)
    return [folder / f"{name}.onnx" for name in LEVELS]


def card(number: int, made: Mapping[str, Any]) -> Card:
    """What made the weights stands in the first level's card alone: they were made together."""
    named = lambda features: {n: [f"{n}_{i}" for i in range(count)] for n, count in features.items()}  # noqa: E731
    answers = {"materials": [material.value for material in MATERIALS], "object": ["object"], "degree": ["degree"]}
    inputs = {"picture": ["r", "g", "b"]} if number == 1 else named(segmenters.features_before(number))
    return Card(
        name=LEVELS[number - 1],
        version=VERSION,
        inputs=inputs,
        outputs=answers | named(segmenters.features_after(number)),
        multiple=segmenters.MULTIPLE,
        overlap=0,  # a picture is one tile
        training={**made, "notes": NOTES},
    )


def _write(network: segmenters.Segmenter, number: int, level_card: Card, path: Path) -> Path:
    shipped = segmenters.Shipped(network, number).eval()
    example = inputs_of(network, 1, 64, 96)
    given = {name: example[name] for name in level_card.inputs}
    axes = {n: {0: "n", 2: f"{n}_h", 3: f"{n}_w"} for n in (*level_card.inputs, *level_card.outputs)}
    write_graph(shipped, given, list(level_card.outputs), axes, level_card, path)
    check_file(path, MAX_BYTES)
    return path


@torch.no_grad()
def inputs_of(network: segmenters.Segmenter, count: int, height: int, width: int) -> dict[str, Tensor]:
    """A random picture and all features that the levels make of it, by name."""
    picture = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(height))
    fine = network.stem(picture - 0.5)
    features: tuple[Tensor, ...] = ()
    for level in network.levels:
        features = (*features, level(fine, features)[0])
    named = {f"features_{8 << i}": value for i, value in enumerate(features)}
    return {"picture": picture, "features_4": fine} | named


@torch.no_grad()
def check(network: segmenters.Segmenter, paths: list[Path], count: int, height: int, width: int) -> None:
    """The files one after the other, each fed what those before it gave, against torch. Raises ExportError."""
    picture = torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(width))
    expected = network(picture)
    known: dict[str, np.ndarray] = {"picture": picture.numpy()}
    for path, logits in zip(paths, expected, strict=True):
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        outputs = session.run(None, {node.name: known[node.name] for node in session.get_inputs()})
        known |= dict(zip((node.name for node in session.get_outputs()), outputs, strict=True))
        materials = len(MATERIALS)
        wanted = {
            "materials": logits[:, :materials].softmax(1),
            "object": logits[:, materials : materials + 1].sigmoid(),
            "degree": logits[:, materials + 1 :].sigmoid(),
        }
        for name, values in wanted.items():
            same_shape = known[name].shape == tuple(values.shape)
            difference = float(np.abs(known[name] - values.numpy()).max()) if same_shape else float("inf")
            if not difference <= TOLERANCE:
                raise ExportError(f"{path.name}: {name} differs from torch by {difference} at {height} x {width}")
