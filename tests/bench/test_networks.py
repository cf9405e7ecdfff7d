# SPDX-License-Identifier: GPL-3.0-or-later
"""The painter against the machine's own ceiling, against torch, and in tiles against whole."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from sabi.backend.networks.registry import Networks
from sabi.backend.networks.tiling import run_tiled
from sabi.backend.weathering import harmonize
from sabi.export_onnx import ceiling

PAINTED_SIDE = 1024


@pytest.fixture
def inputs(networks: Networks) -> dict[str, np.ndarray]:
    return ceiling.random_inputs(networks.painter.card, PAINTED_SIDE)


def painter_gflop(networks: Networks, inputs: dict[str, np.ndarray]) -> float:
    return ceiling.network_gflop(networks.newest("painter").path, inputs)


def test_painter(benchmark, networks: Networks, inputs) -> None:
    """The shipped painter at 1024 x 1024."""
    benchmark.extra_info["per"] = painter_gflop(networks, inputs)
    benchmark.pedantic(networks.painter.run, (inputs,), rounds=5, warmup_rounds=1)


def test_convolutions(benchmark) -> None:
    """A stack of plain 3x3 convolutions of 48 channels with ReLU: what this machine's onnxruntime reaches."""
    model = ceiling.convolution_stack()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    benchmark.extra_info["per"] = ceiling.convolution_gflop(model)
    benchmark.pedantic(session.run, (None, {"x0": ceiling.stack_input()}), rounds=5, warmup_rounds=1)


def test_harmonizer(benchmark, networks: Networks) -> None:
    """The shipped harmonizer at the size at which it looks at pictures."""
    session = networks[harmonize.NETWORK]
    inputs = ceiling.random_inputs(session.card, harmonize.SIDE)
    gflop = ceiling.network_gflop(networks.newest(harmonize.NETWORK).path, inputs)
    benchmark.pedantic(session.run, (inputs,), rounds=5, warmup_rounds=1)
    figure = ceiling.over_stack(lambda: session.run(inputs), gflop)
    benchmark.extra_info["figures"] = {"harmonizer_over_ceiling": figure}


def test_applying_a_map_of_colours(benchmark) -> None:
    """All over a float32 picture of 8192 x 8192, and numpy copying it into memory that was touched, in turns."""
    pytest.importorskip("skimage", reason="scikit-image is not installed")
    from sabi.export_onnx.harmonizer.evaluation import apply_ratio

    ratio = benchmark.pedantic(apply_ratio, rounds=1)
    benchmark.extra_info["figures"] = {"harmonizing_over_copy": ratio}


def test_painter_in_torch(benchmark, networks: Networks, inputs) -> None:
    """The same network in torch, at the same size and with as many threads."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from sabi.export_onnx.networks.painter import INPUTS, Painter

    painter, tensors = Painter().eval(), [torch.from_numpy(inputs[name]) for name in INPUTS]
    benchmark.extra_info["per"] = painter_gflop(networks, inputs)

    def paint() -> None:
        with torch.inference_mode():
            painter(*tensors)

    benchmark.pedantic(paint, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("tile", [None, "default"], ids=["whole", "tiles"])
def test_tiling(benchmark, networks: Networks, tile: str | None) -> None:
    """2048 x 2048 in one piece, and in tiles of the usual size."""
    side = 2048
    sources = {name: array[0] for name, array in ceiling.random_inputs(networks.painter.card, side).items()}
    size = {} if tile else {"tile": None}
    benchmark.pedantic(
        run_tiled, (networks.painter, sources, (side, side), lambda *_: None), size, rounds=5, warmup_rounds=0
    )
