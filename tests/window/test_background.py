# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Blender without a window, with the zip that the visit installed."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.window, pytest.mark.newest]
SCRIPT = """
import json, sys
import bpy

file = sys.argv[-1]
bpy.ops.sabi.weather(effect="rust", size=64)
bpy.ops.wm.save_as_mainfile(filepath=file)
bpy.ops.wm.open_mainfile(filepath=file)
sizes = [list(image.size) for image in bpy.data.images if image.packed_file and image.pixels[:]]
print("images:", json.dumps(sizes), flush=True)
"""


def test_the_default_cube_is_weathered_and_saved(session):
    out, _ = session
    script, file = out / "background.py", out / "background.blend"
    script.write_text(SCRIPT)
    command = [str(ROOT / "tools" / "real-blender.sh"), "run", "--background", "--addons", "bl_ext.user_default.sabi"]
    command += ["--python-exit-code", "1", "--python", str(script), "--", str(file)]
    environment = os.environ | {"SUITE": out.name, "BIND": str(ROOT), "BLENDER_USER_RESOURCES": str(out / "user")}
    ran = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert file.stat().st_size > 10_000
    assert f"images: {[[64, 64]] * 3}" in ran.stdout
