# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab in all three editors: it draws, quickly, without a backend; what is wrong stands beside what mends it."""

import ast
import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from bl_ext.user_default.sabi.addon import work
from bl_ext.user_default.sabi.addon.interface import panels, problems, translations
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.preferences import EXTENSION, preferences, service
from bl_ext.user_default.sabi.addon.recipe.conversion import begin, fill
from bl_ext.user_default.sabi.backend.protocol.errors import BackendNotInstalled, BadRecipe, DeviceError
from bl_ext.user_default.sabi.backend.protocol.recipe import Effect, Layer, Recipe
from blender.drawn import context, draw
from blender.emission import plane
from blender.played import played
from blender.test_kits import bricks, select, wall
from blender.test_operators import start_held
from blender.trees import TREES
from blender.trees import material as tree_material

OURS = [getattr(bpy.types, name) for name in dir(bpy.types) if name.startswith("SABI_PT_")]


@pytest.fixture(autouse=True)
def packed():
    preferences().storage = "PACK"
    yield
    preferences().storage = "PACK"


def panel(name):
    return next(cls for cls in panels._CLASSES if cls.__name__ == name)


def shown(space):
    return {cls.bl_label for cls in OURS if cls.bl_space_type == space}


def test_the_same_panels_in_three_editors():
    shared = {"Sabi", "Recipe", "Masks", "Where", "Opacity", "More of This Layer", "Surroundings", "On This Object"}
    shared.add("Export Maps")
    assert shown("VIEW_3D") == shown("NODE_EDITOR") == shared
    own = {"Rendered Frame", "Degree of a Photograph", "Light on a Texture", "Photograph"}
    assert shown("IMAGE_EDITOR") == shared | own
    for cls in OURS:
        assert (
            cls.bl_space_type == "FILE_BROWSER" or cls.bl_category == "Sabi"
        )  # the asset browser's sidebar has no tabs
        parent = getattr(cls, "bl_parent_id", "")
        assert not parent or getattr(bpy.types, parent).bl_space_type == cls.bl_space_type


def test_the_button_comes_first_and_the_recipe_behind_it():
    for space in ("VIEW_3D", "NODE_EDITOR", "IMAGE_EDITOR"):
        here = [cls for cls in panels._CLASSES if getattr(cls, "bl_space_type", "") == space]
        first, second = [cls for cls in here if not hasattr(cls, "bl_parent_id")][:2]
        assert "sabi.weather" in draw(first).pressable
        assert second.bl_label == "Recipe"
        assert not any(hasattr(cls, "bl_order") for cls in here)
        closed = {cls.bl_label for cls in here if "DEFAULT_CLOSED" in getattr(cls, "bl_options", ())}
        assert not closed & {"Sabi", "Recipe", "Where", "On This Object"}
        assert closed >= {"Masks", "Opacity", "More of This Layer", "Surroundings", "Export Maps"}


def test_where_a_layer_weathers_is_in_one_panel(clean_scene):
    fill(clean_scene.sabi, Recipe((Layer(Effect.RUST),)))
    names = ["edges", "cavities", "up", "drips", "ground", "noise", "contrast"]
    assert draw(panel("SABI_PT_where")).props == [("SABI_PG_exposure", name) for name in names]


def test_while_work_goes_on_its_stage_stands_in_place_of_the_button(monkeypatch):
    plane(tree_material(TREES[0]))
    with played(monkeypatch) as backend:
        now = start_held(backend)
        drawn = draw(panel("SABI_PT_weather"))
        assert drawn.labels == ["Painting rust, 9 s left"]
        assert drawn.pressable == {"sabi.cancel"}
        bpy.ops.sabi.cancel()
        assert now.ended
    assert "sabi.weather" in draw(panel("SABI_PT_weather")).pressable


def test_in_the_node_editor_only_beside_shaders():
    for tree, there in (("ShaderNodeTree", True), ("GeometryNodeTree", False)):
        space = SimpleNamespace(type="NODE_EDITOR", tree_type=tree)
        assert panel("SABI_PT_recipe_shader").poll(context(space_data=space)) is there


@pytest.mark.parametrize("effect", [effect.value for effect in Effect])
@pytest.mark.parametrize("kind", ["IMAGE", "GROUP", "ATTRIBUTE", "LAYER", "DEGREE", "MATERIAL"])
def test_every_panel_draws(clean_scene, effect, kind):
    obj = plane(tree_material(TREES[0]))
    fill(clean_scene.sabi, Recipe((Layer(Effect.RUST), Layer(Effect(effect), style=(0.5,) * 16))))
    clean_scene.sabi.active_layer = 1
    bpy.ops.sabi.mask_add(kind=kind)
    bpy.ops.sabi.mask_add(kind=kind, combine="SUBTRACT")
    bpy.ops.sabi.curve_add()
    for cls in panels._CLASSES:
        if hasattr(cls, "bl_label") and cls.poll(context()):
            draw(cls)
    drawn = draw(panel("SABI_PT_recipe"), object=obj)
    assert {"age", "amount", "feature_size", "seed", "style_first", "hidden", "solo"} <= {
        name for _, name in drawn.props
    }
    assert {"sabi.layer_add", "sabi.layer_duplicate", "sabi.layer_move", "sabi.seed_roll"} <= drawn.pressable
    for mesh in (obj, None):
        drawn = draw(panel("SABI_PT_masks"), object=mesh)
        assert {"kind", "combine", "invert", "low", "high", "gamma"} <= {name for _, name in drawn.props}
        assert {"sabi.mask_add", "sabi.mask_remove", "sabi.mask_move"} <= drawn.pressable
    drawn = draw(panel("SABI_PT_opacity"))
    assert {"albedo", "roughness", "metallic", "height", "degree", "curve_smooth"} <= {n for _, n in drawn.props}
    draw(panel("SABI_PT_recipe"), object=None)


