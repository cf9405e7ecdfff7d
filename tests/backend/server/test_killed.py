# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend killed at fifty random points of a job: a clear message each time, nothing lost, and the next job works."""

import http.client
import random
import threading
import time

import numpy as np
import pytest

from sabi.backend.protocol.client import Client, JobResult, Progress
from sabi.backend.protocol.errors import BackendGone
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.spawn import Backend, start
from sabi.backend.protocol.surface import ColorSpace, Map, Surface

KILLS = 50
RECIPE = Recipe((Layer(Effect.RUST, age=0.75), Layer(Effect.DIRT, age=0.5)))


def surface() -> Surface:
    albedo = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    return Surface({"albedo": Map(albedo, ColorSpace.SRGB)}, texels_per_metre=256.0)


def assert_same(result: JobResult, expected: JobResult) -> None:
    for one, other in zip(result.layers, expected.layers, strict=True):
        assert np.array_equal(one.growth, other.growth)
    assert np.array_equal(result.surface["albedo"].array, expected.surface["albedo"].array)


def test_killed_at_fifty_random_points(networks_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SABI_SPOOL", str(tmp_path))
    chance = random.Random(0)
    given = surface()
    before = given["albedo"].array.copy()

    def begin() -> Backend:
        return start(networks=networks_folder, device="cpu", threads=1)

    spare, backend = begin(), begin()
    warm = backend.client.weather(given, RECIPE)
    began = time.monotonic()
    expected = backend.client.weather(given, RECIPE)
    assert_same(warm, expected)
    whole = time.monotonic() - began

    outcomes = []
    try:
        for _ in range(KILLS):
            client, moment = backend.client, chance.uniform(0, 1.2) * whole
            outcomes.append(kill_during(client, backend, given, expected, moment))
            backend.stop()
            backend, spare = spare, begin()  # as the add-on does: the backend is started anew
        assert_same(backend.client.weather(given, RECIPE), expected)
    finally:
        backend.stop()
        spare.stop()
    assert np.array_equal(given["albedo"].array, before)
    assert list(tmp_path.iterdir()) == []
    assert {"sending", "running"} <= set(outcomes)  # the points were spread over the job


MOMENTS = {
    "a map is half sent": ("send", lambda seen: seen > 100_000),
    "the result is read": ("readinto", lambda seen: seen > 0),
    "the head of an answer is read": ("begin", lambda seen: seen > 2),
}


@pytest.mark.parametrize(("method", "due"), MOMENTS.values(), ids=MOMENTS)
def test_killed_while(networks_folder, monkeypatch, method, due):
    """The points that chance meets seldom."""
    owner = http.client.HTTPConnection if method == "send" else http.client.HTTPResponse
    real, seen = getattr(owner, method), [0]
    backend = start(networks=networks_folder, device="cpu", threads=1)

    def disturbed(self, *given):
        answer = real(self, *given)
        seen[0] += len(given[0]) if method == "send" else 1
        if due(seen[0]) and backend.alive:
            kill(backend)
        return answer

    given = surface()
    with backend, start(networks=networks_folder, device="cpu", threads=1) as other:
        expected = other.client.weather(given, RECIPE)
        monkeypatch.setattr(owner, method, disturbed)
        said: BackendGone | None = None
        try:
            assert_same(backend.client.weather(given, RECIPE), expected)  # a result that came is whole
        except BackendGone as error:
            said = error
        assert said is None or "Press Weather again" in said.hint
        assert not backend.alive
        monkeypatch.undo()
        assert_same(other.client.weather(given, RECIPE), expected)


def kill_during(client: Client, backend: Backend, given: Surface, expected: JobResult, moment: float) -> str:
    """Kill the process after `moment` seconds of a job. Returns how far the job was, having checked what was said."""
    stage = "sending"
    killer = threading.Timer(moment, kill, [backend])

    def tell(now: Progress) -> None:
        nonlocal stage
        stage = now.state

    killer.start()
    said: BackendGone | None = None
    try:
        result = client.weather(given, RECIPE, progress=tell)
        stage = "finished"
        assert_same(result, expected)  # a result that came is whole
    except BackendGone as error:  # any other kind of exception fails the test
        said = error
    killer.join()
    assert said is None or (said.message.endswith(".") and "Press Weather again" in said.hint)
    assert not backend.alive
    return stage


def kill(backend: Backend) -> None:
    assert backend.process is not None
    backend.process.kill()
    backend.process.wait()
