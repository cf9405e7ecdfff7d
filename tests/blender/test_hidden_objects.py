# SPDX-License-Identifier: GPL-3.0-or-later
"""What the view hides and a script names weathers as what it shows: modifiers, place and scale as they are, no map black."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering
from bl_ext.user_default.sabi.addon.nodes import freshness, on_object
from bl_ext.user_default.sabi.addon.surface import capture, tile
from bl_ext.user_default.sabi.addon.surface.sizes import CaptureSettings, output_size
from bl_ext.user_default.sabi.backend.protocol.recipe import Frame, FrameMode
from blender.captures import captured, cube, inside, plane
from blender.played import played
from blender.scene_state import state
from blender.test_flatten import texture
from blender.test_kits import bricks, wall
from mathutils import Matrix

SIZE = 64
REAL = weathering.Capture


def away(obj: bpy.types.Object) -> bpy.types.LayerCollection:
    """Puts an object into a collection of its own."""
    apart = bpy.data.collections.new("Apart")
    bpy.context.scene.collection.children.link(apart)
    for owner in list(obj.users_collection):
        owner.objects.unlink(obj)
    apart.objects.link(obj)
    return bpy.context.view_layer.layer_collection.children["Apart"]


def in_a_collection(name: str):
    def hide(obj):
        layer = away(obj)
        setattr(layer.collection if name == "hide_viewport of all" else layer, name.split()[0], True)

    return hide


HIDING = {
    "by its eye": lambda obj: obj.hide_set(True),
    "in viewports": lambda obj: setattr(obj, "hide_viewport", True),
    "by the eye of its collection": in_a_collection("hide_viewport"),
    "with its collection": in_a_collection("hide_viewport of all"),
    "excluded": in_a_collection("exclude"),
}


@pytest.fixture
def backend(monkeypatch):
    """Paints synthetic layers; objects are really captured."""
    with played(monkeypatch) as backend:
        monkeypatch.setattr(weathering, "Capture", REAL)
        yield backend


def rounded() -> bpy.types.Object:
    obj = cube()
    obj.modifiers.new("Rounded", "SUBSURF").render_levels = 2
    return obj


def named(obj: bpy.types.Object):
    """As a script names it: nothing that is hidden is selected."""
    with bpy.context.temp_override(selected_objects=[obj]):
        assert bpy.ops.sabi.weather(effect="rust", size=SIZE) == {"FINISHED"}


@pytest.mark.parametrize("hide", HIDING.values(), ids=HIDING)
def test_it_is_captured_as_it_is(backend, hide):
    shown, hidden = rounded(), rounded()
    for obj in (shown, hidden):
        obj.scale, obj.location = (1.0, 2.0, 0.5), (3.0, 0.0, 1.0)
    bpy.context.view_layer.update()
    hide(hidden)
    before = state()
    for obj in (shown, hidden):
        capture.forget()
        named(obj)
    wanted, found = (surface.maps for surface in backend.surfaces)
    assert inside(found).mean() > 0.1
    assert found["albedo"].array.max() > 0
    for name in wanted:
        assert np.array_equal(found[name].array, wanted[name].array), name
    assert backend.surfaces[0].pose == pytest.approx(backend.surfaces[1].pose)
    assert on_object.weathered(hidden) is not None
    with bpy.context.temp_override(selected_objects=[shown, hidden]):
        bpy.ops.sabi.revert()
    assert state() == before


@pytest.mark.parametrize("hide", HIDING.values(), ids=HIDING)
def test_what_a_script_changes_while_it_is_hidden_counts(backend, hide):
    """Blender leaves the place of what it does not show as it was."""
    obj, parent = cube(), bpy.data.objects.new("Parent", None)
    bpy.context.collection.objects.link(parent)
    obj.parent = parent
    obj.matrix_parent_inverse = Matrix.Translation((0.0, 1.0, 0.0))
    hide(obj)
    parent.scale, obj.location = (1.0, 2.0, 0.5), (3.0, 0.0, 1.0)
    obj.modifiers.new("Moved", "DISPLACE").strength = 0.5
    named(obj)
    (surface,) = backend.surfaces
    extent = np.ptp(surface["position"].array[inside(surface)], axis=0)
    side = 2 + 0.5 / np.sqrt(3)  # corners move outward by a half of the strength
    assert extent == pytest.approx(np.float32((1.0, 2.0, 0.5)) * side, rel=0.05)
    assert surface.pose[3::4][:3] == pytest.approx((3.0, 2.0, 0.5))


def test_what_is_moved_by_a_delta_counts(backend):
    obj = cube()
    obj.hide_set(True)
    obj.location, obj.delta_location = (3.0, 0.0, 1.0), (0.0, 2.0, 0.0)
    named(obj)
    assert backend.surfaces[0].pose[3::4][:3] == pytest.approx((3.0, 2.0, 1.0))


@pytest.mark.parametrize("hide", HIDING.values(), ids=HIDING)
def test_hiding_is_no_change(backend, hide):
    """Neither what is hidden since, nor what was weathered hidden and is shown, is out of date."""
    obj = rounded()
    named(obj)
    assert freshness.check(obj) == ()
    hide(obj)
    bpy.context.view_layer.update()
    assert freshness.check(obj) == ()
    obj.data.vertices[0].co.x += 1
    assert freshness.check(obj) == ("mesh",)


def test_a_hidden_neighbour_that_is_rendered_occludes_where_it_is():
    obj, neighbour = plane(), cube(4.0)
    neighbour.hide_viewport = True
    open_ = []
    for height in (50, 2.05):
        neighbour.location.z = height
        bpy.context.view_layer.update()
        maps = captured(obj, mode=FrameMode.SCENE).surface
        open_.append(maps["ambient_occlusion"].floats().mean())
    assert open_[0] > 0.99
    assert open_[1] < 0.2


def test_its_size_is_that_of_its_scale():
    """Of the maps, and of the square metres of a tile that it repeats."""
    obj, module = plane(), wall(bricks(), "Wall", 3.0)
    for each in (obj, module):
        each.hide_viewport = True
        each.scale = (2, 2, 2)
    assert output_size(obj, CaptureSettings(density=256)) == (1024, 1024)
    assert tile.laid([tile.faces(module, (0,), Frame())], Frame()).square_metres == pytest.approx(4)


@pytest.mark.parametrize("hide", HIDING.values(), ids=HIDING)
def test_it_is_flattened_as_it_looks(backend, hide):
    shown, hidden = rounded(), rounded()
    for obj in (shown, hidden):
        named(obj)
    hide(hidden)
    with bpy.context.temp_override(selected_objects=[shown, hidden]):
        assert bpy.ops.sabi.flatten(size=SIZE) == {"FINISHED"}
    colours = [texture(obj, "Base Color") for obj in (shown, hidden)]
    assert np.array_equal(*colours)
    assert np.ptp(colours[0][..., :3]) > 0.1


def cut(obj: bpy.types.Object) -> bpy.types.Object:
    """Has another object cut a piece off one."""
    cutter = cube()
    cutter.location = (1.5, 0, 0)
    obj.modifiers.new("Cut", "BOOLEAN").object = cutter
    return cutter


def test_what_its_modifiers_look_at_counts(backend):
    """Of what is hidden Blender keeps no mesh as modifiers leave it: it is looked at again each time."""
    obj = cube()
    cutter = cut(obj)
    obj.hide_viewport = True
    for place in (1.5, 1.5, 1.0):
        cutter.location.x = place
        named(obj)
    first, again, last = (surface["position"].array[..., 0].max() for surface in backend.surfaces)
    assert (first, last) == pytest.approx((0.5, 0.0), abs=0.05)
    assert again == first


def test_shown_again_it_is_what_was_weathered(backend):
    obj = cube()
    obj.hide_viewport = True
    cut(obj)
    named(obj)
    obj.hide_viewport = False
    bpy.context.view_layer.update()
    assert freshness.check(obj) == ()
    obj.modifiers["Cut"].operation = "UNION"
    bpy.context.view_layer.update()
    assert freshness.check(obj) == ("mesh",)
