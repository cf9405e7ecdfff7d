# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from surfaces import box, plate, seam_pairs

from sabi.backend.protocol.recipe import Frame
from sabi.backend.protocol.surface import Surface
from sabi.backend.weathering import geometry
from sabi.backend.weathering.gutters import band, rim
from sabi.backend.weathering.rims import inverses
from sabi.backend.weathering.seams import Seams, bilinear, find_seams


def seams_of(surface: Surface, reach: int = 12, share: int = 6, positions: bool = True) -> Seams:
    return find_seams(
        surface["island_mask"].array[..., 0],
        surface["position"].array if positions else None,
        surface["world_normal"].array,
        reach=reach,
        share=share,
    )


def at(flat: np.ndarray, surface: Surface) -> tuple[np.ndarray, np.ndarray]:
    return np.divmod(flat, surface.size[1])


@pytest.fixture(scope="module", params=[1, 2])
def cube(request) -> Surface:
    return box(224, seed=request.param)


@pytest.mark.parametrize("reach", [9, 48])
@pytest.mark.parametrize("inside", [True, False])
def test_bands_know_the_nearest_rim_texel(cube, inside, reach):
    mask = cube["island_mask"].array[..., 0]
    texels = rim(mask)
    found = band(mask, texels, reach, inside=inside)
    away = np.ones(mask.shape, bool)
    away.reshape(-1)[texels] = False
    true = ndimage.distance_transform_edt(away)
    expected = ((mask > 0) == inside) & (true <= reach)
    assert (np.diff(found.texels) > 0).all()
    assert np.isin(found.texels, np.flatnonzero(expected)).all()
    assert len(found.texels) > 0.999 * expected.sum()
    error = np.abs(found.distance - true.reshape(-1)[found.texels])
    assert (error > 0.1).mean() < 0.01
    assert error.max() < 0.6
    way = np.stack(at(found.texels, cube)) - np.stack(at(texels[found.nearest], cube))
    assert np.allclose(np.hypot(*way), found.distance)


def test_a_window_of_a_band_is_what_lies_in_it(cube):
    outside = seams_of(cube).outside
    rows, columns = slice(20, 90), slice(33, 150)
    here, place = outside.window(rows, columns, cube.size[1])
    row, column = at(outside.texels, cube)
    expected = (row >= 20) & (row < 90) & (column >= 33) & (column < 150)
    assert np.array_equal(here, np.flatnonzero(expected))
    assert np.array_equal(place, (row[expected] - 20) * 117 + column[expected] - 33)


def test_every_rim_texel_of_a_box_has_a_partner_on_another_face(cube):
    seams = seams_of(cube)
    assert (seams.partner >= 0).mean() > 0.99
    paired = seams.partner >= 0
    normal = cube["world_normal"].array
    cosine = (normal[at(seams.rim[paired], cube)] * normal[at(seams.rim[seams.partner[paired]], cube)]).sum(-1)
    assert np.abs(cosine).max() < 1e-6


def test_unfolding_keeps_the_way_over_the_edge(cube):
    """From a rim texel to its partner the unfolded way is as long as the true one: to the edge, on, and along it."""
    seams = seams_of(cube)
    paired = np.flatnonzero(seams.partner >= 0)
    points = cube["position"].array.reshape(-1, 3).astype(float)
    a, b = points[seams.rim[paired]], points[seams.rim[seams.partner[paired]]]
    i, face_a, face_b = np.arange(len(a)), np.abs(a).argmax(1), np.abs(b).argmax(1)
    over = (0.5 - np.abs(a[i, face_b])) + (0.5 - np.abs(b[i, face_a]))
    along = (b - a)[i, 3 - face_a - face_b]
    xy = np.stack(at(seams.rim[seams.partner[paired]], cube)[::-1], -1)
    unfolded = np.linalg.norm(seams.place[paired] - xy, axis=1) / cube.texels_per_metre
    assert unfolded == pytest.approx(np.hypot(over, along), abs=2e-3 / cube.texels_per_metre)


def test_gutters_stand_for_what_lies_across_the_seam(cube):
    """As far from the rim on the object as in the map."""
    seams = seams_of(cube)
    near = (seams.outside.distance < 6) & (seams.partner[seams.outside.nearest] >= 0)
    position = cube["position"].array
    there, here = position[at(seams.source[near], cube)], position[at(seams.rim[seams.outside.nearest[near]], cube)]
    chord = np.linalg.norm(there - here, axis=1) * cube.texels_per_metre  # over a right angle: shorter than the way
    way = seams.outside.distance[near]
    assert np.median(chord / way) > 0.7
    assert np.quantile(chord / way, 0.98) < 1.7
    normal = cube["world_normal"].array
    cosine = (normal[at(seams.source[near], cube)] * normal[at(seams.rim[seams.outside.nearest[near]], cube)]).sum(-1)
    assert (cosine < 0.5).mean() > 0.9  # another face


