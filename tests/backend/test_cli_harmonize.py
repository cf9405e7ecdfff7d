# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi harmonize` on real files, with the network that ships."""

import sys

import numpy as np
import pytest
from image_files import save
from profiles import embedded

from sabi.backend.cli import main
from sabi.backend.files.image import read_image, write_image

HEIGHT, WIDTH = 72, 96


@pytest.fixture
def harmonize(monkeypatch):
    """Runs `sabi harmonize`; asserts that it succeeds."""
    for name in ("SABI_NETWORKS", "SABI_SERVER"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["sabi", "harmonize", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0

    return run


def wall(path, **attributes):
    """Grey, tinted in its upper left quarter."""
    pixels = np.random.default_rng(0).integers(110, 160, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[: HEIGHT // 2, : WIDTH // 2, 0] //= 2
    return save(path, pixels, **attributes)


def quarter():
    mask = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    mask[: HEIGHT // 2, : WIDTH // 2] = 255
    return mask


@pytest.mark.parametrize(
    ("orientation", "turn"), [(3, lambda stored: stored[::-1, ::-1]), (6, lambda stored: np.rot90(stored, -1))]
)
def test_what_a_camera_turned_comes_out_upright(tmp_path, harmonize, orientation, turn):
    """The mask may be turned as the picture is, or be painted on what a viewer shows."""
    shown, inside = (
        turn(read_image(wall(tmp_path / "wall.tif", Orientation=orientation))[0]),
        turn(quarter())[..., 0] > 0,
    )
    save(tmp_path / "turned.tif", quarter(), Orientation=orientation)
    save(tmp_path / "painted.png", np.ascontiguousarray(turn(quarter())))
    for mask in ("turned.tif", "painted.png"):
        harmonize(tmp_path / "wall.tif", tmp_path / mask, "--overwrite")
        result, said = read_image(tmp_path / "wall_harmonized.tif")
        assert said.getattribute("Orientation") in (None, 1)
        assert result.shape == shown.shape
        assert np.array_equal(result[~inside], shown[~inside])
        assert (result[inside] != shown[inside]).any()


def test_a_colour_profile_goes_along(tmp_path, harmonize):
    given = read_image(wall(tmp_path / "plain.png"))[0]
    write_image(tmp_path / "wall.jpg", given, embedded(given))
    stored, inside = read_image(tmp_path / "wall.jpg")[0], quarter()[..., 0] > 0
    save(tmp_path / "mask.png", quarter())
    harmonize(tmp_path / "wall.jpg", tmp_path / "mask.png")
    result, said = read_image(tmp_path / "wall_harmonized.png")
    assert said.getattribute("ICCProfile") is not None
    assert np.array_equal(result[~inside], stored[~inside])
    assert (result != stored).any()


def test_coloured_masks_and_cut_outs(tmp_path, harmonize):
    """Green alone is a mask, and white on what is transparent is no full one."""
    given, mask = read_image(wall(tmp_path / "wall.png"))[0], quarter()
    nothing = np.zeros_like(mask)
    save(tmp_path / "green.png", np.concatenate([nothing, mask, nothing], axis=2))
    save(tmp_path / "cut_out.png", np.concatenate([np.full((HEIGHT, WIDTH, 3), 255, np.uint8), mask], axis=2))
    for name in ("green.png", "cut_out.png"):
        harmonize(tmp_path / "wall.png", tmp_path / name, "--overwrite")
        result = read_image(tmp_path / "wall_harmonized.png")[0]
        assert np.array_equal(result[mask[..., 0] == 0], given[mask[..., 0] == 0])
        assert (result != given).any(), name
