# SPDX-License-Identifier: GPL-3.0-or-later
"""The application over a stand-in for weathering, and what tests ask of it."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol import wire
from sabi.backend.protocol.errors import Cancelled
from sabi.backend.protocol.painted import PaintedLayer
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.protocol.surface import ColorSpace, Map, Surface
from sabi.backend.server.app import Limits, app
from sabi.backend.server.spool import Spool

RECIPE = Recipe((Layer(Effect.RUST, age=0.75),))


def surface(side: int = 64, **maps: np.ndarray) -> Surface:
    albedo = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    given = {"albedo": Map(albedo, ColorSpace.SRGB), **{name: Map(array) for name, array in maps.items()}}
    return Surface(given, texels_per_metre=256.0)


@dataclass(frozen=True)
class Weathered:
    surface: Surface
    layers: tuple[PaintedLayer, ...]
    recipe: Recipe
    warnings: tuple[str, ...] = ("It was done in a hurry.",)


class StandIn:
    """Weathering that can be held in the middle: it goes on when `gate` is set."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()
        self.fail: Exception | None = None
        self.given: list[Surface] = []

    def __call__(self, surface, recipe, *, networks, progress, cancelled, allocate) -> Weathered:
        surface.check_values()
        self.given.append(surface)
        progress("paint", 0.25)
        self.begun.set()
        while not self.gate.wait(0.005):
            if cancelled():
                raise Cancelled()
        if self.fail:
            raise self.fail
        progress("composite", 0.75)
        image = allocate((*surface.size, 4), np.uint8)
        image[...] = 9
        used = replace(recipe, networks=networks.hashes)
        darker = Map(surface["albedo"].array // 2, ColorSpace.SRGB)
        return Weathered(surface.with_maps({"albedo": darker}), (PaintedLayer(image, image, image),), used)


@contextlib.contextmanager
def serving_app(
    networks: Networks, weather: StandIn, folder: Path, token: str = "", **limits: float
) -> Iterator[TestClient]:
    limit = replace(Limits(), **{"heartbeat": 0.05, **limits})
    application = app(networks, weather=weather, token=token, limits=limit, spool=Spool(folder))
    with TestClient(application, base_url="http://127.0.0.1:7224", raise_server_exceptions=False) as client:
        yield client


def put(server: TestClient, array: np.ndarray) -> str:
    digest = wire.digest(array)
    answer = server.put(f"/v1/maps/{digest}", content=wire.dumps({"map": array}))
    assert answer.status_code == 201, answer.text
    return digest


def describe(given: Surface, recipe: Recipe = RECIPE) -> str:
    return wire.describe(given, recipe, {name: wire.digest(map_.array) for name, map_ in given.maps.items()})


def submit(server: TestClient, given: Surface | None = None, query: str = "") -> str:
    given = given or surface()
    for map_ in given.maps.values():
        put(server, map_.array)
    answer = server.post(f"/v1/jobs{query}", content=describe(given))
    assert answer.status_code == 202, answer.text
    return answer.json()["job"]


def events(server: TestClient, job: str) -> list[tuple[str, dict]]:
    text = server.get(f"/v1/jobs/{job}/events").text
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("event: ")]
    return [(event.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for event, data in blocks]


def assert_refused(answer, status: int, code: str, said: str = "") -> None:
    """A failure as the protocol wants it: one sentence, a code, and no traceback."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == code
    assert said in error["message"]
    assert error["message"].endswith(".")
    assert "Traceback" not in answer.text
    assert answer.headers["sabi-protocol"] == str(wire.PROTOCOL_VERSION)
