# SPDX-License-Identifier: GPL-3.0-or-later
"""A shading network of a few nodes that takes smooth brightness for light: the mean of 31 x 31 texels, and nothing mirrored."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from sabi.backend.networks.card import CARD_KEY, Card

CARD = Card(
    name="shading",
    version="0.1",
    inputs={"image": list("rgb")},
    outputs={"inverse_shading": list("rgb"), "residual_share": list("rgb")},
    multiple=32,
    overlap=0,
)


def write(folder):
    """The folder, with the network in it."""
    constants = {
        "grey": np.full((3, 3, 1, 1), 1 / 3, np.float32),
        "one": np.ones((1, 1, 1, 1), np.float32),
        "none": np.zeros((1, 1, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["image", "grey"], ["bright"]),
        helper.make_node("AveragePool", ["bright"], ["light"], kernel_shape=[31, 31], pads=[15] * 4),
        helper.make_node("Add", ["light", "one"], ["more"]),
        helper.make_node("Reciprocal", ["more"], ["inverse_shading"]),
        helper.make_node("Mul", ["image", "none"], ["residual_share"]),
    ]
    ends = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 3, "h", "w"]) for n in (*CARD.inputs, *CARD.outputs)
    ]
    weights = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, "shading", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {CARD_KEY: CARD.to_json()})
    (folder / "shading.onnx").write_bytes(model.SerializeToString())
    return folder


def checks(height=192, width=256, texels=4):
    """A flat texture [H,W,3], linear: squares of two colours, so small that smooth brightness is the same all over."""
    rows, columns = np.mgrid[:height, :width] // texels
    dark = (rows + columns) % 2
    return np.where(dark[..., None], np.float32([0.25, 0.16, 0.1]), np.float32([0.4, 0.3, 0.2])).astype(np.float32)


def grain(height=192, width=256):
    """A flat texture [H,W,3], linear, that tiles: no texel knows of its neighbours."""
    grains = np.random.default_rng(0).standard_normal((height, width, 1))
    return (np.array([0.4, 0.3, 0.2]) * np.exp(0.2 * grains)).astype(np.float32)


def falling(height=192, width=256, depth=0.7):
    """Light [H,W,1] that falls off to the right, of mean 1."""
    light = np.broadcast_to(1 + depth * np.cos(np.pi * (np.arange(width) + 0.5) / width), (height, width))
    return light.astype(np.float32)[..., None]


def waving(height=192, width=256, depth=0.5):
    """Light [H,W,1] of mean 1 that comes back to itself at the right border."""
    light = np.broadcast_to(1 + depth * np.sin(2 * np.pi * (np.arange(width) + 0.5) / width), (height, width))
    return light.astype(np.float32)[..., None]
