# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from surfaces import box, inner_pairs, seam_pairs

from sabi.backend.weathering.noise import lattice_noise, lattice_values, octaves, stretched, texel_noise


def plane(size: int = 128, step: float = 0.01) -> np.ndarray:
    """Positions [size, size, 3] in metres on a plane."""
    x, y = np.meshgrid(np.arange(size) * step, np.arange(size) * step)
    return np.stack([x, y, np.full_like(x, 0.37)], -1).astype(np.float32)


def test_noise_is_standard_normal() -> None:
    noise = lattice_noise(plane(400, 0.05), 0.05, seed=3, stream="a", channels=3)
    assert noise.shape == (400, 400, 3)
    assert noise.dtype == np.float32
    assert np.abs(noise.mean((0, 1))).max() < 0.03
    assert noise.std((0, 1)) == pytest.approx(1, abs=0.03)
    assert np.mean(np.abs(noise) < 1) == pytest.approx(0.683, abs=0.02)


def test_variance_is_one_between_lattice_points_too() -> None:
    seeds = np.stack([lattice_noise(plane(16, 0.013), 0.1, seed, "a")[..., 0] for seed in range(400)])
    assert seeds.var(axis=0).min() > 0.7
    assert seeds.var(axis=0).max() < 1.35


def test_same_place_same_bytes_however_it_is_cut() -> None:
    whole = lattice_noise(plane(300), 0.04, 1, "a", 2)
    for cut in (np.s_[17:111], np.s_[::7, 3:40], np.s_[250:251]):
        assert lattice_noise(plane(300)[cut], 0.04, 1, "a", 2).tobytes() == whole[cut].tobytes()


def test_seeds_streams_and_channels_are_independent() -> None:
    a, b = (lattice_noise(plane(), 0.02, 1, "a", 2)[..., k].ravel() for k in (0, 1))
    others = (b, lattice_noise(plane(), 0.02, 2, "a").ravel(), lattice_noise(plane(), 0.02, 1, "b").ravel())
    assert max(abs(np.corrcoef(a, other)[0, 1]) for other in others) < 0.1


def test_nothing_is_smaller_than_the_spacing() -> None:
    fine = np.abs(np.diff(lattice_noise(plane(step=0.001), 0.1, 1, "a")[..., 0], axis=1))
    assert fine.max() < 0.06


def test_a_flat_face_sees_no_repetition() -> None:
    noise = lattice_noise(plane(256, 0.5), 1.0, 1, "a")[..., 0]
    spectrum = np.abs(np.fft.rfft2(noise, (512, 512))) ** 2
    likeness = np.fft.irfft2(spectrum)[:128, :128] / (noise.size * noise.var())
    assert np.abs(likeness[20:, 20:]).max() < 0.2


def likeness(noise: np.ndarray, axis: int, step: int) -> float:
    """Correlation of [H, W] with itself, `step` further along an axis."""
    a, b = (np.take(noise, range(*ends), axis) for ends in ((0, noise.shape[axis] - step), (step, noise.shape[axis])))
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


@pytest.mark.parametrize("axis", [0, 1])
def test_a_stretched_lattice_has_long_cells_along_its_direction_alone(axis: int) -> None:
    along = np.eye(3)[1 - axis]  # rows of the plane run along y
    noise = lattice_noise(plane(256, 0.01), 0.05, 1, "a", stretch=stretched(along, 6))[..., 0]
    plain = lattice_noise(plane(256, 0.01), 0.05, 1, "a")[..., 0]
    assert likeness(noise, axis, 12) > 0.5
    assert abs(likeness(noise, 1 - axis, 12)) < 0.2
    assert likeness(noise, 1 - axis, 2) == pytest.approx(likeness(plain, 1 - axis, 2), abs=0.1)


def test_a_stretched_texel_lattice_has_long_cells_and_still_wraps() -> None:
    at, extent = np.arange(480) + 0.5, (480, 480)
    noise = texel_noise(at, at, 4, 1, "a", period=extent, stretch=(6, 1))[..., 0]
    assert likeness(noise, 0, 10) > 0.4
    assert abs(likeness(noise, 1, 10)) < 0.1
    again = texel_noise(at + 480, at, 4, 1, "a", period=extent, stretch=(6, 1))[..., 0]
    np.testing.assert_allclose(again, noise, atol=1e-5)


def test_nan_and_infinity_read_as_the_origin() -> None:
    bad = np.array([[np.nan, 0, 0], [0, np.inf, 0], [0, 0, 0]], np.float32)
    noise = lattice_noise(bad, 0.1, 1, "a")
    assert (noise == noise[2]).all()


def test_noise_does_not_know_uv_seams() -> None:
    surface = box(256)
    noise = octaves(surface["position"].floats(), 0.2, 1, "a")
    seams, inner = seam_pairs(surface), inner_pairs(surface)
    assert len(seams.distance) > 500
    slope = (inner.difference(noise) / inner.distance).mean()
    assert seams.difference(noise).mean() <= 1.5 * slope * seams.distance.mean()


def test_texel_noise_wraps_where_the_texture_does() -> None:
    rows = np.arange(96) + 0.5
    noise = texel_noise(rows, rows, 16.0, 1, "a", period=(96, 0))[..., 0]
    inside = np.abs(np.diff(noise, axis=0)).max()
    assert inside < 0.6  # no step within it either
    assert np.abs(noise[0] - noise[-1]).max() <= inside
    assert np.abs(noise[:, 0] - noise[:, -1]).max() > inside
    again = texel_noise(rows + 96, rows, 16.0, 1, "a", period=(96, 0))[..., 0]
    assert np.abs(again - noise).max() < 1e-4


def test_texel_noise_at_lattice_points_is_white() -> None:
    at = (np.arange(64) + 0.5) * 4
    noise = texel_noise(at, at, 4.0, 1, "a", 2, period=(256, 256))
    assert noise.std() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.05


def test_values_of_the_lattice_are_those_that_noise_blends():
    """Each belongs to a place: the same however it is asked for, independent two texels on, as varied as blended noise."""
    places = np.stack(np.meshgrid(*[np.arange(64) * 0.02] * 2, [0.3], indexing="ij"), axis=-1).reshape(64, 64, 3)
    values = lattice_values(places, 0.01, 7, "grain", 4)
    assert values.shape == (64, 64, 4)
    assert abs(values.mean()) < 0.05
    assert values.std() == pytest.approx(1, abs=0.05)
    assert np.abs(np.corrcoef(values.reshape(-1, 4).T) - np.eye(4)).max() < 0.08
    assert abs(np.corrcoef(values[1:].ravel(), values[:-1].ravel())[0, 1]) < 0.05
    assert np.array_equal(values[10:20, 5:9], lattice_values(places[10:20, 5:9], 0.01, 7, "grain", 4))
    assert not np.array_equal(values, lattice_values(places, 0.01, 8, "grain", 4))
    near = lattice_values(places + 1e-5, 0.01, 7, "grain", 4)
    assert (near == values).mean() > 0.99
    assert np.isfinite(lattice_values(np.full((1, 3), np.nan, np.float32), 0.01, 7, "grain")).all()
