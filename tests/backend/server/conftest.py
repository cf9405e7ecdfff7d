# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Iterator

import pytest
from serving import StandIn, serving_app
from starlette.testclient import TestClient

from sabi.backend.networks.registry import Networks


@pytest.fixture
def weather() -> StandIn:
    return StandIn()


@pytest.fixture
def networks(networks_folder) -> Networks:
    return Networks.load(device="cpu", threads=1, folder=networks_folder)


@pytest.fixture
def server(networks, weather, tmp_path) -> Iterator[TestClient]:
    with serving_app(networks, weather, tmp_path) as client:
        yield client
        weather.gate.set()
