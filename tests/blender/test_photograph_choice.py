# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a photograph weathers in the Image Editor, where a segmenter is there: by a material, or by a click on a piece."""

import bpy
import numpy as np
import pytest
import segmenters
from bl_ext.user_default.sabi.addon.interface.photograph_operators import texel_at
from bl_ext.user_default.sabi.addon.pixels import images
from bl_ext.user_default.sabi.addon.preferences import service
from bl_ext.user_default.sabi.addon.recipe import effects
from bl_ext.user_default.sabi.addon.recipe.properties import NOWHERE
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map
from blender.drawn import draw

from sabi.backend.protocol.spawn import start

HEIGHT, WIDTH = 64, 96


@pytest.fixture(scope="module")
def seeing(tmp_path_factory, make_painter):
    """A backend whose segmenter takes red for brick and green for foliage."""
    folder = tmp_path_factory.mktemp("networks")
    make_painter(folder / "painter.onnx")
    segmenters.write(folder)
    with start(networks=folder, threads=1) as found:
        yield found


@pytest.fixture
def wall(seeing, monkeypatch):
    """A photograph, red at the left and at the right, green between."""
    monkeypatch.setenv("SABI_SERVER", seeing.client.address)
    monkeypatch.setenv("SABI_TOKEN", seeing.client.token or "")
    monkeypatch.setattr(service, "health", {})
    texels = np.full((HEIGHT, WIDTH, 3), 30, np.uint8)
    texels[:, :32, 0] = texels[:, 64:, 0] = texels[:, 32:64, 1] = 220
    return images.write(Map(texels, ColorSpace.SRGB), "wall.png")


def thirds(image, **keys):
    """Which thirds of the photograph have changed, from the left."""
    before = set(bpy.data.images)
    given = images.read(image).array.astype(int)
    assert bpy.ops.sabi.weather_photograph(image=image.name, effect="rust", age=1.0, **keys) == {"FINISHED"}
    (made,) = [image for image in set(bpy.data.images) - before if "weathered" in image.name]
    changed = (images.read(made).array.astype(int) != given).any(axis=2)
    return [bool(changed[:, begin + 8 : begin + 24].any()) for begin in (0, 32, 64)]


def test_all_of_a_material(wall):
    assert thirds(wall, material="brick") == [True, False, True]
    assert thirds(wall, material="foliage") == [False, True, False]


def test_the_piece_that_was_clicked_on(wall):
    assert thirds(wall, at=(80, 10)) == [False, False, True]


def test_a_mask_comes_first(wall):
    mask = np.zeros((HEIGHT, WIDTH, 1), np.uint8)
    mask[:, :32] = 255
    part = images.write(Map(mask, ColorSpace.DATA), "part")
    assert thirds(wall, mask_image=part.name, material="foliage") == [True, False, False]


def test_what_is_not_there_is_said(wall):
    with pytest.raises(RuntimeError, match="finds no water"):
        bpy.ops.sabi.weather_photograph(image=wall.name, effect="rust", material="water")
    with pytest.raises(RuntimeError, match="is not in the picture"):
        bpy.ops.sabi.weather_photograph(image=wall.name, effect="rust", at=(96, 0))


@pytest.mark.parametrize(
    ("place", "texel"),
    [
        ((0.0, 0.999), (0, 0)),
        ((0.999, 0.001), (95, 63)),
        ((0.5, 0.5), (48, 31)),
        ((-0.01, 0.5), NOWHERE),
        ((0.5, 1.01), NOWHERE),
    ],
)
def test_a_place_of_the_view_is_a_texel(place, texel):
    assert texel_at((WIDTH, HEIGHT), place) == texel


def test_what_was_clicked_on_is_kept_as_an_image(wall):
    before = set(bpy.data.images)
    assert bpy.ops.sabi.weather_photograph(image=wall.name, effect="rust", age=1.0, at=(80, 10)) == {"FINISHED"}
    (mask,) = [image for image in set(bpy.data.images) - before if " mask" in image.name]
    values = images.read(mask).array[..., 0]
    assert values[:, 72:].mean() > 0.9 * 255
    assert values[:, :56].mean() < 0.1 * 255


def test_the_panel_offers_a_click_without_a_mask_and_materials_where_a_segmenter_is(clean_scene, monkeypatch):
    panel, settings = bpy.types.SABI_PT_photograph, clean_scene.sabi
    settings.photograph_material, settings.photograph_at = "brick", (3, 4)
    monkeypatch.setattr(service, "health", {"networks": [{"card": {"name": "painter"}}]})
    drawn = draw(panel)
    assert "photograph_material" not in {name for _, name in drawn.props}
    assert "photograph_at" in {name for _, name in drawn.props}
    assert "material" not in drawn.operators[-1][2]
    assert tuple(drawn.operators[-1][2]["at"]) == (3, 4)
    monkeypatch.setattr(service, "health", {"networks": [{"card": {"name": effects.SEGMENTER}}]})
    drawn = draw(panel)
    assert {"photograph_material", "photograph_at"} <= {name for _, name in drawn.props}
    assert "sabi.photograph_pick" in drawn.pressable
    assert drawn.operators[-1][2]["material"] == "brick"
    assert tuple(drawn.operators[-1][2]["at"]) == (3, 4)
