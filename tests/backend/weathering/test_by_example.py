# SPDX-License-Identifier: GPL-3.0-or-later
import time

import numpy as np
import pytest

from sabi.backend.weathering.by_example import Example, Lattice

TEXEL = 1 / 512


def rust(size: int = 256, seed: int = 0) -> np.ndarray:
    """Two colours in blotches and grain, skewed as photographs are, [size, size, 3]."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(size) * size] * 2))
    waves = [
        np.fft.ifft2(np.fft.fft2(rng.standard_normal((size, size))) * np.exp(-((frequency / cut) ** 2))).real
        for cut in (6, 60)
    ]
    blotches, grain = (wave / wave.std() for wave in waves)
    share = 1 / (1 + np.exp(-3 * (blotches - 0.6)))[..., None]
    colour = np.array([0.2, 0.08, 0.05]) * (1 - share) + np.array([0.7, 0.35, 0.15]) * share
    return np.clip(colour * (1 + 0.15 * grain[..., None]), 0, 1).astype(np.float32)


def laid(picture: np.ndarray, size: int = 512, seed: int = 0, wraps: bool = True, shift: float = 0.0) -> np.ndarray:
    """The picture without end on a square of so many of its texels, which repeats."""
    example = Example(picture, picture.shape[1] * TEXEL)
    example.prepare([0])
    lattice = Lattice.over((size * TEXEL,) * 2 if wraps else (0.0, 0.0), example.spacing, example.grain)
    y, x = (np.mgrid[:size, :size].reshape(2, -1) + 0.5 + shift) * TEXEL
    planes = [(np.arange(size * size), x, y, np.ones(size * size))]
    return example(planes, size * size, lattice, 0, seed, "test").reshape(size, size, -1)


def spectrum(picture: np.ndarray) -> np.ndarray:
    """Radial log power of the luminance of 128 px crops [bins], up to where there is any."""
    grey = picture.mean(axis=2)
    crops = np.stack(
        [grey[y : y + 128, x : x + 128] for y in range(0, len(grey) - 127, 64) for x in range(0, len(grey) - 127, 64)]
    )
    crops = (crops - crops.mean(axis=(1, 2), keepdims=True)) * np.outer(np.hanning(128), np.hanning(128))
    power = (np.abs(np.fft.fft2(crops)) ** 2).mean(axis=0)
    radius = (np.hypot(*np.meshgrid(*[np.fft.fftfreq(128)] * 2)) * 64).astype(int)
    return np.array([np.log10(power[radius == r].mean() + 1e-9) for r in range(1, 25)])


@pytest.fixture(scope="module")
def picture():
    return rust()


@pytest.fixture(scope="module")
def synthesised(picture):
    return laid(picture)


def test_its_colours_are_the_pictures(picture):
    many = np.stack([laid(picture, seed=seed) for seed in range(6)])
    quantiles = np.linspace(0.02, 0.98, 25)
    for channel in range(3):
        gap = np.quantile(many[..., channel], quantiles) - np.quantile(picture[..., channel], quantiles)
        assert np.abs(gap).max() < 0.06
    assert np.abs(many.std(axis=(0, 1, 2)) - picture.std(axis=(0, 1))).max() < 0.025


def test_its_spectrum_is_the_pictures(picture, synthesised):
    assert 10 * np.abs(spectrum(picture) - spectrum(synthesised)).mean() < 0.5  # dB


def test_between_its_texels_grain_is_kept_too(picture):
    """Linear interpolation would lose 4 dB of the finest grain; nothing of a turned island lies as the picture's texels do."""
    grain = np.random.default_rng(1).uniform(0.2, 0.8, (256, 256, 3)).astype(np.float32)
    assert laid(grain, shift=0.37).std() > 0.85 * grain.std()


