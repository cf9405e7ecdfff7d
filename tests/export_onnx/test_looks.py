# SPDX-License-Identifier: GPL-3.0-or-later
"""Materials of the segmenter's scenes, as Blender has them; nothing is rendered."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sabi.backend.protocol.materials import Material

bpy = pytest.importorskip("bpy")

from sabi.export_onnx.data import looks  # noqa: E402 (bpy is looked for first)
from sabi.export_onnx.data.materials import Split  # noqa: E402
from sabi.export_onnx.data.shaders import SHADERS, Nodes  # noqa: E402
from sabi.export_onnx.data.stage import ON_OBJECTS, _in_turn  # noqa: E402

pytestmark = pytest.mark.blender


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two textures of wood, one of them twice as wide as high, with red left and right of its middle and a height."""
    data = tmp_path_factory.mktemp("data")
    for name in ("a", "b"):
        (data / "textures" / "wood" / name).mkdir(parents=True)
    wide = np.full((20, 40, 3), (0, 200, 0), np.uint8)
    wide[:, :10] = wide[:, 30:] = (200, 0, 0)
    Image.fromarray(wide).save(data / "textures" / "wood" / "a" / "albedo.png")
    Image.fromarray(wide[..., 0]).save(data / "textures" / "wood" / "a" / "height.png")
    Image.fromarray(wide[:, 10:30]).save(data / "textures" / "wood" / "b" / "albedo.png")
    rows = [f"wood/{name},wood_clean,0,maker" for name in ("a", "b")]
    (data / "textures" / "manifest.csv").write_text("\n".join(["id,class,weathered,source_repository", *rows]) + "\n")
    return data


def test_every_kind_has_a_look(data):
    rng, drawn = np.random.default_rng(0), looks.Looks(data, Split.TRAIN)
    for kind, shader in SHADERS.items():
        for _ in range(6):
            made = bpy.data.materials.new(kind.value)
            shader(Nodes(made, rng, 0.5), rng)
            assert all(link.is_valid for link in made.node_tree.links)
    for kind in (Material.WOOD, Material.GLASS):
        assert drawn.draw(kind, rng).pass_index == kind.channel + 1
    assert Material.WOOD not in looks.Looks(data, Split.HELD).shaded_share


def test_heights_are_what_it_bumps_by(data):
    folders = [data / "textures" / "wood" / name for name in ("a", "b")]
    for used, shown in (folders[:1], {"albedo", "height"}), (folders[1:], {"albedo"}):
        made = bpy.data.materials.new("wood")
        looks._textured(Nodes(made, np.random.default_rng(0), 1.0), used, Material.WOOD, np.random.default_rng(0))
        nodes = made.node_tree.nodes
        assert {node.image.name.split(".")[0] for node in nodes if node.type == "TEX_IMAGE"} == shown
        raised = next(node for node in nodes if node.type == "BUMP").inputs["Height"].links[0].from_node
        assert raised.inputs[0].links[0].from_node.image.name.split(".")[0] == (
            "height" if "height" in shown else "albedo"
        )


def test_the_middle_is_laid_on_boxes(data):
    cut = looks.square(data / "textures" / "wood" / "a" / "albedo.png", "sRGB")
    assert tuple(cut.size) == (20, 20)
    pixels = np.array(cut.pixels).reshape(20, 20, 4)
    assert pixels[..., 0].max() == 0
    assert pixels[..., 1].min() > 0.7
    assert cut.colorspace_settings.name == "sRGB"


def test_kinds_come_in_turn():
    drawn = list(islice(_in_turn(ON_OBJECTS, np.random.default_rng(0)), 2 * len(ON_OBJECTS)))
    assert set(drawn[: len(ON_OBJECTS)]) == set(drawn[len(ON_OBJECTS) :]) == set(ON_OBJECTS)
