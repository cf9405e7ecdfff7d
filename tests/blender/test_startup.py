# SPDX-License-Identifier: GPL-3.0-or-later
"""What enabling the add-on imports: Blender starts with it every day, and weathers with it on some."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.blender
ROOT = Path(__file__).resolve().parents[2]

# Blender's own modules have imported some of these already; they are forgotten first, so that who imports them is seen.
HEAVY = ("numpy", "http", "asyncio", "ssl", "socket", "concurrent", "subprocess", "hashlib", "bmesh")
ENABLE = """
import gc, json, sys
import bpy
bpy.ops.wm.read_factory_settings()
heavy, name = sys.argv[-1].split(), "bl_ext.user_default.sabi"
for module in [module for module in sys.modules if module.partition(".")[0] in heavy]:
    del sys.modules[module]
for action in ("enable", "drawn"):
    if action == "enable":
        import addon_utils
        addon_utils.enable(name, default_set=True)
    else:
        from bl_ext.user_default.sabi.addon.interface import problems
        from bl_ext.user_default.sabi.addon.nodes import on_object
        list(problems.problems(bpy.context)), on_object.weathered(bpy.context.object)
    print("REPORT", json.dumps({
        "enabled": name in bpy.context.preferences.addons,
        "collects": gc.isenabled(),
        "heavy": sorted({module for module in sys.modules if module.partition(".")[0] in heavy}),
        "own": sorted(module.removeprefix(name + ".") for module in sys.modules if module.startswith(name)),
    }))
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """What Blender has imported when the add-on is enabled, and when a panel has asked what there is to draw."""
    user = tmp_path_factory.mktemp("user")
    (user / "extensions" / "user_default").mkdir(parents=True)
    (user / "extensions" / "user_default" / "sabi").symlink_to(ROOT, target_is_directory=True)
    run = subprocess.run(
        [sys.executable, "-c", ENABLE, " ".join(HEAVY)],
        capture_output=True,
        text=True,
        env=os.environ | {"BLENDER_USER_RESOURCES": str(user)},
        timeout=120,
    )
    found = [json.loads(line.removeprefix("REPORT ")) for line in run.stdout.splitlines() if line.startswith("REPORT ")]
    assert len(found) == 2, run.stdout + run.stderr
    return found


def test_enabling_imports_nothing_heavy(reports):
    assert reports[0]["enabled"]
    assert reports[0]["heavy"] == []
    assert reports[0]["collects"], "Python's garbage is Blender's to collect"


def test_enabling_leaves_the_work_for_later(reports):
    work = {
        f"addon.{name}"
        for name in (
            "weathering",
            "surface.capture",
            "pixels.images",
            "nodes.material",
            "jobs",
            "exports.flatten",
            "frames.frame",
            "recipe.conversion",
        )
    }
    work |= {f"backend.protocol.{name}" for name in ("recipe", "mask_stack", "opacity", "exemplar", "still")}
    assert not work & set(reports[0]["own"])
    assert "addon.interface.panels" in reports[0]["own"]


def test_drawing_imports_nothing_more(reports):
    assert reports[1] == reports[0]
