# SPDX-License-Identifier: GPL-3.0-or-later
"""Light taken off pictures of every kind by a network that takes smooth brightness for light, and what cannot be done is said."""

import numpy as np
import pytest
import shadings

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.errors import BadSurface
from sabi.backend.protocol.surface import ColorSpace, Map
from sabi.backend.weathering import colour, delight


@pytest.fixture(scope="module")
def networks(tmp_path_factory) -> Networks:
    return Networks.load(device="cpu", threads=1, folder=shadings.write(tmp_path_factory.mktemp("networks")))


def stored(linear, dtype) -> Map:
    """As a file of that type holds it."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return Map(linear.astype(kind), ColorSpace.LINEAR)
    return Map(colour.store(colour.to_srgb(linear), kind), ColorSpace.SRGB)


def linear(picture: Map) -> np.ndarray:
    return colour.decode(picture.array[..., :3], picture.color_space)


def unevenness(texture: np.ndarray) -> float:
    """How much brightness still changes from left to right, once the squares are averaged: deviation over mean."""
    columns = texture[..., :3].mean((0, 2))
    blocks = columns[: len(columns) // 16 * 16].reshape(-1, 16).mean(1)
    return float(blocks.std() / blocks.mean())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32])
def test_light_goes_and_the_texture_stays(networks, dtype):
    flat = shadings.checks()
    given = stored(flat * shadings.falling(), dtype)
    before = given.array.copy()
    made = delight.delight(given, networks=networks)
    assert np.array_equal(given.array, before)
    assert (made.array.dtype, made.array.shape, made.color_space) == (given.array.dtype, flat.shape, given.color_space)
    assert unevenness(linear(given)) > 0.4
    assert unevenness(linear(made)) < 0.06
    assert linear(made).mean((0, 1)) == pytest.approx(linear(given).mean((0, 1)), rel=0.03)
    inner = slice(20, -20), slice(20, -20)
    assert np.corrcoef(linear(made)[inner].ravel(), flat[inner].ravel())[0, 1] > 0.99


def test_half_the_light(networks):
    given = stored(shadings.checks() * shadings.falling(), np.float32)
    made = {
        amount: unevenness(linear(delight.delight(given, amount=amount, networks=networks))) for amount in (0, 0.5, 1)
    }
    assert made[0] == pytest.approx(unevenness(linear(given)), rel=1e-5)
    assert made[1] < 0.6 * made[0.5] < 0.9 * made[0]
    for amount in (-0.1, 1.1, float("nan")):
        with pytest.raises(BadSurface, match="between 0 and 1"):
            delight.delight(given, amount=amount, networks=networks)


def test_light_brighter_than_white_is_kept(networks):
    given = stored(9 * shadings.checks() * shadings.falling(), np.float32)
    made = delight.delight(given, networks=networks)
    assert linear(given).max() > 3
    assert linear(made).mean() == pytest.approx(linear(given).mean(), rel=0.03)
    assert unevenness(linear(made)) < 0.06


def test_grey_stays_grey(networks):
    given = stored((shadings.checks() * shadings.falling()).mean(-1, keepdims=True), np.uint16)
    made = delight.delight(given, networks=networks)
    assert made.array.shape == given.array.shape
    assert unevenness(colour.decode(made.array, ColorSpace.SRGB)) < 0.06


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_and_what_it_hides_stay(networks, channels):
    given = stored(shadings.checks() * shadings.falling(), np.uint8).array[..., : channels - 1].copy()
    alpha = np.full((*given.shape[:2], 1), 255, np.uint8)
    alpha[:, 100:140] = 0
    given[:, 100:140] = 255  # would be the brightest of all
    given[0, 0], alpha[0, 0] = 77, 1
    made = delight.delight(Map(np.concatenate([given, alpha], 2), ColorSpace.SRGB), networks=networks).array
    assert np.array_equal(made[..., -1:], alpha)
    assert np.array_equal(made[:, 100:140, :-1], given[:, 100:140])
    assert not np.array_equal(made[..., :-1], given)
    shown = np.delete(colour.decode(made[..., :-1], ColorSpace.SRGB), range(96, 144), 1)
    assert unevenness(shown) < 0.12


def test_what_tiles_still_tiles(networks):
    """Rolled and rolled back it is the same picture, and the border is no seam."""
    given = stored(shadings.checks() * shadings.waving(), np.float32)
    made = delight.delight(given, wrap=(True, True), networks=networks).array
    rolled = Map(np.roll(given.array, (96, 64), (0, 1)), ColorSpace.LINEAR)
    again = delight.delight(rolled, wrap=(True, True), networks=networks).array
    assert np.roll(again, (-96, -64), (0, 1)) == pytest.approx(made, abs=2e-3)
    across = np.abs(made[:, 0] - made[:, -1]).mean() / np.abs(made[:, 128] - made[:, 127]).mean()
    assert 0.9 < across < 1.1
    assert unevenness(made) < 0.06


@pytest.mark.parametrize("rows", [1, 7, 64, 10_000])
def test_strips_are_seamless(networks, monkeypatch, rows):
    given = stored(shadings.checks(300, 410) * shadings.falling(300, 410), np.uint8)
    at_once = delight.delight(given, networks=networks)
    monkeypatch.setattr(delight, "ROWS", rows)
    assert np.array_equal(delight.delight(given, networks=networks).array, at_once.array)


def test_shadows_keep_their_edge_at_full_size():
    """Where light jumps, the network sees it small; at full size the jump is where the picture has it."""
    light = np.ones((1024, 1024, 1), np.float32)
    light[:, :515] = 0.3

    def jump(inputs):
        bright = inputs["image"].mean(1, keepdims=True).repeat(3, 1)
        return {"inverse_shading": 1 / (1 + bright), "residual_share": 0 * bright}

    rng = np.random.default_rng(0)
    given = Map(
        (0.4 * np.exp(0.05 * rng.standard_normal((1024, 1024, 3))) * light).astype(np.float32), ColorSpace.LINEAR
    )
    made = delight.without_light(given, jump).array.mean((0, 2))
    assert made[500:530] == pytest.approx(np.full(30, made.mean()), rel=0.12)


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        (np.full((64, 64, 3), 99, np.uint8), "all of one colour"),
        (np.zeros((64, 64, 3), np.float32), "all of one colour"),
        (np.zeros((9, 64, 3), np.uint8), "64 x 9 texels are too few"),
        (np.full((64, 64, 3), np.nan, np.float32), "no numbers"),
        (
            np.dstack([np.arange(64 * 64 * 3, dtype=np.uint16).reshape(64, 64, 3), np.zeros((64, 64), np.uint16)]),
            "transparent",
        ),
    ],
)
def test_pictures_without_light(networks, picture, words):
    with pytest.raises(BadSurface, match=words):
        delight.delight(Map(picture, ColorSpace.SRGB), networks=networks)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (2000, 17), (33, 470), (257, 255)])
def test_any_shape(networks, height, width):
    given = stored(shadings.checks(height, width) * shadings.falling(height, width), np.uint8)
    assert delight.delight(given, networks=networks).array.shape == given.array.shape


@pytest.mark.parametrize("wrap", [(False, False), (True, True)])
def test_without_a_network_brightness_tells_light_from_colour(networks_folder, wrap):
    """Gradients go, fine contrast stays; where the texture wraps, the border is no seam and it may be rolled."""
    simple = Networks.load(folder=networks_folder)
    given = stored(shadings.checks() * (shadings.waving() if all(wrap) else shadings.falling()), np.float32)
    made = delight.delight(given, wrap=wrap, networks=simple).array
    assert unevenness(given.array) > 0.3
    assert unevenness(made) < 0.06
    assert made.mean((0, 1)) == pytest.approx(given.array.mean((0, 1)), rel=0.03)
    fine = [np.log(values[8::4, 8:-8:4, 0]).std() for values in (shadings.checks(), made)]
    assert fine[1] > 0.5 * fine[0]
    if all(wrap):
        rolled = Map(np.roll(given.array, (96, 64), (0, 1)), ColorSpace.LINEAR)
        again = delight.delight(rolled, wrap=wrap, networks=simple).array
        assert np.roll(again, (-96, -64), (0, 1)) == pytest.approx(made, abs=2e-3)
    assert delight.doubts(simple) == (delight.SIMPLE,)


def test_what_has_no_light_is_said_without_a_network_too(networks_folder):
    flat = Map(np.full((64, 64, 3), 99, np.uint8), ColorSpace.SRGB)
    with pytest.raises(BadSurface, match="all of one colour"):
        delight.delight(flat, networks=Networks.load(folder=networks_folder))
