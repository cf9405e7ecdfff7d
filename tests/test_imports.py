# SPDX-License-Identifier: GPL-3.0-or-later
"""The arrows between the parts: export_onnx -> backend -> backend.protocol <- addon."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from tree import ROOT, tracked

BLENDER = {"bpy", "bpy_extras", "bmesh", "mathutils", "addon_utils", "gpu", "blf"}
STDLIB = set(sys.stdlib_module_names)
PARTS = ("addon", "backend", "export_onnx")
MODULES = [name for name in tracked() if name.endswith(".py") and name.startswith(tuple(f"{p}/" for p in PARTS))]


def imports(name: str) -> Iterator[tuple[int, str]]:
    """(line, what) of every import of a file, also inside functions; what lies in this project as `.part.module`."""
    package = PurePosixPath(name).parent.parts
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"), name)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            if node.module:
                yield node.lineno, "." + ".".join((*base, node.module))
            else:
                yield from ((node.lineno, "." + ".".join((*base, alias.name))) for alias in node.names)


def below(what: str, parts: str | tuple[str, ...]) -> bool:
    """Whether an imported name is one of `parts` or lies in it."""
    parts = (parts,) if isinstance(parts, str) else parts
    return any(what == part or what.startswith(part + ".") for part in parts)


def top(what: str) -> str:
    return what.partition(".")[0]


def held(name: str, what: str) -> bool:
    """Whether the arrows allow that the file `name` imports `what`."""
    if what.startswith("."):
        allowed: tuple[str, ...] = (".backend",)
        if name.startswith("addon/"):
            allowed = (".addon", ".backend.protocol", ".__package__")
        elif name.startswith("backend/protocol/"):
            allowed = (".backend.protocol",)
        elif name.startswith("export_onnx/"):
            allowed = (".backend", ".export_onnx")
        return below(what, allowed)
    if top(what) == "sabi":  # inside Blender that would be a second copy of everything
        return name.startswith("export_onnx/")
    if name.startswith("addon/demo/"):  # a program around Blender, left out of the zip
        return top(what) in STDLIB | BLENDER | {"numpy", "rich", "PIL"}
    if name.startswith("addon/"):
        return top(what) in STDLIB | BLENDER | {"numpy"}
    if name.startswith("backend/protocol/"):
        return top(what) in STDLIB | {"numpy"}
    if name.startswith("backend/"):
        return top(what) not in BLENDER | {"torch"} and (top(what) != "onnxruntime" or name == SESSION)
    return True


SESSION = "backend/networks/session.py"


@pytest.mark.parametrize("name", MODULES)
def test_imports_follow_the_arrows(name):
    against = [f"{name}:{line} imports {what}" for line, what in imports(name) if not held(name, what)]
    assert not against, "\n".join(against)


def test_the_walk_sees_every_kind_of_import():
    """Each of these would be a broken arrow, so the rule must refuse it."""
    broken = [
        ("addon/surface/capture.py", "onnxruntime"),
        ("addon/surface/capture.py", "OpenImageIO"),
        ("addon/surface/capture.py", ".backend.weathering.pipeline"),
        ("addon/surface/capture.py", "sabi.backend"),
        ("addon/jobs.py", "rich"),
        ("backend/server/app.py", ".addon.jobs"),
        ("backend/weathering/paint.py", "torch"),
        ("backend/weathering/paint.py", "bpy"),
        ("backend/weathering/paint.py", "onnxruntime"),
        ("backend/weathering/paint.py", ".export_onnx.networks"),
        ("backend/protocol/wire.py", "safetensors"),
        ("backend/protocol/wire.py", ".backend.networks.card"),
        ("addon/surface/capture.py", ".export_onnx"),
    ]
    assert [case for case in broken if held(*case)] == []
    assert held("addon/surface/capture.py", ".backend.protocol.surface")
    assert held(SESSION, "onnxruntime")


def test_relative_imports_are_resolved(tmp_path, monkeypatch):
    file = tmp_path / "addon" / "demo" / "stage.py"
    file.parent.mkdir(parents=True)
    file.write_text("from . import model\nfrom ..jobs import Job\nfrom ...backend.server.app import app\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert [what for _, what in imports("addon/demo/stage.py")] == [
        ".addon.demo.model",
        ".addon.jobs",
        ".backend.server.app",
    ]


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("sabi", "numpy onnxruntime bpy torch rich typer"),
        ("sabi.backend.protocol.client", "onnxruntime OpenImageIO starlette uvicorn bpy torch rich typer"),
        ("sabi.backend.server.app", "bpy torch rich typer ray"),
        ("sabi.backend.cli", "bpy torch ray"),
    ],
)
def test_importing_draws_in_no_more_than_it_needs(module, absent):
    """The child process runs on the zip's wheels alone, which hold neither typer nor rich."""
    program = f"import sys, {module}; print(*sorted(set({absent.split()!r}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT / "tests")
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []
