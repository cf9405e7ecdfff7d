# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained painter -> one ONNX file with its card inside, checked against torch before it is put in place."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from ..backend.networks.card import CARD_KEY, Card
from . import feature_size, training
from .data import effects
from .networks import painter as painters
from .painting import Brush

OPSET = 18  # the CUDA provider lacked Resize and Pad of later sets for years
MAX_BYTES = 16 << 20
TOLERANCE = 1e-4
VERSION = "3.6"
CHANNELS = {
    "base": ["albedo_r", "albedo_g", "albedo_b", "roughness", "metallic", "height"],
    "susceptibility": ["rate", "onset"],
    "down": ["x", "y"],
    "style": [f"style_{i}" for i in range(painters.STYLE)],
}


class ExportError(RuntimeError):
    """The exported file is not what was trained, or not what may ship."""


def painter_card(
    styles: dict, texels_per_feature: dict, training: dict, *, own: Sequence[str] = (), version: str = VERSION
) -> Card:
    """The card of a painter with these style codes (effect -> name -> code) and feature sizes.

    `own`: the effects that were added later, each with a number of its own at the end of the code.
    """
    noise = {name: [f"{name}_{i}" for i in range(lattice.channels)] for name, lattice in painters.NOISE.items()}
    inputs = {name: (CHANNELS | noise)[name] for name in painters.INPUTS} | {"style": [*CHANNELS["style"], *own]}
    return Card(
        name="painter",
        version=version,
        inputs=inputs,
        outputs={"painted": list(painters.PAINTED)},
        multiple=painters.MULTIPLE,
        overlap=painters.OVERLAP,
        noise=painters.NOISE,
        texels_per_feature=texels_per_feature,
        styles=styles,
        training=training,
    )


def export_checkpoint(checkpoint: Path, path: Path) -> None:
    """The averaged weights of a training run as `path`: exported once to measure its feature sizes, once more to say them."""
    painter, styles, made = training.trained(checkpoint)
    draft = path.with_suffix(".draft.onnx")
    try:
        export_painter(painter, painter_card(styles, {}, made), draft)
        sizes = feature_size.measure(Brush(draft))
    finally:
        draft.unlink(missing_ok=True)
    export_painter(painter, painter_card(styles, sizes, made | {"notes": effects.NOTES}), path)


def export_painter(painter: painters.Painter, card: Card, path: Path) -> None:
    """Writes `path` whole or not at all. Raises ExportError when opset, size or agreement with torch are not as they must be."""
    painter = painter.eval().float()
    example = inputs_of(painter, 1, 64, 96)
    axes = {name: {0: "n", 2: f"{name}_h", 3: f"{name}_w"} for name in painters.INPUTS if name != "style"}
    axes |= {"style": {0: "n"}, "painted": {0: "n", 2: "painted_h", 3: "painted_w"}}
    temporary = path.with_suffix(".tmp.onnx")
    try:
        write_graph(painter, example, ["painted"], axes, card, temporary)
        check(painter, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_graph(
    network: torch.nn.Module,
    example: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]],
    card: Card,
    path: Path,
) -> None:
    """Traces any network with these inputs, in the order in which it takes them, into a file with its card inside."""
    torch.onnx.export(
        network,
        tuple(example.values()),
        str(path),
        input_names=list(example),
        output_names=list(outputs),
        dynamic_axes=axes,
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(path)
    said = replace(card, training=without_places(card.training)).to_json()
    model.metadata_props.append(onnx.StringStringEntryProto(key=CARD_KEY, value=said))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def without_places(said: Any) -> Any:
    """What made a network, with the names alone of files that it says by absolute paths, which tell of one machine."""
    match said:
        case dict():
            return {key: without_places(value) for key, value in said.items()}
        case list():
            return [without_places(value) for value in said]
        case str() if Path(said).is_absolute():
            return Path(said).name
    return said


def check_file(path: Path, most: int = MAX_BYTES) -> None:
    """Raises ExportError where operators are of a later set than OPSET, or there are more than `most` bytes."""
    model = onnx.load(path)
    opsets = [o.version for o in model.opset_import if o.domain in ("", "ai.onnx")]
    if not opsets or max(opsets) > OPSET:
        raise ExportError(f"opset {opsets}, at most {OPSET} may ship")
    if path.stat().st_size > most:
        raise ExportError(f"{path.stat().st_size} bytes, at most {most} may ship")
    Card.from_json({p.key: p.value for p in model.metadata_props}[CARD_KEY])


def inputs_of(painter: painters.Painter, count: int, height: int, width: int) -> dict[str, torch.Tensor]:
    """Random inputs for this painter, whose style code may be longer than the sixteen numbers that all have."""
    generator = torch.Generator().manual_seed(height)
    style = torch.randn(count, painter.tint.in_features, generator=generator)
    return painters.inputs_of(count, height, width, generator) | {"style": style}


def check(painter: painters.Painter, path: Path) -> None:
    """Opset, size, card, and the same picture as torch at two sizes that were not traced."""
    check_file(path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count, height, width in ((1, 160, 128), (2, 96, 224)):
        inputs = inputs_of(painter, count, height, width)
        with torch.no_grad():
            expected = painter(**inputs).numpy()
        (got,) = session.run(None, {n: v.numpy() for n, v in inputs.items()})
        difference = float(np.abs(got - expected).max()) if got.shape == expected.shape else float("inf")
        if not difference <= TOLERANCE:
            raise ExportError(f"onnxruntime differs from torch by {difference} at {height} x {width}")
