# SPDX-License-Identifier: GPL-3.0-or-later
"""Arrays that lie in nameless temporary files and are mapped into memory, so that large surfaces cost no memory of their own.

The files have no name (POSIX) or are deleted with their last handle (Windows): nothing stays behind, however the process ends.
"""

from __future__ import annotations

import contextlib
import errno
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..protocol.errors import BackendError, DiskFull, is_disk_full

SMALL = 1 << 20  # below this, memory is cheaper than a file
RESERVE = 256 << 20  # bytes left free on the disk


class Spool:
    """Makes mapped arrays in one folder: SABI_SPOOL, else the system's folder for temporary files."""

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = Path(folder or os.environ.get("SABI_SPOOL") or tempfile.gettempdir())

    def allocate(self, shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
        """An array of zeros, as numpy.zeros. Raises DiskFull before anything is written, BackendError where nothing can be."""
        kind = np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        if size < SMALL:
            return np.zeros(shape, kind)
        with self.file(size) as file:
            return np.frombuffer(mmap.mmap(file.fileno(), size), kind).reshape(shape)

    def file(self, size: int) -> IO[bytes]:
        """A temporary file with `size` bytes reserved; raises DiskFull where there is no room for them, else BackendError.

        Without the reservation a disk that fills later would end the process at a mapped page; writing is faster with it, too.
        """
        with self._failures(size):
            if shutil.disk_usage(self.folder).free < size + RESERVE:
                raise OSError(errno.ENOSPC, "no space")
            file = tempfile.TemporaryFile(dir=self.folder, prefix="sabi-", buffering=0)  # noqa: SIM115 (the caller closes it)
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
        return file

    def append(self, file: IO[bytes], piece: bytes) -> None:
        """Write all of `piece` where the file stands. Raises DiskFull."""
        left = memoryview(piece)
        with self._failures(len(piece)):
            while left:
                left = left[file.write(left) :]

    @staticmethod
    def view(file: IO[bytes], size: int) -> memoryview:
        """What is or will be in `file`, mapped read-only; the file may be closed, the mapping keeps it."""
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)) if size else memoryview(b"")

    @contextlib.contextmanager
    def _failures(self, size: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not is_disk_full(error):
                raise BackendError(
                    f"Temporary files cannot be made in {self.folder}: {error.strerror or error}.",
                    "Set SABI_SPOOL to a folder that may be written to.",
                ) from error
            raise DiskFull(
                f"There is no room for {max(1, size >> 20)} MB of temporary files in {self.folder}.",
                "Free some space, or set SABI_SPOOL to a folder on a larger disk.",
            ) from error
