# SPDX-License-Identifier: GPL-3.0-or-later
import hashlib

import numpy as np
import pytest
from image_files import noise, save

from sabi.backend.files.image import read_image, spec_for, write_image
from sabi.backend.photographed.exemplar import exemplar_of, pictures
from sabi.backend.protocol.errors import BadFile, BadRecipe, BadSurface
from sabi.backend.protocol.exemplar import MOST_BYTES, Exemplar, as_picture, image_bytes


def smooth(height=48, width=64, channels=3, dtype=np.uint8):
    """Colours that JPEG changes little."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([0.5 + 0.4 * np.sin(x / 9 + c) * np.cos(y / 7 - c) for c in range(channels)], axis=-1)
    return (waves * np.iinfo(dtype).max).astype(dtype) if np.dtype(dtype).kind == "u" else waves.astype(dtype)


def shown(exemplar):
    return pictures(exemplar)["albedo"]


def test_it_says_where_it_came_from(tmp_path):
    path = save(tmp_path / "wall.png", smooth())
    exemplar = exemplar_of(path, width=0.3, source="my own wall", licence="CC0-1.0")
    assert (exemplar.name, exemplar.width, exemplar.part) == ("wall.png", 0.3, None)
    assert (exemplar.source, exemplar.licence) == ("my own wall", "CC0-1.0")
    assert exemplar.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert np.abs(shown(exemplar) * 255 - smooth()).mean() < 2


def test_of_a_part_that_alone_is_kept(tmp_path):
    exemplar = exemplar_of(save(tmp_path / "wall.png", smooth()), (10, 5, 40, 30))
    assert exemplar.part == (10, 5, 40, 30)
    assert np.abs(shown(exemplar) * 255 - smooth()[5:35, 10:50]).mean() < 2


@pytest.mark.parametrize("part", [(0, 0, 65, 10), (60, 0, 20, 20), (0, 40, 20, 20)])
def test_a_part_outside_is_refused(tmp_path, part):
    with pytest.raises(BadFile, match="does not lie in"):
        exemplar_of(save(tmp_path / "wall.png", smooth()), part)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_depths_greys_and_alphas(tmp_path, dtype, channels):
    array = smooth(channels=channels, dtype=dtype)
    found = shown(exemplar_of(save(tmp_path / "wall.png", array)))
    expected = array[..., :3] if channels > 2 else np.repeat(array[..., :1], 3, axis=2)
    assert np.abs(found - expected / np.iinfo(dtype).max).mean() < 0.01


def test_linear_light_with_holes(tmp_path):
    array = smooth(dtype=np.float32)
    array[3, 4], array[5, 6] = np.nan, np.inf
    found = shown(exemplar_of(save(tmp_path / "wall.exr", array)))
    assert np.isfinite(found).all()
    assert found[20:].mean() == pytest.approx((1.055 * array[20:] ** (1 / 2.4) - 0.055).mean(), abs=0.01)


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (8, 8)])
def test_pictures_too_small_for_a_texture_are_refused(tmp_path, size):
    with pytest.raises(BadRecipe, match="shows no texture"):
        exemplar_of(save(tmp_path / "dot.png", noise(*size)))


def test_large_and_noisy_ones_are_made_small(tmp_path):
    path = tmp_path / "noise.png"
    write_image(path, noise(1500, 2000))
    exemplar = exemplar_of(path)
    assert shown(exemplar).shape == (384, 512, 3)
    assert len(image_bytes(exemplar.picture)) <= MOST_BYTES


def test_a_folder_gives_its_maps_too(tmp_path):
    save(tmp_path / "wall_albedo.png", smooth())
    save(tmp_path / "wall_roughness.png", smooth(channels=1))
    save(tmp_path / "wall_metallic.png", np.zeros((48, 64, 1), np.uint8))
    save(tmp_path / "wall_normal.png", smooth())
    exemplar = exemplar_of(tmp_path, (0, 0, 32, 32))
    assert exemplar.name == "wall_albedo.png"
    found = pictures(exemplar)
    assert sorted(found) == ["albedo", "metallic", "roughness"]
    assert np.abs(found["roughness"] * 255 - smooth(channels=1)[:32, :32]).mean() < 2
    assert found["metallic"].max() == 0


def test_a_folders_smaller_maps_are_enlarged(tmp_path):
    save(tmp_path / "wall_albedo.png", smooth(96, 128))
    save(tmp_path / "wall_roughness.png", smooth(channels=1)[::2, ::2])
    found = pictures(exemplar_of(tmp_path))
    assert found["roughness"].shape == (96, 128, 1)
    there = found["roughness"][2::4, 2::4] * 255
    assert np.abs(there - smooth(channels=1)[::2, ::2]).mean() < 6
    with pytest.raises(BadSurface, match="size"):
        exemplar_of(tmp_path, (0, 0, 32, 32))


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (5, lambda p: p.swapaxes(0, 1)),
        (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: p.swapaxes(0, 1)[::-1, ::-1]),
        (8, lambda p: np.rot90(p)),
    ],
)
def test_a_photograph_is_seen_as_the_camera_was_held(tmp_path, orientation, turn):
    path = tmp_path / "wall.tif"
    spec = spec_for(path, smooth(), None)
    spec.attribute("Orientation", orientation)
    write_image(path, smooth(), spec)
    assert read_image(path)[1].getattribute("Orientation") == orientation
    seen = shown(exemplar_of(path)) * 255
    assert seen.shape == turn(smooth()).shape
    assert np.abs(seen - turn(smooth())).mean() < 3


def test_an_empty_folder_and_a_missing_file(tmp_path):
    with pytest.raises(BadFile):
        exemplar_of(tmp_path)
    with pytest.raises(BadFile):
        exemplar_of(tmp_path / "wall.png")
    (tmp_path / "wall.png").write_text("not a picture")
    with pytest.raises(BadFile):
        exemplar_of(tmp_path / "wall.png")


def test_many_channels_are_no_photograph(tmp_path):
    with pytest.raises(BadSurface):
        exemplar_of(save(tmp_path / "wall.exr", smooth(channels=6, dtype=np.float32)))


@pytest.mark.parametrize("beginning", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_damaged_pictures_of_a_recipe_are_refused(beginning):
    with pytest.raises(BadRecipe, match="damaged"):
        pictures(Exemplar(as_picture(beginning + bytes(range(200)))))


def test_cut_short_and_too_large_ones_too(tmp_path):
    save(tmp_path / "large.png", np.zeros((20, 5000, 3), np.uint8))
    with pytest.raises(BadRecipe, match="5000 x 20 texels"):
        pictures(Exemplar(as_picture((tmp_path / "large.png").read_bytes())))
    data = save(tmp_path / "wall.png", noise(100, 100)).read_bytes()
    with pytest.raises(BadRecipe, match="damaged"):
        pictures(Exemplar(as_picture(data[: len(data) // 2])))


def test_maps_of_another_size_are_refused(tmp_path):
    large, small = (save(tmp_path / f"{n}.png", noise(n, n)).read_bytes() for n in (64, 32))
    with pytest.raises(BadRecipe, match="size"):
        pictures(Exemplar(as_picture(large), maps={"height": as_picture(small)}))


def test_a_grey_picture_with_alpha_is_grey(tmp_path):
    path = save(tmp_path / "grey.png", smooth(channels=2))
    seen = shown(Exemplar(as_picture(path.read_bytes())))
    assert seen.shape[2] == 3
    assert np.array_equal(seen[..., 0], seen[..., 2])
