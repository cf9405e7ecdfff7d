# SPDX-License-Identifier: GPL-3.0-or-later
"""What carrying maps between the processes costs, over numpy copying the same bytes once.

Each round copies, then carries: what the machine does besides, and what new memory costs it at the moment, is the same for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np
import pytest

from sabi.backend.protocol import wire
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.spawn import Backend, start
from sabi.backend.protocol.surface import Map, Surface

SHAPE = (4096, 4096, 4)  # float32: 268 MB


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with start(device="cpu") as backend:
        yield backend


def over_copying(benchmark, array: np.ndarray, carry: Callable[..., object], prepare: Callable, rounds: int) -> float:
    """The median time of `carry`, called with what `prepare` returns, over that of numpy copying `array` just before it."""
    copied = []

    def another() -> object:
        given = prepare()
        start = time.perf_counter()
        array.copy()
        copied.append(time.perf_counter() - start)
        return given

    benchmark.pedantic(carry, setup=another, rounds=rounds, warmup_rounds=1)
    return benchmark.stats.stats.median / median(copied[1:])


def test_sending(benchmark, backend: Backend) -> None:
    """Client.put_map of a map whose digest is known: from the first byte sent to the answer that all of them are in the backend's
    spool. A job asks for all digests before any map is sent, and the backend compares them behind its answer: hashing, 0.15 s
    at each end on the machine of the README, is not in here but in `test_submitting`.
    """
    array = np.random.default_rng(0).random(SHAPE, np.float32)

    def another() -> tuple[tuple[np.ndarray, str], dict]:
        array[0, 0, 0] += 1  # or the backend would have it already
        return (array, wire.digest(array)), {}

    ratio = over_copying(benchmark, array, backend.client.put_map, another, rounds=15)
    benchmark.extra_info["figures"] = {"transfer_over_copy": ratio}


def test_submitting(benchmark, backend: Backend) -> None:
    """All that lies before weathering: the client hashes a map, asks, sends it, asks again; the backend compares the digest.

    The job is cancelled where its weathering would begin.
    """
    array = np.random.default_rng(0).random((*SHAPE[:2], 3), np.float32)
    surface = Surface({"position": Map(array)})
    recipe = Recipe((Layer(Effect.RUST),))

    def another() -> None:
        array[0, 0, 0] += 1
        while backend.client.health()["jobs"]["unfinished"]:
            time.sleep(0.05)

    def submit() -> None:
        job = backend.client.submit(surface, recipe)
        for now in backend.client.events(job):
            if now.stage not in ("waiting", "checking"):
                break
        backend.client.cancel(job)

    ratio = over_copying(benchmark, array, submit, another, rounds=7)
    benchmark.extra_info["figures"] = {"submitting_over_copy": ratio}
