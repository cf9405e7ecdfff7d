# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that weathers a frame for the add-on: what it says, and that cancelling it ends the server's work, too."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from frames import Scene, write_frame_5
from listening import listening

from sabi.backend.files.image import read_image
from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.client import Client
from sabi.backend.protocol.errors import Cancelled
from sabi.backend.protocol.recipe import Effect, Layer, Recipe
from sabi.backend.server.app import Limits, app
from sabi.backend.server.spool import Spool


class Endless:
    """Weathering that goes on until it is cancelled, asking between its tiles."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def __call__(self, surface, recipe, *, networks, progress, cancelled, allocate):
        while not cancelled():
            progress("paint rust", 0.1)
            time.sleep(0.01)
        self.cancelled.set()
        raise Cancelled


@pytest.fixture
def words(tmp_path) -> list[str]:
    """The arguments, but for the server's address."""
    write_frame_5(tmp_path / "frame.exr", Scene().passes())
    (tmp_path / "recipe.json").write_text(Recipe((Layer(Effect.RUST),)).to_json())
    names = {"--recipe": "recipe.json", "--out": "weathered.exr"}
    return [str(tmp_path / "frame.exr"), *(word for k, v in names.items() for word in (k, str(tmp_path / v)))]


@contextmanager
def running(words: list[str], address: str, token: str = "") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "sabi.backend.frame_process", *words, "--server", address]
    environment = {**os.environ, "SABI_TOKEN": token}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        yield process
        process.kill()


def until_painting(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line).get("stage") == "paint rust":
            return
    pytest.fail("it ended before it painted")


def test_a_frame_is_weathered(words, backend, tmp_path):
    with running(words, backend.client.address, backend.client.token) as process:
        said = [json.loads(line) for line in process.stdout]
        assert process.wait() == 0
    assert set(said[-1]) == {"warnings", "networks"}
    assert all({"stage", "fraction"} == set(now) for now in said[:-1])
    texels, _ = read_image(tmp_path / "weathered.exr")
    assert texels.shape == (64, 64, 4)


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_to_cancel_it_ends_the_work_on_the_server(words, networks_folder, tmp_path, end):
    """Told by it where the system lets it; where it does not (Windows, or killed), the server notices."""
    weather = Endless()
    limits = replace(Limits(), heartbeat=0.05, unattended=0.5)
    networks = Networks.load(device="cpu", threads=1, folder=networks_folder)
    application = app(networks, weather=weather, limits=limits, spool=Spool(tmp_path))
    with listening(application, lifespan="on") as (host, port):
        with running(words, f"{host}:{port}") as process:
            until_painting(process)
            for _ in range(2):  # the add-on may do so twice
                getattr(process, end)()
            said = process.stdout.read()
            assert process.wait() != 0
        assert weather.cancelled.wait(10)
        if end == "terminate":
            assert json.loads(said.splitlines()[-1])["error"]["code"] == "cancelled"
        deadline = time.monotonic() + 5
        while (left := Client(f"{host}:{port}").health()["jobs"]["unfinished"]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == 0
    assert not (tmp_path / "weathered.exr").exists()
