# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's own files, and copies of them, for tests of what is packaged."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def tracked() -> list[str]:
    """What git has or would take, relative to the root, sorted."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(git, check=True, capture_output=True, text=True).stdout.split("\0")
    return sorted(name for name in names if name and (ROOT / name).is_file())


def copy(target: Path) -> Path:
    """The tracked files laid into `target`, as a fresh clone would have them, in a repository of their own."""
    for name in tracked():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target / name)
    subprocess.run(["git", "init", "--quiet", str(target)], check=True)
    return target
