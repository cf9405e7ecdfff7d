# SPDX-License-Identifier: GPL-3.0-or-later
"""The service under Ray Serve, by a stand-in that runs the application behind a real port and pickles all that it answers."""

import contextlib
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from listening import listening

from sabi.backend.protocol.client import Client
from sabi.backend.protocol.errors import BackendError, Unauthorized
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.server.app import Limits
from sabi.backend.server.on_ray import serve_on_ray

RECIPE = Recipe((Layer(Effect.RUST, age=0.75),))


class FakeServe(types.ModuleType):
    """Those of ray.serve's calls that Sabi makes."""

    def __init__(self, broken: str = "") -> None:
        super().__init__("ray.serve")
        self.options: dict = {}
        self.http: dict = {}
        self.deployed: dict[str, contextlib.ExitStack] = {}
        self.taken = 0
        self.broken = broken

    def ingress(self, build: Callable) -> Callable:
        return lambda: build

    def deployment(self, build: Callable) -> types.SimpleNamespace:
        def options(**given) -> types.SimpleNamespace:
            self.options = given
            return types.SimpleNamespace(bind=lambda: build)

        return types.SimpleNamespace(options=options)

    def start(self, http_options: dict) -> None:
        self.http = http_options

    def run(self, build: Callable, name: str, route_prefix: str) -> None:
        if self.broken:
            raise RuntimeError(self.broken)
        application, stack = build(), contextlib.ExitStack()

        async def pickled(scope, receive, send) -> None:
            async def through_the_door(message) -> None:
                await send(pickle.loads(pickle.dumps(message)))

            await application(scope, receive, send if scope["type"] == "lifespan" else through_the_door)

        _, self.taken = stack.enter_context(listening(pickled, lifespan="on"))
        self.deployed[name] = stack

    def delete(self, name: str) -> None:
        self.deployed.pop(name).close()


@pytest.fixture
def begin(monkeypatch, networks_folder):
    """begin(use, ...) -> the stand-in, after `use(port)` was called while the service was there and everything was ended."""
    monkeypatch.setenv("SABI_NETWORKS", str(networks_folder))

    def make(use: Callable[[int], None], *, gpus: int = 0, broken: str = "", **options) -> FakeServe:
        ray = types.ModuleType("ray")
        ray.init = lambda address, **_: None
        ray.cluster_resources = lambda: {"CPU": 8.0, **({"GPU": float(gpus)} if gpus else {})}
        ray.serve = FakeServe(broken)
        monkeypatch.setitem(sys.modules, "ray", ray)
        monkeypatch.setitem(sys.modules, "ray.serve", ray.serve)

        def there() -> None:
            assert set(ray.serve.deployed) == {"sabi-7224"}
            use(ray.serve.taken)
            raise KeyboardInterrupt

        given = {"device": "cpu", "threads": 1, "token": "word", **options}
        serve_on_ray("auto", "0.0.0.0", 7224, listening=there, **given)
        assert ray.serve.deployed == {}, "Ctrl-C takes it from the cluster"
        return ray.serve

    return make


def test_the_same_application_answers_the_same(begin, backend):
    albedo = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    given = Surface({"albedo": Map(albedo, ColorSpace.SRGB)}, texels_per_metre=256.0)
    expected = backend.client.weather(given, RECIPE)

    def use(port: int) -> None:
        result = Client(f"127.0.0.1:{port}", "word").weather(given, RECIPE)
        assert np.array_equal(result.layers[0].growth, expected.layers[0].growth)
        assert np.array_equal(result.surface["albedo"].array, expected.surface["albedo"].array)
        with pytest.raises(Unauthorized):
            Client(f"127.0.0.1:{port}", "guess").health()

    ray = begin(use)
    assert ray.http == {"host": "0.0.0.0", "port": 7224}
    assert ray.options["max_ongoing_requests"] >= 100, "who follows a job keeps a request open"
    assert ray.options["ray_actor_options"] == {"num_gpus": 0}


@pytest.mark.parametrize(("device", "gpus", "taken"), [("auto", 2, 1), ("cpu", 2, 0), ("auto", 0, 0)])
def test_it_takes_one_gpu_where_there_are_any(begin, device, gpus, taken):
    options = begin(lambda port: None, gpus=gpus, device=device).options
    assert options["ray_actor_options"] == {"num_gpus": taken}


def test_its_limits_are_those_given(begin):
    def use(port: int) -> None:
        assert Client(f"127.0.0.1:{port}", "word").health()["limits"]["surface_bytes"] == 12345

    begin(use, limits=replace(Limits(), surface_bytes=12345))


def test_what_ray_cannot_start_is_said_in_a_sentence(begin):
    with pytest.raises(BackendError, match="could not start") as caught:
        begin(lambda port: None, broken="no machine has a GPU\nand so on")
    assert caught.value.hint == "Ray says: no machine has a GPU"


def test_what_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendError, match="Ray is not installed") as caught:
        serve_on_ray("auto", "127.0.0.1", 7224)
    assert "sabi-weathering[ray]" in caught.value.hint
    with pytest.raises(BackendError, match="Without a token"):
        serve_on_ray("auto", "0.0.0.0", 7224)
    with pytest.raises(BackendError, match="a port of its own"):
        serve_on_ray("auto", "127.0.0.1", 0)
