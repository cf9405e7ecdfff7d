# SPDX-License-Identifier: GPL-3.0-or-later
"""One visit of an artist to each real Blender, with the zip installed as a user does; all tests here look at what is left of it.

`make test-window` prepares the Blenders (tools/real-blender.sh) and names them in SUITES. What the windows showed stays in
out/window/SUITE, to look at, with the report that drive.py wrote.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shadings
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = {"trixie": "3.13", "sid": "3.14"}  # what Debian builds its Blender on
SUITES = os.environ.get("SUITES", "trixie").split()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked `newest` is done in the last of the suites alone: a visit takes a quarter of an hour."""
    left = [
        item for item in items if item.get_closest_marker("newest") and item.callspec.params["session"] != SUITES[-1]
    ]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session", params=SUITES)
def session(request):
    """One visit of an artist: the folder with its photographs, and the report."""
    suite = request.param
    out = ROOT / "out" / "window" / suite
    shutil.rmtree(out, ignore_errors=True)
    (out / "user").mkdir(parents=True)
    (out / "networks").mkdir()
    (out / "networks" / "painter.onnx").symlink_to(ROOT / "backend" / "networks" / "painter.onnx")
    build = [
        sys.executable,
        str(ROOT / "tools" / "build_extension.py"),
        "--platform=linux-x64",
        f"--python={PYTHONS[suite]}",
    ]
    subprocess.run([*build, f"--out={out}", f"--work={out / 'work'}"], check=True)
    (archive,) = out.glob("*.zip")
    wish = {"zip": str(archive), "demo": str(ROOT / "addon" / "demo"), "out": str(out)}
    wish["size"] = 2048 if suite == SUITES[-1] else 1024  # what the newest is measured at
    wish["networks"] = str(shadings.write(out / "networks"))
    wish["newest"] = suite == SUITES[-1]
    environment = (
        {"SECONDS_LIMIT": "1800"}
        | os.environ
        | {"SUITE": suite, "BIND": str(ROOT), "BLENDER_USER_RESOURCES": str(out / "user")}
    )
    drive = ["--python-exit-code", "1", "--python", str(ROOT / "tests" / "window" / "drive.py"), "--", json.dumps(wish)]
    command = [str(ROOT / "tools" / "real-blender.sh"), "window", *drive]
    with (out / "log.txt").open("w") as log:
        subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
    shutil.rmtree(out / "work")
    said = (out / "log.txt").read_text()
    assert (out / "report.json").is_file(), said
    report = json.loads((out / "report.json").read_text())
    assert "failed" not in report, report.get("failed", "") + said
    return out, report


@pytest.fixture
def report(session):
    return session[1]


@pytest.fixture
def photograph(session):
    """The named photograph, cut to a rectangle of the report: float RGB in 0..1."""

    def cut(name: str, rectangle: list[int] | None = None) -> np.ndarray:
        with Image.open(session[0] / f"{name}.png") as image:
            return np.asarray(image.convert("RGB").crop(rectangle), np.float32) / 255

    return cut
