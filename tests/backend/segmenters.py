# SPDX-License-Identifier: GPL-3.0-or-later
"""A segmenter of a few nodes a level that tells materials by colour alone: red is brick, green foliage, blue water."""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from sabi.backend.networks.card import CARD_KEY, Card
from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.materials import MATERIALS, Material

RED, GREEN, BLUE = Material.BRICK, Material.FOLIAGE, Material.WATER
ANSWERS = {"materials": [m.value for m in MATERIALS], "object": ["object"], "degree": ["degree"]}
FEATURES = {"features_4": list("rgb"), "features_8": list("rgb"), "features_16": list("rgb")}


@dataclass(frozen=True)
class Asked:
    """How sure each level is of what it sees (the steepness of its softmax), and what `auto` demands of it."""

    steepness: tuple[float, float, float] = (20.0, 20.0, 20.0)
    confident: tuple[float, float, float] = (2.0, 2.0, 2.0)


def write(folder, asked=Asked()):
    for number in (1, 2, 3):
        path = folder / f"segmenter_{number}.onnx"
        path.write_bytes(_level(number, asked).SerializeToString())
    return Networks.load(device="cpu", folder=folder)


def _level(number, asked):
    source = "picture" if number == 1 else f"features_{4 * 2 ** (number - 1)}"
    inputs = {"picture": list("rgb")} if number == 1 else dict(list(FEATURES.items())[:number])
    new = {1: ["features_4", "features_8"], 2: ["features_16"], 3: []}[number]
    weight = np.zeros((len(MATERIALS), 3, 1, 1), np.float32)
    for channel, material in enumerate((RED, GREEN, BLUE)):
        weight[material.channel, channel] = asked.steepness[number - 1]
    nodes, whole = [], "picture"
    for name in new:
        factor = int(name.rpartition("_")[2]) // (1 if number == 1 else 8)
        pool = {"kernel_shape": [factor] * 2, "strides": [factor] * 2}
        nodes.append(helper.make_node("AveragePool", [source], [name], **pool))
    if number > 1:
        whole = "enlarged"
        nodes.append(helper.make_node("Resize", [source, "", "scales"], [whole], mode="nearest"))
    scale = {1: 1, 2: 8, 3: 16}[number]
    nodes += [
        helper.make_node("Conv", [whole, "weight"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["materials"], axis=1),
        helper.make_node("ReduceMax", [whole, "axes"], ["object"], keepdims=1),
        helper.make_node("ReduceMin", [whole, "axes"], ["degree"], keepdims=1),
    ]
    value = lambda name, count: helper.make_tensor_value_info(  # noqa: E731
        name, TensorProto.FLOAT, ["n", count, f"{name}_h", f"{name}_w"]
    )
    outputs = ANSWERS | {name: FEATURES[name] for name in new}
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [value(name, len(channels)) for name, channels in inputs.items()],
        [value(name, len(channels)) for name, channels in outputs.items()],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([1, 1, scale, scale], np.float32), "scales"),
            numpy_helper.from_array(np.array([1], np.int64), "axes"),
        ],
    )
    card = Card(f"segmenter_{number}", "0.1", inputs, outputs, 32, 0, confident=asked.confident[number - 1])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {CARD_KEY: card.to_json()})
    return model
