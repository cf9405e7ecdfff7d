# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip installs is what git has, and the package works from there and from a clone of any name."""

import re
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from tree import ROOT, copy, tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a fresh copy, built without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(copy(folder / "x-1"))], check=True)
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_what_git_has(wheel):
    shipped = (".py", ".onnx", ".json", ".html", ".js", ".png")
    expected = {
        f"sabi/{name}"
        for name in tracked()
        if name == "__init__.py" or (name.startswith(("addon/", "backend/", "export_onnx/")) and name.endswith(shipped))
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == expected


def test_wheel_has_the_licence_and_the_command(wheel):
    with zipfile.ZipFile(wheel) as archive:
        texts = {
            name.rpartition("/")[2]: archive.read(name).decode() for name in archive.namelist() if "dist-info" in name
        }
    assert "GNU GENERAL PUBLIC LICENSE" in texts["LICENSE"]
    assert "License-Expression: GPL-3.0-or-later" in texts["METADATA"]
    assert "sabi = sabi.backend.cli:main" in texts["entry_points.txt"]


def test_versions_agree():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]["version"]
    with (ROOT / "blender_manifest.toml").open("rb") as file:
        extension = tomllib.load(file)["version"]
    import sabi

    assert project == extension == sabi.__version__


def test_public_names_come_from_the_installed_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = "import sabi; print(sabi.__file__); print(*(getattr(sabi, name).__name__ for name in sabi.__all__))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    where, names = run.stdout.splitlines()
    assert where == str(tmp_path / "sabi" / "__init__.py")
    assert {"weather", "Surface", "Recipe"} <= set(names.split())


def test_unknown_name_is_an_attribute_error():
    import sabi

    with pytest.raises(AttributeError, match="no attribute 'wether'"):
        sabi.wether  # noqa: B018


def test_tests_are_collected_in_a_clone_of_any_name(tmp_path):
    """pytest names modules after folders; a clone in `x-1` has a name that no package can have."""
    clone = copy(tmp_path / "x-1")
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", "not blender"]
    counts = []
    for folder in (ROOT, clone):
        run = subprocess.run([*collect], capture_output=True, text=True, cwd=folder)
        assert run.returncode == 0, run.stdout + run.stderr
        counts.append(run.stdout.count("::"))
    assert counts[0] == counts[1] > 0


def test_every_source_file_names_its_licence():
    first = "# SPDX-License-Identifier: GPL-3.0-or-later"
    sources = [name for name in tracked() if name.endswith(".py")]
    bare = [name for name in sources if not (ROOT / name).read_text(encoding="utf-8").startswith(first)]
    assert not bare


def test_only_groups_properties_are_strings():
    """Blender evaluates each annotation that is a string, at every start. But 4.2 never frees a group: it would keep
    the callbacks in its annotations, by them all of the extension, and `bpy` crashes at its end after an uninstall."""
    names = [name for name in tracked() if name.startswith("addon/") and name.endswith(".py")]
    sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in names}
    own = {
        name
        for name, text in sources.items()
        if re.search(r"^    \w+: (bpy\.props\.)?\w+[Pp]roperty\(", text, re.MULTILINE)
    }
    groups = {name for name in own if "(bpy.types.PropertyGroup)" in sources[name]}
    assert len(own) > 10
    assert len(groups) == 2
    assert {name for name in own if "from __future__ import annotations" in sources[name]} == groups


def test_no_choice_draws_both_runtimes():
    """onnxruntime and onnxruntime-gpu install the same folder; together the GPU's is overwritten."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = {name: set(map(bare, needs)) for name, needs in project["optional-dependencies"].items()}
    base = set(map(bare, project["dependencies"]))
    assert "onnxruntime-gpu" in extras["gpu"]
    assert "onnxruntime" in extras["cpu"]
    assert not {"onnxruntime", "onnxruntime-gpu"} & base
    assert not {"onnxruntime", project["name"]} & extras["gpu"]


def bare(requirement: str) -> str:
    """A requirement's package, without extras and versions."""
    return Requirement(requirement).name