def test_an_effect_that_is_not_painted_says_so(clean_scene, monkeypatch):
    card = {"name": "painter", "version": "1", "styles": {"rust": {"a": []}}}
    monkeypatch.setattr(service, "health", {"networks": [{"card": card}]})
    fill(clean_scene.sabi, Recipe((Layer(Effect.MOSS),)))
    assert "The painter in use does not paint this effect" in draw(panel("SABI_PT_recipe")).labels


def test_panels_are_quick_and_start_nothing(clean_scene, monkeypatch):
    """Without Blender's own part of drawing; the median of many, in processor time."""
    plane(tree_material(TREES[0]))
    begin(clean_scene)
    monkeypatch.setattr(service, "connect", lambda *_: pytest.fail("a panel asked for the backend"))
    for cls in (cls for cls in panels._CLASSES if hasattr(cls, "bl_label") and cls.poll(context())):
        draw(cls)
        taken = []
        for _ in range(30):
            began = time.thread_time()
            draw(cls)
            taken.append(time.thread_time() - began)
        assert sorted(taken)[15] < 1e-3, cls.__name__


def test_degree_of_a_photograph(clean_scene):
    settings = clean_scene.sabi
    settings.degree_method, settings.degree_invert = "RARITY", True
    drawn = draw(panels.SABI_PT_degree)
    assert ("sabi.degree_from_marks", "", {"method": "RARITY", "invert": True}) in drawn.operators
    assert "sabi.degree_marks_new" in drawn.pressable


def test_light_on_a_texture(clean_scene):
    clean_scene.sabi.delight_amount = 0.5
    assert ("sabi.delight", "", {"amount": 0.5}) in draw(panels.SABI_PT_delight).operators


def offered():
    """What is wrong, and the button beside it."""
    return {problem.said.format(problem.name): problem.remedy.operator for problem in problems.problems(bpy.context)}


def bare_plane(name="Door"):
    obj = plane()
    obj.name = name
    obj.data.uv_layers.remove(obj.data.uv_layers[0])
    return obj


def test_nothing_is_wrong_with_an_ordinary_object():
    plane(tree_material(TREES[0]))
    assert offered() == {}


def test_each_problem_has_a_button_that_mends_it():
    obj = bare_plane()
    obj.hide_render = True
    assert offered() == {
        "'Door' has no material": "sabi.material_add",
        "'Door' has no UV map": "sabi.unwrap",
        "'Door' is hidden from renders": "sabi.show_in_renders",
    }
    drawn = draw(panel("SABI_PT_weather"))
    assert {"sabi.material_add", "sabi.unwrap", "sabi.show_in_renders", "sabi.weather"} <= drawn.pressable
    for operator in ("material_add", "unwrap", "show_in_renders"):
        verb = getattr(bpy.ops.sabi, operator)
        assert "UNDO" in getattr(bpy.types, f"SABI_OT_{operator}").bl_options
        assert verb() == {"FINISHED"}
        assert not verb.poll(), "there is nothing left to mend"
    assert offered() == {}


def test_the_panel_leads_from_a_bare_mesh_to_a_weathered_one(monkeypatch):
    with played(monkeypatch):
        bare_plane()
        bpy.ops.sabi.material_add()
        bpy.ops.sabi.unwrap()
        assert bpy.ops.sabi.weather(effect="rust", age=0.5) == {"FINISHED"}


def explained_and_offered(obj):
    explained = "a UV map of its own" in " ".join(draw(panel("SABI_PT_object"), object=obj).labels)
    return explained, "shared_tiles" in {name for _, name in draw(panel("SABI_PT_weather")).props}


