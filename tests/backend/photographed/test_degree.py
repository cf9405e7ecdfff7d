# SPDX-License-Identifier: GPL-3.0-or-later
"""Degree maps of pictures whose degree is known: six pairs of textures, each blended and in flakes, all photographed under
uneven light and kept as JPEG. The figure asked for is a mean absolute error of at most 0.08."""

import functools
import time

import mixtures
import numpy as np
import pytest

from sabi.backend.photographed.degree import DegreeMethod, Grid, bands_of, degree_of_cells
from sabi.backend.photographed.manifold import geodesic, nearest_graph
from sabi.backend.photographed.maps import degree_by_maps
from sabi.backend.photographed.picture import blurred, pooled, spread
from sabi.backend.photographed.rarity import rarity
from sabi.backend.protocol.errors import BadSurface, MissingMap

ASKED = 0.08
MIXES = {"blended": mixtures.blended, "flaked": mixtures.flaked}
ALL = range(len(mixtures.PAIRS))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """photographs(mix, mean) -> the six pairs mixed so."""
    folder = tmp_path_factory.mktemp("photographs")

    @functools.cache
    def made(mix, mean=0.5):
        return [mixtures.mixture(pair, pair, MIXES[mix], mean, folder) for pair in ALL]

    return made


def found(mixture, method, marks=None):
    grid = Grid(*mixture.degree.shape)
    cells = grid.pooled(bands_of(mixture.photograph))
    degree = degree_of_cells(cells, method, grid.marks(marks) if marks is not None else None)
    return grid.texels(degree, np.uint16)[..., 0] / np.float32(65535)


def errors(pictures, method, marked=None):
    return [m.error(found(m, method, m.marks(**marked) if marked is not None else None)) for m in pictures]


# Each bound for the worst picture is what was measured, and a little more: dirt on concrete, which differ in brightness alone.
@pytest.mark.parametrize(("mix", "worst"), [("blended", 0.05), ("flaked", 0.12)])
def test_marks(photographs, mix, worst):
    found = errors(photographs(mix), DegreeMethod.MARKS, {})
    assert np.mean(found) <= ASKED
    assert max(found) <= worst, found


@pytest.mark.parametrize("mix", MIXES)
def test_three_marks_of_each_kind_are_enough(photographs, mix):
    assert np.mean(errors(photographs(mix), DegreeMethod.MARKS, {"count": 3, "between": 0})) <= ASKED


@pytest.mark.parametrize(("mix", "worst"), [("blended", 0.07), ("flaked", 0.14)])
def test_manifold_with_marked_ends(photographs, mix, worst):
    found = errors(photographs(mix), DegreeMethod.MANIFOLD, {})
    assert np.mean(found) <= ASKED
    assert max(found) <= worst, found


@pytest.mark.parametrize(("mix", "worst"), [("blended", 0.08), ("flaked", 0.11)])
def test_manifold_that_finds_its_ends(photographs, mix, worst):
    found = errors(photographs(mix), DegreeMethod.MANIFOLD)
    assert np.mean(found) <= ASKED
    assert max(found) <= worst, found


@pytest.mark.parametrize(("mix", "worst"), [("blended", 0.16), ("flaked", 0.16)])
def test_rarity_where_most_is_clean(photographs, mix, worst):
    found = errors(photographs(mix, 0.25), DegreeMethod.RARITY)
    assert np.mean(found) <= ASKED
    assert max(found) <= worst, found


def test_the_errors_could_be_worse(photographs):
    """What the figures are held against: a flat map, and another picture's degree."""
    picture, other = photographs("blended")[:2]
    assert picture.error(np.full_like(picture.degree, 0.5)) > 3 * ASKED
    assert picture.error(other.degree) > 3 * ASKED
    assert picture.error(1 - found(picture, DegreeMethod.MANIFOLD)) > 3 * ASKED


@pytest.mark.parametrize("method", [DegreeMethod.MARKS, DegreeMethod.MANIFOLD, DegreeMethod.RARITY])
def test_512_texels_a_side_take_under_a_second(photographs, method):
    """Of processor time, all threads together: less than that of the clock on two cores."""
    picture = photographs("blended")[0]
    marks = picture.marks() if method is DegreeMethod.MARKS else None
    seconds = []
    for _ in range(4):
        started = time.process_time()
        found(picture, method, marks)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 1.0


def test_same_in_same_out(photographs):
    picture = photographs("flaked")[1]
    for method, marks in (
        (DegreeMethod.MARKS, picture.marks()),
        (DegreeMethod.MANIFOLD, None),
        (DegreeMethod.RARITY, None),
    ):
        assert np.array_equal(found(picture, method, marks), found(picture, method, marks))


