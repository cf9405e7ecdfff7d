# SPDX-License-Identifier: GPL-3.0-or-later
"""Kits: one painting of a material's tile for all objects that repeat it, and each module's own small exposure."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import jobs, kits, weathering, work
from bl_ext.user_default.sabi.addon.interface import problems
from bl_ext.user_default.sabi.addon.nodes import freshness, growth_nodes, layer_nodes, material, on_object
from bl_ext.user_default.sabi.addon.preferences import EXTENSION, service
from bl_ext.user_default.sabi.addon.surface import tile, uvs
from bl_ext.user_default.sabi.addon.surface.kit_capture import SIDE
from bl_ext.user_default.sabi.backend.protocol import growth
from bl_ext.user_default.sabi.backend.protocol.errors import SceneError
from bl_ext.user_default.sabi.backend.protocol.recipe import Frame, Layer, Recipe, load_preset
from blender.emission import bake_socket, inside_blocks, plane
from blender.painted_images import images_of, synthetic_layer
from blender.trees import TREES
from blender.trees import material as tree_material

TEXELS = 128  # a side of the tile


@pytest.fixture(autouse=True)
def packed():
    bpy.context.preferences.addons[EXTENSION].preferences.storage = "PACK"
    yield
    service.stop()


def bricks(name: str = "Bricks") -> bpy.types.Material:
    """A wall of bricks as an image that repeats: red, with grey joints."""
    rows, columns = np.mgrid[:TEXELS, :TEXELS]
    joint = (rows % 32 < 4) | ((columns + 16 * (rows // 32 % 2)) % 64 < 4)
    texels = np.ones((TEXELS, TEXELS, 4), np.float32)
    texels[..., :3] = np.where(joint[..., None], 0.55, (0.5, 0.2, 0.15))
    image = bpy.data.images.new(name, TEXELS, TEXELS)
    image.pixels.foreach_set(texels.reshape(-1))
    image.pack()
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    node = made.node_tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    shader = next(n for n in made.node_tree.nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")
    made.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])
    return made


def wall(made: bpy.types.Material, name: str, width: float, height: float = 2.0, at: float = 0.0) -> bpy.types.Object:
    """A block whose faces repeat the tile once a metre; its sides stand upright in UVs."""
    bpy.ops.mesh.primitive_cube_add(size=1)
    obj = bpy.context.object
    obj.name, obj.location = name, (at, 0, height / 2)
    mesh = obj.data
    for vertex in mesh.vertices:
        vertex.co = (vertex.co.x * width, vertex.co.y * 0.3, vertex.co.z * height)
    layer = mesh.uv_layers[0]
    for polygon in mesh.polygons:
        normal = polygon.normal
        for loop in polygon.loop_indices:
            x, y, z = mesh.vertices[mesh.loops[loop].vertex_index].co
            upright = (x if abs(normal.y) > 0.5 else y, z)
            layer.uv[loop].vector = (x, y) if abs(normal.z) > 0.5 else upright
    mesh.materials.append(made)
    return obj


def select(*objects: bpy.types.Object) -> None:
    for obj in bpy.context.scene.objects:
        obj.select_set(obj in objects)
    bpy.context.view_layer.objects.active = objects[0]


def kit(count: int = 3) -> tuple[bpy.types.Material, list[bpy.types.Object]]:
    made = bricks()
    walls = [wall(made, f"Wall {n}", 1.5 + n, at=6.0 * n) for n in range(count)]
    select(*walls)
    return made, walls


def counted(monkeypatch) -> dict[str, list]:
    """What is sent to be painted, and for how many modules exposure is asked."""
    seen: dict[str, list] = {"painted": [], "exposures": []}
    for kind, name in ((jobs.PaintJob, "painted"), (jobs.ExposureJob, "exposures")):
        begin = kind.__init__

        def init(self, connect, surface, *rest, begin=begin, name=name):
            seen[name].append(surface)
            begin(self, connect, surface, *rest)

        monkeypatch.setattr(kind, "__init__", init)
    return seen


def tree_of(obj: bpy.types.Object, slot: int = 0) -> bpy.types.NodeTree:
    return on_object.group_node(obj.material_slots[slot].material).node_tree


def images(obj: bpy.types.Object) -> list[bpy.types.Image]:
    return [node.image for node in on_object.painted_nodes(tree_of(obj)).values()]


def exposures(obj: bpy.types.Object) -> list[bpy.types.Image]:
    return [n.image for n in tree_of(obj).nodes if on_object.MODULE in n and n.bl_idname == "ShaderNodeTexImage"]


def test_modules_share_one_painting_at_the_tiles_own_size(monkeypatch):
    made, walls = kit()
    seen = counted(monkeypatch)
    before = {obj.name: obj.material_slots[0].material for obj in walls}
    assert bpy.ops.sabi.weather(preset="moss_crevices", shared_tiles=True) == {"FINISHED"}
    assert len(seen["painted"]) == 1
    tile_surface = seen["painted"][0]
    assert tile_surface.size == (TEXELS, TEXELS)
    assert tile_surface.wrap == (True, True)
    assert tile_surface.texels_per_metre == pytest.approx(TEXELS, rel=0.01)  # the tile is a metre across
    assert set(tile_surface["down"].array.reshape(-1, 2)[0]) == {0, 1}  # rows go down the walls
    assert [surface.size for surface in seen["exposures"]] == [(SIDE, SIDE)] * 3
    assert not {"albedo", "normal"} & set(seen["exposures"][0].maps)
    first = images(walls[0])
    assert all(images(obj) == first for obj in walls)
    assert {tuple(image.size) for image in first} == {(TEXELS, TEXELS)}
    own = [image for obj in walls for image in exposures(obj)]
    assert len({image.name for image in own}) == 3
    assert {tuple(image.size) for image in own} == {(SIDE, SIDE)}
    assert made.node_tree.nodes.get("Sabi") is None
    assert on_object.group_node(made) is None, "the artist's material stays as it was"
    for obj in walls:
        assert [layer.name for layer in obj.data.uv_layers] == ["UVMap", uvs.SECOND_UV]
        assert uvs.render_uv(obj.data) == "UVMap"
        assert freshness.check(obj) == ()
    assert bpy.ops.sabi.revert() == {"FINISHED"}
    assert {obj.name: obj.material_slots[0].material for obj in walls} == before
    assert not [image.name for image in bpy.data.images if material.IMAGE in image]
    assert all([layer.name for layer in obj.data.uv_layers] == ["UVMap"] for obj in walls)


def test_fifty_modules_on_one_tile(monkeypatch):
    """One painting for all; only their small exposures grow with them. It takes a minute: in one Blender."""
    count = 50 if bpy.app.version[:2] == (4, 5) else 5
    _, walls = kit(count)
    seen = counted(monkeypatch)
    assert bpy.ops.sabi.weather(effect="dirt", shared_tiles=True) == {"FINISHED"}
    assert [surface.size for surface in seen["painted"]] == [(TEXELS, TEXELS)]
    assert len(seen["exposures"]) == count
    assert all(images(obj) == images(walls[0]) for obj in walls)
    own = {image.name: image for obj in walls for image in exposures(obj)}
    assert len(own) == count
    assert {tuple(image.size) for image in own.values()} == {(SIDE, SIDE)}
    assert sum(material.IMAGE in image for image in bpy.data.images) == 3 + count


def test_each_module_weathers_where_it_is_exposed():
    """Moss grows near the ground and on top: the tile cannot know that, the module's exposure does."""
    _, walls = kit(1)
    recipe = Recipe((Layer("moss", 0.6, exposure=None),)).to_json()
    bpy.ops.sabi.weather(recipe_json=recipe, shared_tiles=True)
    (image,) = exposures(walls[0])
    values = np.empty(SIDE * SIDE * 4, np.float32)
    image.pixels.foreach_get(values)
    values = values.reshape(SIDE, SIDE, 4)[..., 0]
    mesh, at = walls[0].data, {}
    layer = mesh.uv_layers[uvs.SECOND_UV]
    for polygon in mesh.polygons:
        middle = np.mean([layer.uv[loop].vector for loop in polygon.loop_indices], axis=0) * SIDE
        at[tuple(round(axis) for axis in polygon.normal)] = values[int(middle[1]), int(middle[0])]
    assert at[0, 0, 1] > at[0, 1, 0] + 0.1, at
    assert at[0, 0, 1] > at[0, 0, -1] + 0.1, at


