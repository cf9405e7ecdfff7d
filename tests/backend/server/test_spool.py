# SPDX-License-Identifier: GPL-3.0-or-later
import errno
import os
import shutil
import sys

import numpy as np
import pytest

from sabi.backend.protocol.errors import BackendError, DiskFull
from sabi.backend.server.spool import SMALL, Spool


def anonymous() -> int:
    """Bytes of this process's own memory, which mapped files are not."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("RssAnon"))


def test_arrays_are_zero_and_can_be_written(tmp_path):
    for shape in ((4, 4, 3), (1024, 1024, 4)):
        array = Spool(tmp_path).allocate(shape, np.uint8)
        assert array.shape == shape
        assert not array.any()
        array[1, 2] = 7
        assert array.sum() == 7 * shape[2]


def test_large_arrays_cost_no_memory_of_their_own_and_leave_no_names(tmp_path):
    spool = Spool(tmp_path)
    before = anonymous() if sys.platform == "linux" else 0
    arrays = [spool.allocate((4096, 4096), np.float32) for _ in range(2)]
    for array in arrays:
        array[...] = 1
    if sys.platform == "linux":
        assert anonymous() - before < 16 << 20
        assert list(tmp_path.iterdir()) == []
    assert all(array.mean() == 1 for array in arrays)


def test_a_full_disk_is_found_before_anything_is_written(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=300 << 20))
    with pytest.raises(DiskFull, match="64 MB") as caught:
        Spool(tmp_path).allocate((64 << 20,), np.uint8)
    assert "SABI_SPOOL" in caught.value.hint


def test_a_disk_that_fills_meanwhile_is_found_too(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(DiskFull):
        Spool(tmp_path).allocate((SMALL,), np.uint8)


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(BackendError, match=r"nowhere.*No such file") as caught:
        Spool(tmp_path / "nowhere").allocate((SMALL,), np.uint8)
    assert not isinstance(caught.value, DiskFull)
    assert "SABI_SPOOL" in caught.value.hint
