# SPDX-License-Identifier: GPL-3.0-or-later
"""An object over UDIM tiles is one surface for all of them, and weathers into tiled images of the same tiles and UVs."""

import json

import bpy
import numpy as np
import OpenImageIO
import pytest
from bl_ext.user_default.sabi.addon.nodes import material, on_object
from bl_ext.user_default.sabi.addon.preferences import EXTENSION, service
from bl_ext.user_default.sabi.addon.surface import atlas, capture, uvs
from bl_ext.user_default.sabi.backend.protocol.errors import BadFile
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from bl_ext.user_default.sabi.backend.protocol.surface import MAX_TEXELS
from blender.captures import captured, inside, textured
from blender.emission import bake_socket
from blender.played import played

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
    assert (result.uv_map, result.second_uv, result.warnings) == ("own", None, ())
    assert {tile.number: tile.width for tile in result.tiles} == SIDES
    surface, seen = result.surface, np.zeros(result.surface.size, bool)
    here = inside(surface)
    for number, tile in zip(COLOURS, result.tiles, strict=True):
        assert not seen[tile.window].any(), "tiles lie on one another"
        seen[tile.window] = True
        found = surface["albedo"].array[tile.window][here[tile.window]]
        assert len(found) > 0.8 * tile.width * tile.height
        assert (np.abs(found.astype(int) - COLOURS[number]) <= 1).mean() > 0.97  # but for the texels at the borders
        x, y, _ = np.moveaxis(surface["position"].array[tile.window][here[tile.window]], 1, 0)
        rows, columns = np.nonzero(here[tile.window])
        left = 2 * list(COLOURS).index(number)
        assert (x.min(), x.max()) == pytest.approx((left, left + 2), abs=0.1)
        assert np.corrcoef(x, columns)[0, 1] > 0.99
        assert np.corrcoef(y, -rows)[0, 1] > 0.99
    assert not here[~seen].any()


