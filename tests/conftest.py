# SPDX-License-Identifier: GPL-3.0-or-later
"""A painter of four nodes that stands in for the trained one where its content does not matter, and a backend that runs it."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sabi.backend.networks.card import CARD_KEY, Card
from sabi.backend.protocol.recipe import Effect
from sabi.backend.protocol.spawn import Backend, start

THIN, THICK = ["thin_r", "thin_g", "thin_b"], ["thick_r", "thick_g", "thick_b"]
PAINTED = ["threshold", "softness", *THIN, *THICK, "roughness", "metallic", "height"]
STAND_IN = Card(
    name="painter",
    version="0.1",
    inputs={
        "base": ["albedo_r", "albedo_g", "albedo_b", "roughness", "metallic", "height"],
        "susceptibility": ["rate", "onset"],
        "down": ["x", "y"],
        "noise_2": [f"noise_2_{i}" for i in range(4)],
        "style": [f"style_{i}" for i in range(16)],
    },
    outputs={"painted": PAINTED},
    multiple=32,
    overlap=32,
    noise={"noise_2": (2, 4)},
    texels_per_feature={effect.value: 16.0 for effect in Effect},
    styles={effect.value: {"plain": [0.0] * 16} for effect in Effect},
    training={"note": "not trained: a stand-in for tests"},
)


def stand_in(card: Card | None = STAND_IN, *, opset: int = 18, seed: int = 0) -> onnx.ModelProto:
    """painted = sigmoid(conv3x3(base, noise at full size)); another seed gives another file of the same kind."""
    random = np.random.default_rng(seed)
    weight = random.normal(0, 0.2, (len(PAINTED), 7, 3, 3)).astype(np.float32)
    weight[1] = 0  # softness is sigmoid of its bias, within the range that is allowed
    bias = np.zeros(len(PAINTED), np.float32)
    bias[1] = -0.6
    nodes = [
        helper.make_node("DepthToSpace", ["noise_2"], ["noise"], blocksize=2),
        helper.make_node("Concat", ["base", "noise"], ["conditions"], axis=1),
        helper.make_node("Conv", ["conditions", "weight", "bias"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["features"], ["painted"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, _shape(n, len(c))) for n, c in STAND_IN.inputs.items()],
        [helper.make_tensor_value_info("painted", TensorProto.FLOAT, ["n", len(PAINTED), "h", "w"])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    if card is not None:
        helper.set_model_props(model, {CARD_KEY: card.to_json()})
    return model


def _shape(name: str, channels: int) -> list[str | int]:
    return ["n", channels] if name == "style" else ["n", channels, f"{name}_h", f"{name}_w"]


@pytest.fixture(scope="session")
def make_painter() -> Callable[..., Path]:
    """make_painter(path, version=..., opset=..., seed=...) -> path: writes a stand-in; any field of the card may be given."""

    def make(path: Path, *, opset: int = 18, seed: int = 0, **card: object) -> Path:
        path.write_bytes(stand_in(replace(STAND_IN, **card), opset=opset, seed=seed).SerializeToString())
        return path

    return make


@pytest.fixture(scope="session")
def networks_folder(tmp_path_factory: pytest.TempPathFactory, make_painter: Callable[..., Path]) -> Path:
    """A folder with the stand-in as its only network."""
    return make_painter(tmp_path_factory.mktemp("networks") / "painter.onnx").parent


@pytest.fixture(scope="session")
def backend(networks_folder: Path) -> Iterator[Backend]:
    """A real backend process that runs the stand-in; shared, so leave no jobs behind."""
    with start(networks=networks_folder, threads=1) as backend:
        yield backend


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a test that is skipped for anything but a missing GPU has failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    idle = [report.nodeid for report in skipped if "GPU" not in str(report.longrepr)]
    if idle and os.environ.get("CI"):
        print(f"\nskipped, which CI does not accept: {', '.join(idle)}")
        session.exitstatus = 1