def test_more_marks_of_one_kind_than_are_used_leave_the_other_in(photographs):
    picture = photographs("blended")[3]
    many = picture.marks(count=400, between=0)
    few = [*(m for m in many if m[2] == 0), *[m for m in many if m[2] == 1][:3]]
    assert picture.error(found(picture, DegreeMethod.MARKS, few)) < ASKED


def test_shape_of_the_picture_does_not_matter(photographs):
    picture = photographs("blended")[1]
    part = mixtures.Mixture(picture.photograph[:180], picture.degree[:180])
    assert part.error(found(part, DegreeMethod.MARKS, part.marks())) < ASKED
    turned = mixtures.Mixture(part.photograph.swapaxes(0, 1), part.degree.T)
    marks = [(y, x, d) for x, y, d in part.marks()]
    assert (
        np.abs(found(part, DegreeMethod.MARKS, part.marks()) - found(turned, DegreeMethod.MARKS, marks).T).max() < 0.02
    )


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 2), (17, 9)])
@pytest.mark.parametrize("method", [DegreeMethod.MARKS, DegreeMethod.MANIFOLD, DegreeMethod.RARITY])
def test_tiny_pictures(size, method):
    rng = np.random.default_rng(0)
    grid = Grid(*size)
    cells = grid.pooled([rng.random((*size, 3)).astype(np.float32)])
    if size == (1, 1):
        with pytest.raises(BadSurface):
            degree_of_cells(cells, method)
        return
    marks = grid.marks([(0, 0, 0), (size[1] - 1, size[0] - 1, 1)]) if method is DegreeMethod.MARKS else None
    degree = degree_of_cells(cells, method, marks)
    assert degree.shape == size
    assert np.isfinite(degree).all()
    assert degree.min() >= 0
    assert degree.max() <= 1


def test_what_cannot_be_told_is_refused():
    grid = Grid(64, 64)
    flat = np.full((64, 64, 3), 0.5, np.float32)
    with pytest.raises(BadSurface, match="one colour"):
        degree_of_cells(flat, DegreeMethod.MANIFOLD)
    for marks in ([], [(1, 1, 0)], [(1, 1, 0.5), (5, 5, 0.5)]):
        with pytest.raises(BadSurface, match="marks"):
            grid.marks(marks)
    for x, y in ((64, 0), (0, 64), (-1, 0), (float("nan"), 0)):
        with pytest.raises(BadSurface, match="outside"):
            grid.marks([(x, y, 0), (1, 1, 1)])
    with pytest.raises(BadSurface, match="no marks"):
        degree_of_cells(np.random.default_rng(0).random((64, 64, 3)).astype(np.float32), DegreeMethod.MARKS)


# --- marks painted


def test_painted_marks_are_read_by_colour():
    grid = Grid(600, 700)
    painted = np.zeros((600, 700, 4), np.uint8)
    painted[300:312, 90:96] = (255, 0, 0, 255)
    painted[3:9, 630:645] = (0, 255, 20, 255)
    painted[450:456, 450:456] = (255, 255, 0, 255)
    painted[0:30, 0:30] = (255, 0, 0, 100)  # too thin
    painted[500:520, 0:600] = (200, 190, 180, 255)  # not a mark's colour
    marks = grid.painted_marks(bands_of(painted))
    where = {}
    for row, column, degree in zip(marks.rows, marks.columns, marks.degrees, strict=True):
        where.setdefault(round(float(degree), 2), []).append((int(row), int(column)))
    assert sorted(where) == [0.0, 0.5, 1.0]
    assert {(100, 30), (103, 31)} <= set(where[1.0])
    assert {(1, 210), (2, 214)} <= set(where[0.0])
    assert len(marks.rows) < 60
    painted[..., 3] = 0
    with pytest.raises(BadSurface, match="Nothing is painted"):
        grid.painted_marks(bands_of(painted))


def test_painted_marks_tell_as_much_as_places(photographs):
    picture = photographs("flaked")[3]
    painted = np.zeros((512, 512, 3), np.uint8)
    for x, y, degree in picture.marks(between=0):
        painted[max(y - 6, 0) : y + 6, max(x - 6, 0) : x + 6] = (255, 0, 0) if degree else (0, 255, 0)
    grid = Grid(512, 512)
    cells = grid.pooled(bands_of(picture.photograph))
    degree = degree_of_cells(cells, DegreeMethod.MARKS, grid.painted_marks(bands_of(painted)))
    assert picture.error(grid.texels(degree)[..., 0] / 255) <= ASKED