def test_weathering_again_paints_once_more_and_leaves_nothing_behind(monkeypatch):
    _, walls = kit(2)
    bpy.ops.sabi.weather(effect="dirt", shared_tiles=True)
    materials, kept = len(bpy.data.materials), {image.name for image in bpy.data.images}
    seen = counted(monkeypatch)
    bpy.ops.sabi.weather(effect="dirt", seed=5, shared_tiles=True)
    assert len(seen["painted"]) == 1
    assert len(bpy.data.materials) == materials
    assert {image.name for image in bpy.data.images} == kept
    assert images(walls[0]) == images(walls[1])


def test_a_module_that_is_deleted_meanwhile_is_left_out_and_named():
    _, walls = kit()
    recipe = load_preset("moss_crevices")
    steps = kits.weather_kit(walls, recipe, weathering.capture_settings(bpy.context.scene, recipe))
    try:
        while True:
            if next(steps).stage.startswith("Painting") and len(walls) == 3:
                bpy.data.objects.remove(walls.pop(0))
    except StopIteration as stop:
        outcome = stop.value
    assert outcome.objects == ("Wall 1", "Wall 2")
    assert any("'Wall 0' was deleted" in warning for warning in outcome.warnings)
    assert all(on_object.weathered(obj) for obj in walls)


