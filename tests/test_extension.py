# SPDX-License-Identifier: GPL-3.0-or-later
"""The zips that Blender installs: their contents, their manifests, and wheels that need nothing else."""

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename
from tree import ROOT, tracked

PLATFORMS = {"linux-x64": "linux", "windows-x64": "win32", "macos-arm64": "darwin"}
LIMIT = 170e6
EXTENSIONS = rf"C:\Users\{'x' * 20}\AppData\Roaming\Blender Foundation\Blender\5.2\extensions"
LONGEST_PATH = 259  # characters, where Windows is not told to allow more


def build(out: Path, *arguments: str) -> None:
    """The build script as `make extension` runs it; its downloads are kept between runs."""
    run = [sys.executable, str(ROOT / "tools" / "build_extension.py"), f"--out={out}", *arguments]
    subprocess.run(run, check=True)


@pytest.fixture(scope="module")
def zips(tmp_path_factory):
    out = tmp_path_factory.mktemp("zips")
    build(out)
    return {path.name.removesuffix(".zip").split("-", 2)[2]: path for path in out.glob("*.zip")}


def manifest(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return tomllib.loads(archive.read("blender_manifest.toml").decode())


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def test_a_zip_for_each_platform_and_a_small_one(zips):
    assert set(zips) == {*PLATFORMS, "development"}


def test_zip_holds_what_blender_needs_and_git_has(zips):
    root = {"__init__.py", "blender_manifest.toml", "LICENSE", "README.md", "CHANGELOG.md"}
    expected = {
        name
        for name in tracked()
        if name in root or (name.startswith(("addon/", "backend/")) and not name.startswith("addon/demo/"))
    }
    for path in zips.values():
        assert {name for name in names(path) if not name.startswith("wheels/")} == expected


def test_development_zip_is_small_and_runs_anywhere(zips):
    shipped = manifest(zips["development"])
    assert "wheels" not in shipped
    assert "platforms" not in shipped
    assert not any(name.endswith((".so", ".pyd", ".dll", ".dylib", ".whl")) for name in names(zips["development"]))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_platform_zip_lists_its_wheels(zips, platform):
    shipped = manifest(zips[platform])
    assert shipped["platforms"] == [platform]
    wheels = {name for name in names(zips[platform]) if name.startswith("wheels/")}
    assert {wheel.removeprefix("./") for wheel in shipped["wheels"]} == wheels
    assert zips[platform].stat().st_size <= LIMIT
    for package in ("onnxruntime", "openimageio"):
        pythons = {wheel.split("-")[2] for wheel in wheels if wheel.lower().startswith(f"wheels/{package}-")}
        assert pythons == {"cp311", "cp313"}
    assert not any(wheel.startswith("wheels/numpy-") for wheel in wheels)


def test_windows_takes_every_path(zips):
    """Blender lays the extension's own files into its folder, and those of the wheels into one of site packages."""
    with zipfile.ZipFile(zips["windows-x64"]) as archive:
        paths = [rf"{EXTENSIONS}\user_default\sabi\{name}" for name in archive.namelist()]
        for name in archive.namelist():
            if name.endswith(".whl"):
                with archive.open(name) as file, zipfile.ZipFile(file) as wheel:
                    paths += [rf"{EXTENSIONS}\.local\lib\python3.13\site-packages\{each}" for each in wheel.namelist()]
    assert len(paths) > 1000
    longest = max(paths, key=len)
    assert len(longest) <= LONGEST_PATH, longest


@pytest.mark.parametrize("python", ["3.11", "3.13"])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_wheels_need_nothing_but_each_other_and_numpy(zips, platform, python, tmp_path):
    """A requirement that no wheel fulfils would only show on a user's machine."""
    with zipfile.ZipFile(zips[platform]) as archive:
        archive.extractall(tmp_path, [name for name in archive.namelist() if name.startswith("wheels/")])
    here = {"numpy": None}
    needed: list[tuple[str, Requirement]] = []
    for wheel in sorted((tmp_path / "wheels").iterdir()):
        name, version, _, tags = parse_wheel_filename(wheel.name)
        tag = f"cp{python.replace('.', '')}"
        if not any(t.interpreter in (tag, "py3") or t.abi == "abi3" for t in tags):
            continue
        here[name] = version
        with zipfile.ZipFile(wheel) as archive:
            (metadata,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
            fields = Parser().parsestr(archive.read(metadata).decode())
        needed += [(name, Requirement(line)) for line in fields.get_all("Requires-Dist", [])]
    environment = {"python_version": python, "sys_platform": PLATFORMS[platform], "extra": ""}
    environment["platform_system"] = {"linux": "Linux", "win32": "Windows", "darwin": "Darwin"}[PLATFORMS[platform]]
    for owner, need in needed:
        if need.marker is not None and not need.marker.evaluate(environment):
            continue
        name = canonicalize_name(need.name)
        assert name in here, f"{owner} needs {need}"
        if here[name] is not None:
            assert need.specifier.contains(here[name]), f"{owner} needs {need}, the zip has {here[name]}"


def test_wheels_agree_with_the_numpy_of_blender(zips):
    """Blender's Python 3.11 comes with numpy 1.26; a wheel that asks for 2 breaks there."""
    with zipfile.ZipFile(zips["linux-x64"]) as archive:
        for name in archive.namelist():
            if not (name.startswith("wheels/") and "cp311" in name):
                continue
            with archive.open(name) as file, zipfile.ZipFile(file) as wheel:
                (metadata,) = [n for n in wheel.namelist() if n.endswith(".dist-info/METADATA")]
                fields = Parser().parsestr(wheel.read(metadata).decode())
            for need in map(Requirement, fields.get_all("Requires-Dist", [])):
                if need.name == "numpy" and need.marker is None:
                    assert need.specifier.contains("1.26.4"), f"{name} needs {need}"
