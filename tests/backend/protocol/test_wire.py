# SPDX-License-Identifier: GPL-3.0-or-later
import json

import numpy as np
import pytest
import safetensors.numpy

from sabi.backend.protocol import wire
from sabi.backend.protocol.errors import BadMessage, BadRecipe, BadSurface, TooLarge
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Space, Surface

ARRAYS = {
    "albedo": np.arange(24, dtype=np.uint8).reshape(2, 4, 3),
    "height": np.linspace(0, 1, 8, dtype=np.float16).reshape(2, 4, 1),
    "position": np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 4, 3),
    "alpha": np.arange(8, dtype=np.uint16).reshape(2, 4, 1),
    "empty": np.zeros((0, 3), np.float32),
}


def assert_same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].dtype == right[name].dtype
        assert np.array_equal(left[name], right[name])


def message(entries: object, body: bytes = b"") -> bytes:
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_reads_what_it_writes() -> None:
    arrays, metadata = wire.loads(wire.dumps(ARRAYS, {"kind": "test"}))
    assert_same(arrays, ARRAYS)
    assert metadata == {"kind": "test"}


def test_the_safetensors_library_reads_what_it_writes() -> None:
    assert_same(safetensors.numpy.load(wire.dumps(ARRAYS)), ARRAYS)


def test_it_reads_what_the_safetensors_library_writes() -> None:
    arrays, metadata = wire.loads(safetensors.numpy.save(ARRAYS, {"a": "b"}))
    assert_same(arrays, ARRAYS)
    assert metadata == {"a": "b"}


def test_every_truncation_is_refused() -> None:
    whole = wire.dumps(ARRAYS)
    for length in range(len(whole)):
        with pytest.raises(BadMessage):
            wire.loads(whole[:length])


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"garbage!" * 100,
        (1 << 62).to_bytes(8, "little") + b"{}",
        message(b"[" * 50_000),
        message([]),
        message({"__metadata__": {"a": 1}}),
        message({"a": None}),
        message({"a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
        message({"a": {"dtype": "U8", "shape": [-1], "data_offsets": [0, 1]}}, bytes(1)),
        message({"a": {"dtype": "U8", "shape": [1 << 39, 1 << 39], "data_offsets": [0, 1]}}, bytes(1)),
        message({"a": {"dtype": "U8", "shape": [2], "data_offsets": [0, 1]}}, bytes(1)),
        message({"a": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}, bytes(2)),
        message({"a": {"dtype": "U8", "shape": [True], "data_offsets": [0, 1]}}, bytes(1)),
        message({n: {"dtype": "U8", "shape": [2], "data_offsets": [0, 2]} for n in "ab"}, bytes(2)),
        message({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}, bytes(2)),
        message({"a": {"dtype": "U8", "shape": [1] * 5, "data_offsets": [0, 1]}}, bytes(1)),
    ],
)
def test_garbage_is_refused(bad: bytes) -> None:
    with pytest.raises(BadMessage):
        wire.loads(bad)


def surface() -> Surface:
    maps = {"albedo": Map(ARRAYS["albedo"], ColorSpace.SRGB), "position": Map(ARRAYS["position"])}
    return Surface(maps, Space.TEXTURE, wrap=(True, False), texels_per_metre=100.0, name="plate", metadata={"a": "b"})


def test_a_job_comes_back_as_it_was() -> None:
    recipe = Recipe((Layer(Effect.DIRT, 0.25),))
    sent = surface()
    digests = {name: wire.digest(m.array) for name, m in sent.maps.items()}
    got_digests, description, got_recipe = wire.undescribe(wire.describe(sent, recipe, digests))
    got = wire.build_surface(description, {name: m.array for name, m in sent.maps.items()})
    assert got_digests == digests
    assert got_recipe == recipe
    assert (got.wrap, got.texels_per_metre, got.name, got.metadata) == ((True, False), 100.0, "plate", {"a": "b"})
    assert got["albedo"].color_space is ColorSpace.SRGB


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda d: d.pop("surface"), BadMessage),
        (lambda d: d["surface"]["maps"]["albedo"].update(digest="../../etc/passwd"), BadMessage),
        (lambda d: d["recipe"]["layers"][0].update(effect="No Dragon"), BadRecipe),
    ],
)
def test_a_job_described_wrongly_is_refused(change, error) -> None:
    sent = surface()
    data = json.loads(wire.describe(sent, Recipe((Layer(Effect.DIRT),)), dict.fromkeys(sent.maps, "0" * 64)))
    change(data)
    with pytest.raises(error):
        wire.undescribe(json.dumps(data))


def test_the_digest_tells_types_and_shapes_apart() -> None:
    zeros = np.zeros((2, 4, 1), np.uint8)
    assert wire.digest(zeros) != wire.digest(zeros.reshape(4, 2, 1))
    assert wire.digest(zeros) != wire.digest(np.zeros((2, 4, 1), np.uint16))


def test_surfaces_that_cannot_be_are_refused() -> None:
    albedo = Map(ARRAYS["albedo"], ColorSpace.SRGB)
    with pytest.raises(BadSurface, match="no maps"):
        Surface({})
    with pytest.raises(BadSurface, match="'colour'"):
        Surface({"colour": albedo})
    with pytest.raises(BadSurface, match="3 channels"):
        Surface({"roughness": albedo})
    with pytest.raises(BadSurface, match="different sizes"):
        Surface({"albedo": albedo, "roughness": Map(np.zeros((3, 3, 1), np.uint8))})
    with pytest.raises(BadSurface, match="no texels"):
        Map(np.zeros((0, 4, 3), np.uint8))
    with pytest.raises(BadSurface, match="float64"):
        Map(np.zeros((2, 2, 3)))
    with pytest.raises(TooLarge):
        Map(np.broadcast_to(np.uint8(0), (20000, 20000, 3)))
    spoiled = np.zeros((2, 2, 1), np.float32)
    spoiled[1, 1] = np.nan
    with pytest.raises(BadSurface, match="height map holds NaN"):
        Surface({"height": Map(spoiled)}).check_values()
