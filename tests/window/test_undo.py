# SPDX-License-Identifier: GPL-3.0-or-later
"""Undo and redo around the operators on recipes and remedies, by Ctrl Z and Ctrl Shift Z."""

import pytest

pytestmark = [pytest.mark.window, pytest.mark.newest]
NOTHING = {"recipe_save", "export_maps"}  # write files alone
ELSEWHERE = {  # what is undone in no file
    "assets_show": "fills the asset library",
    "recipe_publish": "fills the asset library",
    "cancel": "ends what has not changed anything yet",
    "copy_diagnostics": "fills the clipboard",
    "start_backend": "a process",
    "stop_backend": "a process",
    "tell": "hears keys and reports",
}
ONCE = {
    "show_in_renders",
    "material_add",
    "unwrap",
    "turn_normals",
    "preset_load",
    "layer_add",
    "layer_duplicate",
    "layer_move",
    "layer_remove",
    "seed_roll",
    "seed_roll of all",
    "curve_add",
    "curve_remove",
    "mask_add",
    "mask_add again",
    "mask_move",
    "mask_remove",
    "mask_image_new",
    "exemplar_from_image",
    "exemplar_remove",
    "exemplar_open",
    "recipe_load",
    "recipe_from_asset",
    "weather",
    "weather again",
    "weather with shared_tiles",
    "weather with instances",
    "weather_frame",
    "recipe_from_object",
    "overlay_show",
    "overlay_hide",
    "instances_vary",
    "timelapse",
    "newest_networks",
    "flatten",
    "revert",
    "degree_marks_new",
    "degree_from_marks",
    "weather_photograph",
    "photograph_pick",
    "delight",
}


def test_all_were_tried(report):
    assert set(report["undone"]) == ONCE | NOTHING | {"mask_paint", "mode_set"}


def test_no_operator_is_left_out(report):
    """Of those that Blender knows."""
    tried = {name.partition(" ")[0] for name in report["undone"]} - {"mode_set"}
    assert set(report["operators"]) == tried | ELSEWHERE.keys()


@pytest.mark.parametrize("operator", sorted(ONCE))
def test_one_step_is_undone_and_redone(report, operator):
    """The state before comes back whole, and the state after."""
    noted = report["undone"][operator]
    assert "error" not in noted, noted["error"]
    assert len(noted["steps"]) == 1, noted
    assert noted["changed"], "it changed nothing that is looked at"
    assert noted["undone"] == [], noted["details"]
    assert noted["redone"] == []


@pytest.mark.parametrize("operator", sorted(NOTHING))
def test_what_writes_files_leaves_no_step(report, operator):
    noted = report["undone"][operator]
    assert "error" not in noted, noted["error"]
    assert noted["steps"] == noted["changed"] == []


def test_the_mode_of_a_mask_that_is_painted_is_undone_as_blenders_own(report):
    """Some Blenders keep an object in Texture Paint whatever brought it there."""
    noted, own = report["undone"]["mask_paint"], report["undone"]["mode_set"]
    assert len(noted["steps"]) == 1, noted
    assert noted["changed"] == ["object Canvas of mask_paint"]
    assert noted["redone"] == []
    assert noted["undone"] == [] or own["undone"] == ["object Canvas of mode_set"], noted["details"]
