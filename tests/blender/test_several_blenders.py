# SPDX-License-Identifier: GPL-3.0-or-later
"""Several Blenders on one node, from factory settings and with one user's folder: none disturbs another."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.blender
ROOT = Path(__file__).resolve().parents[2]
COUNT = 3

# As `blender --factory-startup --addons NAME` does: no preferences are read, and none are made for the extension.
WEATHER = """
import hashlib, json, sys
import bpy, addon_utils
bpy.ops.wm.read_factory_settings()
addon_utils.enable("bl_ext.user_default.sabi", default_set=False)
print("READY", flush=True)
sys.stdin.readline()
cube = bpy.data.objects["Cube"]
bpy.ops.object.select_all(action="DESELECT")
cube.select_set(True)
bpy.context.view_layer.objects.active = cube
assert bpy.ops.sabi.weather(effect="rust", age=0.7, size=128) == {"FINISHED"}
images = sorted((image for image in bpy.data.images if image.packed_file), key=lambda image: image.name)
print("REPORT", json.dumps({image.name: hashlib.sha256(image.packed_file.data).hexdigest() for image in images}))
"""


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    folder = tmp_path_factory.mktemp("user")
    (folder / "extensions" / "user_default").mkdir(parents=True)
    (folder / "extensions" / "user_default" / "sabi").symlink_to(ROOT, target_is_directory=True)
    return folder


def weathered_at_once(user: Path, count: int) -> list[dict[str, str]]:
    """Names and digests of the images that each of `count` Blenders made; all begin when the last is ready."""
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(user), "SABI_THREADS": "1"}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    program = [sys.executable, "-X", "faulthandler", "-c", WEATHER]
    runs = [subprocess.Popen(program, text=True, env=environment, **pipes) for _ in range(count)]
    try:
        for run in runs:
            assert any(line == "READY\n" for line in run.stdout), run.communicate()[1]
        for run in runs:
            run.stdin.write("go\n")
            run.stdin.flush()
        found = []
        for run in runs:
            said, errors = run.communicate(timeout=300)
            assert run.returncode == 0, said + errors
            (report,) = [line.removeprefix("REPORT ") for line in said.splitlines() if line.startswith("REPORT ")]
            found.append(json.loads(report))
        return found
    finally:
        for run in runs:
            run.kill()
            run.wait()


def test_blenders_at_once_make_what_one_makes(user):
    (alone,) = weathered_at_once(user, 1)
    assert len(alone) >= 3
    assert weathered_at_once(user, COUNT) == [alone] * COUNT
