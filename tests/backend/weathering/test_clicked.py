# SPDX-License-Identifier: GPL-3.0-or-later
"""A click's piece on pictures whose pieces are known."""

import time

import numpy as np
import pytest

from sabi.backend.photographed.degree import Grid, bands_of
from sabi.backend.weathering import clicked

HEIGHT, WIDTH = 120, 160


def shapes(seed=0, noise=0.04):
    """A red disc and a red square on grass and sky, uneven and noisy: the picture [H,W,3], disc and square [H,W]."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:HEIGHT, :WIDTH]
    disc = np.hypot(down - 60, across - 50) < 28
    square = (abs(down - 70) < 18) & (abs(across - 120) < 18)
    picture = np.where((down < 55)[..., None], (0.55, 0.7, 0.9), (0.3, 0.42, 0.15))
    picture = np.where((disc | square)[..., None], (0.7, 0.2, 0.15), picture) * (0.7 + 0.4 * across / WIDTH)[..., None]
    return (picture + noise * rng.standard_normal(picture.shape)).clip(0, 1).astype(np.float32), disc, square


def overlap(share, truth):
    return (truth & (share > 0.5)).sum() / (truth | (share > 0.5)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_a_click_means_the_piece_around_it_and_not_what_looks_like_it_elsewhere(seed):
    picture, disc, square = shapes(seed)
    share = clicked.piece(picture, [(50, 60)])
    assert share.dtype == np.float32
    assert overlap(share, disc) > 0.9
    assert not share[square].any()
    assert np.array_equal(share, clicked.piece(picture, [(50, 60)])), "always the same"


def test_several_clicks_are_several_pieces():
    picture, disc, square = shapes()
    assert overlap(clicked.piece(picture, [(50, 60), (120, 70)]), disc | square) > 0.9


def test_a_piece_that_goes_on_to_the_rim_and_is_lit_unevenly_may_take_more_clicks():
    picture, disc, square = shapes()
    sky = (np.mgrid[:HEIGHT, :WIDTH][0] < 55) & ~disc & ~square
    assert overlap(clicked.piece(picture, [(10, 10), (60, 10), (110, 10), (150, 10)]), sky) > 0.9


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2), (9, 9)])
def test_pictures_of_any_size(size):
    share = clicked.piece(np.random.default_rng(0).random((*size, 3), np.float32), [(size[1] - 1, size[0] - 1)])
    assert share.shape == size
    assert np.isfinite(share).all()
    assert share[-1, -1] > 0.5


def test_a_picture_of_one_colour_is_all_one_piece_or_a_part_of_it():
    share = clicked.piece(np.full((64, 64, 3), 0.5, np.float32), [(32, 32)])
    assert np.isfinite(share).all()
    assert share[32, 32] > 0.5


def test_a_piece_follows_the_borders_of_a_picture_of_more_texels():
    side = 1200
    down, across = np.mgrid[:side, :side]
    truth = np.hypot(down - 600, across - 600) < 400
    picture = np.where(truth[..., None], (0.7, 0.2, 0.15), (0.3, 0.42, 0.15)).astype(np.float32)
    grid = Grid(side, side)
    cells = grid.pooled(bands_of(picture))
    share = clicked.piece(cells, [(600 // grid.step, 600 // grid.step)])
    follow = clicked.Following(share, cells, grid)
    found = np.concatenate([follow(picture[rows], rows) for rows in (slice(0, 500), slice(500, side))])
    assert found.shape == (side, side)
    assert overlap(found, truth) > 0.995
    assert ((found > 0.1) & (found < 0.9)).mean() < 0.005, "as sharp as the picture"


def test_the_islands_of_a_maze_are_told_apart():
    maze = np.zeros((40, 40), bool)
    maze[::4] = maze[:, ::4] = True
    assert clicked.joined(maze, (0, 0)).sum() == maze.sum()
    assert clicked.joined(~maze, (1, 1)).sum() == 9
    spiral = np.ones((41, 41), bool)
    spiral[1::2, :-1] = False
    spiral[3::4, :-1], spiral[3::4, -1], spiral[3::4, 0] = False, False, True
    began = time.perf_counter()
    assert clicked.joined(spiral, (0, 0)).sum() == spiral.sum()
    assert time.perf_counter() - began < 1