# --- maps


@pytest.mark.parametrize(
    ("name", "clean", "weathered"), [("metallic", 1.0, 0.0), ("roughness", 0.3, 0.8), ("height", 0.6, 0.4)]
)
@pytest.mark.parametrize("mix", MIXES)
def test_maps(name, clean, weathered, mix):
    rng = np.random.default_rng(5)
    degree = mixtures.degree_map(7)
    ends = [np.full((512, 512, 1), value) for value in (clean, weathered)]
    values = MIXES[mix](*ends, degree) + 0.03 * mixtures.noise(rng, 1)[..., None]
    stored = (values.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    grid = Grid(512, 512)
    found, told = degree_by_maps(
        {name: grid.pooled(bands_of(stored))[..., 0], "ambient_occlusion": np.ones((256, 256))}
    )
    assert told == name
    assert np.abs(grid.texels(found)[..., 0] / 255 - degree).mean() <= ASKED


def test_maps_that_say_nothing_are_passed_over():
    flat, varied = np.full((64, 64), 0.5, np.float32), np.random.default_rng(0).random((64, 64)).astype(np.float32)
    assert degree_by_maps({"metallic": flat, "roughness": varied, "height": varied})[1] == "roughness"
    assert degree_by_maps({"metallic": flat, "height": varied})[1] == "height"
    with pytest.raises(MissingMap, match="metallic hardly varies"):
        degree_by_maps({"metallic": flat})
    with pytest.raises(MissingMap, match="there are none"):
        degree_by_maps({})


# --- what they are built on


@pytest.mark.parametrize("rows", [1, 7, 256])
def test_cells_are_means_whatever_the_bands(rows):
    rng = np.random.default_rng(1)
    array = rng.random((61, 47, 2)).astype(np.float32)
    cells = pooled((array[top : top + rows] for top in range(0, 61, rows)), 61, 47, 4)
    assert cells.shape == (16, 12, 2)
    assert np.allclose(cells[3, 5], array[12:16, 20:24].mean((0, 1)), atol=1e-5)
    assert np.allclose(cells[15, 11], array[60:, 44:].mean((0, 1)), atol=1e-5)


def test_spread_puts_back_what_was_smooth():
    ramp = np.linspace(0, 1, 600, dtype=np.float32)[:, None] * np.linspace(1, 0.5, 500, dtype=np.float32)
    cells = pooled([ramp[..., None]], 600, 500, 3)[..., 0]
    assert np.abs(spread(cells, 600, 500, 3) - ramp).max() < 0.005
    assert np.array_equal(spread(cells, 600, 500, 3)[100:120], spread(cells, 600, 500, 3, slice(100, 120)))


def test_blur_keeps_what_is_even_and_the_spread_of_a_point():
    assert np.allclose(blurred(np.full((256, 100, 2), 0.3, np.float32), 5), 0.3, atol=1e-5)
    point = np.zeros((256, 256), np.float32)
    point[128, 128] = 1
    rows = np.arange(256) - 128
    assert np.isclose((blurred(point, 5).sum(axis=1) * rows**2).sum(), 25, rtol=0.01)


def test_geodesics_follow_the_manifold_and_parts_are_joined():
    """Round a horseshoe, not across its mouth; two lumps apart are one graph still."""
    angle = np.linspace(0, 1.75 * np.pi, 300)
    horseshoe = np.column_stack([np.cos(angle), np.sin(angle)]).astype(np.float32)
    graph, _ = nearest_graph(horseshoe)
    assert geodesic(graph, [0])[-1] == pytest.approx(1.75 * np.pi, rel=0.02)
    assert geodesic(graph, [0, 299])[150] == pytest.approx(0.875 * np.pi, rel=0.02)
    rng = np.random.default_rng(0)
    lumps = np.concatenate([rng.normal(0, 0.1, (60, 3)), rng.normal(9, 0.1, (60, 3))]).astype(np.float32)
    far = geodesic(nearest_graph(lumps)[0], [0])
    assert np.isfinite(far).all()
    assert far[60:].min() > 12


def test_what_is_like_little_else_is_rare():
    rng = np.random.default_rng(0)
    common, odd = rng.normal(0, 0.05, (90, 4)), rng.normal(1, 0.4, (10, 4))
    rare = rarity(np.concatenate([common, odd]).astype(np.float32))
    assert rare[90:].min() > rare[:90].max()
