# SPDX-License-Identifier: GPL-3.0-or-later
"""`sabi delight` on real files, with a network that takes smooth brightness for light."""

import numpy as np
import pytest
import shadings
from profiles import embedded
from test_cli import sabi

import sabi as package
from sabi.backend.files.image import read_image, write_image
from sabi.backend.protocol.surface import ColorSpace, Map
from sabi.backend.weathering.colour import store, to_linear, to_srgb


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return {"SABI_NETWORKS": str(shadings.write(tmp_path_factory.mktemp("networks")))}


def written(path, light, dtype=np.uint8):
    values = shadings.checks() * light
    write_image(path, values.astype(dtype) if np.dtype(dtype).kind == "f" else store(to_srgb(values), np.dtype(dtype)))
    return path


def left_and_right(path):
    """How bright the left quarter is over the right, linear."""
    pixels = read_image(path)[0]
    values = (
        pixels[..., :3]
        if pixels.dtype.kind == "f"
        else to_linear(pixels[..., :3] / np.float32(np.iinfo(pixels.dtype).max))
    )
    return float(values[:, :64].mean() / values[:, -64:].mean())


@pytest.mark.parametrize(
    ("suffix", "dtype"), [(".png", np.uint8), (".png", np.uint16), (".exr", np.float32), (".tif", np.uint8)]
)
def test_a_texture_comes_out_flat_in_its_own_type(tmp_path, networks, suffix, dtype):
    path = written(tmp_path / f"wall{suffix}", shadings.falling(), dtype)
    before = path.read_bytes()
    sabi("delight", path, **networks)
    made = tmp_path / f"wall_delit{suffix}"
    assert left_and_right(path) > 4
    assert left_and_right(made) == pytest.approx(1, abs=0.1)
    assert read_image(made)[0].dtype == dtype
    assert path.read_bytes() == before
    assert "exists already" in sabi("delight", path, status=1, **networks).stderr
    sabi("delight", path, "--overwrite", "--amount", "0.5", **networks)
    assert 1.5 < left_and_right(made) < 4


def test_a_colour_profile_goes_along(tmp_path, networks):
    pixels = store(to_srgb(shadings.checks() * shadings.falling()), np.dtype(np.uint8))
    write_image(tmp_path / "wall.png", pixels, embedded(pixels))
    sabi("delight", tmp_path / "wall.png", **networks)
    made, said = read_image(tmp_path / "wall_delit.png")
    assert said.getattribute("ICCProfile") is not None
    assert left_and_right(tmp_path / "wall_delit.png") == pytest.approx(1, abs=0.1)
    assert made.mean((0, 1)) == pytest.approx(pixels.mean((0, 1)), rel=0.1), "twice converted, or not back"


def test_other_formats_and_names(tmp_path, networks):
    path = written(tmp_path / "wall_albedo.jpg", shadings.falling())
    sabi("delight", path, **networks)
    assert left_and_right(tmp_path / "wall_albedo_delit.png") == pytest.approx(1, abs=0.1)
    sabi("delight", path, "-o", tmp_path / "new" / "flat.exr", **networks)
    assert left_and_right(tmp_path / "new" / "flat.exr") == pytest.approx(1, abs=0.1)
    sabi("delight", path, "-o", tmp_path / "new", **networks)
    assert (tmp_path / "new" / "wall_albedo_delit.png").is_file()


def test_a_tiling_texture_is_seen_to_tile(tmp_path, networks):
    values = shadings.grain() * shadings.waving()
    write_image(tmp_path / "tile.png", store(to_srgb(values), np.dtype(np.uint16)))
    edges = {}
    for wrap in ("auto", "both", "none"):
        sabi("delight", tmp_path / "tile.png", "-o", tmp_path / f"{wrap}.png", "--wrap", wrap, **networks)
        made = read_image(tmp_path / f"{wrap}.png")[0].astype(float)
        edges[wrap] = abs(made[:, :4].mean() / made[:, -4:].mean() - 1)
    assert np.array_equal(read_image(tmp_path / "auto.png")[0], read_image(tmp_path / "both.png")[0])
    assert edges["both"] < 0.03 < edges["none"] / 2


def test_what_is_wrong_is_said_and_nothing_written(tmp_path, networks):
    path = written(tmp_path / "wall.png", shadings.falling())
    write_image(tmp_path / "one.png", np.full((64, 64, 3), 99, np.uint8))
    write_image(tmp_path / "tiny.png", np.arange(300, dtype=np.uint8).reshape(10, 10, 3))
    write_image(tmp_path / "wall_roughness.png", np.arange(4096, dtype=np.uint8).reshape(64, 64, 1))
    (tmp_path / "broken.png").write_bytes(b"no image")
    there = {file.name for file in tmp_path.iterdir()}
    for arguments, words in (
        ([tmp_path / "one.png"], "all of one colour"),
        ([tmp_path / "tiny.png"], "too few"),
        ([tmp_path / "wall_roughness.png"], "holds roughness"),
        ([tmp_path / "broken.png"], "cannot be read as an image"),
        ([tmp_path / "none.png"], "is missing"),
        ([tmp_path], "is a folder"),
        ([path, "-o", path], "is the input itself"),
        ([path, "-o", tmp_path / "flat.doc"], "not an image format"),
        ([path, "--wrap", "maybe"], "not a way to wrap"),
    ):
        assert words in sabi("delight", *arguments, status=1, **networks).stderr
    assert {file.name for file in tmp_path.iterdir()} == there


def test_as_it_ships_a_network_tells_light_and_without_one_it_is_done_simply_and_said(tmp_path, networks_folder):
    """Without: the light goes that is smooth. With: a hard shadow goes as well, by a half at least."""
    path, alone = written(tmp_path / "wall.png", shadings.falling()), {"SABI_NETWORKS": str(networks_folder)}
    assert "by brightness alone" in sabi("delight", path, **alone).stderr
    assert left_and_right(tmp_path / "wall_delit.png") == pytest.approx(1, abs=0.1)
    shadow = np.ones_like(shadings.falling())
    shadow[:, : shadow.shape[1] // 2] = 0.4
    path = written(tmp_path / "shadow.png", shadow)
    assert "by brightness alone" not in sabi("delight", path).stderr
    assert abs(1 - left_and_right(tmp_path / "shadow_delit.png")) < 0.5 * abs(1 - left_and_right(path))


def test_from_python(tmp_path, networks, monkeypatch):
    monkeypatch.setenv("SABI_NETWORKS", networks["SABI_NETWORKS"])
    given = Map((shadings.checks() * shadings.falling()).astype(np.float32), ColorSpace.LINEAR)
    made = package.delight(given)
    assert made.array[:, :64].mean() == pytest.approx(made.array[:, -64:].mean(), rel=0.1)
