# SPDX-License-Identifier: GPL-3.0-or-later
"""The painter against the machine's own ceiling, against torch, and in tiles against whole."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sabi.backend.networks.registry import Networks
from sabi.backend.networks.tiling import run_tiled

CHANNELS, CONVOLUTIONS, SIDE = 48, 8, 512
PAINTED_SIDE = 1024


def convolution_gflop(model: onnx.ModelProto) -> float:
    """2 x multiply-adds of all convolutions of a graph whose shapes were inferred, in 1e9."""
    weights = {w.name: w.dims for w in model.graph.initializer}
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*model.graph.value_info, *model.graph.output)
    }
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            total += 2 * int(np.prod(weights[node.input[1]])) * int(np.prod(shapes[node.output[0]][2:]))
    return total / 1e9


def painter_inputs(networks: Networks, side: int) -> dict[str, np.ndarray]:
    card, random = networks.painter.card, np.random.default_rng(0)
    inputs = {"style": random.standard_normal((1, len(card.inputs["style"])), np.float32)}
    for name, channels in card.inputs.items():
        if name not in inputs:
            extent = side // card.noise.get(name, (1, 0))[0]
            inputs[name] = random.random((1, len(channels), extent, extent), np.float32)
    return inputs


def painter_gflop(networks: Networks, side: int) -> float:
    model = onnx.load(networks.newest("painter").path)
    inputs = painter_inputs(networks, side)
    for value in model.graph.input:
        for dim, length in zip(value.type.tensor_type.shape.dim, inputs[value.name].shape, strict=True):
            dim.dim_value = length
    return convolution_gflop(onnx.shape_inference.infer_shapes(model, data_prop=True))


def test_painter(benchmark, networks: Networks) -> None:
    """The shipped painter at 1024 x 1024."""
    inputs = painter_inputs(networks, PAINTED_SIDE)
    benchmark.extra_info["per"] = painter_gflop(networks, PAINTED_SIDE)
    benchmark.pedantic(networks.painter.run, (inputs,), rounds=5, warmup_rounds=1)


def test_convolutions(benchmark) -> None:
    """A stack of plain 3x3 convolutions of 48 channels with ReLU: what this machine's onnxruntime reaches."""
    random = np.random.default_rng(0)
    nodes, weights = [], []
    for i in range(CONVOLUTIONS):
        weights.append(
            numpy_helper.from_array(random.normal(0, 0.05, (CHANNELS, CHANNELS, 3, 3)).astype(np.float32), f"w{i}")
        )
        nodes.append(helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"y{i}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"y{i}"], [f"x{i + 1}"]))
    shape = [1, CHANNELS, SIDE, SIDE]
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x0", f"x{CONVOLUTIONS}")]
    graph = helper.make_graph(nodes, "stack", values[:1], values[1:], weights)
    model = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = random.random(shape, np.float32)
    benchmark.extra_info["per"] = convolution_gflop(model)
    benchmark.pedantic(session.run, (None, {"x0": image}), rounds=5, warmup_rounds=1)


def test_painter_in_torch(benchmark, networks: Networks) -> None:
    """The same network in torch, at the same size and with as many threads."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from sabi.export_onnx.networks.painter import INPUTS, Painter

    inputs = painter_inputs(networks, PAINTED_SIDE)
    painter, tensors = Painter().eval(), [torch.from_numpy(inputs[name]) for name in INPUTS]
    benchmark.extra_info["per"] = painter_gflop(networks, PAINTED_SIDE)

    def paint() -> None:
        with torch.inference_mode():
            painter(*tensors)

    benchmark.pedantic(paint, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize("tile", [None, "default"], ids=["whole", "tiles"])
def test_tiling(benchmark, networks: Networks, tile: str | None) -> None:
    """2048 x 2048 in one piece, and in tiles of the usual size."""
    side = 2048
    inputs = painter_inputs(networks, side)
    sources = {name: array[0] for name, array in inputs.items()}
    size = {} if tile else {"tile": None}
    benchmark.pedantic(
        run_tiled, (networks.painter, sources, (side, side), lambda *_: None), size, rounds=3, warmup_rounds=0
    )
