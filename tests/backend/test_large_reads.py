# SPDX-License-Identifier: GPL-3.0-or-later
"""However the network cuts a request into pieces, the same requests arrive."""

import h11
import numpy as np
import pytest

from sabi.backend.large_reads import Pieces
from sabi.backend.protocol import wire

BODY = bytes(range(256)) * 8
HEAD = b"PUT /v1/maps/0 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(BODY)
CHUNKED = b"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n"


def parse(pieces: list[bytes]) -> list[object]:
    """What h11 makes of the pieces on one connection: targets, bodies, ends."""
    connection = h11.Connection(h11.SERVER)
    connection._receive_buffer = Pieces()
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


@pytest.mark.parametrize("size", [1, 2, 7, 64, len(HEAD), len(HEAD) + 1, 1000, 10**6])
@pytest.mark.parametrize("requests", [HEAD + BODY, HEAD + BODY + HEAD + BODY, CHUNKED + HEAD + BODY + CHUNKED])
def test_requests_arrive_however_they_are_cut(size, requests):
    put, post = [b"/v1/maps/0", BODY], [b"/v1/jobs", b"helloyou"]
    expected = (post + put + post) if requests.startswith(CHUNKED) else put * requests.count(HEAD)
    assert parse(cut(requests, size)) == expected


def test_a_piece_of_a_body_is_handed_on_as_it_came():
    buffer = Pieces()
    piece = b"x" * 1000
    buffer += piece
    assert len(buffer) == 1000
    assert buffer.maybe_extract_at_most(5000) is piece
    assert len(buffer) == 0
    assert buffer.maybe_extract_at_most(5000) is None


@pytest.mark.parametrize("side", [1, 64, 700])
def test_maps_of_all_sizes_arrive_whole(backend, side):
    array = np.random.default_rng(side).integers(0, 65535, (side, side, 4), np.uint16)
    assert backend.client.put_map(array) == wire.digest(array)
