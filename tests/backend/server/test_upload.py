# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages on their way in: what one caller may take from the others, and for how long."""

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from listening import listening

from sabi.backend.networks.registry import Networks
from sabi.backend.protocol import wire
from sabi.backend.protocol.client import Client
from sabi.backend.protocol.errors import BadMessage, Busy, DiskFull, TooSlow
from sabi.backend.server.app import Limits, app
from sabi.backend.server.spool import Spool
from sabi.backend.server.upload import AHEAD, Arrivals, receive, steady

ARRAY = np.zeros((64, 64, 3), np.uint8)


async def stream(*pieces: bytes, pause: float = 0.0) -> AsyncGenerator[bytes, None]:
    for piece in pieces:
        await asyncio.sleep(pause)
        yield piece


def gathered(pieces: AsyncIterator[bytes]) -> bytes:
    async def gather() -> bytes:
        return b"".join([piece async for piece in pieces])

    return asyncio.run(gather())


def test_a_body_at_a_pace_arrives_whole():
    pieces = [bytes([index]) * 100 for index in range(20)]
    assert gathered(steady(stream(*pieces, pause=0.03), 2000, silence=0.4, slowest=500)) == b"".join(pieces)


def test_a_body_that_stops():
    with pytest.raises(TooSlow, match="stopped"):
        gathered(steady(stream(b"begun", b"too late", pause=0.2), 100, silence=0.1, slowest=0))


def test_a_body_that_drips():
    """Each byte comes in time, but all of them would take for ever."""
    with pytest.raises(TooSlow, match=r"came too slowly: \d+ of 100000") as caught:
        gathered(steady(stream(*[b"x"] * 1000, pause=0.01), 100_000, silence=0.2, slowest=1000))
    assert int(re.findall(r"\d+", caught.value.message)[0]) < 100, "at the end of the first 0.2 seconds"


@pytest.mark.parametrize("size", [4, 6])
def test_a_body_of_another_length_than_it_says(size):
    with pytest.raises(BadMessage, match=f"5 bytes instead of the {size}"):
        gathered(steady(stream(b"12345"), size, silence=1, slowest=0))


def refused(arrivals: Arrivals) -> bool:
    try:
        with arrivals.one_more(1):
            return False
    except Busy:
        return True


def test_so_many_messages_at_a_time_and_so_many_bytes():
    arrivals = Arrivals(most=3, most_bytes=100)
    with arrivals.one_more(1000):  # alone it is taken
        assert refused(arrivals)
    with arrivals.one_more(50), arrivals.one_more(49):
        assert not refused(arrivals)
    with arrivals.one_more(50), arrivals.one_more(50):
        assert refused(arrivals)
    with arrivals.one_more(1), arrivals.one_more(1), arrivals.one_more(1):
        assert refused(arrivals)
    assert (arrivals.count, arrivals.nbytes) == (0, 0)


def test_what_fails_is_no_longer_counted():
    arrivals = Arrivals(most=1, most_bytes=100)
    with pytest.raises(BadMessage), arrivals.one_more(10):
        raise BadMessage("It broke.")
    assert (arrivals.count, arrivals.nbytes) == (0, 0)


class Disk(Spool):
    """A spool whose disk stands still until `gate` is set, and is full after `room` bytes."""

    def __init__(self, folder: Path, room: int = 1 << 40) -> None:
        super().__init__(folder)
        self.gate, self.room = threading.Event(), room
        self.closed: list[bool] = []  # whether the file was closed when a piece had been waiting for the disk

    def append(self, file, piece: bytes) -> None:
        self.gate.wait(10)
        self.closed.append(file.closed)
        self.room -= len(piece)
        if self.room < 0:
            raise DiskFull("There is no room.")
        super().append(file, piece)


def test_pieces_are_written_in_their_order_while_more_come(tmp_path):
    disk, pieces = Disk(tmp_path), [np.random.default_rng(i).bytes(1000 + i) for i in range(300)]
    message = b"".join(pieces)

    async def run() -> bytes:
        receiving = asyncio.create_task(receive(stream(*pieces), len(message), disk))
        await asyncio.sleep(0.05)
        assert not receiving.done(), "the disk stands still, and we do not"
        disk.gate.set()
        return bytes(await receiving)

    assert asyncio.run(run()) == message


def test_no_more_is_received_than_may_wait_for_the_disk(tmp_path):
    disk, piece, taken = Disk(tmp_path), bytes(1 << 20), []

    async def pieces() -> AsyncGenerator[bytes, None]:
        for index in range(40):
            taken.append(index)
            yield piece

    async def run() -> int:
        receiving = asyncio.create_task(receive(pieces(), 40 << 20, disk))
        await asyncio.sleep(0.2)
        ahead = len(taken)
        disk.gate.set()
        assert len(await receiving) == 40 << 20
        return ahead

    assert 2 < asyncio.run(run()) <= AHEAD // len(piece) + 2


@pytest.mark.parametrize("room", [0, 4500, 9500])
def test_a_disk_that_fills_while_a_message_comes(tmp_path, room):
    disk = Disk(tmp_path, room)
    disk.gate.set()
    with pytest.raises(DiskFull):
        asyncio.run(receive(stream(*[bytes(1000)] * 10), 10_000, disk))


def test_a_file_is_not_closed_while_it_is_written(tmp_path):
    disk = Disk(tmp_path)

    async def broken() -> AsyncGenerator[bytes, None]:
        yield b"begun"
        threading.Timer(0.2, disk.gate.set).start()
        raise BadMessage("It broke.")

    with pytest.raises(BadMessage, match="broke"):
        asyncio.run(receive(broken(), 1000, disk))
    assert disk.closed == [False]


# Over real sockets: callers that begin to send and leave it at that

LIMITS = replace(Limits(), receiving=3, receiving_bytes=1 << 20, silence=1.0)


@pytest.fixture
def address(networks_folder, tmp_path) -> Iterator[tuple[str, int]]:
    networks = Networks.load(device="cpu", threads=1, folder=networks_folder)
    with listening(app(networks, limits=LIMITS, spool=Spool(tmp_path)), lifespan="on") as address:
        yield address


def begin(address: tuple[str, int], size: int) -> socket.socket:
    """A caller that says it sends so many bytes, and sends none."""
    caller = socket.create_connection(address, timeout=20)
    caller.sendall(f"PUT /v1/maps/{'0' * 64} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
    time.sleep(0.1)
    return caller


@pytest.mark.parametrize(("callers", "size"), [(3, 1000), (2, 1 << 19)])
def test_who_reserves_and_does_not_send_is_dropped_and_makes_room(address, callers, size):
    client = Client(f"127.0.0.1:{address[1]}")
    idle = [begin(address, size) for _ in range(callers)]
    with pytest.raises(Busy):
        client.put_map(ARRAY)
    assert client.health()["protocol"] == wire.PROTOCOL_VERSION  # who asks something small is answered all the same
    for caller in idle:
        with caller:
            answer = b""
            while not answer.endswith(b"}}"):
                answer += caller.recv(1 << 16)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 408")
            assert json.loads(body)["error"]["code"] == "too_slow"
    assert client.put_map(ARRAY) == wire.digest(ARRAY)
    assert client.health()["maps"]["count"] == 1


def test_who_hangs_up_makes_room(address, tmp_path: Path):
    idle = [begin(address, 1000) for _ in range(3)]
    for caller in idle:
        caller.close()
    time.sleep(0.3)
    assert Client(f"127.0.0.1:{address[1]}").put_map(ARRAY) == wire.digest(ARRAY)
    assert list(tmp_path.iterdir()) == []