def test_the_scenes_choice_and_what_the_panel_offers(monkeypatch):
    kit(2)
    assert problems.repeats(bpy.context)
    bpy.context.scene.sabi.shared_tiles = True
    seen = counted(monkeypatch)
    bpy.ops.sabi.weather(effect="dirt")
    assert len(seen["painted"]) == 1
    select(plane(tree_material(TREES[0])))
    assert not problems.repeats(bpy.context)


def test_props_on_one_atlas_share_its_images_where_that_is_chosen(monkeypatch):
    """Their UVs lie inside the square: the choice is offered because they wear one material."""
    made = bricks()
    props = [plane(made), plane(made)]
    select(props[0])
    assert not problems.shared(bpy.context)
    select(*props)
    assert problems.shared(bpy.context)
    assert not problems.repeats(bpy.context)
    seen = counted(monkeypatch)
    bpy.ops.sabi.weather(effect="dirt", shared_tiles=True)
    assert len(seen["painted"]) == 1
    assert images(props[0]) == images(props[1])
    bpy.ops.sabi.revert()
    assert {obj.material_slots[0].material for obj in props} == {made}
    bpy.ops.sabi.weather(effect="dirt", size=64)
    assert not set(images(props[0])) & set(images(props[1]))


def test_flattened_a_module_has_images_of_its_own():
    _, walls = kit(2)
    bpy.ops.sabi.weather(effect="dirt", age=0.8, shared_tiles=True)
    select(walls[0])
    assert bpy.ops.sabi.flatten() == {"FINISHED"}
    flat = walls[0].material_slots[0].material
    assert {n.uv_map for n in flat.node_tree.nodes if n.bl_idname == "ShaderNodeUVMap"} == {uvs.SECOND_UV}
    assert {tuple(n.image.size) for n in flat.node_tree.nodes if n.bl_idname == "ShaderNodeTexImage"} == {
        (TEXELS, TEXELS)
    }
    assert on_object.weathered(walls[1]) is not None
    assert images(walls[1])[0].name


