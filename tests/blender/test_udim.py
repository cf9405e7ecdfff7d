# SPDX-License-Identifier: GPL-3.0-or-later
"""An object over UDIM tiles gets one second UV map for all of them; its base is what every tile shows."""

import bpy
import numpy as np
import OpenImageIO
import pytest
from bl_ext.user_default.sabi.addon import capture, uvs
from bl_ext.user_default.sabi.backend.protocol.errors import BadFile
from blender.captures import captured, inside, textured

COLOURS = {1001: (255, 0, 0), 1002: (0, 255, 0), 1012: (0, 0, 255)}
SIDES = {1001: 64, 1002: 128, 1012: 32}  # tiles may have different sizes
PLACES = {1001: (0, 0), 1002: (1, 0), 1012: (1, 1)}


def tiled(folder) -> bpy.types.Image:
    """An image of three tiles, each of one colour."""
    for number, side in SIDES.items():
        path = str(folder / f"paint.{number}.png")
        output = OpenImageIO.ImageOutput.create(path)
        output.open(path, OpenImageIO.ImageSpec(side, side, 3, "uint8"))
        output.write_image(np.broadcast_to(np.array(COLOURS[number], np.uint8), (side, side, 3)).copy())
        output.close()
    image = bpy.data.images.load(str(folder / "paint.1001.png"))
    image.source = "TILED"
    assert [tile.number for tile in image.tiles] == list(SIDES)
    return image


def spread(image: bpy.types.Image) -> bpy.types.Object:
    """Three squares side by side, two metres wide each, each over a tile of its own."""
    points = [(2 * column, 2 * row, 0) for row in (0, 1) for column in range(4)]
    mesh = bpy.data.meshes.new("panel")
    mesh.from_pydata(points, [], [(i, i + 1, i + 5, i + 4) for i in range(3)])
    corners = np.array([(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98)])
    uv = np.concatenate([corners + place for place in PLACES.values()]).astype(np.float32)
    mesh.uv_layers.new(name="own").uv.foreach_set("vector", uv.reshape(-1))
    mesh.materials.append(textured(image, Base_Color="Color"))
    obj = bpy.data.objects.new("panel", mesh)
    bpy.context.scene.collection.objects.link(obj)
    bpy.context.view_layer.update()
    return obj


@pytest.mark.parametrize("packed", [False, True], ids=["files", "packed"])
def test_every_tile_shows_where_it_lies(packed, tmp_path):
    image = tiled(tmp_path)
    if packed:
        image.pack()
        for path in tmp_path.iterdir():
            path.unlink()
    result = captured(spread(image), 128)
    assert result.uv_map == uvs.SECOND_UV
    assert "outside" in result.warnings[0]
    surface = result.surface
    here = inside(surface)
    column = (surface["position"].array[..., 0] // 2).astype(int)
    for index, colour in enumerate(COLOURS.values()):
        found = surface["albedo"].array[here & (column == index)]
        assert len(found) > 1000
        assert (np.abs(found.astype(int) - colour) <= 1).mean() > 0.97  # but for the texels at the borders


def test_the_size_holds_as_many_texels_as_all_tiles(tmp_path, monkeypatch):
    obj = spread(tiled(tmp_path))
    monkeypatch.setattr("bl_ext.user_default.sabi.addon.sizes.SMALLEST", 16)
    assert capture.output_size(obj) == (256, 256)  # 64 x 64 + 128 x 128 + 32 x 32 texels


def test_a_tile_that_is_missing_is_named(tmp_path):
    obj = spread(tiled(tmp_path))
    (tmp_path / "paint.1002.png").unlink()
    with pytest.raises(BadFile, match=r"paint\.1002\.png"):
        captured(obj)
