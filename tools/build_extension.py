# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the Blender extension: one zip a platform with the wheels of the embedded backend, and a small one without.

Any machine builds any platform: the wheels come from the package index as they are, and the zips are made and
validated by Blender's own builder, which the bpy wheel contains.

    python tools/build_extension.py                                   all platforms, Python 3.11 and 3.13
    python tools/build_extension.py --platform linux-x64 --python 3.14
    python tools/build_extension.py --development                     only the small one
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 170_000_000  # bytes a platform's zip may have

PLATFORMS = {  # Blender's name: the tags pip looks for, the oldest system the platform's Blender runs on last
    "linux-x64": ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_14_0_arm64",),
}
PYTHONS = ("3.11", "3.13")


def requirements(python: str) -> list[str]:
    """What the embedded backend runs on, pinned. numpy is Blender's own, so the wheels must agree with that one."""
    # Blender's Python 3.11 comes with numpy 1.26, which later OpenImageIO refuses; this one has no wheel for 3.14
    openimageio = "OpenImageIO==3.0.21.0" if python in PYTHONS else "OpenImageIO==3.1.19.0"
    runtime = ["onnxruntime==1.31.1", "flatbuffers==25.12.19", "packaging==26.3", "protobuf==7.36.2"]
    service = ["starlette==1.10.0", "anyio==4.16.0", "idna==3.20", "typing-extensions==4.16.0"]
    server = ["uvicorn==0.54.0", "click==8.5.1", "h11==0.16.0"]
    return [*runtime, *service, *server, openimageio]


def download_wheels(platform: str, pythons: list[str], cache: Path) -> list[Path]:
    """The wheels of one platform, from the cache where it has them. Fails when one of them has no wheel for it."""
    wheels: dict[str, Path] = {}
    for python in pythons:
        folder = cache / f"{platform}-{python}"
        pins = folder / "pins.txt"
        wanted = "\n".join(requirements(python))
        if not pins.is_file() or pins.read_text() != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            tags = [f"--platform={tag}" for tag in PLATFORMS[platform]]
            pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:"]
            pip += ["--implementation=cp", f"--python-version={python}", *tags, f"--dest={folder}"]
            subprocess.run([*pip, *requirements(python)], check=True)
            pins.write_text(wanted)
        wheels |= {path.name: path for path in sorted(folder.glob("*.whl"))}
    return list(wheels.values())


def tracked_files() -> list[str]:
    """The project's files, relative to its root: what git has or would take."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and (ROOT / name).is_file()]


def stage(folder: Path, platform: str | None, wheels: list[Path]) -> None:
    """Lays the source of one zip into an empty folder: the tree, the wheels, the manifest that names them."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in tracked_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    if platform is None:
        return
    (folder / "wheels").mkdir()
    for wheel in wheels:
        shutil.copyfile(wheel, folder / "wheels" / wheel.name)
    listed = "".join(f'  "./wheels/{wheel.name}",\n' for wheel in wheels)
    manifest = folder / "blender_manifest.toml"
    head, table, tail = manifest.read_text(encoding="utf-8").partition("[permissions]")
    manifest.write_text(f'{head}platforms = ["{platform}"]\nwheels = [\n{listed}]\n\n{table}{tail}', encoding="utf-8")


def builder() -> tuple[Path, Path]:
    """Blender's extension builder and its list of tags, inside the bpy wheel of this environment."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        raise SystemExit("The extension is built by Blender's own builder: install the bpy wheel (make .venv).")
    scripts = next(Path(spec.origin).parent.glob("[0-9]*/scripts"))
    tags = scripts / "modules" / "_bpy_internal" / "extensions" / "tags.py"
    return scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py", tags


def build(out: Path, platform: str | None, pythons: list[str], work: Path) -> Path:
    """One zip, built and validated by Blender's builder; without a platform the small one that carries no wheels."""
    source = work / (platform or "development")
    stage(source, platform, download_wheels(platform, pythons, work / "wheels") if platform else [])
    with (source / "blender_manifest.toml").open("rb") as file:
        manifest = tomllib.load(file)
    target = out / f"{manifest['id']}-{manifest['version']}-{platform or 'development'}.zip"
    out.mkdir(parents=True, exist_ok=True)
    program, tags = builder()
    blender = [sys.executable, str(program)]
    subprocess.run(
        [*blender, "build", f"--source-dir={source}", f"--output-filepath={target}", f"--valid-tags={tags}"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run([*blender, "validate", str(target), f"--valid-tags={tags}"], check=True, stdout=subprocess.DEVNULL)
    size = target.stat().st_size
    if size > LIMIT:
        raise SystemExit(f"{target.name} has {size / 1e6:.0f} MB; a platform's zip may have {LIMIT / 1e6:.0f} MB.")
    print(f"{target}  {size / 1e6:.1f} MB")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", action="append", choices=PLATFORMS, help="default: all")
    parser.add_argument("--python", action="append", metavar="X.Y", help="default: " + " and ".join(PYTHONS))
    parser.add_argument("--development", action="store_true", help="only the small zip without wheels")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "extension")
    arguments = parser.parse_args()
    platforms = [] if arguments.development else arguments.platform or list(PLATFORMS)
    for platform in platforms:
        build(arguments.out, platform, arguments.python or list(PYTHONS), arguments.work)
    if not arguments.platform:
        build(arguments.out, None, [], arguments.work)


if __name__ == "__main__":
    main()
