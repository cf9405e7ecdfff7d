# SPDX-License-Identifier: GPL-3.0-or-later
"""However the network cuts a request into pieces, the same requests arrive; who asks nothing is not waited for."""

import asyncio
import socket
import time
from collections.abc import Iterator

import h11
import numpy as np
import pytest
from listening import listening

from sabi.backend.protocol import wire
from sabi.backend.server.http_protocol import Body, Http, Pieces, hand_on_pieces

BODY = bytes(range(256)) * 8
HEAD = b"PUT /v1/maps/0 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"


def parse(pieces: list[bytes]) -> list[object]:
    """What h11 makes of the pieces on one connection: targets, bodies, ends."""
    connection = h11.Connection(h11.SERVER)
    hand_on_pieces(connection)
    seen: list[object] = []
    for piece in pieces:
        connection.receive_data(piece)
        while (event := connection.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Request):
                seen += [event.target, b""]
            elif isinstance(event, h11.Data):
                seen[-1] += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
    return seen


def cut(message: bytes, size: int) -> list[bytes]:
    return [message[at : at + size] for at in range(0, len(message), size)]


@pytest.mark.parametrize("h11_version", [h11.__version__, "99.0"])
@pytest.mark.parametrize("size", [1, 2, 7, 64, len(HEAD), len(HEAD) + 1, 1000, 10**6])
@pytest.mark.parametrize("requests", [HEAD + BODY, HEAD + BODY + HEAD + BODY, CHUNKED + HEAD + BODY + CHUNKED])
def test_requests_arrive_however_they_are_cut(size, requests, h11_version, monkeypatch):
    monkeypatch.setattr(h11, "__version__", h11_version)
    put, post = [b"/v1/maps/0", BODY], [b"/v1/jobs", b"helloyou"]
    expected = (post + put + post) if requests.startswith(CHUNKED) else put * requests.count(HEAD)
    assert parse(cut(requests, size)) == expected


def test_a_piece_of_a_body_is_handed_on_as_it_came():
    connection = h11.Connection(h11.SERVER)
    hand_on_pieces(connection)
    buffer = connection._receive_buffer
    assert isinstance(buffer, Pieces), f"h11 {h11.__version__}: test it, and add it to PROVEN"
    piece = b"x" * 1000
    buffer += piece
    assert len(buffer) == 1000
    assert buffer.maybe_extract_at_most(5000) is piece
    assert len(buffer) == 0
    assert buffer.maybe_extract_at_most(5000) is None


def test_a_piece_alone_is_not_copied_for_the_application():
    body = Body()
    assert not body
    piece = b"x" * 1000
    body += piece
    assert len(body) == 1000
    assert bytes(body) is piece
    body += bytearray(b"y")
    assert bytes(body) == piece + b"y"
    assert len(body) == 1001


def test_a_body_that_is_filled_in_another_way_loses_nothing():
    """As another version of uvicorn may."""
    body = Body()
    body.extend(b"first")
    assert bytes(body) == b"first"
    body += b" then"
    assert bytes(body) == b"first then"
    assert len(body) == 10


def test_bodies_reach_the_application_as_they_came_from_the_socket():
    """Were uvicorn to collect them otherwise, they would come as well, but slower."""
    collected: set[type] = set()

    class Watched(Http):
        def handle_events(self) -> None:
            super().handle_events()
            if self.cycle is not None and len(self.cycle.body):
                collected.add(type(self.cycle.body))

    with listening(half_a_second, Watched) as address, socket.create_connection(address, timeout=5) as caller:
        caller.sendall(HEAD)
        time.sleep(0.1)
        caller.sendall(BODY)
        assert caller.recv(1000).startswith(b"HTTP/1.1 200")
    assert collected == {Body}


def test_an_unknown_h11_keeps_its_own_buffer(monkeypatch):
    """Nothing of it is touched, so that whatever it changed costs speed at most."""
    monkeypatch.setattr(h11, "__version__", "99.0")
    connection = h11.Connection(h11.SERVER)
    own = connection._receive_buffer
    hand_on_pieces(connection)
    assert connection._receive_buffer is own


async def half_a_second(scope, receive, send) -> None:
    """An application that reads a body and takes its time to answer."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(0.5)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def impatient(monkeypatch) -> Iterator[tuple[str, int]]:
    """A server that gives a request's head a tenth of a second."""
    monkeypatch.setattr(Http, "head_seconds", 0.1)
    with listening(half_a_second) as address:
        yield address


@pytest.mark.parametrize("said", [b"", HEAD[:20]])
def test_who_never_asks_is_not_waited_for(impatient, said):
    with socket.create_connection(impatient, timeout=5) as caller:
        caller.sendall(said)
        assert caller.recv(1000) == b""


def test_who_asks_is_answered_however_long_it_takes(impatient):
    with socket.create_connection(impatient, timeout=5) as caller:
        caller.sendall(HEAD + BODY[:100])
        time.sleep(0.3)
        caller.sendall(BODY[100:])
        assert caller.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("side", [1, 64, 700])
def test_maps_of_all_sizes_arrive_whole(backend, side):
    array = np.random.default_rng(side).integers(0, 65535, (side, side, 4), np.uint16)
    assert backend.client.put_map(array) == wire.digest(array)
