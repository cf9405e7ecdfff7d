# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture without its light asked of a real backend."""

import numpy as np
import pytest
import shadings

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol.errors import BadMessage, BadSurface, NotFound
from sabi.backend.protocol.spawn import start
from sabi.backend.protocol.surface import ColorSpace, Map
from sabi.backend.weathering.delight import SIMPLE, delight


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return shadings.write(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="module")
def client(folder):
    with start(networks=folder, device="cpu", threads=1) as started:
        yield started.client


@pytest.mark.parametrize(("light", "wrap"), [(shadings.falling, (True, False)), (shadings.waving, (True, True))])
def test_the_same_as_in_process(client, folder, light, wrap):
    given = Map((shadings.grain() * light()).astype(np.float16), ColorSpace.LINEAR)
    networks = Networks.load(device="cpu", threads=1, folder=folder)
    expected = delight(given, amount=0.8, wrap=wrap, networks=networks)
    texels, warnings = client.delight(given, 0.8)
    assert np.array_equal(texels, expected.array)
    assert warnings == ()


def test_without_a_network_it_is_done_simply_and_said(backend):
    given = Map((shadings.checks() * shadings.falling()).astype(np.float16), ColorSpace.LINEAR)
    texels, warnings = backend.client.delight(given)
    assert texels[:, :64].mean() == pytest.approx(texels[:, -64:].mean(), rel=0.1)
    assert warnings == (SIMPLE,)


def test_what_cannot_be_answered(client):
    given = Map((shadings.checks() * 200).astype(np.uint8), ColorSpace.SRGB)
    with pytest.raises(BadSurface, match="between 0 and 1"):
        client.delight(given, 2.0)
    with pytest.raises(BadSurface, match="one colour"):
        client.delight(Map(np.zeros((64, 64, 3), np.uint8), ColorSpace.SRGB))
    with pytest.raises(BadMessage, match="no amount"):
        client.delight(given, "much")
    with pytest.raises(NotFound, match="lacks the picture"):
        client._connection.message("/v1/delit?picture=00")
