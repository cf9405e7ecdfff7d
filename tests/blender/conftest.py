# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender for the tests: the checkout linked in as an extension and enabled, and a factory-clean scene for every test.

Tests import the add-on as Blender does, `from bl_ext.user_default.sabi.addon import ...`; never `sabi`, which would be a second
copy of every class. This file makes that import possible, so it touches bpy while pytest collects.
"""

import importlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
EXTENSION = "bl_ext.user_default.sabi"
_resources = Path(
    tempfile.mkdtemp(prefix="sabi-blender-")
)  # Blender reads this variable once, when bpy is first imported
os.environ["BLENDER_USER_RESOURCES"] = str(_resources)
(_resources / "extensions" / "user_default").mkdir(parents=True)
(_resources / "extensions" / "user_default" / "sabi").symlink_to(CHECKOUT, target_is_directory=True)

import bpy  # noqa: E402  (after the variable above)

bpy.ops.wm.read_factory_settings(use_empty=True)
if bpy.ops.preferences.addon_enable(module=EXTENSION) != {"FINISHED"}:
    raise RuntimeError(f"{EXTENSION} could not be enabled; Blender printed why above")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.blender)


_outcome = [0]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    shutil.rmtree(_resources, ignore_errors=True)
    _outcome[0] = int(session.exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Ends the process here: with bpy and onnxruntime in one process, the end of the interpreter may wait for ever."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_outcome[0])


@pytest.fixture(autouse=True)
def clean_scene() -> bpy.types.Scene:
    """An empty scene with factory settings and nothing captured; the extension stays enabled (preferences are kept)."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    importlib.import_module(f"{EXTENSION}.addon.surface.capture").forget()
    return bpy.context.scene