def test_a_uv_map_of_its_own_is_explained_and_another_way_is_offered():
    """No projection from three sides is needed; whoever wants overlapping faces to weather alike can have that."""
    folded = wall(bricks(), "Folded", 1.0, 1.0)
    for loop in folded.data.uv_layers[0].uv:
        loop.vector = [value + 0.5 for value in loop.vector]  # all sides lie on each other, inside the square
    apart = plane(tree_material(TREES[0]))
    try:
        for obj, unwrapped in ((apart, False), (folded, True)):
            select(obj)
            assert not problems.repeats(bpy.context)
            assert bpy.ops.sabi.weather(effect="rust", size=64) == {"FINISHED"}
            assert explained_and_offered(obj) == (unwrapped, unwrapped)
            assert len(obj.data.uv_layers) == 1 + unwrapped
        assert bpy.ops.sabi.weather(effect="rust", shared_tiles=True) == {"FINISHED"}
        assert explained_and_offered(folded) == (False, True)
        bpy.ops.sabi.revert()
        assert not problems.unwrapped(bpy.context)
    finally:
        service.stop()
    assert panels.OWN_UVS in translations.JAPANESE


def test_unwrapping_touches_only_what_lacks_uvs():
    other = plane(tree_material(TREES[0]))
    before = [tuple(loop.vector) for loop in other.data.uv_layers[0].uv]
    obj, hidden = bare_plane(), bare_plane("Hidden part")
    hidden.data.polygons[0].hide = True
    for each in (other, obj, hidden):
        each.select_set(True)
    bpy.context.view_layer.objects.active = other
    bpy.ops.sabi.unwrap()
    assert [tuple(loop.vector) for loop in other.data.uv_layers[0].uv] == before
    assert len({tuple(loop.vector) for loop in obj.data.uv_layers[0].uv}) == 4
    assert len({tuple(loop.vector) for loop in hidden.data.uv_layers[0].uv}) == 4
    assert bpy.context.mode == "OBJECT"
    assert bpy.context.view_layer.objects.active == other
    assert set(bpy.context.selected_objects) == {other, obj, hidden}


def test_images_beside_a_file_that_has_no_place(tmp_path):
    preferences().storage = "FILES"
    assert offered() == {"Images go beside the .blend, which was never saved": "wm.save_mainfile"}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    assert offered() == {}


def test_edit_mode_is_left_by_a_button():
    plane(tree_material(TREES[0]))
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        assert offered() == {"Leave the present mode first": "object.mode_set"}
        drawn = draw(panel("SABI_PT_weather"))
        assert ("object.mode_set", "Object Mode", {"mode": "OBJECT"}) in drawn.operators
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")


def test_a_zip_without_a_backend_says_so(monkeypatch):
    monkeypatch.setattr(problems, "_embedded", lambda: False)
    assert list(offered().values()) == ["preferences.addon_show"]
    preferences().python = "/usr/bin/python3"
    try:
        assert offered() == {}
    finally:
        preferences().python = ""


@pytest.mark.parametrize(
    ("error", "there"), [(BackendNotInstalled("x"), True), (DeviceError("x"), True), (BadRecipe("x"), False)]
)
def test_errors_of_backend_and_device_lead_to_the_preferences(monkeypatch, error, there):
    ended = work.Work("Weathering", iter(()))
    ended.error, ended.ended = error, True
    monkeypatch.setattr(work, "current", lambda: ended)
    drawn = draw(panel("SABI_PT_weather"))
    assert "x" in drawn.labels
    button = ("preferences.addon_show", "Open Preferences", {"module": EXTENSION})
    assert (button in drawn.operators) is there


def test_a_view_that_shows_no_materials_offers_to(monkeypatch):
    obj = plane(tree_material(TREES[0]))
    done = work.Work("Weathering", iter(()))
    done.outcome, done.ended = work.Outcome("Weathered Plane"), True
    monkeypatch.setattr(work, "current", lambda: done)
    button = (
        "wm.context_set_enum",
        "Material Preview",
        {"data_path": "space_data.shading.type", "value": "MATERIAL"},
    )

    def offers(shading, **more):
        space = SimpleNamespace(type="VIEW_3D", shading=SimpleNamespace(type=shading))
        return button in draw(panel("SABI_PT_weather"), space_data=space, **more).operators

    assert not offers("SOLID"), "nothing is weathered"
    monkeypatch.setattr(on_object, "touched", lambda found: found == obj)
    assert offers("SOLID")
    assert offers("WIREFRAME")
    assert not offers("MATERIAL")
    assert not offers("RENDERED")
    assert button not in draw(panel("SABI_PT_weather")).operators, "no 3D View"
    assert not offers("SOLID", object=None)


def test_objects_differ_is_offered_where_several_are_selected():
    first, second = plane(tree_material(TREES[0])), plane(tree_material(TREES[1]))
    first.select_set(True)
    second.select_set(False)
    choice = ("SABI_PG_scene", "differ")
    assert choice not in draw(panel("SABI_PT_weather")).props
    second.select_set(True)
    assert choice in draw(panel("SABI_PT_weather")).props


def test_no_property_has_a_getter():
    """A view that calls a getter while a bake ends in another thread leaves Blender refusing all changes."""
    calls = [
        (path.name, node)
        for path in Path(panels.__file__).parents[1].rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Property")
    ]
    assert len(calls) > 100
    assert [f"{file}:{node.lineno}" for file, node in calls if any(key.arg == "get" for key in node.keywords)] == []
