# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sabi.backend.networks.card import Card
from sabi.backend.networks.device import Device, Options
from sabi.backend.networks.session import Session
from sabi.backend.networks.tiling import SMALLEST_TILE, TILE, Source, run_tiled, tiles
from sabi.backend.protocol.errors import Cancelled, OutOfMemory

DEEP = Card(
    name="deep",
    version="1",
    inputs={"image": ["a", "b"], "noise_32": ["n"], "style": ["s"]},
    outputs={"out": ["x", "y"]},
    multiple=32,
    overlap=64,
    noise={"noise_32": (32, 1)},
)


def deep() -> bytes:
    """Sees one cell of 32 texels to each side, so a wrong border or a wrong alignment shows everywhere."""
    random = np.random.default_rng(1)
    wide = random.normal(0, 0.5, (2, 3, 3, 3)).astype(np.float32)
    fine = random.normal(0, 0.5, (2, 4, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["pooled"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Concat", ["pooled", "noise_32"], ["coarse"], axis=1),
        helper.make_node("Conv", ["coarse", "wide"], ["seen"], pads=[1, 1, 1, 1]),
        helper.make_node("Resize", ["seen", "", "scales"], ["grown"], mode="nearest"),
        helper.make_node("Concat", ["grown", "image"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "fine"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Unsqueeze", ["style", "axes"], ["gain"]),
        helper.make_node("Mul", ["features", "gain"], ["out"]),
    ]
    inputs = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 2, "h", "w"]),
        helper.make_tensor_value_info("noise_32", TensorProto.FLOAT, ["n", 1, "h32", "w32"]),
        helper.make_tensor_value_info("style", TensorProto.FLOAT, ["n", 1]),
    ]
    constants = {
        "wide": wide,
        "fine": fine,
        "scales": np.array([1, 1, 32, 32], np.float32),
        "axes": np.array([2, 3], np.int64),
    }
    graph = helper.make_graph(
        nodes,
        "deep",
        inputs,
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", 2, "h", "w"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(deep(), DEEP, Options(Device.CPU, threads=1))


def sources(size: tuple[int, int], seed: int = 0) -> dict[str, Source]:
    random = np.random.default_rng(seed)
    coarse = (-(-size[0] // 32), -(-size[1] // 32))
    return {
        "image": random.random((2, *size), np.float32),
        "noise_32": random.standard_normal((1, *coarse), np.float32),
        "style": np.array([0.7], np.float32),
    }


def run(session: Session, given: Mapping[str, Source], size: tuple[int, int], **options: object) -> np.ndarray:
    """What run_tiled wrote, [2, H, W]; NaN where it wrote nothing."""
    out = np.full((2, *size), np.nan, np.float32)

    def write(rows: slice, columns: slice, outputs: dict[str, np.ndarray]) -> None:
        out[:, rows, columns] = outputs["out"]

    run_tiled(session, given, size, write, **options)  # type: ignore[arg-type]
    return out


@pytest.mark.parametrize("tile", [1, 32, 64, 100, 160, 224, 1000])
@pytest.mark.parametrize(
    ("size", "wrap"),
    [((256, 192), (True, True)), ((130, 256), (False, True)), ((100, 131), (False, False)), ((32, 320), (True, False))],
)
def test_whole_and_tiles_agree_at_any_tile_size(session, size, wrap, tile):
    given = sources(size)
    whole = run(session, given, size, wrap=wrap, tile=None)
    assert np.isfinite(whole).all()
    assert np.ptp(whole) > 1  # or agreement would mean little
    assert np.abs(run(session, given, size, wrap=wrap, tile=tile) - whole).max() < 1e-5


def test_tiles_would_not_agree_with_too_small_an_overlap(session):
    """The test above can fail."""
    narrow = Session(deep(), replace(DEEP, overlap=0), Options(Device.CPU, threads=1))
    given = sources((256, 256))
    whole, tiled = (run(narrow, given, (256, 256), tile=tile) for tile in (None, 64))
    assert np.abs(whole - tiled).max() > 10 / 255


@pytest.mark.parametrize("tile", [None, 64])
def test_what_wraps_stays_wrapping(session, tile):
    """Rolling the inputs rolls the output, texel by texel."""
    size, roll = (256, 192), (96, -64)
    given = sources(size)
    rolled = {
        "image": np.roll(given["image"], roll, (1, 2)),
        "noise_32": np.roll(given["noise_32"], (3, -2), (1, 2)),
        "style": given["style"],
    }
    straight = run(session, given, size, wrap=(True, True), tile=tile)
    back = np.roll(run(session, rolled, size, wrap=(True, True), tile=tile), (-96, 64), (1, 2))
    assert np.abs(back - straight).max() < 1e-5


def test_edges_are_repeated(session):
    size = (64, 96)
    given = sources(size)
    padded = {
        "image": np.pad(given["image"], ((0, 0), (64, 64), (64, 64)), "edge")[None],
        "noise_32": np.pad(given["noise_32"], ((0, 0), (2, 2), (2, 2)), "edge")[None],
        "style": given["style"][None],
    }
    expected = session.run(padded)["out"][0, :, 64:-64, 64:-64]
    assert np.abs(run(session, given, size) - expected).max() < 1e-6


def test_a_wrapping_side_must_be_a_multiple(session):
    with pytest.raises(ValueError, match="100 texels is not a multiple of 32"):
        run(session, sources((100, 64)), (100, 64), wrap=(True, False))


@pytest.mark.parametrize("wrap", [(False, False), (True, True)])
def test_functions_are_read_inside_the_image_only(session, wrap):
    size = (160, 96)
    given = sources(size)
    windows = []

    def reader(name):
        def read(rows: slice, columns: slice, out: np.ndarray) -> None:
            windows.append((name, rows, columns))
            out[:] = given[name][:, rows, columns]

        return read

    lazily = {"image": reader("image"), "noise_32": reader("noise_32"), "style": given["style"]}
    assert np.array_equal(run(session, lazily, size, wrap=wrap, tile=64), run(session, given, size, wrap=wrap, tile=64))
    for name, rows, columns in windows:
        height, width = given[name].shape[1:]
        assert 0 <= rows.start < rows.stop <= height
        assert 0 <= columns.start < columns.stop <= width


def test_maps_may_be_of_any_type(session):
    given = sources((64, 64))
    image = (given["image"] * 255).astype(np.uint8)
    whole = run(session, {**given, "image": image}, (64, 64))
    assert np.array_equal(whole, run(session, {**given, "image": image.astype(np.float32)}, (64, 64)))


def test_what_is_not_wanted_is_neither_read_nor_written(session):
    size, fractions = (128, 64), []

    def read(rows: slice, columns: slice, out: np.ndarray) -> None:
        assert rows.stop > 64 - DEEP.overlap
        out[:] = given["image"][:, rows, columns]

    given = sources(size)
    lower = np.repeat([False, True], 2)[:, None].repeat(2, 1)
    out = run(session, {**given, "image": read}, size, tile=64, wanted=lower, progress=fractions.append)
    assert np.isnan(out[:, :64]).all()
    assert np.isfinite(out[:, 64:]).all()
    assert fractions == [1.0]


CROSS = np.zeros((32, 32), bool)  # a cube's six faces as Blender unwraps it, in blocks of 32 texels
CROSS[:, 12:20] = CROSS[16:24, 4:28] = True


def test_tiles_are_fitted_to_what_is_wanted():
    card = replace(DEEP, overlap=32)
    (height, width), parts = tiles((1024, 1024), 256, card, CROSS)
    covered = np.zeros((1024, 1024), int)
    for part in parts:
        covered[part.rows, part.columns] += 1
    assert covered.max() == 1
    assert covered[np.kron(CROSS, np.ones((32, 32), bool))].all()
    (whole_height, whole_width), whole = tiles((1024, 1024), 256, card)
    assert len(parts) * (height + 64) * (width + 64) < 0.45 * len(whole) * (whole_height + 64) * (whole_width + 64)


@pytest.mark.parametrize("wrap", [(False, False), (True, False), (True, True)])
def test_what_is_wanted_is_as_in_the_whole(session, wrap):
    size = (512, 512)
    wanted = CROSS[::2, ::2]
    whole = run(session, sources(size), size, tile=None, wrap=wrap)
    out = run(session, sources(size), size, tile=128, wrap=wrap, wanted=wanted)
    there = np.kron(wanted, np.ones((32, 32), bool))
    assert np.allclose(out[:, there], whole[:, there], atol=1e-5)
    assert np.isnan(out).any()


def test_where_nothing_is_wanted_nothing_is_run(session):
    assert np.isnan(run(session, {}, (128, 128), wanted=np.zeros((4, 4), bool))).all()


def test_progress_rises_to_one(session):
    fractions: list[float] = []
    run(session, sources((200, 200)), (200, 200), tile=64, progress=fractions.append)
    assert fractions == sorted(fractions)
    assert len(fractions) == 16
    assert fractions[-1] == pytest.approx(1)


def test_cancelling_stops_before_the_next_tile(session):
    fractions: list[float] = []
    with pytest.raises(Cancelled):
        run(
            session,
            sources((256, 64)),
            (256, 64),
            tile=64,
            progress=fractions.append,
            cancelled=lambda: len(fractions) == 2,
        )
    assert len(fractions) == 2


class Cramped:
    """A session whose device holds `most` texels; `roomy` is how many the CPU holds."""

    card = DEEP

    def __init__(self, session: Session, most: int, roomy: int | None = None) -> None:
        self.session, self.most, self.roomy = session, most, roomy
        self.texels: list[int] = []

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.texels.append(inputs["image"][0, 0].size)
        if self.texels[-1] > self.most:
            raise OutOfMemory("There is not enough memory.")
        return self.session.run(inputs)

    def fall_back(self) -> bool:
        if self.roomy is None:
            return False
        self.most, self.roomy = self.roomy, None
        return True


def test_smaller_tiles_when_memory_runs_out_said_aloud(session):
    size, warnings, fractions = (512, 512), [], []
    given = sources(size)
    cramped = Cramped(session, (256 + 128) ** 2)
    out = run(cramped, given, size, tile=None, warn=warnings.append, progress=fractions.append)
    assert np.abs(out - run(session, given, size)).max() < 1e-5
    assert warnings == ["Memory ran out, painting goes on in tiles of 256 texels."]
    assert fractions == sorted(fractions)
    assert max(cramped.texels[1:]) <= (256 + 128) ** 2


def test_then_the_cpu(session):
    size, warnings = (256, 256), []
    given = sources(size)
    out = run(Cramped(session, 10, 10**9), given, size, warn=warnings.append)
    assert np.abs(out - run(session, given, size)).max() < 1e-5
    assert [text.split(",")[0] for text in warnings] == ["Memory ran out", "The GPU's memory ran out"]


def test_and_an_error_when_nothing_helps(session):
    cramped = Cramped(session, 10)
    with pytest.raises(OutOfMemory):
        run(cramped, sources((512, 512)), (512, 512), warn=lambda text: None)
    assert min(cramped.texels) <= (SMALLEST_TILE + 2 * DEEP.overlap) ** 2


@pytest.mark.parametrize("size", [(2048, 2048), (1, 1), (33, 5000), (8192, 8192), (100, 31)])
@pytest.mark.parametrize("side", [32, 200, TILE])
def test_tiles_cover_the_image_once_within_the_bound(size, side):
    card = replace(DEEP, overlap=128)
    (height, width), parts = tiles(size, side, card)
    assert height % 32 == width % 32 == 0
    assert (height + 256) * (width + 256) <= (side + 256) ** 2
    covered = np.zeros(size, np.uint8)
    for part in parts:
        covered[part.rows, part.columns] += 1
        assert part.top % 32 == part.left % 32 == 0
    assert covered.min() == covered.max() == 1


def test_tiling_2048_costs_at_most_a_quarter_more_than_the_whole():
    card = replace(DEEP, overlap=128)
    (height, width), parts = tiles((2048, 2048), TILE, card)
    assert len(parts) > 1
    assert len(parts) * (height + 256) * (width + 256) <= 1.25 * (2048 + 256) ** 2
