# SPDX-License-Identifier: GPL-3.0-or-later
"""What carrying maps between the processes costs, over numpy copying the same bytes once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sabi.backend.protocol import wire
from sabi.backend.protocol.spawn import Backend, start

SHAPE = (4096, 4096, 4)  # float32: 268 MB


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with start(device="cpu") as backend:
        yield backend


def test_copying(benchmark) -> None:
    """numpy.copy: the same bytes, once, into memory of their own."""
    array = np.random.default_rng(0).random(SHAPE, np.float32)
    benchmark.pedantic(array.copy, rounds=7, warmup_rounds=1)


def test_sending(benchmark, backend: Backend) -> None:
    """A map to the backend, received, checked against its digest and kept; the digest is known, as it is for cached bakes."""
    array = np.random.default_rng(0).random(SHAPE, np.float32)

    def another() -> tuple[tuple[np.ndarray, str], dict]:
        array[0, 0, 0] += 1  # or the backend would have it already
        return (array, wire.digest(array)), {}

    benchmark.pedantic(backend.client.put_map, setup=another, rounds=5)
