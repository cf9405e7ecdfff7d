# SPDX-License-Identifier: GPL-3.0-or-later
"""What the machine's onnxruntime reaches on plain convolutions, and how near to it a network comes. Needs no torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..backend.networks.card import Card

CHANNELS, CONVOLUTIONS, SIDE = 48, 8, 512


def convolution_stack() -> onnx.ModelProto:
    """`CONVOLUTIONS` 3x3 convolutions of `CHANNELS` channels with ReLU: x0 [1, CHANNELS, SIDE, SIDE] in, the last one out."""
    random = np.random.default_rng(0)
    nodes, weights = [], []
    for i in range(CONVOLUTIONS):
        values = random.normal(0, 0.05, (CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
        weights.append(numpy_helper.from_array(values, f"w{i}"))
        nodes.append(helper.make_node("Conv", [f"x{i}", f"w{i}"], [f"y{i}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"y{i}"], [f"x{i + 1}"]))
    shape = [1, CHANNELS, SIDE, SIDE]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("x0", f"x{CONVOLUTIONS}")]
    graph = helper.make_graph(nodes, "stack", ends[:1], ends[1:], weights)
    return onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    )


def stack_input() -> np.ndarray:
    return np.random.default_rng(0).random((1, CHANNELS, SIDE, SIDE), np.float32)


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


def random_inputs(card: Card, side: int) -> dict[str, np.ndarray]:
    """Inputs of a network's card for `side` x `side` texels, by name, uniform in 0..1; the style normal."""
    random = np.random.default_rng(0)
    inputs = {}
    if "style" in card.inputs:
        inputs["style"] = random.standard_normal((1, len(card.inputs["style"]))).astype(np.float32)
    for name, channels in card.inputs.items():
        if name not in inputs:
            extent = side // (card.noise[name].stride if name in card.noise else 1)
            inputs[name] = random.random((1, len(channels), extent, extent), np.float32)
    return inputs


def network_gflop(path: Path, inputs: Mapping[str, np.ndarray]) -> float:
    """`convolution_gflop` of an exported network at the sizes of these inputs."""
    model = onnx.load(path)
    for value in model.graph.input:
        for dim, length in zip(value.type.tensor_type.shape.dim, inputs[value.name].shape, strict=True):
            dim.dim_value = length
    return convolution_gflop(onnx.shape_inference.infer_shapes(model, data_prop=True))


def ratio(path: Path, card: Card, side: int = 1024, rounds: int = 5) -> float:
    """GFLOP/s of an exported network over the stack's, on CPU."""
    inputs = random_inputs(card, side)
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return over_stack(lambda: session.run(None, inputs), network_gflop(path, inputs), rounds)


def over_stack(run: Callable[[], object], gflop: float, rounds: int = 5) -> float:
    """GFLOP/s of `run`, which does so much work, over the stack's: medians of several rounds, in turns."""
    stack = convolution_stack()
    session = onnxruntime.InferenceSession(stack.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {"x0": stack_input()}
    runs = (run, lambda: session.run(None, given))
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds + 1):
        for i, one in enumerate(runs):
            begun = time.perf_counter()
            one()
            seconds[i].append(time.perf_counter() - begun)
    own, stacks = (
        work / float(np.median(s[1:])) for work, s in zip((gflop, convolution_gflop(stack)), seconds, strict=True)
    )
    return round(own / stacks, 3)
