# SPDX-License-Identifier: GPL-3.0-or-later
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sabi.backend.networks.card import CARD_KEY, Card
from sabi.backend.networks.registry import FOLDER
from sabi.backend.protocol.errors import NetworkError
from sabi.backend.protocol.header import read_header


@pytest.fixture(scope="module")
def model(networks_folder) -> bytes:
    return (networks_folder / "painter.onnx").read_bytes()


@pytest.mark.parametrize("which", ["stand-in", "shipped"])
def test_reads_what_onnx_reads(model, which):
    file = model if which == "stand-in" else (FOLDER / "painter.onnx").read_bytes()
    header, truth = read_header(file), onnx.load_from_string(file)
    assert header.opsets == {entry.domain: entry.version for entry in truth.opset_import}
    assert header.metadata == {entry.key: entry.value for entry in truth.metadata_props}
    assert Card.from_json(header.metadata[CARD_KEY]).name == "painter"


@pytest.mark.parametrize("cut", [0, 1, 7, 100, -1])
def test_a_file_cut_short_is_refused(model, cut):
    with pytest.raises(NetworkError, match="not an ONNX network, or it is damaged"):
        read_header(model[:cut])


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage):
    """Only NetworkError, whatever the bytes; nothing this short is a network with a graph and an opset by chance."""
    try:
        header = read_header(garbage)
    except NetworkError:
        return
    assert header.opsets


@given(st.data())
def test_damage_is_refused_or_harmless(model, data):
    damaged = bytearray(model)
    damaged[data.draw(st.integers(0, len(model) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        header = read_header(bytes(damaged))
    except NetworkError:
        return
    assert header.has_graph
