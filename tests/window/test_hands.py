# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does with mouse and keys: a first object, age animated, Revert, several props, a photograph, a file opened."""

import numpy as np
import pytest
from window.pictures import changed, pink

pytestmark = [pytest.mark.window, pytest.mark.newest]


def test_a_new_user_has_weathered_an_object_within_two_minutes(report):
    """From the moment in which the zip begins to be installed, with nothing chosen."""
    first = report["first object"]
    assert first["said"] == "Weathered Cube"
    assert first["seconds"] <= 120, first


def test_the_first_object_is_a_weathered_cube(photograph, report):
    """Blender's cube is grey: what has colour is weathered."""
    left, top, right, bottom = report["first object"]["box"]
    seen = photograph("first object", [left, top, right, bottom])
    background = photograph("first object", [left - 40, top, left - 20, bottom]).mean(axis=(0, 1))
    cube = np.abs(seen - background).max(axis=2) > 0.05
    assert cube.mean() > 0.4, "there is no cube"
    assert pink(seen) < 0.001
    assert (np.ptp(seen, axis=2) > 0.08)[cube].mean() > 0.1, "the cube is grey"


def test_age_is_dragged_and_keyed(report):
    """I over the slider, at both ends; going there again shows what was keyed."""
    age = report["age"]
    young, old = age["dragged"]
    assert young < age["before"] - 0.1
    assert old > young + 0.3
    assert age["frames"] == [1, 250]
    assert np.allclose(age["shown"], age["dragged"], atol=1e-3)


def test_a_younger_age_shows_at_its_frame(photograph, report):
    first, weathered = photograph("age first", report["box"]), photograph("weathered", report["box"])
    assert pink(first) < 0.001
    where = changed(first, weathered)
    assert where.mean() > 0.05, "hardly anything differs"
    red, _, blue = (weathered - first)[where].mean(axis=0)
    assert red - blue > 0.02, "the change is not towards rust"


def test_revert_gives_back_what_was_there(photograph, report):
    assert not report["revert"]["left"]
    assert changed(photograph("clean", report["box"]), photograph("reverted", report["box"])).mean() < 0.002
    assert changed(photograph("clean", report["box"]), photograph("weathered", report["box"])).mean() > 0.05


def test_revert_is_undone_by_a_key(report):
    assert report["revert"]["steps"] == ["Revert"]
    assert report["revert"]["again"]
    assert report["revert"]["undone"] == []


def test_several_props_at_once_are_one_step(report):
    """Selected with A, weathered with the button, undone with Ctrl Z."""
    batch = report["batch"]
    assert batch["selected"] == ["Barrel", "Crate", "Pipe"]
    assert batch["said"] == "Weathered 3 objects"
    assert sorted(batch["weathered"]) == batch["selected"]
    assert batch["steps"][-1] == "Weather"
    assert batch["undone"] == []


@pytest.mark.parametrize("name", ["Crate", "Barrel", "Pipe"])
def test_each_prop_shows_rust(photograph, report, name):
    """Against how it looks after Ctrl Z."""
    box = report["batch"]["boxes"][name]
    weathered, clean = photograph("batch", box), photograph("batch undone", box)
    where = changed(clean, weathered)
    assert where.mean() > 0.05, "hardly anything changed"
    red, _, blue = (weathered - clean)[where].mean(axis=0)
    assert red - blue > 0.02, "the change is not towards rust"
    assert pink(weathered) < 0.001


def test_a_place_on_a_photograph_is_chosen_by_a_click(report):
    """A quarter of 320 texels from the left, a quarter of 200 from the top."""
    assert np.allclose(report["clicked"], (80, 50), atol=3)


def test_blender_saves_by_itself_while_sabi_is_at_work(report):
    assert report["autosaved"], "no file was saved in mid-job"


def test_a_file_opened_in_mid_job_is_whole_and_can_be_weathered(report):
    """The very file that Blender saved in the middle of a job."""
    reload = report["reload"]
    assert reload["error"] == "cancelled"
    assert reload["half done"] == []
    assert not reload["touched"]
    assert reload["said"].startswith("Weathered ")
    assert reload["weathered"]
