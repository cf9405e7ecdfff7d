# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that appear whole or not at all: written under a temporary name in the same folder, then renamed together."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from .errors import BadFile, DiskFull, FileExists, is_disk_full

SHORT = 40  # letters of a name in a temporary one, which may take four bytes each of the 255 that there are


class WholeFiles:
    """A group of files that is put in place when the `with` block ends, or leaves nothing behind when it raises.

    Existing files are refused (FileExists) when named, before anything is written, unless `overwrite`; `inputs` always are.
    Files are put in place in the order they were added: the last one is the sign that all are there.
    """

    def __init__(self, overwrite: bool = False, inputs: Iterable[Path] = ()) -> None:
        self.overwrite = overwrite
        self._inputs = {path.resolve() for path in inputs}
        self._files: list[tuple[Path, Path]] = []
        self._made: list[Path] = []

    def __enter__(self) -> WholeFiles:
        return self

    def add(self, path: Path, write: Callable[[Path], None]) -> None:
        """Calls `write` with a temporary name that has the suffix of `path`. Raises FileExists, DiskFull, BadFile."""
        if self._is_input(path.resolve()):
            raise FileExists(
                f"{path} is the input itself.", "Choose another name: Sabi never writes over what it reads."
            )
        if not self.overwrite and path.exists():
            raise FileExists(f"{path} exists already.")
        temporary = path.parent / f".{path.stem[:SHORT]}.{os.urandom(4).hex()}.sabi{path.suffix}"
        try:
            self._make_folder(path.parent)
            self._files.append((temporary, path))
            write(temporary)
        except OSError as error:
            raise explain(error, path) from None

    def add_text(self, path: Path, text: str) -> None:
        self.add(path, lambda temporary: _write_text(temporary, text))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        placed: list[Path] = []
        try:
            if kind is None:
                for temporary, path in self._files:
                    _put(temporary, path, self.overwrite)
                    placed.append(path)
        finally:
            if not self.overwrite and len(placed) < len(self._files):
                for path in placed:
                    with contextlib.suppress(OSError):
                        path.unlink()
            for temporary, _ in self._files:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
            for folder in reversed(self._made):
                if not any(folder.iterdir()):
                    folder.rmdir()

    def _is_input(self, path: Path) -> bool:
        """Whether it is one of the inputs, by whatever name: letters' case may not count."""
        return path in self._inputs or (path.exists() and any(f.exists() and path.samefile(f) for f in self._inputs))

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for made in reversed(missing):
            made.mkdir(exist_ok=True)
            self._made.append(made)


def explain(error: OSError, path: Path) -> BadFile:
    """What kept a file from being read or written, in one sentence."""
    if is_disk_full(error):
        return DiskFull(f"The disk is full: {path} could not be written.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return BadFile(
            f"{path} may not be accessed.",
            "Check the permissions of the file and its folder, and that no other program has it open.",
        )
    return BadFile(f"{path} could not be accessed: {error.strerror or error}.", "Check the path.")


def _write_text(path: Path, text: str) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _put(temporary: Path, path: Path, overwrite: bool) -> None:
    try:
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
            return
        try:
            os.link(temporary, path)  # unlike rename, never takes the place of a file that appeared meanwhile
        except FileExistsError:
            raise FileExists(f"{path} exists already.") from None
        except (OSError, AttributeError):  # a file system without hard links
            if path.exists():
                raise FileExists(f"{path} exists already.") from None
            os.replace(temporary, path)
    except OSError as error:
        raise explain(error, path) from None
