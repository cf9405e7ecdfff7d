# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from surfaces import box, shuffled

from sabi.backend.protocol.recipe import Effect, Frame, Layer
from sabi.backend.weathering.exposure import exposure
from sabi.backend.weathering.grid import reduced
from sabi.backend.weathering.seams import Seams, find_seams
from sabi.backend.weathering.torn import torn_cells, torn_texels

SIZE = 256
CUTS = np.array([64, 128, 192])  # the first columns of the strips


def seams_of(surface, share: int = 6) -> Seams:
    mask, position, normal = (surface[name].array for name in ("island_mask", "position", "world_normal"))
    torn = torn_texels(reduced(surface, 64))
    return find_seams(mask[..., 0], position, normal, reach=12, share=share, torn=torn)


@pytest.mark.parametrize("longest", [256, 128, 64, 100])
def test_texels_on_either_side_of_a_cut_are_torn_and_no_others(longest: int) -> None:
    torn = torn_texels(reduced(shuffled(SIZE), longest))
    rows, columns = np.divmod(torn.right, SIZE)
    assert set(columns) == set(CUTS - 1)
    assert len(rows) == 3 * SIZE
    assert not len(torn.below)
    assert torn.between(np.array([63, 64, SIZE + 127, 0]), 0).tolist() == [True, False, True, False]
    assert not torn.between(np.array([63, 64]), 1).any()


def test_islands_with_gutters_are_not_torn() -> None:
    grid = reduced(box(SIZE), 64)
    assert not len(torn_texels(grid).both(SIZE))
    assert not len(torn_cells(reduced(box(SIZE))).both(SIZE))


def test_rims_of_touching_islands_find_their_partners() -> None:
    surface = shuffled(SIZE)
    seams = seams_of(surface)
    rows, columns = np.divmod(seams.rim, SIZE)
    at_cut = np.isin(columns, [*CUTS, *(CUTS - 1)]) & (rows > 4) & (rows < SIZE - 4)
    position = surface["position"].array.reshape(-1, 3)
    inner = at_cut & (np.abs(position[seams.rim, 0]) < 0.49)  # not the ends of the sheet
    assert inner.sum() > 900
    assert (seams.partner[inner] >= 0).all()
    apart = np.linalg.norm(position[seams.rim[inner]] - position[seams.rim[seams.partner[inner]]], axis=1)
    assert apart.max() < 1.5 / SIZE


def test_what_touching_islands_were_painted_is_brought_together() -> None:
    """Each strip in its own grey with a little noise: the step at a seam goes, what is further in stays."""
    surface = shuffled(SIZE)
    rng = np.random.default_rng(0)
    grey = np.repeat(np.array([40, 90, 140, 190]), 64)[None, :, None] + rng.integers(-5, 6, (SIZE, SIZE, 4))
    image = grey.astype(np.uint8)
    before = image.copy()
    seams_of(surface).blend([(image, (0, 1, 2, 3))])
    x = np.rint((surface["position"].array[..., 0] + 0.5) * SIZE - 0.5).astype(int)
    straight_before, straight = (np.empty_like(image) for _ in range(2))
    rows = np.arange(SIZE)[:, None]
    straight_before[rows, x], straight[rows, x] = before, image
    steps = [
        np.abs(np.diff(array.astype(int), axis=1)).mean(axis=(0, 2))[CUTS - 1] for array in (straight_before, straight)
    ]
    assert (steps[0] > 40).all()
    assert (steps[1] < 12).all()
    deep = np.ones(SIZE, bool)
    for cut in (0, *CUTS, SIZE):
        deep[max(cut - 8, 0) : cut + 8] = False
    assert np.array_equal(image[:, deep], before[:, deep])


@pytest.mark.parametrize("size", [256, 2048])
def test_exposure_goes_on_where_islands_touch(size: int) -> None:
    """By the step at cuts against the steps a column beside them, on the straight sheet; a reduced grid included."""
    surface = shuffled(size)
    values = exposure(surface, Layer(Effect.RUST, feature_size=0.05), Frame())
    order = np.argsort(surface["position"].array[0, :, 0])
    steps = np.abs(np.diff(values[:, order], axis=1)).mean(axis=0)
    cuts = size * np.array([1, 2, 3]) // 4 - 1
    assert steps[cuts].mean() <= 1.5 * steps.mean()