def test_where_patches_meet_nothing_is_blurred():
    """Grain is as strong in the middle between patches as within one: variance is kept."""
    grain = np.random.default_rng(1).uniform(0.2, 0.8, (256, 256, 3)).astype(np.float32)
    example = Example(grain, 256 * TEXEL)
    lattice = Lattice.over((512 * TEXEL,) * 2, example.spacing, example.grain)
    y, x = (np.mgrid[:512, :512].reshape(2, -1) + 0.5) * TEXEL
    strongest = np.max([weight for *_, weight in lattice.patches(x, y, TEXEL)], axis=0).reshape(512, 512)
    made = laid(grain)
    assert (strongest < 0.6).mean() > 0.02
    for part in (strongest < 0.6, strongest > 0.95):
        assert made[part].std() == pytest.approx(grain.std(), rel=0.02)


def test_it_repeats_after_its_extent(picture, synthesised):
    assert np.abs(laid(picture, shift=512.0) - synthesised).max() < 1e-4
    across = np.abs(synthesised - np.roll(synthesised, 1, axis=1)).mean(axis=(0, 2))
    down = np.abs(synthesised - np.roll(synthesised, 1, axis=0)).mean(axis=(1, 2))
    assert across[0] < 1.5 * np.median(across)
    assert down[0] < 1.5 * np.median(down)


def test_a_tile_of_many_patches_needs_no_large_table(picture):
    example = Example(picture, picture.shape[1] * TEXEL)
    example.prepare([0])
    extent = 10_000 * picture.shape[1] * TEXEL
    lattice = Lattice.over((extent, extent), example.spacing, example.grain)
    assert min(lattice.period) > 10_000
    y, x = np.random.default_rng(0).random((2, 1000)) * extent
    here = [
        example([(np.arange(1000), x + far, y, np.ones(1000))], 1000, lattice, 0, 0, "test") for far in (0.0, extent)
    ]
    assert np.abs(here[0] - here[1]).mean() < 0.01, "it repeats after its extent all the same"
    assert here[0].std() > 1e-3


def test_without_an_extent_it_does_not_repeat(picture):
    one, other = laid(picture, wraps=False), laid(picture, wraps=False, shift=512.0)
    assert abs(np.corrcoef(one[..., 0].ravel(), other[..., 0].ravel())[0, 1]) < 0.3


def test_seeds_differ_and_repeat(picture, synthesised):
    other = laid(picture, seed=1)
    assert abs(np.corrcoef(other[..., 0].ravel(), synthesised[..., 0].ravel())[0, 1]) < 0.3
    assert np.array_equal(laid(picture), synthesised)


def test_a_point_does_not_depend_on_the_points_beside_it(picture):
    example = Example(picture, picture.shape[1] * TEXEL)
    example.prepare([0])
    lattice = Lattice.over((0, 0), example.spacing, example.grain)
    x, y = np.random.default_rng(0).uniform(0, 3, (2, 1000))
    whole = example([(np.arange(1000), x, y, np.ones(1000))], 1000, lattice, 0, 5, "test")
    part = example([(np.arange(100), x[300:400], y[300:400], np.ones(100))], 100, lattice, 0, 5, "test")
    assert np.array_equal(part, whole[300:400])


def test_from_afar_a_smaller_picture_is_read(picture):
    example = Example(picture, picture.shape[1] * TEXEL)
    assert [int(example.level(TEXEL * far)) for far in (0.1, 1, 1.5, 2, 4)] == [-1, 0, 1, 2, 4]
    assert example.level(1e9) == example.level(1e6)
    far = int(example.level(4 * TEXEL))
    example.prepare([far])
    lattice = Lattice.over((0, 0), example.spacing, example.grain)
    y, x = (np.mgrid[:128, :128].reshape(2, -1) + 0.5) * 4 * TEXEL
    small = example([(np.arange(len(x)), x, y, np.ones(len(x)))], len(x), lattice, far, 0, "test")
    pooled = laid(picture, 512, wraps=False).reshape(128, 4, 128, 4, 3).mean(axis=(1, 3))
    assert np.abs(small.reshape(128, 128, 3) - pooled).mean() < 0.4 * pooled.std()


@pytest.mark.parametrize("value", [0.0, 0.37])
def test_a_picture_of_one_colour_stays_that(value):
    assert laid(np.full((32, 40, 3), value, np.float32), 64) == pytest.approx(value, abs=1e-4)


def test_a_style_in_under_a_second():
    began = time.process_time()
    laid(rust(512), 64)
    assert time.process_time() - began < 1
