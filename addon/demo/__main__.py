# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m sabi.addon.demo`: starts Blender's side of the demo, shows its progress, and lays out what it made."""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from .page import SIDECAR, TURNING, TURNING_STRIP, animation, contact_sheet, said, strip
from .show import AGES, MARK

SUFFIXES = (".blend", ".gltf", ".glb", ".fbx", ".obj", ".usd", ".usda", ".usdc", ".usdz")


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="sabi demo", description="Weathers a model in Blender and shows it before and after."
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the results (out/demo)")
    parser.add_argument(
        "--asset", type=Path, help="a model to weather in place of the project's own: .blend, .gltf, ..."
    )
    parser.add_argument("--preset", default="old_painted_steel", help="the recipe (old_painted_steel)")
    parser.add_argument("--size", type=int, default=2048, help="texels a side of the painted maps (2048)")
    parser.add_argument("--samples", type=int, default=16, help="of Cycles (16); 1 is a draft, not denoised")
    parser.add_argument(
        "--turntable",
        type=int,
        nargs="?",
        const=24,
        default=0,
        metavar="FRAMES",
        help="show it turning under a moving light, too: turntable.webp of so many frames (24)",
    )
    given = parser.parse_args(words)
    if given.turntable < 0:
        parser.error(f"A turntable has 1 frame or more, not {given.turntable}.")
    if given.asset is not None and not given.asset.is_file():
        parser.error(f"There is no file {given.asset}.")
    if given.asset is not None and given.asset.suffix.lower() not in SUFFIXES:
        parser.error(f"{given.asset.name} is no model that Blender reads here; give one of {', '.join(SUFFIXES)}.")
    return given


def play(given: argparse.Namespace, frames: Path) -> Iterator[dict]:
    """Runs Blender's side in a process of its own and gives what it reports; a turntable's pictures go to `frames`.

    Raises RuntimeError with the end of Blender's output when it fails.
    """
    request = vars(given) | {"out": str(given.out), "asset": str(given.asset or ""), "frames": str(frames)}
    command = [sys.executable, "-m", f"{__package__}.show", json.dumps(request)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, **pipes, encoding="utf-8", errors="replace") as blender:
        assert blender.stdout is not None
        said: list[str] = []
        for line in blender.stdout:
            if line.startswith(MARK):
                yield json.loads(line.removeprefix(MARK))
            else:
                said = [*said[-40:], line]
    if blender.returncode != 0:
        raise RuntimeError("".join(said))


def clear(out: Path) -> None:
    """Removes what an earlier demo has left in its folder, and nothing else."""
    if not (out / "index.html").is_file():
        return
    shutil.rmtree(out / "sabi", ignore_errors=True)
    for name in (
        "before.png",
        "contact-sheet.png",
        "demo.blend",
        "index.html",
        SIDECAR,
        TURNING,
        TURNING_STRIP,
        *(f"age-{age:.2f}.png" for age in AGES),
    ):
        (out / name).unlink(missing_ok=True)


def index_page(out: Path) -> None:
    """`index.html` in the demo's folder, by `sabi report`. Raises CalledProcessError."""
    command = [
        sys.executable,
        "-m",
        "sabi.backend",
        "report",
        str(out),
        "--out",
        str(out / "index.html"),
        "--side",
        "1280",
    ]
    subprocess.run(
        [*command, "--title", "Sabi's demo", "--ages", "0", "--overwrite"], check=True, stdout=subprocess.DEVNULL
    )


def main(words: list[str] | None = None) -> int:
    given = arguments(words)
    given.out = given.out.resolve()
    given.asset = given.asset.resolve() if given.asset else None
    given.out.mkdir(parents=True, exist_ok=True)
    clear(given.out)
    with TemporaryDirectory() as frames:
        return show(given, Path(frames))


def show(given: argparse.Namespace, frames: Path) -> int:
    """The demo as asked for, with its progress on the terminal. Gives the exit code."""
    console, began, made = Console(), time.monotonic(), {}
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console, speed_estimate_period=600) as progress:  # renders report seldom
            task = progress.add_task("Starting Blender", total=1.0)
            for report in play(given, frames):
                progress.update(task, description=report["stage"], completed=report["fraction"])
                made |= report.get("made", {})
    except RuntimeError as error:
        console.print(
            f"[red]The demo did not finish.[/] Blender's last words:\n{error}", highlight=False, soft_wrap=True
        )
        return 1
    if turning := sorted(frames.glob("*.png")):
        animation(given.out, turning)
        strip(given.out, turning)
    made["seconds"] = round(time.monotonic() - began, 1)
    contact_sheet(given.out, [("before", "before.png"), *((f"age {age:g}", f"age-{age:.2f}.png") for age in AGES)])
    said(given.out, made)
    index_page(given.out)
    console.print(f"In {made['seconds']:.0f} s: {given.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