def test_what_does_not_repeat_is_refused_with_the_reason():
    made, walls = kit(1)
    noise = made.node_tree.nodes.new("ShaderNodeTexNoise")
    shader = next(n for n in made.node_tree.nodes if n.bl_idname == "ShaderNodeBsdfPrincipled")
    made.node_tree.links.new(noise.outputs[0], shader.inputs["Roughness"])
    with pytest.raises(RuntimeError, match=r"no tile that repeats: its node 'Noise Texture' makes a pattern"):
        bpy.ops.sabi.weather(effect="dirt", shared_tiles=True)
    assert work.failure().code == SceneError.code
    assert on_object.weathered(walls[0]) is None


@pytest.mark.parametrize(
    ("scale", "turn", "trouble"),
    [((2, 3, 1), 0, ""), ((1.5, 1, 1), 0, "no whole number"), ((1, 1, 1), 0.5, "turns the UVs")],
)
def test_mappings(scale, turn, trouble):
    made = bricks()
    tree = made.node_tree
    mapping, coordinates = tree.nodes.new("ShaderNodeMapping"), tree.nodes.new("ShaderNodeTexCoord")
    picture = next(n for n in tree.nodes if n.bl_idname == "ShaderNodeTexImage")
    tree.links.new(coordinates.outputs["UV"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs[0], picture.inputs["Vector"])
    mapping.inputs["Scale"].default_value, mapping.inputs["Rotation"].default_value[2] = scale, turn
    if trouble:
        with pytest.raises(SceneError, match=trouble):
            tile.check(made, "UVMap")
    else:
        tile.check(made, "UVMap")
        assert tile.size_of(made) == (2 * TEXELS, 3 * TEXELS)


def test_how_the_tile_lies_on_its_modules():
    made = bricks()
    obj = wall(made, "Wall", 3.0)
    found = tile.laid([tile.faces(obj, (0,), Frame())], Frame())
    assert found.square_metres == pytest.approx(1)
    assert found.down == pytest.approx((0, 1), abs=1e-6)
    obj.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    assert tile.laid([tile.faces(obj, (0,), Frame())], Frame()).square_metres == pytest.approx(4)
    for loop in obj.data.uv_layers[0].uv:
        loop.vector = (-loop.vector[1], loop.vector[0])  # a quarter turn
    assert tile.laid([tile.faces(obj, (0,), Frame())], Frame()).down == pytest.approx((1, 0), abs=1e-6)


@pytest.mark.parametrize("age", [0.2, 0.5, 0.9])
def test_the_nodes_put_tile_and_module_together_as_the_formula_does(age):
    made = bricks()
    obj = plane(made)
    painted, module = synthetic_layer(3, 32), synthetic_layer(4, 32)
    mean = 0.45
    layer = layer_nodes.PaintedImages(**{**vars(images_of(painted, age=age)), "mean": mean})
    own = growth_nodes.Module((images_of(module).growth,), "UVMap")
    material.apply(obj, [material.Painting((0,), [layer], "UVMap", True, own)], load_preset("light_rust").to_json())
    group = on_object.group_node(obj.material_slots[0].material)
    baked = bake_socket(obj, group.outputs["Coverage"])[..., 0]
    tile_, on_module, threshold, softness = (
        values.astype(np.float32) / 255
        for values in (
            *(p.channel("exposure") for p in (painted, module)),
            *map(painted.channel, ("threshold", "softness")),
        )
    )
    exposure = growth.shared_exposure(tile_, on_module, mean)
    expected = growth.coverage(growth.depth(exposure, threshold, age), softness)
    assert np.abs(inside_blocks(baked) - inside_blocks(expected)).max() < 2 / 255
    alone = growth.coverage(growth.depth(tile_, threshold, age), softness)
    assert np.abs(alone - expected).max() > 0.2, "the module makes no difference"


@pytest.mark.parametrize("scenes", [False, True])
def test_tiles_and_instances_at_once_are_refused(scenes):
    """Also where the tiles are the scene's choice; what a scene itself has of both, the panel greys out."""
    _, walls = kit(1)
    bpy.context.scene.sabi.shared_tiles = scenes
    with pytest.raises(RuntimeError, match="cannot be used together"):
        bpy.ops.sabi.weather(effect="dirt", instances=True, **({} if scenes else {"shared_tiles": True}))
    assert on_object.weathered(walls[0]) is None
