# SPDX-License-Identifier: GPL-3.0-or-later
"""The real zip, installed and enabled as an artist does it, in a Blender of its own with a fresh user folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.blender
ROOT = Path(__file__).resolve().parents[2]

INSTALL = """
import json, sys
import bpy
import addon_utils

report, zip_path = {}, sys.argv[-1]
bpy.ops.extensions.package_install_files(filepath=zip_path, repo="user_default", enable_on_install=True)
name = "bl_ext.user_default.sabi"
report["enabled"] = name in bpy.context.preferences.addons
report["preferences"] = bpy.context.preferences.addons[name].preferences is not None
report["operators"] = sorted(dir(bpy.ops.sabi))
report["panels"] = [kind for kind in dir(bpy.types) if kind.startswith("SABI_PT")]
report["policy"] = addon_utils._extensions_warnings_get().get(name, [])
report["compiled"] = sorted({"onnxruntime", "OpenImageIO", "starlette", "torch"} & set(sys.modules))
report["path"] = [path for path in sys.path if ".local" in path]
bpy.ops.preferences.addon_disable(module=name)
report["after disable"] = [kind for kind in dir(bpy.types) if kind.startswith("SABI")]
report["scene left"] = [key for key in dir(bpy.context.scene) if "sabi" in key.lower()]
bpy.ops.preferences.addon_enable(module=name)
report["enabled again"] = name in bpy.context.preferences.addons
bpy.ops.extensions.package_uninstall(repo_index=[r.module for r in bpy.context.preferences.extensions.repos].index(
    "user_default"), pkg_id="sabi")
print("REPORT", json.dumps(report))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A zip with the wheels for this Python, made by the project's own build script."""
    out = tmp_path_factory.mktemp("zip")
    python = "{}.{}".format(*sys.version_info)
    platform = {"linux": "linux-x64", "win32": "windows-x64", "darwin": "macos-arm64"}[sys.platform]
    program = [sys.executable, str(ROOT / "tools" / "build_extension.py"), f"--platform={platform}"]
    subprocess.run([*program, f"--python={python}", f"--out={out}", f"--work={out / 'work'}"], check=True)
    (path,) = out.glob("*.zip")
    return path


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """What Blender said of itself while the zip was installed, enabled, disabled, enabled and removed."""
    user = tmp_path_factory.mktemp("user")
    environment = os.environ | {"BLENDER_USER_RESOURCES": str(user)}
    run = subprocess.run(
        [sys.executable, "-c", INSTALL, str(built)], capture_output=True, text=True, env=environment, timeout=300
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("REPORT ")]
    assert run.returncode == 0, run.stderr
    assert lines, run.stdout + run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return json.loads(lines[0].removeprefix("REPORT ")) | {"user": user}


def test_zip_installs_and_enables(installed):
    assert installed["enabled"]
    assert installed["preferences"]
    assert {"weather", "revert", "flatten"} <= set(installed["operators"])
    assert installed["panels"]


def test_nothing_compiled_is_loaded_into_blender(installed):
    """A loaded library would keep Windows from updating or removing the extension."""
    assert installed["compiled"] == []


def test_blender_finds_no_policy_violation(installed):
    assert installed["policy"] == []


def test_wheels_lie_where_the_backend_looks(installed):
    assert any("site-packages" in path for path in installed["path"])


def test_disabling_leaves_nothing_behind(installed):
    assert installed["after disable"] == []
    assert installed["scene left"] == []
    assert installed["enabled again"]


def test_uninstalling_removes_every_file(installed):
    left = [path for path in (installed["user"] / "extensions").rglob("*") if path.is_file()]
    assert not [path for path in left if "sabi" in path.as_posix().split("extensions/", 1)[1]]