@pytest.mark.parametrize(
    ("sizes", "longest", "size"),
    [
        ({1001: (4096, 4096), 1002: (4096, 4096), 1011: (4096, 4096), 1012: (4096, 4096)}, 0, (8192, 8192)),
        ({1001: (64, 32), 1002: (16, 128)}, 0, (128, 128)),
        ({1001: (1024, 1024), 1002: (512, 512)}, 256, (256, 448)),
        ({1001 + n: (4096, 4096) for n in range(9)}, 0, None),
    ],
)
def test_tiles_are_arranged_within_the_limits(sizes, longest, size):
    tiles, (width, height) = atlas.arrange(sizes, longest)
    taken = np.zeros((height // 16 + 1, width // 16 + 1), int)
    for tile in tiles:
        w, h = sizes[tile.number]
        assert tile.width * h == tile.height * w
        taken[tile.top // 16 : (tile.top + tile.height) // 16, tile.left // 16 : (tile.left + tile.width) // 16] += 1
        assert tile.top + tile.height <= height
        assert tile.left + tile.width <= width
    assert taken.max() == 1
    assert width * height <= MAX_TEXELS
    assert size is None or (width, height) == size
    if longest:
        assert max(tile.width for tile in tiles) == longest


def test_an_object_in_edit_mode(tmp_path):
    obj = spread(tiled(tmp_path))
    bpy.context.view_layer.objects.active = obj
    bpy.ops.object.mode_set(mode="EDIT")
    meshes = len(bpy.data.meshes)
    assert [tile.number for tile in captured(obj, 64).tiles] == list(SIDES)
    assert len(bpy.data.meshes) == meshes


def test_faces_that_no_tile_holds_get_a_second_uv_map(tmp_path):
    obj = spread(tiled(tmp_path))
    uv = uvs.coordinates(obj.data, "own")
    uv[:4] += (4, 0)  # no tile is there
    obj.data.uv_layers["own"].uv.foreach_set("vector", uv.reshape(-1))
    result = captured(obj, 64)
    assert (result.uv_map, result.tiles) == (uvs.SECOND_UV, ())
    assert "outside" in result.warnings[0]


def test_faces_on_one_another_get_a_second_uv_map(tmp_path):
    obj = spread(tiled(tmp_path))
    uv = uvs.coordinates(obj.data, "own")
    uv[4:8] = uv[:4]
    obj.data.uv_layers["own"].uv.foreach_set("vector", uv.reshape(-1))
    assert captured(obj, 64).tiles == ()


def test_the_size_holds_as_many_texels_as_all_tiles(tmp_path, monkeypatch):
    obj = spread(tiled(tmp_path))
    monkeypatch.setattr("bl_ext.user_default.sabi.addon.surface.sizes.SMALLEST", 16)
    assert capture.output_size(obj) == (256, 256)  # 64 x 64 + 128 x 128 + 32 x 32 texels


def test_a_tile_that_is_missing_is_named(tmp_path):
    obj = spread(tiled(tmp_path))
    (tmp_path / "paint.1002.png").unlink()
    with pytest.raises(BadFile, match=r"paint\.1002\.png"):
        captured(obj)


@pytest.fixture
def storage():
    chosen = bpy.context.preferences.addons[EXTENSION].preferences
    yield chosen
    chosen.storage = "PACK"


def looks(obj) -> dict[int, np.ndarray]:
    """What the middle of each face shows as Base Color, encoded 0..255, by the tile it lies on."""
    made = obj.material_slots[0].material
    group = on_object.group_node(made)
    node = next(n for n in made.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    socket = group.outputs["Base Color"] if group else node.inputs["Base Color"].links[0].from_socket
    return {number: capture_colour(obj, socket, index) for index, number in enumerate(COLOURS)}


def capture_colour(obj, socket, face) -> np.ndarray:
    """The socket on one face, baked into a second UV map that holds this face alone."""
    probe = obj.data.uv_layers.get("probe") or obj.data.uv_layers.new(name="probe")
    uv = np.full((len(obj.data.loops), 2), 5.0, np.float32)
    uv[4 * face : 4 * face + 4] = ((0, 0), (1, 0), (1, 1), (0, 1))
    probe.uv.foreach_set("vector", uv.reshape(-1))
    probe.active = True
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    try:
        linear = bake_socket(obj, socket, 8)[4, 4]
    finally:
        obj.data.uv_layers.remove(obj.data.uv_layers["probe"])
    return np.rint(255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055))


def painted(obj):
    tree = on_object.group_node(obj.material_slots[0].material).node_tree
    return on_object.painted_nodes(tree)


def weather(obj, **keys):
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    assert bpy.ops.sabi.weather(effect="rust", age=1.0, feature_size=0.3, **keys) == {"FINISHED"}


@pytest.mark.parametrize("where", ["PACK", "FILES"])
def test_results_are_tiled_images(tmp_path, monkeypatch, storage, where):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "panel.blend"))
    (tmp_path / "textures").mkdir()
    obj = spread(tiled(tmp_path / "textures"))
    storage.storage = where
    real = capture.Capture
    with played(monkeypatch):
        monkeypatch.setattr("bl_ext.user_default.sabi.addon.weathering.Capture", real)
        weather(obj, size=128)
    assert [layer.name for layer in obj.data.uv_layers] == ["own"]
    for node in painted(obj).values():
        assert {tile.number: tile.size[0] for tile in node.image.tiles} == SIDES
        assert bool(node.image.packed_files) is (where == "PACK")
    files = sorted(path.name for path in tmp_path.glob("sabi/*"))
    assert len(files) == (9 if where == "FILES" else 0)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "panel.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "panel.blend"))
    obj = bpy.data.objects["panel"]
    for number, seen in looks(obj).items():
        assert seen[0] == pytest.approx(10 * (number - 1000), abs=2), number
    before = {image.name for image in bpy.data.images if material.IMAGE in image}
    assert len(before) == 3
    assert bpy.ops.sabi.revert() == {"FINISHED"}
    assert not [image.name for image in bpy.data.images if material.IMAGE in image]
    for number, seen in looks(obj).items():
        assert seen == pytest.approx(COLOURS[number], abs=2)


def test_flattened_they_are_tiled_images_too(tmp_path, monkeypatch):
    obj = spread(tiled(tmp_path))
    real = capture.Capture
    with played(monkeypatch):
        monkeypatch.setattr("bl_ext.user_default.sabi.addon.weathering.Capture", real)
        weather(obj, size=128)
    before = looks(obj)
    assert bpy.ops.sabi.flatten() == {"FINISHED"}
    assert on_object.weathered(obj) is None
    made = obj.material_slots[0].material
    nodes = [node for node in made.node_tree.nodes if node.type == "TEX_IMAGE"]
    assert len(nodes) >= 3
    for node in nodes:
        assert {tile.number: tile.size[0] for tile in node.image.tiles} == SIDES
    for number, seen in looks(obj).items():
        assert seen == pytest.approx(before[number], abs=2)
    bpy.ops.sabi.revert()
    for number, seen in looks(obj).items():
        assert seen == pytest.approx(COLOURS[number], abs=2)


def test_a_real_backend_cuts_what_it_painted(tmp_path):
    obj = spread(tiled(tmp_path))
    try:
        weather(obj, size=128)
    finally:
        service.stop()
    grown = painted(obj)["1 growth"].image
    assert {tile.number: tuple(tile.size) for tile in grown.tiles} == {n: (s, s) for n, s in SIDES.items()}
    assert grown.packed_files
    rusty = [np.abs(seen - COLOURS[number]).max() for number, seen in looks(obj).items()]
    assert max(rusty) > 20, "nothing has weathered"


def test_merged_layers_and_masks_by_them_lie_in_tiles(tmp_path):
    """Five layers, painted and merged by a real backend: the first is within the vertex group, and masks the last."""
    obj = spread(tiled(tmp_path))
    obj.vertex_groups.new(name="Left").add([0, 1, 4, 5], 1.0, "REPLACE")  # the face on the first tile
    bottom = [Layer(Effect.RUST, 1.0, seed, mask="group:Left", feature_size=0.3) for seed in range(2)]
    hidden = [Layer(Effect.RUST, 0.0, seed) for seed in (2, 3)]
    top = Layer(Effect.RUST, 1.0, 4, mask="layer:1", feature_size=0.3)
    bpy.context.view_layer.objects.active = obj
    obj.select_set(True)
    try:
        assert bpy.ops.sabi.weather(recipe_json=Recipe((*bottom, *hidden, top)).to_json(), size=128) == {"FINISHED"}
    finally:
        service.stop()
    assert len(painted(obj)) == 12
    for node in painted(obj).values():
        assert {tile.number: tuple(tile.size) for tile in node.image.tiles} == {n: (s, s) for n, s in SIDES.items()}
    masks = [image for image in bpy.data.images if "sabi_masks" in image]
    assert [json.loads(image["sabi_masks"]) for image in masks] == [["merged:layer:1"]]
    assert {tile.number for tile in masks[0].tiles} == set(SIDES)
    seen = looks(obj)
    assert np.abs(seen[1001] - COLOURS[1001]).max() > 20, "nothing has weathered"
    assert seen[1012] == pytest.approx(COLOURS[1012], abs=2)
    assert bpy.ops.sabi.revert() == {"FINISHED"}
    for number, now in looks(obj).items():
        assert now == pytest.approx(COLOURS[number], abs=2)


def test_an_image_over_tiles_cannot_mask_a_merged_layer(tmp_path, monkeypatch):
    obj = spread(tiled(tmp_path))
    bpy.data.images.new("Dots", 16, 16)
    layers = [Layer(Effect.RUST, 1.0, seed, mask="" if seed else "mask:Dots") for seed in range(5)]
    real = capture.Capture
    with played(monkeypatch) as backend:
        monkeypatch.setattr("bl_ext.user_default.sabi.addon.weathering.Capture", real)
        bpy.context.view_layer.objects.active = obj
        obj.select_set(True)
        with pytest.raises(
            RuntimeError, match=r"Layer 1 is merged with others, and its mask 'Dots' lies in another UV map"
        ):
            bpy.ops.sabi.weather(recipe_json=Recipe(tuple(layers)).to_json(), size=128)
        assert not backend.recipes
    assert on_object.weathered(obj) is None


def test_a_vertex_group_masks_in_tiles(tmp_path, monkeypatch):
    obj = spread(tiled(tmp_path))
    group = obj.vertex_groups.new(name="Left")
    group.add([0, 1, 4, 5], 1.0, "REPLACE")  # the face on the first tile
    recipe = material_recipe("group:Left")
    real = capture.Capture
    with played(monkeypatch):
        monkeypatch.setattr("bl_ext.user_default.sabi.addon.weathering.Capture", real)
        bpy.context.view_layer.objects.active = obj
        obj.select_set(True)
        assert bpy.ops.sabi.weather(recipe_json=recipe, size=128) == {"FINISHED"}
    seen = looks(obj)
    assert seen[1001][0] == pytest.approx(10, abs=2)
    assert seen[1012] == pytest.approx(COLOURS[1012], abs=2)


def material_recipe(mask: str) -> str:
    return Recipe((Layer(Effect.RUST, 1.0, mask=mask),)).to_json()
