# SPDX-License-Identifier: GPL-3.0-or-later
"""Real scenes from the operator to what the nodes show: a wide panel, a subdivided cube, a trim sheet, a scan of 8192 texels."""

import bpy
import numpy as np
import pytest
from bl_ext.user_default.sabi.addon import weathering
from bl_ext.user_default.sabi.addon.interface import problems
from bl_ext.user_default.sabi.addon.nodes import on_object
from bl_ext.user_default.sabi.addon.nodes.on_object import group_node
from bl_ext.user_default.sabi.addon.preferences import preferences, service
from bl_ext.user_default.sabi.addon.surface.capture import CapturedObject, output_size
from bl_ext.user_default.sabi.backend.protocol import growth
from bl_ext.user_default.sabi.backend.protocol.surface import ColorSpace, Map, Surface
from blender.captures import cube, plane, textured
from blender.emission import bake_socket
from blender.played import PlayedCapture, played, png
from blender.test_kits import counted, exposures, images, tree_of
from blender.trees import checks

TOLERANCE = 2 / 255
AGE = 0.8


@pytest.fixture(autouse=True)
def packed():
    preferences().storage = "PACK"
    yield
    service.stop()


def texels(image: bpy.types.Image) -> np.ndarray:
    """[H, W, 4] as stored, row 0 at the top."""
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)[::-1]


def shown_and_painted(obj: bpy.types.Object) -> tuple[np.ndarray, np.ndarray]:
    """Coverage of the one layer as the nodes show it and as the formula has it of its image, in the texels that faces cover.

    Unfiltered: a bake looks some thousandths of a texel beside the centres.
    """
    grown = texels(images(obj)[2])
    for node in on_object.painted_nodes(tree_of(obj)).values():
        node.interpolation = "Closest"
    (height, width), group = grown.shape[:2], group_node(obj.material_slots[0].material)
    nodes = obj.material_slots[0].material.node_tree.nodes
    one = nodes.new("ShaderNodeValue")
    one.outputs[0].default_value = 1.0
    faces = bake_socket(obj, one.outputs[0], width, height)[..., 0] > 0
    exposure, threshold, softness = (grown[..., channel] for channel in range(3))
    computed = growth.coverage(growth.depth(exposure, threshold, AGE), softness)
    return bake_socket(obj, group.outputs["Coverage"], width, height)[faces][:, 0], computed[faces]


def test_a_panel_four_times_as_wide_as_high():
    obj = plane(textured(bpy.data.images.new("Panel", 512, 128), Base_Color="Color"))
    obj.scale = (2.0, 0.5, 1.0)
    assert bpy.ops.sabi.weather(effect="rust", age=AGE) == {"FINISHED"}
    assert {tuple(image.size) for image in images(obj)} == {(512, 128)}
    shown, painted = shown_and_painted(obj)
    assert shown.shape == (512 * 128,)
    assert np.abs(shown - painted).max() <= TOLERANCE
    assert np.ptp(painted) > 0.5, "one coverage everywhere: the test proves nothing"


def test_a_subdivided_cube():
    """Catmull-Clark: painted as it is rounded, and shown so."""
    obj = cube()
    rounded = obj.modifiers.new("Rounded", "SUBSURF")
    rounded.levels = rounded.render_levels = 3
    assert bpy.ops.sabi.weather(effect="moss", age=AGE, size=256) == {"FINISHED"}
    shown, painted = shown_and_painted(obj)
    assert len(shown) > 256 * 256 / 4
    assert np.abs(shown - painted).max() <= TOLERANCE
    assert np.ptp(painted) > 0.5


def test_a_trim_sheet_is_painted_as_the_tile_it_is(monkeypatch):
    """It repeats along u and not along v: eight metres of it take one sheet, of the sheet's own texels."""
    sheet = textured(checks(256), Base_Color="Color")
    next(node.image for node in sheet.node_tree.nodes if node.type == "TEX_IMAGE").scale(256, 64)
    obj = plane(sheet)
    obj.scale = (4.0, 0.25, 1.0)
    for corner in obj.data.uv_layers[0].uv:
        corner.vector.x = 4 * corner.vector.x - 0.5
    assert problems.repeats(bpy.context)
    seen = counted(monkeypatch)
    assert bpy.ops.sabi.weather(effect="rust", shared_tiles=True) == {"FINISHED"}
    (painted,) = seen["painted"]
    assert painted.size == (64, 256)
    assert painted.texels_per_metre == pytest.approx(128, rel=0.01)
    assert {tuple(image.size) for image in images(obj)} == {(256, 64)}
    assert len(exposures(obj)) == 1


class GreyCapture(PlayedCapture):
    """Grey at the size of the object's maps, without baking them."""

    def __init__(self, context, obj, settings):
        super().__init__(context, obj, settings)
        self.size = output_size(obj, settings)

    def run(self):
        width, height = self.size
        surface = Surface({"albedo": Map(np.full((height, width, 3), 188, np.uint8), ColorSpace.SRGB)})
        return CapturedObject(surface, "", "UVMap", None, (), ())


def test_a_scan_of_8192_texels_a_side(monkeypatch, tmp_path):
    """As large as its texture without being asked for, and wired."""
    path = tmp_path / "scan.png"
    path.write_bytes(png(np.full((8192, 8192, 4), 120, np.uint8)))
    obj = plane(textured(bpy.data.images.load(str(path)), Base_Color="Color"))
    with played(monkeypatch) as backend:
        backend.whole = True
        monkeypatch.setattr(weathering, "Capture", GreyCapture)
        assert bpy.ops.sabi.weather(effect="rust", age=1.0) == {"FINISHED"}
    assert {tuple(image.size) for image in images(obj)} == {(8192, 8192)}
    assert (bake_socket(obj, group_node(obj.material_slots[0].material).outputs["Coverage"]) == 1).all()


def test_without_online_access_the_backend_inside_weathers():
    system = bpy.context.preferences.system
    before, system.use_online_access = system.use_online_access, False
    try:
        assert not bpy.app.online_access
        obj = plane()
        assert bpy.ops.sabi.weather(effect="rust", size=64) == {"FINISHED"}
        assert on_object.weathered(obj) is not None
    finally:
        system.use_online_access = before