def test_directions_turn_with_the_seam(cube):
    """Down in the gutter between two walls is down in the wall that the gutter belongs to."""
    seams = seams_of(cube)
    mask = cube["island_mask"].array[..., 0] > 0
    down = geometry.down(cube["position"].array, mask, geometry.gravity_at_rest(cube, Frame()))
    wall = np.abs(cube["world_normal"].array[..., 2]) < 0.5
    source, nearest = at(seams.source, cube), at(seams.rim[seams.outside.nearest], cube)
    between_walls = wall[source] & wall[nearest] & (seams.source != seams.rim[seams.outside.nearest])
    texels, beyond = seams.directions(seams.outside.texels, lambda rows, columns: down[rows, columns])
    assert len(texels) == len(seams.outside.texels)
    cosine = (beyond * down[nearest]).sum(axis=1)[between_walls]
    assert between_walls.sum() > 200
    assert np.quantile(cosine, 0.02) > 0.99


def test_blending_brings_two_sides_together_and_leaves_the_rest(cube):
    """Each face painted in its own grey, gutters too: a step of 40 across every seam becomes continuous."""
    share = 6
    seams = seams_of(cube, reach=12, share=share)
    mask = cube["island_mask"].array[..., 0] > 0
    normal = cube["world_normal"].array
    face = 20 + 40 * (np.abs(normal).argmax(-1) + 3 * (normal.sum(-1) > 0))
    rows, columns = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
    image = np.repeat(face[rows, columns][..., None], 4, axis=2).astype(np.uint8)
    before = image.copy()
    seams.blend([(image, (0, 2))])
    pairs = seam_pairs(cube)
    step_before, step_after = (pairs.difference(part[..., 0]).mean() for part in (before, image))
    assert step_before > 30
    assert step_after < 0.15 * step_before
    assert np.array_equal(image[..., 1], before[..., 1])
    deep = ndimage.distance_transform_edt(mask) > share + 2
    assert np.array_equal(image[deep], before[deep])


def test_dilation_repeats_the_rim(cube):
    seams = seams_of(cube)
    image = np.random.default_rng(0).integers(0, 255, (*cube.size, 3)).astype(np.uint8)
    before = image.copy()
    seams.dilate(image, 5)
    near = seams.outside.distance <= 5
    assert np.array_equal(
        image.reshape(-1, 3)[seams.outside.texels[near]], before.reshape(-1, 3)[seams.rim[seams.outside.nearest[near]]]
    )
    changed = (image != before).any(axis=-1).reshape(-1)
    assert np.isin(np.flatnonzero(changed), seams.outside.texels[near]).all()


def test_without_positions_gutters_repeat_the_rim(cube):
    seams = seams_of(cube, positions=False)
    assert (seams.partner < 0).all()
    assert np.array_equal(seams.source, seams.rim[seams.outside.nearest])
    assert not len(seams.shared)


def test_the_two_sides_of_a_thin_sheet_are_no_seam():
    surface = plate(96)
    position, normal = surface["position"].array.copy(), surface["world_normal"].array.copy()
    mask = np.ones((96, 96, 1), np.uint8)
    mask[:, 44:52] = 0
    position[:, 52:] = position[:, 43::-1]
    position[:, 52:, 1] += 1e-4
    normal[:, 52:] *= -1
    maps = {"position": position, "world_normal": normal, "island_mask": mask}
    surface = replace(surface, maps={n: replace(surface[n], array=a) for n, a in maps.items()})
    assert (seams_of(surface).partner < 0).all()


def test_bilinear_is_linear_between_texels():
    image = np.arange(12, dtype=np.float32).reshape(3, 4, 1)
    places = np.array([[0.0, 0.0], [1.5, 0.0], [1.0, 0.25], [9.0, 9.0]])
    assert bilinear(image, places)[:, 0] == pytest.approx([0, 1.5, 2, 11])


def test_inverses_are_those_of_moore_and_penrose():
    tangents = np.random.default_rng(0).normal(size=(200, 3, 2))
    assert np.abs(inverses(tangents) - np.linalg.pinv(tangents)).max() < 1e-9
    tangents[0, :, 1] = 2 * tangents[0, :, 0]
    assert not np.isfinite(inverses(tangents)[0]).any(), "parallel tangents have none"
    assert np.isfinite(inverses(tangents)[1:]).all()
